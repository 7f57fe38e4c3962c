//! claude-tower.
