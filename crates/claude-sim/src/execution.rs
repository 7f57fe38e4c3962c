//! A request that is being executed.

use std::fmt;
use std::sync::Arc;

use crate::auth::Owner;
use crate::messages::Usage;
use crate::simulator::Shared;

/// What a message takes out of the buckets and puts on the bill, as it is written. Dropping it, at whatever
/// point, settles: what was used until then stays used.
pub(crate) struct Execution {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
    model: String,
    usage: Usage,
    free: bool,
}

impl Execution {
    /// An admitted request whose execution begins: the usage is of its input, without output.
    pub(crate) fn begin(shared: &Arc<Shared>, owner: &Arc<Owner>, model: &str, usage: Usage) -> Self {
        let (shared, owner) = (Arc::clone(shared), Arc::clone(owner));
        Self { shared, owner, model: model.to_owned(), usage, free: false }
    }

    /// So much has been used by now, in all.
    pub(crate) fn progress(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// It stays off the bill, whatever it used.
    pub(crate) fn set_free(&mut self) {
        self.free = true;
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if self.free {
            return;
        }
        let mut bill = self.shared.bill();
        for (model, tokens) in self.usage.lines(&self.model) {
            bill.add(self.owner.bill_item(&model, &self.usage), tokens);
        }
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("model", &self.model).finish_non_exhaustive()
    }
}
