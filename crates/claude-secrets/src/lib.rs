//! Keys for calls to the Claude API.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod door;
pub mod source;

pub use secrecy::{ExposeSecret, SecretString};
