//! How answers end, as far as a meter can tell.

use claude_wire::ErrorBody;
use claude_wire::meter::{Ending, Kind, Reading};

/// The end of an answer that began well.
pub(crate) enum End {
    /// All that makes a message is there. What comes behind it, failures too, changes nothing.
    Whole,
    /// It carried an `error` event.
    Event(ErrorBody),
    /// It stopped too soon.
    Cut,
}

impl End {
    /// What is read at the end of a body; `None` if that says nothing. How answers end that are no messages is not
    /// known, so they are never cut.
    pub(crate) fn of(reading: &Reading, is_message: bool) -> Option<Self> {
        match (&reading.ending, &reading.error, reading.kind) {
            (_, Some(said), Kind::Events) => Some(Self::Event(said.clone())),
            (Some(Ending::Cut), ..) if is_message => Some(Self::Cut),
            (Some(Ending::Complete), _, Kind::Events | Kind::Json) => Some(Self::Whole),
            _ => None,
        }
    }
}
