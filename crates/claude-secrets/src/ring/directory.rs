//! Whose keys a caller may use.

use std::collections::HashMap;
use std::sync::Arc;

use claude_wire::call::Caller;

use crate::error::{SecretsError, SecretsErrorKind};
use crate::pool::{Held, Pool};

/// The pools of all lines and environments.
pub(crate) struct Directory {
    /// The one environment of the ring, if it has one.
    environment: Option<Arc<str>>,
    is_strict: bool,
    /// Of keys that belong to an environment.
    environments: HashMap<Arc<str>, Lines>,
    /// Of keys that belong to none.
    anywhere: Lines,
}

#[derive(Default)]
struct Lines {
    lines: HashMap<Arc<str>, Arc<Pool>>,
    /// For callers whose line has none, and callers without one.
    others: Option<Arc<Pool>>,
}

fn add(pool: &mut Arc<Pool>, held: &Arc<Held>) {
    let keys = &mut Arc::make_mut(pool).keys;
    if !keys.iter().any(|other| Arc::ptr_eq(other, held)) {
        keys.push(Arc::clone(held));
    }
}

impl Directory {
    pub(crate) fn new(keys: &[Arc<Held>], environment: Option<Arc<str>>, is_strict: bool) -> Self {
        let mut directory =
            Self { environment, is_strict, environments: HashMap::new(), anywhere: Lines::default() };
        for held in keys {
            let lines = match &held.key.environment {
                Some(environment) => directory.environments.entry(Arc::clone(environment)).or_default(),
                None => &mut directory.anywhere,
            };
            if held.key.lines.is_empty() {
                add(lines.others.get_or_insert_default(), held);
            }
            for line in &held.key.lines {
                add(lines.lines.entry(Arc::clone(line)).or_default(), held);
            }
        }
        directory
    }

    /// The keys of this caller: those of his line in his environment; of his line, in any; of no line, in his environment; and of
    /// no line, in any.
    pub(crate) fn pool(&self, caller: Option<&Caller>) -> Result<&Arc<Pool>, SecretsError> {
        let (environment, line) =
            caller.map_or((None, None), |caller| (caller.environment.as_deref(), caller.line.as_deref()));
        if let (Some(own), Some(asked)) = (&self.environment, environment)
            && **own != *asked
        {
            let detail = format_args!("the environment of the caller is not `{own}`");
            return Err(SecretsErrorKind::WrongEnvironment.with(detail, None));
        }
        let environment = self.environment.as_deref().or(environment);
        let lines = environment.and_then(|environment| self.environments.get(environment));
        let places = [lines, Some(&self.anywhere)];
        if let Some(line) = line {
            if let Some(pool) = places.iter().flatten().find_map(|place| place.lines.get(line)) {
                return Ok(pool);
            }
            if self.is_strict {
                return Err(SecretsErrorKind::UnmappedLine.with("the line of the caller has no key", None));
            }
        }
        places.iter().flatten().find_map(|place| place.others.as_ref()).ok_or_else(|| {
            if lines.is_none() && !self.environments.is_empty() {
                let detail = "there is no key for the environment of the caller, or for callers without one";
                SecretsErrorKind::WrongEnvironment.with(detail, None)
            } else {
                let detail = "every key is for a line, and the caller is of none of them";
                SecretsErrorKind::UnmappedLine.with(detail, None)
            }
        })
    }

    /// All pools that a request may meet.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let lines = self.environments.values().chain([&self.anywhere]);
        lines.flat_map(|lines| lines.lines.values().chain(&lines.others))
    }
}
