//! Errors of services, made up: every kind of `io::Error`, the clocks of tower and tokio, nested in any way, and the mark.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind as Io};
use std::sync::Arc;

use claude_errors::Blame::{Caller, Network, Stack};
use claude_errors::ErrorKind::{Connection, ConnectionLost, Timeout, Unknown, UnsendableRequest};
use claude_errors::Retry::{No, Yes};
use claude_errors::{Classification, Error};
use claude_wire::BoxError;

use crate::support::Executed::{Not, Perhaps};
use crate::support::{Row, Strange, Wrapped, row};

const NO_CONNECTION: Row = row(Connection, "CONNECTION_ERROR", Yes, Not, Network);
const LOST: Row = row(ConnectionLost, "CONNECTION_LOST", Yes, Perhaps, Network);
const SLOW: Row = row(Timeout, "TIMEOUT", Yes, Perhaps, Network);
const UNKNOWN: Row = row(Unknown, "UNKNOWN_ERROR", No, Perhaps, Stack);

/// The same row of what was never sent.
fn unsent(row: Row) -> Row {
    let row = Row { maybe_executed: false, ..row };
    if row == (Row { maybe_executed: false, ..LOST }) { NO_CONNECTION } else { row }
}

/// Checks an error with each mark. No mark counts as sent.
fn is(error: &(dyn StdError + 'static), expected: Row, cause: Option<&str>) {
    for (sent, expected) in [(None, expected), (Some(true), expected), (Some(false), unsent(expected))] {
        let judged = Classification::of_error(error, sent);
        assert_eq!(Row::from(&judged), expected, "{error:?} {sent:?}");
        assert_eq!(judged.cause, cause, "{error:?}");
        assert_eq!((judged.status, judged.retry_after), (None, None));
    }
}

/// A kind in every wrapping that somebody may have put around it.
fn wrapped(kind: Io) -> Vec<BoxError> {
    let it = || io::Error::from(kind);
    vec![
        Box::new(it()),
        Box::new(io::Error::new(kind, "words")),
        Box::new(io::Error::other(it())),
        Box::new(io::Error::other(io::Error::other(it()))),
        Box::new(Wrapped(it())),
        Box::new(Wrapped(Wrapped(io::Error::other(Wrapped(it()))))),
        Box::new(Arc::new(it())),
        Box::new(Wrapped(Arc::new(it()))),
        Box::new(Box::new(it())),
        Box::new(Arc::<dyn StdError + Send + Sync>::from(Box::new(it()) as BoxError)),
        Box::new(io::Error::other(Arc::new(io::Error::other(it())))),
    ]
}

#[test]
fn kinds_of_io() {
    for (kind, expected, cause) in [
        (Io::ConnectionRefused, NO_CONNECTION, Some("connection refused")),
        (Io::HostUnreachable, LOST, Some("host unreachable")),
        (Io::NetworkUnreachable, LOST, Some("network unreachable")),
        (Io::AddrInUse, NO_CONNECTION, Some("no local address")),
        (Io::AddrNotAvailable, NO_CONNECTION, Some("no local address")),
        (Io::ConnectionReset, LOST, Some("connection reset")),
        (Io::ConnectionAborted, LOST, Some("connection aborted")),
        (Io::BrokenPipe, LOST, Some("broken pipe")),
        (Io::NotConnected, LOST, Some("not connected")),
        (Io::NetworkDown, LOST, Some("network down")),
        (Io::UnexpectedEof, LOST, Some("unexpected end")),
        (Io::TimedOut, SLOW, Some("timed out")),
        (Io::Other, UNKNOWN, None),
        (Io::NotFound, UNKNOWN, None),
        (Io::PermissionDenied, UNKNOWN, None),
        (Io::InvalidData, UNKNOWN, None),
        (Io::InvalidInput, UNKNOWN, None),
        (Io::WouldBlock, UNKNOWN, None),
        (Io::Interrupted, UNKNOWN, None),
        (Io::OutOfMemory, UNKNOWN, None),
    ] {
        for error in wrapped(kind) {
            is(&*error, expected, cause);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn clocks() {
    let of_tokio = || async {
        let never = std::future::pending::<()>();
        tokio::time::timeout(std::time::Duration::from_secs(1), never).await.unwrap_err()
    };
    let of_tower = tower::timeout::error::Elapsed::new;
    let errors: Vec<BoxError> = vec![
        Box::new(of_tokio().await),
        Box::new(Wrapped(of_tokio().await)),
        Box::new(io::Error::other(of_tokio().await)),
        Box::new(io::Error::from(of_tokio().await)),
        Box::new(of_tower()),
        Box::new(Wrapped(of_tower())),
        Box::new(io::Error::other(of_tower())),
        Box::new(Arc::<dyn StdError + Send + Sync>::from(Box::new(of_tower()) as BoxError)),
    ];
    for error in errors {
        is(&*error, SLOW, Some("timed out"));
    }
}

#[test]
fn strangers() {
    is(&Strange, UNKNOWN, None);
    is(&Wrapped(Strange), UNKNOWN, None);
    let text: BoxError = "words".into();
    is(&*text, UNKNOWN, None);
}

#[test]
fn requests_that_cannot_be_made() {
    let error = http::Request::get("no uri").body(()).unwrap_err();
    let expected = row(UnsendableRequest, "UNSENDABLE_REQUEST", No, Perhaps, Caller);
    is(&error, expected, Some("no valid request"));
    is(&Wrapped(error), expected, Some("no valid request"));
}

/// Where several links of a chain know something, the one that is the strongest counts.
#[test]
fn the_strongest_counts() {
    let nested = |outer, inner| io::Error::new(outer, io::Error::from(inner));
    is(&nested(Io::ConnectionReset, Io::ConnectionRefused), NO_CONNECTION, Some("connection refused"));
    is(&nested(Io::ConnectionRefused, Io::ConnectionReset), NO_CONNECTION, Some("connection refused"));
    is(&nested(Io::ConnectionReset, Io::TimedOut), SLOW, Some("timed out"));
    is(&nested(Io::BrokenPipe, Io::ConnectionReset), LOST, Some("broken pipe"));
    // A clock that ran out while there was no connection: nothing was sent, whatever the mark says.
    for sent in [None, Some(true), Some(false)] {
        let judged = Classification::of_error(&nested(Io::TimedOut, Io::ConnectionRefused), sent);
        assert_eq!(Row::from(&judged), Row { maybe_executed: false, ..SLOW });
    }
    let unsendable = http::Request::get("no uri").body(()).unwrap_err();
    let judged = Classification::of_error(&io::Error::new(Io::TimedOut, unsendable), None);
    assert_eq!(judged.kind, UnsendableRequest);
}

/// Chains that go in a circle end too.
#[test]
fn circles() {
    #[derive(Debug)]
    struct Circle;
    impl fmt::Display for Circle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("circle")
        }
    }
    impl StdError for Circle {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            static CIRCLE: Circle = Circle;
            Some(&CIRCLE)
        }
    }
    assert!(Error::find(&Circle).is_none());
    is(&Circle, UNKNOWN, None);
}
