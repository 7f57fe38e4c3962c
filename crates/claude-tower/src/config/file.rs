//! The file: reading it, and finding the keys in it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use toml::de::DeTable;

use super::{
    error::{ConfigError, ConfigProblem, ConfigProblemKind},
    finding::{Finding, Place, Source},
    load::Settings,
    schema::{KeyPath, Node},
    secret::printable,
    walk::Walk,
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
        let mut walk = Walk { root: schema, settings, findings, variable: None };
        walk.section(table.get_ref(), schema, &mut KeyPath::new());
    }
}
