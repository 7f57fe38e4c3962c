//! Server-sent events: a push scanner over whatever chunks a body arrives in.
//!
//! The events do not depend on how the stream was cut: any split of the same bytes gives the same events. Line
//! ends are `\n`, `\r\n` and `\r`, mixed and split at will; a byte order mark is skipped; comments, unknown
//! fields and unknown events are no errors. Bytes are not text until a whole event is there, and need not be
//! text then.
//!
//! An event that lies in one chunk with a single `data` line is borrowed from the chunk. Only an event that
//! is cut, or has several `data` lines, is put together in a buffer, which is used again for the next one.
//!
//! ```
//! use claude_wire::sse::Scanner;
//!
//! let mut scanner = Scanner::new();
//! let mut seen = Vec::new();
//! for chunk in ["event: ping\nda", "ta: {\"type\": \"ping\"}\n", "\n"] {
//!     let mut events = scanner.push(chunk.as_bytes());
//!     while let Some(event) = events.next().transpose()? {
//!         seen.push((event.name().to_vec(), event.data().to_vec()));
//!     }
//! }
//! assert_eq!(seen, [(b"ping".to_vec(), b"{\"type\": \"ping\"}".to_vec())]);
//! # Ok::<_, claude_wire::sse::EventTooLarge>(())
//! ```
//!
//! Memory: the cap of one event ([`DEFAULT_EVENT_CAP`], or [`Scanner::with_event_cap`]), twice for one that is cut, since
//! its line and its data stand side by side for a moment, and once more for the latest `id`.

mod event;
mod scanner;

pub use event::{Event, EventTooLarge};
pub use scanner::{DEFAULT_EVENT_CAP, Events, Scanner};
