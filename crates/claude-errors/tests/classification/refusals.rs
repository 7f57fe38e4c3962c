//! Our own refusals, wherever in a chain they stand.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use claude_errors::{Blame, Classification, Error, ErrorKind, Retry};
use claude_wire::BoxError;
use claude_wire::call::{Refusal, RefusalKind};

use crate::support::Executed::Not;
use crate::support::{Row, Wrapped, row};

const KINDS: [(RefusalKind, Retry, &str); 11] = [
    (RefusalKind::RateLimited, Retry::Yes, "RATE_LIMITED_LOCALLY"),
    (RefusalKind::Overloaded, Retry::Yes, "OVERLOADED_LOCALLY"),
    (RefusalKind::DeadlineExceeded, Retry::No, "DEADLINE_EXCEEDED"),
    (RefusalKind::BudgetExceeded, Retry::No, "BUDGET_EXCEEDED"),
    (RefusalKind::Unpriced, Retry::No, "UNPRICED"),
    (RefusalKind::NoCredential, Retry::No, "NO_CREDENTIAL"),
    (RefusalKind::OriginNotAllowed, Retry::No, "ORIGIN_NOT_ALLOWED"),
    (RefusalKind::NotPermitted, Retry::No, "NOT_PERMITTED"),
    (RefusalKind::CredentialUnavailable, Retry::Yes, "CREDENTIAL_UNAVAILABLE"),
    (RefusalKind::NoEndpoint, Retry::Yes, "NO_ENDPOINT"),
    (RefusalKind::Policy, Retry::No, "POLICY"),
];

/// The same refusal in every wrapping that somebody may have put around it.
fn wrapped(refusal: &Refusal) -> Vec<BoxError> {
    let it = || refusal.clone();
    vec![
        Box::new(it()),
        Box::new(Wrapped(it())),
        Box::new(Wrapped(Wrapped(it()))),
        Box::new(io::Error::other(it())),
        Box::new(io::Error::new(io::ErrorKind::ConnectionRefused, it())),
        Box::new(Wrapped(io::Error::other(Wrapped(it())))),
        Box::new(Arc::new(it())),
        Box::new(Wrapped(Arc::new(it()))),
        Box::new(Arc::<dyn StdError + Send + Sync>::from(Box::new(it()) as BoxError)),
        Box::new(Arc::new(io::Error::other(it()))),
        Box::new(Box::new(io::Error::other(it()))),
    ]
}

#[test]
fn of_each_kind_in_each_wrapping() {
    for (kind, retry, code) in KINDS {
        assert_eq!(ErrorKind::Refused(kind).code(), code, "the one for refusals without a code of their own");
        let refusal = Refusal::new(kind, "ITS_OWN_CODE", "its own words");
        let expected = row(ErrorKind::Refused(kind), "ITS_OWN_CODE", retry, Not, Blame::Stack);
        let judged = Classification::of_refusal(&refusal);
        assert_eq!((Row::from(&judged), judged.retry_after), (expected, None));
        for (wrapping, error) in wrapped(&refusal).into_iter().enumerate() {
            // Nothing was sent, whatever a mark says that others have set.
            for sent in [None, Some(false), Some(true)] {
                let judged = Classification::of_error(&*error, sent);
                assert_eq!(Row::from(&judged), expected, "{kind:?}, wrapping {wrapping}");
            }
            let error = Error::from_service(error, Some(true));
            assert!(error.is_refusal());
            assert_eq!(error.to_string(), "its own words");
        }
    }
}

#[test]
fn with_a_wait() {
    for (kind, ..) in KINDS {
        let refusal = Refusal::new(kind, "X", "x").with_retry_after(Duration::from_millis(1_500));
        let judged = Classification::of_refusal(&refusal);
        assert_eq!(judged.retry_after, Some(Duration::from_millis(1_500)));
    }
}

/// What is typed already stays as it was judged, over any refusal in it.
#[test]
fn an_error_of_ours_comes_first() {
    let inner = Error::from_service(io::Error::from(io::ErrorKind::ConnectionRefused), None);
    let judged = Classification::of_error(&Wrapped(inner), Some(true));
    assert_eq!((judged.kind, judged.maybe_executed), (ErrorKind::Connection, false));
}
