//! Fields of a JSON object, read with the complaints that the API has about them.

use serde_json::{Map, Value};

use crate::errors::ApiError;

pub(super) type Object = Map<String, Value>;

/// A field that may be absent or null.
pub(super) fn optional<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

pub(super) fn required<'a>(object: &'a Object, at: &str, name: &str) -> Result<&'a Value, ApiError> {
    object.get(name).ok_or_else(|| ApiError::invalid(format!("{}: Field required", path(at, name))))
}

pub(super) fn string<'a>(value: &'a Value, at: &str) -> Result<&'a str, ApiError> {
    value.as_str().ok_or_else(|| wrong(at, "Input should be a valid string"))
}

pub(super) fn boolean(value: &Value, at: &str) -> Result<bool, ApiError> {
    value.as_bool().ok_or_else(|| wrong(at, "Input should be a valid boolean"))
}

pub(super) fn list<'a>(value: &'a Value, at: &str) -> Result<&'a [Value], ApiError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(at, "Input should be a valid list"))
}

pub(super) fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Object, ApiError> {
    value.as_object().ok_or_else(|| wrong(at, "Input should be an object"))
}

/// A whole number that is not negative.
pub(super) fn count(value: &Value, at: &str) -> Result<u64, ApiError> {
    match (value.as_u64(), value.as_i64()) {
        (Some(count), _) => Ok(count),
        (None, Some(_)) => Err(wrong(at, "Input should be greater than or equal to 0")),
        (None, None) => Err(wrong(at, "Input should be a valid integer")),
    }
}

pub(super) fn wrong(at: &str, complaint: &str) -> ApiError {
    ApiError::invalid(format!("{at}: {complaint}"))
}

/// `messages.0` and `role` as the API joins them.
pub(super) fn path(at: &str, name: &str) -> String {
    if at.is_empty() { name.into() } else { format!("{at}.{name}") }
}
