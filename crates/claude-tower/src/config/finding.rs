//! Problems while they are being collected: with a place that can be sorted, before lines are counted.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    error::{ConfigError, ConfigProblem, ConfigProblemKind},
    secret::printable,
};

/// Where a value comes from. The order is the order of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A byte of the file. Counting lines waits until something is reported: a file of one long line
    /// would otherwise cost the square of its length.
    File(usize),
    /// An environment variable.
    Variable(Arc<str>),
    /// An argument of the command line, by its option.
    Argument(Arc<str>),
    /// Neither: a default, or a value set in code.
    Nowhere,
}

/// The places of the keys that are set, by dotted key.
pub(super) type Places = BTreeMap<String, Place>;

#[derive(Debug)]
pub(super) struct Finding {
    pub(super) place: Place,
    pub(super) kind: ConfigProblemKind,
    pub(super) key: Option<String>,
    pub(super) message: String,
}

/// The file that findings refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) name: &'a Path,
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a Path, text: &'a str) -> Self {
        // A byte order mark is no part of the text, and would shift the columns of the first line.
        Self { name, text: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    /// Line and column of a byte, both from 1.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        // The parser's offsets are those of characters; an odd one costs a place in a message, not a panic.
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
    }
}

/// Turns what was found into the error. There must be something.
pub(super) fn error(mut findings: Vec<Finding>, source: Option<Source<'_>>) -> ConfigError {
    findings.sort_by(|left, right| left.place.cmp(&right.place));
    // The parser says some things twice.
    findings.dedup_by(|next, last| {
        next.place == last.place && next.key == last.key && next.message == last.message
    });
    let omitted = findings.len().saturating_sub(ConfigError::KEPT);
    findings.truncate(ConfigError::KEPT);
    let problems = findings.into_iter().map(|finding| {
        let mut problem = ConfigProblem::new(finding.kind, finding.message);
        problem.key = finding.key;
        match (finding.place, source) {
            (Place::Variable(name), _) => problem.variable = Some(printable(&name)),
            (Place::Argument(option), _) => problem.argument = Some(printable(&option)),
            (Place::File(offset), Some(source)) => {
                problem.file = Some(source.name.to_owned());
                problem.position = Some(source.position(offset));
            }
            _ => {}
        }
        problem
    });
    ConfigError::new(problems.collect(), omitted)
}
