//! Who is calling, and how urgently.

use std::sync::Arc;

/// On whose behalf a call is made: chooses the key, the limits and the account that is charged.
///
/// The parts are names of the application's own choosing. They may appear in ledgers and reports; they are
/// never labels of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Caller {
    /// The environment, such as `prod` or `test`.
    pub environment: Option<Arc<str>>,
    /// The line of business or the team.
    pub line: Option<Arc<str>>,
    /// The single user or tenant within the line.
    pub user: Option<Arc<str>>,
}

impl Caller {
    /// A caller of whom nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { environment: None, line: None, user: None }
    }

    /// Sets the environment.
    #[must_use]
    pub fn with_environment(mut self, environment: impl Into<Arc<str>>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Sets the line of business.
    #[must_use]
    pub fn with_line(mut self, line: impl Into<Arc<str>>) -> Self {
        self.line = Some(line.into());
        self
    }

    /// Sets the user or tenant.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.user = Some(user.into());
        self
    }
}

/// How urgent a call is. Queues are first in, first out within a priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May wait: batch work, warming of caches.
    Low,
    /// What a call has that says nothing.
    #[default]
    Normal,
    /// Somebody is waiting.
    High,
}
