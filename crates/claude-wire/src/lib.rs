//! Facts of the Claude API's wire, and mechanics of bodies: the ground floor of the `claude-tower` middleware.
//!
//! Nothing here decides anything. There is no policy, no clock, no configuration, no metric and no runtime;
//! there is what the API's bytes mean and how bodies behave, once, for all layers:
//!
//! | module | what |
//! | --- | --- |
//! | [`body`] | the one request body, the layers into it and out of it, and the wrapper that knows how bodies end |
//! | [`call`] | what travels with a call: caller, deadline, attempts, refusals, books |
//! | [`facts`] | what layers need to know of a request, read once |
//! | [`headers`] | header names, limits, how long to wait |
//! | [`meter`] | one meter for each response: what it used, how it ended |
//! | [`shown`] | which words from outside may be shown |
//! | [`sse`] | server-sent events, however they are cut |
//! | [`usage`] | the tokens of a response, and how a stream's deltas change them |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod body;
pub mod call;
mod error_body;
pub mod facts;
pub mod headers;
mod json;
mod macros;
pub mod meter;
pub mod shown;
pub mod sse;
pub mod usage;

pub use body::{Body, BodyLayer, BoxError, IntoBodyLayer};
pub use error_body::ErrorBody;
