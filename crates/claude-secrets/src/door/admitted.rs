//! Who came in.

use std::sync::Arc;

use claude_wire::call::Caller;

use super::Client;

/// The client whose token a request had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub(super) client: Arc<str>,
    caller: Caller,
}

impl Admitted {
    pub(super) fn new(client: &Client) -> Self {
        Self { client: Arc::clone(&client.name), caller: client.caller.clone() }
    }

    /// The name of the client.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// On whose behalf the call is made.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// On whose behalf the call is made, to be put into the request's extensions.
    #[must_use]
    pub fn into_caller(self) -> Caller {
        self.caller
    }

    /// The name of the client, and on whose behalf the call is made.
    #[must_use]
    pub fn into_parts(self) -> (Arc<str>, Caller) {
        (self.client, self.caller)
    }
}
