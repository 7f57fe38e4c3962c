//! What a request asks for, as far as the simulator honours it.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use super::check::{self, Conversation};
use super::fallbacks;
use super::fields::{self, Object};
use super::reply::CacheCounts;
use super::sampling;
use super::thinking::Thinking;
use super::tools::Tools;
use super::usage::Usage;
use crate::auth::Owner;
use crate::betas;
use crate::bill::TokenCounts;
use crate::errors::ApiError;
use crate::models::{Catalogue, FastMode, Model, Serving};
use crate::prompt_cache::{Plan, Prompt, Scope};
use crate::simulator::Shared;

/// Only models in preview still need it (2026-11-22).
const FAST_MODE_BETA: &str = "fast-mode-2026-02-01";

pub(super) struct Asked<'a> {
    /// The model as it was asked for, which may be an alias.
    pub(super) name: &'a str,
    pub(super) model: &'a Model,
    models: &'a Catalogue,
    pub(super) stream: bool,
    pub(super) max_tokens: u64,
    pub(super) thinking: Thinking,
    pub(super) tools: Tools<'a>,
    /// The model that goes on if this one declines.
    pub(super) fallback: Option<&'a str>,
    pub(super) stop_sequences: Vec<&'a str>,
    pub(super) conversation: Conversation,
    pub(super) prompt: Prompt,
    pub(super) input_tokens: u64,
    /// How much output the context has room for.
    pub(super) room: u64,
    inference_geo: &'static str,
    pub(super) speed: &'static str,
    /// Whether that was asked for, also if the model has no such mode.
    wants_fast: bool,
}

/// The body as JSON. Nesting deeper than 128 is refused along with everything that is no JSON.
pub(super) fn parse(body: &[u8]) -> Result<Object, ApiError> {
    let complaint = |what: &dyn ToString| {
        ApiError::invalid(format!("The request body is not valid JSON: {}", what.to_string()))
    };
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(complaint(&"an object is expected")),
        Err(error) => Err(complaint(&error)),
    }
}

/// What a request is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Answer,
    /// The limits on tokens are not looked at.
    Count,
}

impl<'a> Asked<'a> {
    pub(super) fn read(
        body: &'a Object,
        raw: &[u8],
        headers: &HeaderMap,
        models: &'a Catalogue,
        purpose: Purpose,
    ) -> Result<Self, ApiError> {
        let version = Version::of(headers);
        let name = model_name(body)?;
        let max_tokens = match purpose {
            Purpose::Answer => Some(fields::count(fields::required(body, "", "max_tokens")?, "max_tokens")?),
            Purpose::Count => None,
        };
        let conversation = check::conversation(fields::required(body, "", "messages")?, &version)?;
        check::system(body)?;
        let stream =
            fields::optional(body, "stream").map_or(Ok(false), |it| fields::boolean(it, "stream"))?;
        let model = callable(models, name)?;
        let rules = model.rules();
        sampling::check(body, &version, rules)?;
        let thinking = Thinking::read(body, max_tokens, rules)?;
        let tools = Tools::read(body, models)?;
        let fallback = fallbacks::first(body, headers, models, rules)?;
        let stop_sequences = stop_sequences(body)?;
        check_unused(body)?;
        if tools.is_forced() && !rules.forced_tools {
            let complaint = "type \"tool\" and \"any\" are not supported for this model.";
            return Err(fields::wrong("tool_choice", complaint));
        }
        if thinking.is_on() && tools.is_forced() {
            let complaint = "Thinking may not be enabled when tool_choice forces tool use.";
            return Err(ApiError::invalid(complaint));
        }
        if conversation.prefills && !rules.prefill {
            return Err(ApiError::invalid(
                "This model does not support assistant message prefill. \
                 The conversation must end with a user message.",
            ));
        }
        let has_format = has_format(body)?;
        if max_tokens == Some(0) && (stream || thinking.is_on() || tools.is_forced() || has_format) {
            let complaint =
                "0 does not go with stream, thinking, output_config.format or a forced tool_choice";
            return Err(fields::wrong("max_tokens", complaint));
        }
        let max_tokens = max_tokens.unwrap_or(0);
        if let Some(most) = model.max_tokens().filter(|&most| max_tokens > most) {
            let complaint = format!(
                "{max_tokens} > {most}, which is the maximum allowed number of output tokens for {}",
                model.id()
            );
            return Err(fields::wrong("max_tokens", &complaint));
        }
        let prompt = Prompt::read(raw)?;
        let input_tokens = prompt.tokens();
        let context = model.max_input_tokens();
        if input_tokens > context && purpose == Purpose::Answer {
            let complaint = format!("prompt is too long: {input_tokens} tokens > {context} maximum");
            return Err(ApiError::invalid(complaint));
        }
        Ok(Self {
            name,
            model,
            models,
            stream,
            max_tokens,
            thinking,
            tools,
            fallback,
            stop_sequences,
            conversation,
            prompt,
            input_tokens,
            room: context.saturating_sub(input_tokens),
            inference_geo: inference_geo(body, model)?,
            speed: speed(body, headers, model)?,
            wants_fast: fields::optional(body, "speed").is_some_and(|speed| speed == "fast"),
        })
    }
}

