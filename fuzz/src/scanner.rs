//! Server-sent events: no way of cutting a stream changes them, and the cap holds.

use claude_wire::sse::{DEFAULT_EVENT_CAP, Scanner};

use super::input::Choices;

/// What a scanner gave, owned.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Event { name: Vec<u8>, data: Vec<u8>, id: Vec<u8>, retry: Option<u64> },
    TooLarge,
}

/// The bytes are a stream of events.
pub fn scanner(data: &[u8]) {
    let mut choices = Choices::of(data);
    let (all, _) = scan([data], DEFAULT_EVENT_CAP);
    let largest = [64, data.len() + 2][choices.below(2)];
    for cap in [DEFAULT_EVENT_CAP, choices.below(largest)] {
        let whole = scan([data], cap);
        the_cap_holds(&whole.0, &all, cap, data);
        assert_eq!(scan(data.chunks(1), cap), whole, "in single bytes, cap {cap}");
        for longest in [4, 64] {
            let pieces = choices.pieces(data, longest);
            assert_eq!(scan(pieces, cap), whole, "in pieces up to {longest}, cap {cap}");
        }
        let (left, right) = data.split_at(choices.below(data.len() + 1));
        assert_eq!(scan([left, right], cap), whole, "cut at {}, cap {cap}", left.len());

        // Events that nobody takes are passed over, and no others.
        let mut scanner = Scanner::with_event_cap(cap);
        drop(scanner.push(left));
        let mut later = Vec::new();
        take(&mut scanner, right, &mut later);
        assert!(whole.0.ends_with(&later) && scanner.is_mid_event() == whole.1, "left at {}", left.len());
    }
}

/// What these pieces give, and whether the scanner then stands inside an event.
fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, cap: usize) -> (Vec<Seen>, bool) {
    let mut scanner = Scanner::with_event_cap(cap);
    let mut seen = Vec::new();
    pieces.into_iter().for_each(|piece| take(&mut scanner, piece, &mut seen));
    let mid_event = scanner.is_mid_event();
    // A blank line would end an event, if one were open; the first of two may be the end of a cut `\r\n`.
    assert!(mid_event || scanner.push(b"\n\n").next().is_none(), "an event is lost that nobody was told of");
    (seen, mid_event)
}

fn take(scanner: &mut Scanner, piece: &[u8], seen: &mut Vec<Seen>) {
    let mut events = scanner.push(piece);
    while let Some(event) = events.next() {
        seen.push(match event {
            Ok(event) => Seen::Event {
                name: event.name().to_vec(),
                data: event.data().to_vec(),
                id: event.id().to_vec(),
                retry: event.retry(),
            },
            Err(_) => Seen::TooLarge,
        });
    }
}

/// A cap takes events away and adds none, and says so once for each.
fn the_cap_holds(seen: &[Seen], all: &[Seen], cap: usize, data: &[u8]) {
    assert!(seen.len() >= all.len(), "cap {cap}: one vanished without a word");
    if cap > data.len() {
        assert_eq!(seen, all, "cap {cap}: nothing is as long as that");
    }
    // Nobody waits for the end of a line that has passed it: it may never come.
    let open = data.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    assert!(open.is_empty() || open.len() < cap || seen.contains(&Seen::TooLarge), "cap {cap}: it is kept");
    let mut rest = all.iter();
    for event in seen {
        let Seen::Event { name, data, id, retry } = event else { continue };
        assert!(name.len() + data.len() <= cap && id.len() <= cap, "cap {cap}: {event:?}");
        let there = rest.any(|other| match other {
            // An `id` in an event that was too large is lost with it.
            Seen::Event { name: n, data: d, retry: r, .. } => (n, d, r) == (name, data, retry),
            Seen::TooLarge => false,
        });
        assert!(there, "cap {cap}: {event:?} is not of this stream");
    }
}
