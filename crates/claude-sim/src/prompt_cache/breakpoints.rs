//! The breakpoints of a request, and the rules for them.

use serde_json::Value;

use super::Ttl;
use super::blocks::Block;
use crate::errors::ApiError;

/// The most that a request may have.
const MAX_BREAKPOINTS: usize = 4;

/// A block of the prompt in its order, with where it stands.
pub(super) struct Placed<'a> {
    pub(super) section: &'static str,
    pub(super) block: &'a Block,
}

impl Placed<'_> {
    fn path(&self) -> String {
        let index = self.block.index.map_or_else(String::new, |index| format!(".{index}"));
        match self.block.message {
            Some(message) => format!("messages.{message}.content{index}"),
            None => format!("{}{index}", self.section),
        }
    }

    fn may_be_cached(&self) -> bool {
        !self.is_thinking() && !self.block.is_empty_text
    }

    fn is_thinking(&self) -> bool {
        matches!(self.block.kind.as_str(), "thinking" | "redacted_thinking")
    }
}

/// The breakpoint of each position. The one of the whole request stands at the last block that may be cached.
pub(super) fn of(blocks: &[Placed<'_>], automatic: Option<&Value>) -> Result<Vec<Option<Ttl>>, ApiError> {
    let mut ttls = Vec::with_capacity(blocks.len());
    for placed in blocks {
        ttls.push(placed.block.cache_control.as_ref().map(|control| explicit(placed, control)).transpose()?);
    }
    let mut found = ttls.iter().flatten().count();
    let automatic = automatic.map(|control| ttl(control, "cache_control")).transpose()?;
    let last = blocks.iter().rposition(Placed::may_be_cached);
    if let (Some(automatic), Some(last)) = (automatic, last) {
        match ttls[last] {
            Some(explicit) if explicit == automatic => {}
            Some(_) => {
                let complaint = "the last block has a cache_control of another ttl already";
                return Err(ApiError::invalid(format!("cache_control.ttl: {complaint}")));
            }
            None => {
                ttls[last] = Some(automatic);
                found += 1;
            }
        }
    }
    if found > MAX_BREAKPOINTS {
        return Err(ApiError::invalid(format!(
            "A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {found}."
        )));
    }
    let mut short = false;
    for (placed, ttl) in blocks.iter().zip(&ttls) {
        if short && *ttl == Some(Ttl::OneHour) {
            return Err(ApiError::invalid(format!(
                "{}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' \
                 cache_control block. Note that blocks are processed in the following order: `tools`, `system`, \
                 `messages`.",
                placed.path()
            )));
        }
        short |= *ttl == Some(Ttl::FiveMinutes);
    }
    Ok(ttls)
}

fn explicit(placed: &Placed<'_>, control: &Value) -> Result<Ttl, ApiError> {
    let path = placed.path();
    if placed.is_thinking() {
        let kind = &placed.block.kind;
        return Err(ApiError::invalid(format!(
            "{path}.{kind}.cache_control: Extra inputs are not permitted"
        )));
    }
    if placed.block.is_empty_text {
        let complaint = "cache_control cannot be set for empty text blocks";
        return Err(ApiError::invalid(format!("{path}.text: {complaint}")));
    }
    ttl(control, &format!("{path}.cache_control"))
}

fn ttl(control: &Value, path: &str) -> Result<Ttl, ApiError> {
    let Some(fields) = control.as_object() else {
        return Err(ApiError::invalid(format!("{path}: Input should be an object")));
    };
    match fields.get("type").map(Value::as_str) {
        Some(Some("ephemeral")) => {}
        None => return Err(ApiError::invalid(format!("{path}.type: Field required"))),
        Some(_) => return Err(ApiError::invalid(format!("{path}.type: Input should be 'ephemeral'"))),
    }
    match fields.get("ttl").filter(|ttl| !ttl.is_null()).map(Value::as_str) {
        None | Some(Some("5m")) => Ok(Ttl::FiveMinutes),
        Some(Some("1h")) => Ok(Ttl::OneHour),
        Some(_) => Err(ApiError::invalid(format!("{path}.ttl: Input should be '5m' or '1h'"))),
    }
}
