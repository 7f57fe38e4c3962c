//! A request that is being executed.

use std::fmt;

use http::HeaderMap;

use crate::draft::Draft;
use crate::limits::Admission;
use crate::messages::{Line, Usage};

/// What a message takes out of the buckets and puts on the bill, as it is written. Dropping it, at whatever
/// point, settles: what was used until then stays used.
pub(crate) struct Execution {
    admission: Admission,
    usage: Usage,
    /// A whole message that is being written.
    draft: Option<Draft>,
    free: bool,
}

impl Execution {
    /// An admitted request whose execution begins: the usage is of its input, without output.
    pub(crate) const fn begin(admission: Admission, usage: Usage) -> Self {
        Self { admission, usage, draft: None, free: false }
    }

    /// So much has been used by now, in all.
    pub(crate) fn progress(&mut self, usage: Usage) {
        self.admission.charge(&usage);
        self.usage = usage;
    }

    /// A whole message is being written, until [`written`](Self::written) or the drop.
    pub(crate) fn write(&mut self, draft: Draft) {
        self.draft = Some(draft);
    }

    /// All of it is written.
    pub(crate) fn written(&mut self) {
        if let Some(draft) = self.draft.take() {
            self.progress(draft.whole().clone());
        }
    }

    /// The rate limit headers, as they stand now.
    pub(crate) fn show_limits(&self, headers: &mut HeaderMap) {
        self.admission.show(headers);
    }

    /// It stays off the bill, whatever it used.
    pub(crate) const fn set_free(&mut self) {
        self.free = true;
    }

    /// Its stream ends in an error after it has begun: an `error` event, or a broken connection. The setting
    /// decides whether what it used until then is billed.
    pub(crate) fn fail_stream(&mut self) {
        self.free |= !self.admission.shared().failed_streams_billed;
    }

    /// It was executed, and the answer never arrives: a 500, 502 or 504, or a connection that breaks before
    /// the headers. The setting decides whether that is billed.
    pub(crate) fn lose_answer(&mut self) {
        self.free |= !self.admission.shared().lost_answers_billed;
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if let Some(draft) = self.draft.take() {
            self.usage = draft.so_far();
        }
        self.admission.charge(&self.usage);
        if self.free {
            return;
        }
        let (shared, owner) = (self.admission.shared(), self.admission.owner());
        for Line { by, long_context, tokens } in self.usage.lines() {
            let item = owner.bill_item(&by, long_context, self.usage.service_tier);
            shared.bill().add(item, tokens);
            shared.log().billed(self.admission.number(), tokens);
        }
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("model", &self.admission.model()).finish_non_exhaustive()
    }
}
