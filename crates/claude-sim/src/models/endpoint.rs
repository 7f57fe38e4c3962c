//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use super::{Lifecycle, Line, Model};
use crate::answer::Answer;
use crate::errors::ApiError;
use crate::service::Call;
use crate::simulator::Shared;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1_000;

/// The date of models whose release is not known, as the API has it.
const EPOCH: &str = "1970-01-01";

pub(crate) fn list(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, ApiError> {
    let query = Query::parse(call.head.uri.query().unwrap_or_default())?;
    let models = &shared.models.models;
    let position = |id: &str| {
        let found = models.iter().position(|model| model.id == id);
        found.ok_or_else(|| ApiError::invalid(format!("{id} is not a model to page from")))
    };
    let (page, has_more) = match (&query.after_id, &query.before_id) {
        (Some(_), Some(_)) => return Err(ApiError::invalid("after_id and before_id exclude each other")),
        (None, Some(before)) => {
            let rest = &models[..position(before)?];
            let start = rest.len().saturating_sub(query.limit);
            (&rest[start..], start > 0)
        }
        (after, None) => {
            let start = after.as_deref().map(position).transpose()?.map_or(0, |position| position + 1);
            let rest = &models[start..];
            let end = rest.len().min(query.limit);
            (&rest[..end], end < rest.len())
        }
    };
    Ok(Answer::json(&Page {
        data: page.iter().map(Object::of).collect(),
        has_more,
        first_id: page.first().map(Model::id),
        last_id: page.last().map(Model::id),
    }))
}

pub(crate) fn retrieve(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Answer, ApiError> {
    let path = call.head.uri.path();
    let id = path.strip_prefix("/v1/models/").unwrap_or_default();
    match shared.models.named(id) {
        Some(model) => Ok(Answer::json(&Object::of(model))),
        None => Err(ApiError::not_found(format!("model: {id}"))),
    }
}

#[derive(Serialize)]
struct Page<'a> {
    data: Vec<Object<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Object<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    line: Option<Line>,
    lifecycle: Lifecycle,
    deprecated_at: Option<String>,
    retires_at: Option<String>,
    max_input_tokens: u64,
    max_tokens: Option<u64>,
    /// The API may leave these out, and which model has which is not known here.
    capabilities: (),
}

impl<'a> Object<'a> {
    fn of(model: &'a Model) -> Self {
        Self {
            r#type: "model",
            id: &model.id,
            display_name: &model.display_name,
            created_at: midnight(model.released.as_deref().unwrap_or(EPOCH)),
            line: model.line,
            lifecycle: model.lifecycle,
            deprecated_at: model.deprecated.as_deref().map(midnight),
            retires_at: model.retires.as_deref().map(midnight),
            max_input_tokens: model.max_input_tokens,
            max_tokens: model.max_tokens,
            capabilities: (),
        }
    }
}

fn midnight(day: &str) -> String {
    format!("{day}T00:00:00Z")
}

struct Query {
    after_id: Option<String>,
    before_id: Option<String>,
    limit: usize,
}

impl Query {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut parsed = Self { after_id: None, before_id: None, limit: DEFAULT_LIMIT };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "after_id" => parsed.after_id = cursor(value),
                "before_id" => parsed.before_id = cursor(value),
                "limit" => match value.parse() {
                    Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => parsed.limit = limit,
                    _ => {
                        let message = format!("limit: Input should be an integer from 1 to {MAX_LIMIT}");
                        return Err(ApiError::invalid(message));
                    }
                },
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// An empty cursor is none.
fn cursor(value: Cow<'_, str>) -> Option<String> {
    (!value.is_empty()).then(|| value.into_owned())
}