impl Asked<'_> {
    /// What the prompt cache does for it.
    pub(super) fn plan(&self, owner: &Owner, shared: &Shared) -> Plan {
        let scope = Scope {
            organization: owner.organization(),
            workspace: owner.workspace(),
            model: self.model.id(),
            speed: self.speed,
            min_tokens: self.model.min_cached_tokens(),
        };
        self.prompt.plan(&scope, &shared.prompt_cache(), shared.clock.elapsed())
    }

    /// What a reply says of the cache, in its place.
    pub(super) fn plan_as(&self, said: CacheCounts) -> Plan {
        let mut plan = Plan::without_cache(self.input_tokens);
        plan.input.cache_read = said.read;
        plan.input.cache_write_5m = said.written_5m;
        plan.input.cache_write_1h = said.written_1h;
        plan
    }

    /// The usage when the input has been read.
    pub(super) fn input_usage(&self, input: TokenCounts) -> Usage {
        Usage::of_input(input, self.max_tokens.min(1), Arc::new(self.served_by(self.model)))
    }

    /// How a model serves this request. A reply may name one that the catalogue does not have.
    pub(super) fn serving(&self, name: &str) -> Arc<Serving> {
        let model = self.models.named(name);
        Arc::new(model.map_or_else(|| self.served_by(&Model::new(name)), |model| self.served_by(model)))
    }

    fn served_by(&self, model: &Model) -> Serving {
        model.serving(self.wants_fast, self.inference_geo == "us")
    }
}

/// The two versions, as far as they differ here.
pub(super) struct Version {
    pub(super) strict: bool,
}

impl Version {
    fn of(headers: &HeaderMap) -> Self {
        Self { strict: headers.get("anthropic-version").is_some_and(|version| version == "2026-10-21") }
    }
}

fn model_name(body: &Object) -> Result<&str, ApiError> {
    fields::string(fields::required(body, "", "model")?, "model")
}

pub(super) fn callable<'a>(models: &'a Catalogue, name: &str) -> Result<&'a Model, ApiError> {
    models.callable(name).ok_or_else(|| ApiError::not_found(format!("model: {name}")))
}

/// Fields that change nothing here, and still have a type.
fn check_unused(body: &Object) -> Result<(), ApiError> {
    if let Some(tier) = fields::optional(body, "service_tier") {
        fields::string(tier, "service_tier")?;
    }
    if let Some(metadata) = fields::optional(body, "metadata") {
        fields::object(metadata, "metadata")?;
    }
    Ok(())
}

/// Whether the answer is to have the form of a schema.
fn has_format(body: &Object) -> Result<bool, ApiError> {
    let Some(config) = fields::optional(body, "output_config") else { return Ok(false) };
    Ok(fields::optional(fields::object(config, "output_config")?, "format").is_some())
}

fn stop_sequences(body: &Object) -> Result<Vec<&str>, ApiError> {
    let Some(sequences) = fields::optional(body, "stop_sequences") else {
        return Ok(Vec::new());
    };
    let sequences = fields::list(sequences, "stop_sequences")?.iter().enumerate();
    sequences
        .map(|(index, sequence)| {
            let at = format!("stop_sequences.{index}");
            match fields::string(sequence, &at)? {
                sequence if sequence.trim().is_empty() => {
                    Err(fields::wrong("stop_sequences", "each stop sequence must contain non-whitespace"))
                }
                sequence => Ok(sequence),
            }
        })
        .collect()
}

fn inference_geo(body: &Object, model: &Model) -> Result<&'static str, ApiError> {
    let asked = fields::optional(body, "inference_geo")
        .map(|geo| fields::string(geo, "inference_geo"))
        .transpose()?;
    match asked {
        None | Some("global") if model.shows_geo() => Ok("global"),
        None | Some("global") => Ok("not_available"),
        Some("us") if model.shows_geo() => Ok("us"),
        Some("us") => Err(fields::wrong("inference_geo", "not supported by this model")),
        Some(_) => Err(fields::wrong("inference_geo", "Input should be 'global' or 'us'")),
    }
}

fn speed(body: &Object, headers: &HeaderMap, model: &Model) -> Result<&'static str, ApiError> {
    let asked = fields::optional(body, "speed").map(|speed| fields::string(speed, "speed")).transpose()?;
    match (asked, model.fast()) {
        (None | Some("standard"), _) | (Some("fast"), FastMode::Ignored) => Ok("standard"),
        (Some("fast"), FastMode::Fast) => Ok("fast"),
        (Some("fast"), FastMode::Preview) if betas::has(headers, FAST_MODE_BETA) => Ok("fast"),
        (Some("fast"), FastMode::Preview) => {
            Err(fields::wrong("speed", "'fast' needs the beta fast-mode-2026-02-01 with this model"))
        }
        (Some("fast"), FastMode::Refused) => {
            Err(fields::wrong("speed", "'fast' is not supported by this model"))
        }
        (Some(_), _) => Err(fields::wrong("speed", "Input should be 'standard' or 'fast'")),
    }
}
