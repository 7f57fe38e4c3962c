//! Ranges, and values that must go together, checked after everything has its type.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive, time::Duration};

use super::{
    duration,
    error::{ConfigError, ConfigProblemKind},
    finding::{Finding, Place, Places, error},
    size,
};

/// Sections implement this; [`Config`](super::Config) calls it for each.
pub(super) trait Validate {
    /// Reports every value that is out of range or does not go together with another.
    fn check(&self, check: &mut Check<'_>);
}

/// Collects what is wrong, and knows where each value came from.
#[derive(Debug)]
pub(super) struct Check<'a> {
    section: String,
    places: &'a Places,
    /// Keys whose values could not be read. They have their defaults, about which nothing must be said.
    unread: &'a BTreeSet<String>,
    findings: Vec<Finding>,
}

impl<'a> Check<'a> {
    pub(super) fn new(places: &'a Places, unread: &'a BTreeSet<String>) -> Self {
        Self { section: String::new(), places, unread, findings: Vec::new() }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Checks a section inside of this one.
    pub(super) fn section(&mut self, name: &str, section: &impl Validate) {
        let outer = self.section.clone();
        self.section = self.key(name);
        section.check(self);
        self.section = outer;
    }

    /// Checks each table of a list in this section.
    pub(super) fn tables(&mut self, name: &str, tables: &[impl Validate]) {
        for (index, table) in tables.iter().enumerate() {
            self.section(&format!("{name}[{index}]"), table);
        }
    }

    /// A number within its range, both ends included.
    pub(super) fn number<N>(&mut self, key: &str, value: N, range: RangeInclusive<N>)
    where
        N: PartialOrd + fmt::Display + Copy,
    {
        if !range.contains(&value) {
            let message = format!("must be between {} and {}, but is {value}", range.start(), range.end());
            self.add(ConfigProblemKind::OutOfRange, &[key], message);
        }
    }

    /// A duration within its range, both ends included.
    pub(super) fn duration(&mut self, key: &str, value: Duration, range: RangeInclusive<Duration>) {
        if !range.contains(&value) {
            let [start, end, value] = [*range.start(), *range.end(), value].map(duration::format);
            let message = format!("must be between {start} and {end}, but is {value}");
            self.add(ConfigProblemKind::OutOfRange, &[key], message);
        }
    }

    /// A size within its range, both ends included.
    pub(super) fn size(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) {
        if !range.contains(&value) {
            let [start, end, value] = [*range.start(), *range.end(), value].map(size::format);
            let message = format!("must be between {start} and {end}, but is {value}");
            self.add(ConfigProblemKind::OutOfRange, &[key], message);
        }
    }

    /// Anything else about one key.
    pub(super) fn require(&mut self, holds: bool, key: &str, message: impl Into<String>) {
        if !holds {
            self.add(ConfigProblemKind::OutOfRange, &[key], message.into());
        }
    }

    /// Whether the file, a variable or an argument has set this key. What was set in code is not known here.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.places.contains_key(&self.key(key))
    }

    /// A rule about several keys. It is reported at the first of them that is set.
    pub(super) fn together(&mut self, holds: bool, keys: &[&str], message: impl Into<String>) {
        if !holds {
            self.add(ConfigProblemKind::Conflict, keys, message.into());
        }
    }

    /// The same, at the first of them whether it is set or not.
    pub(super) fn at_first(&mut self, holds: bool, keys: &[&str], message: impl Into<String>) {
        if !holds && !self.has_unread(keys) {
            self.add(ConfigProblemKind::Conflict, &keys[..keys.len().min(1)], message.into());
        }
    }

    fn has_unread(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| within(&self.key(key)).any(|key| self.unread.contains(key)))
    }

    fn add(&mut self, kind: ConfigProblemKind, keys: &[&str], message: String) {
        if self.has_unread(keys) {
            return;
        }
        let keys: Vec<String> = keys.iter().map(|key| self.key(key)).collect();
        let set = keys.iter().find_map(|key| self.places.get(key).map(|place| (key, place)));
        let (key, place) = match (set, keys.first()) {
            (Some((key, place)), _) => (Some(key), Some(place)),
            // What lacks in a table of a list is missed there.
            (None, Some(key)) => (Some(key), within(key).find_map(|key| self.places.get(key))),
            (None, None) => (None, None),
        };
        let (key, place) = (key.cloned(), place.cloned().unwrap_or(Place::Nowhere));
        self.findings.push(Finding { place, kind, key, message });
    }

    fn key(&self, name: &str) -> String {
        if self.section.is_empty() { name.to_owned() } else { format!("{}.{name}", self.section) }
    }
}

/// The key, and what it is in, from the inside: `a.b[1].c`, `a.b[1]`, `a.b`, `a`.
fn within(key: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(key), |key| key.rfind(['.', '[']).map(|end| &key[..end]))
}

/// Checks a section that was made in code. `name` is its own, empty for the whole configuration.
pub(super) fn validate(name: &str, section: &impl Validate) -> Result<(), ConfigError> {
    let (places, unread) = (Places::new(), BTreeSet::new());
    let mut check = Check::new(&places, &unread);
    check.section = name.to_owned();
    section.check(&mut check);
    let findings = check.into_findings();
    if findings.is_empty() { Ok(()) } else { Err(error(findings, None)) }
}
