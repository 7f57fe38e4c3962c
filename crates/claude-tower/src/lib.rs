//! Tower middleware that makes calls to the Claude API safe in production.
//!
//! The umbrella over the `claude-tower` crates: what stands at the top and the bottom of a stack, and the stack itself.
//!
//! | module | what |
//! | --- | --- |
//! | `client` | HTTP clients: hyper-util's and reqwest's, with proxies and certificates |
//! | [`config`] | settings from a TOML file and the environment |
//! | [`errors`] | what went wrong: one taxonomy, one typed error, reports |
//! | [`retry`] | what failed is repeated where that can help |
//! | [`secrets`] | the right key on each attempt, rotated without anyone noticing |
//! | [`stack`] | layers in the one order in which they work together |
//! | [`upstream`] | requests that are sent on to another host |
//! | [`wire`] | the ground floor: bodies, facts, meters, what travels with a call |
//!
//! | feature | what | by default |
//! | --- | --- | --- |
//! | `hyper-util` | `client::HyperClient` | yes |
//! | `reqwest` | `client::ReqwestClient`; conversions of reqwest's body | no |
//! | `axum` | conversions of axum's body; errors as axum's responses | no |
//! | `sentry` | `errors::report::SentryReporter` | no |
//! | `aws` | `secrets::source::Aws`: keys from AWS Secrets Manager; needs Rust 1.94.1 | no |
//! | `vault` | `secrets::source::Vault`: keys from HashiCorp Vault and OpenBao | no |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "hyper-util", feature = "reqwest"))]
pub mod client;
pub mod config;
pub mod stack;
pub mod upstream;

pub use claude_errors as errors;
pub use claude_retry as retry;
pub use claude_secrets as secrets;
pub use claude_wire as wire;

/// The README's code is a test.
#[cfg(all(doctest, feature = "hyper-util"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
