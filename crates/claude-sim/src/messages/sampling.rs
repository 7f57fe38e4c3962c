//! `temperature`, `top_p` and `top_k`, which ever fewer requests may have.

use super::fields::{self, Object};
use super::request::Version;
use crate::errors::ApiError;
use crate::models::Rules;

/// The fields, with what counts as their default. Of `top_k`, none does.
const FIELDS: [(&str, Option<f64>); 3] = [("temperature", Some(1.0)), ("top_p", Some(1.0)), ("top_k", None)];

/// Version 2026-10-21 refuses them all, even at their defaults. Before it, newer models take nothing but defaults.
pub(super) fn check(body: &Object, version: &Version, rules: Rules) -> Result<(), ApiError> {
    for (name, default) in FIELDS {
        let Some(value) = fields::optional(body, name) else { continue };
        if version.strict {
            return Err(fields::wrong(name, "not supported by anthropic-version 2026-10-21"));
        }
        let value = value.as_f64().ok_or_else(|| fields::wrong(name, "Input should be a valid number"))?;
        if !rules.sampling && Some(value) != default {
            return Err(ApiError::invalid(format!("`{name}` is deprecated for this model.")));
        }
        if name != "top_k" && !(0.0..=1.0).contains(&value) {
            return Err(fields::wrong(name, "range: 0..1"));
        }
    }
    Ok(())
}
