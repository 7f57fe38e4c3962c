//! The file: reading it, and finding the keys in it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use toml::de::{DeTable, DeValue};

use super::{
    error::{ConfigError, ConfigProblem, ConfigProblemKind},
    finding::{Finding, Place, Source},
    load::Settings,
    schema::{KeyPath, Node},
    secret::printable,
    suggest,
    value::Item,
};

/// The largest file that is read. The reference file has less than a hundredth of it.
const LARGEST: u64 = 1 << 20;

/// Reads a file as text.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let fail = |kind, message: &str, position, source: Option<io::Error>| {
        let mut problem = ConfigProblem::new(kind, message);
        problem.file = Some(path.to_owned());
        problem.position = position;
        problem.source = source.map(Arc::new);
        ConfigError::one(problem)
    };
    let unreadable = |error: io::Error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file",
            io::ErrorKind::PermissionDenied => "the file may not be read: permission denied",
            io::ErrorKind::IsADirectory => "this is a folder, not a file",
            _ => "the file cannot be read",
        };
        fail(ConfigProblemKind::Unreadable, message, None, Some(error))
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(fail(ConfigProblemKind::Unreadable, "the file is larger than 1MiB", None, None));
    }
    String::from_utf8(bytes).map_err(|error| {
        let utf16 = matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let message =
            if utf16 { "the file is UTF-16; save it as UTF-8" } else { "the file is not UTF-8 text here" };
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        let position = Source::new(path, &text).position(valid);
        fail(ConfigProblemKind::NotUtf8, message, Some(position), None)
    })
}

/// Finds the keys in a file's text.
pub(super) fn collect(text: &str, schema: &Node, settings: &mut Settings, findings: &mut Vec<Finding>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut broken = false;
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let (kind, message) = if error.message() == "duplicate key" {
            let key = text.get(span.clone()).unwrap_or_default();
            (ConfigProblemKind::Duplicate, format!("duplicate key {}", printable(key)))
        } else {
            broken = true;
            (ConfigProblemKind::Syntax, format!("this is not TOML: {}", error.message()))
        };
        findings.push(Finding { place: Place::File(span.start), kind, key: None, message });
    }
    // After a syntax error the rest is the parser's guess.
    if !broken {
        Walk { root: schema, settings, findings }.section(table.get_ref(), schema, &mut KeyPath::new());
    }
}

struct Walk<'a> {
    root: &'a Node,
    settings: &'a mut Settings,
    findings: &'a mut Vec<Finding>,
}

impl Walk<'_> {
    fn section(&mut self, table: &DeTable<'_>, schema: &Node, path: &mut KeyPath) {
        for (key, value) in table {
            let place = Place::File(key.span().start);
            let Some((name, node)) =
                schema.entries().iter().find(|(name, _)| *name == key.get_ref().as_ref())
            else {
                self.unknown(key.get_ref(), value.get_ref(), place, schema, path);
                continue;
            };
            path.push(name);
            match (node, value.get_ref()) {
                (Node::Section(_), DeValue::Table(table)) => self.section(table, node, path),
                (Node::Section(_), other) => {
                    let dotted = path.join(".");
                    let found = Item::new(other, Place::Nowhere).value.describe();
                    let message = format!("must be a section, written [{dotted}], but is {found}");
                    let kind = ConfigProblemKind::InvalidValue;
                    self.findings.push(Finding { place, kind, key: Some(dotted), message });
                }
                (Node::Key, value) => {
                    self.settings.insert(path.clone(), Item::new(value, place));
                }
            }
            path.pop();
        }
    }

    fn unknown(&mut self, typed: &str, value: &DeValue<'_>, place: Place, schema: &Node, path: &KeyPath) {
        let what = if matches!(value, DeValue::Table(_)) { "unknown section" } else { "unknown key" };
        // Looking for what was meant takes time; findings beyond the cap are only counted.
        let meant = (self.findings.len() < ConfigError::KEPT)
            .then(|| meant(typed, self.root, schema, path))
            .flatten();
        let message = match meant {
            Some(meant) => format!("{what}; did you mean {}?", meant.join(".")),
            None => {
                let names: Vec<&str> = schema.entries().iter().map(|(name, _)| *name).collect();
                format!("{what}; known here: {}", names.join(", "))
            }
        };
        let typed = printable(typed);
        let key = path.iter().copied().chain([typed.as_str()]).collect::<Vec<_>>().join(".");
        self.findings.push(Finding { place, kind: ConfigProblemKind::UnknownKey, key: Some(key), message });
    }
}

/// What was meant by a name that is unknown in the section at `path`: a similar one there, or the same one elsewhere.
pub(super) fn meant(typed: &str, root: &Node, section: &Node, path: &KeyPath) -> Option<KeyPath> {
    let names = section.entries().iter().map(|(name, _)| *name);
    match suggest::nearest(typed, names) {
        Some(near) => Some(path.iter().copied().chain([near]).collect()),
        None => root.keys().into_iter().find(|key| key.last().is_some_and(|last| suggest::same(last, typed))),
    }
}
