//! claude-tower.

pub mod config;
