//! Tower middleware that makes calls to the Claude API safe in production.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "hyper-util", feature = "reqwest"))]
pub mod client;
pub mod config;
pub mod stack;
pub mod upstream;

pub use claude_wire as wire;
