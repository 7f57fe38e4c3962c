//! The request's `fallbacks` (beta): who answers in the place of a model that declines.

use http::HeaderMap;
use serde_json::Value;

use super::fields::{self, Object};
use super::request;
use crate::betas;
use crate::errors::ApiError;
use crate::models::{Catalogue, Model, Rules};

/// The most that a request may name.
const MAX_FALLBACKS: usize = 3;

/// The first model that goes on after a refusal, by its id. Without the beta's header the field is not read. What
/// `"default"` stands for is not documented, and here it stands for none. Fields beside
/// the model's name are not read.
pub(super) fn first<'a>(
    body: &Object,
    headers: &HeaderMap,
    models: &'a Catalogue,
    rules: Rules,
) -> Result<Option<&'a str>, ApiError> {
    let Some(fallbacks) = fields::optional(body, "fallbacks") else { return Ok(None) };
    if !betas::has(headers, "server-side-fallback-") {
        return Ok(None);
    }
    if !rules.fallbacks {
        return Err(fields::wrong("fallbacks", "not supported by this model"));
    }
    if fallbacks == "default" {
        return Ok(None);
    }
    let fallbacks = fields::list(fallbacks, "fallbacks")?;
    if fallbacks.len() > MAX_FALLBACKS {
        let complaint = format!("at most {MAX_FALLBACKS} fallbacks are allowed");
        return Err(fields::wrong("fallbacks", &complaint));
    }
    let mut ids = Vec::with_capacity(fallbacks.len());
    for (index, fallback) in fallbacks.iter().enumerate() {
        ids.push(id(fallback, &format!("fallbacks.{index}"), models)?);
    }
    Ok(ids.first().copied())
}

fn id<'a>(fallback: &Value, at: &str, models: &'a Catalogue) -> Result<&'a str, ApiError> {
    let fallback = fields::object(fallback, at)?;
    let name = fields::string(fields::required(fallback, at, "model")?, &fields::path(at, "model"))?;
    request::callable(models, name).map(Model::id)
}
