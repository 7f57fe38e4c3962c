//! What is wrong with a configuration, and where.

use std::{fmt, io, path::Path, path::PathBuf, sync::Arc};

/// Why a configuration was not accepted: one or more [`ConfigProblem`]s, in the order of the file, then of the
/// environment, then of the command line.
///
/// `Display` gives one line for each. No message repeats a value that may be a secret.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// Never empty.
    problems: Vec<ConfigProblem>,
    omitted: usize,
}

impl ConfigError {
    /// How many problems are kept. A file with more is not one to be mended line by line.
    pub(super) const KEPT: usize = 100;

    pub(super) fn new(problems: Vec<ConfigProblem>, omitted: usize) -> Self {
        Self { problems, omitted }
    }

    pub(super) fn one(problem: ConfigProblem) -> Self {
        Self::new(vec![problem], 0)
    }

    /// What is wrong: at least one problem, at most a hundred.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// How many further problems were found and not kept.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Whether one of the problems is of this kind.
    #[must_use]
    pub fn has(&self, kind: ConfigProblemKind) -> bool {
        self.problems.iter().any(|problem| problem.kind == kind)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problems.iter().find_map(|problem| problem.source.as_deref().map(|source| source as _))
    }
}

/// One thing that is wrong: where, with which key, and what.
///
/// ```text
/// claude-tower.toml:12:1: client.connect_timeout: must be between 100ms and 10m, but is 0s
/// environment variable CLAUDE_TOWER__GATEWAY__LISTEN: must be an address …
/// ```
#[derive(Clone, Debug)]
pub struct ConfigProblem {
    pub(super) kind: ConfigProblemKind,
    pub(super) file: Option<PathBuf>,
    pub(super) position: Option<(usize, usize)>,
    pub(super) variable: Option<String>,
    pub(super) argument: Option<String>,
    pub(super) key: Option<String>,
    pub(super) message: String,
    pub(super) source: Option<Arc<io::Error>>,
}

impl ConfigProblem {
    pub(super) fn new(kind: ConfigProblemKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let (variable, argument) = (None, None);
        Self { kind, file: None, position: None, variable, argument, key: None, message, source: None }
    }

    /// What sort of problem it is.
    #[must_use]
    pub fn kind(&self) -> ConfigProblemKind {
        self.kind
    }

    /// The file, by the name it was given to the loader.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line in the file, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.position.map(|(line, _)| line)
    }

    /// The column in that line, in characters, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.position.map(|(_, column)| column)
    }

    /// The environment variable that set the value.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// The option of the command line that set the value, such as `--listen`.
    #[must_use]
    pub fn argument(&self) -> Option<&str> {
        self.argument.as_deref()
    }

    /// The dotted key, such as `client.connect_timeout`. Also there when an environment variable or an argument set it.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setter = match (&self.variable, &self.argument) {
            (Some(variable), _) => Some(("environment variable", variable)),
            (None, Some(option)) => Some(("argument", option)),
            (None, None) => None,
        };
        if let Some((what, name)) = setter {
            write!(f, "{what} {name}: ")?;
            // The name says the key, but not what in a list it is.
            if let Some(key) = self.key.as_deref().filter(|key| key.contains('[')) {
                write!(f, "{key}: ")?;
            }
            return f.write_str(&self.message);
        }
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some((line, column)) = self.position {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// The sorts of [`ConfigProblem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigProblemKind {
    /// The file cannot be read: it is missing, a folder, too large, or not permitted.
    Unreadable,
    /// The file, or a variable of ours, is not UTF-8.
    NotUtf8,
    /// The file is not TOML.
    Syntax,
    /// A key is set twice.
    Duplicate,
    /// There is no such key or section.
    UnknownKey,
    /// The value is of the wrong type, or text that means nothing for this key.
    InvalidValue,
    /// The value is outside its range.
    OutOfRange,
    /// The value does not go together with that of another key.
    Conflict,
    /// A key or a token stands in the configuration itself. Then nothing else is looked at.
    LiteralSecret,
}
