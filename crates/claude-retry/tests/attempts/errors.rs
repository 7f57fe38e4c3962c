//! Which errors are repeated, sent or not; and refusals, which never are.

use std::io;
use std::io::ErrorKind::{
    BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidData,
    NotConnected, Other, PermissionDenied, TimedOut, UnexpectedEof,
};
use std::sync::Arc;
use std::time::Duration;

use claude_errors::{Classification, Error, ErrorKind};
use claude_retry::{GaveUp, MaybeExecuted, Reason, RetryError};
use claude_wire::call::{Refusal, RefusalKind};
use http::{HeaderMap, StatusCode};

use crate::support::{Client, Deed, Failure, Strange, Wrapped, error, io, ok, plain, post, send};

/// How many attempts an error that comes every time gets, and whether it may have been executed then.
async fn attempts(deed: &Deed) -> (usize, bool) {
    let client = Client::new([deed.clone()]);
    let failure = send(&plain(), &client, post()).await.unwrap_err();
    let attempts = client.calls();
    let gave_up = GaveUp::find(&*failure).map(|gave_up| (gave_up.reason, gave_up.attempts as usize));
    assert_eq!(gave_up, (attempts > 1).then_some((Reason::Attempts, attempts)));
    assert_eq!(
        failure.is::<RetryError>(),
        attempts > 1,
        "only what was given up is put into an error of ours"
    );
    // The same where the worst is never risked: whatever may have been executed goes once.
    let careful = Client::new([deed.clone()]);
    let layer = plain().with_maybe_executed(MaybeExecuted::Leave);
    let failure = send(&layer, &careful, post()).await.unwrap_err();
    let maybe_executed = attempts > 1 && careful.calls() == 1;
    if maybe_executed {
        assert_eq!(GaveUp::find(&*failure).unwrap().reason, Reason::MaybeExecuted);
    } else {
        assert_eq!(careful.calls(), attempts);
    }
    if attempts > 1 {
        let client = Client::new([deed.clone(), ok()]);
        assert_eq!(send(&plain(), &client, post()).await.unwrap().status(), 200);
        assert_eq!(client.calls(), 2);
    }
    (attempts, maybe_executed)
}

#[tokio::test(start_paused = true)]
async fn of_connections() {
    // Each as it is if it was sent, and if it was not.
    for (kind, sent, unsent) in [
        (ConnectionRefused, (4, false), (4, false)),
        (ConnectionReset, (4, true), (4, false)),
        (ConnectionAborted, (4, true), (4, false)),
        (BrokenPipe, (4, true), (4, false)),
        (NotConnected, (4, true), (4, false)),
        (HostUnreachable, (4, true), (4, false)),
        (UnexpectedEof, (4, true), (4, false)),
        (TimedOut, (4, true), (4, false)),
        // Nothing that is known.
        (PermissionDenied, (1, false), (1, false)),
        (InvalidData, (1, false), (1, false)),
        (Other, (1, false), (1, false)),
    ] {
        assert_eq!(attempts(&io(kind).marked(true)).await, sent, "{kind:?}");
        assert_eq!(attempts(&io(kind).marked(false)).await, unsent, "{kind:?}");
        // Where nobody says, it is taken for sent.
        assert_eq!(attempts(&io(kind)).await, sent, "{kind:?}");
        let wrapped = error(move || Wrapped(io::Error::other(Wrapped(io::Error::from(kind)))));
        assert_eq!(attempts(&wrapped).await, sent, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_other_services() {
    for sent in [true, false] {
        let strange = error(|| Strange).marked(sent);
        assert_eq!(attempts(&strange).await, (1, false), "nobody knows what it is");
        let words = error(|| "words").marked(sent);
        assert_eq!(attempts(&words).await, (1, false));
        let elapsed = error(tower::timeout::error::Elapsed::new).marked(sent);
        assert_eq!(attempts(&elapsed).await, (4, sent), "a clock below");
        let unsendable = error(|| http::Request::post("no uri").body(()).unwrap_err()).marked(sent);
        assert_eq!(attempts(&unsendable).await, (1, false), "it will not be one the next time");
        let shed = error(tower::load_shed::error::Overloaded::new).marked(sent);
        assert_eq!(attempts(&shed).await, (1, false), "a refusal in other words");
    }
    let elapsed = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
    let elapsed = Arc::new(Wrapped(elapsed));
    let shared = error(move || Wrapped(Arc::clone(&elapsed)));
    assert_eq!(attempts(&shared).await, (4, true));
}

/// An error that was judged below, as it was judged.
#[tokio::test(start_paused = true)]
async fn that_were_judged_below() {
    let judged = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        let nothing = HeaderMap::new();
        Classification::of_response(status, &nothing, None, std::time::UNIX_EPOCH).unwrap()
    };
    for (status, expected) in [(529, (4, false)), (500, (4, true)), (404, (1, false))] {
        let deed = error(move || Wrapped(Error::from(judged(status))));
        assert_eq!(attempts(&deed).await, expected, "{status}");
    }
}

/// It is the very error that the client gave: what was not given up bare, and else as the source of ours.
#[tokio::test(start_paused = true)]
async fn come_back_as_they_were() {
    let bare = send(&plain(), &Client::new([error(|| Strange)]), post()).await.unwrap_err();
    assert_eq!(bare.downcast_ref::<Strange>(), Some(&Strange));
    let reset = io::Error::from(ConnectionReset).to_string();
    let given_up = send(&plain(), &Client::new([io(ConnectionReset)]), post()).await.unwrap_err();
    let ours = given_up.downcast_ref::<RetryError>().unwrap();
    assert_eq!(ours.to_string(), "gave up after 4 attempts: no further attempt is allowed");
    let source = std::error::Error::source(ours).unwrap();
    assert_eq!(source.downcast_ref::<io::Error>().unwrap().to_string(), reset);
    // Of several, the last.
    let client = Client::new([io(ConnectionRefused), io(ConnectionReset), error(|| Strange)]);
    let last = send(&plain(), &client, post()).await.unwrap_err();
    assert!(last.is::<Strange>());
    assert_eq!(client.calls(), 3);
    // And it is judged above as it was here.
    let judged = Error::from_service(given_up, Some(true));
    assert_eq!((judged.kind(), judged.maybe_executed()), (ErrorKind::ConnectionLost, true));
}

/// Whatever time heals: the layer that refused knows more than the one that repeats, and would only be asked again.
#[tokio::test(start_paused = true)]
async fn refusals_are_passed_on_untouched() {
    for &kind in RefusalKind::ALL {
        let refusal = move || {
            Refusal::new(kind, "ITS_OWN_CODE", "its words").with_retry_after(Duration::from_millis(1))
        };
        let wrappings: [(&str, Arc<Failure>); 6] = [
            ("bare", Arc::new(move || refusal().into())),
            ("wrapped", Arc::new(move || Wrapped(refusal()).into())),
            ("as another's source", Arc::new(move || Wrapped(Wrapped(refusal())).into())),
            ("in an io::Error", Arc::new(move || io::Error::new(ConnectionRefused, refusal()).into())),
            ("shared", Arc::new(move || Wrapped(Arc::new(refusal())).into())),
            ("judged", Arc::new(move || Error::from_service(refusal(), None).into())),
        ];
        for (name, make) in wrappings {
            for sent in [true, false] {
                let make = Arc::clone(&make);
                let client = Client::new([error(move || make()).marked(sent), ok()]);
                let layer = plain().with_maybe_executed(MaybeExecuted::RepeatAll);
                let failure = send(&layer, &client, post()).await.unwrap_err();
                assert_eq!(client.calls(), 1, "{kind:?} {name}");
                assert_eq!(GaveUp::find(&*failure), None, "{kind:?} {name}");
                assert!(!failure.is::<RetryError>());
                assert_eq!(Error::from_service(failure, None).code(), "ITS_OWN_CODE");
            }
        }
        let failure = send(&plain(), &Client::new([error(refusal)]), post()).await.unwrap_err();
        assert_eq!(failure.downcast_ref::<Refusal>(), Some(&refusal()), "the very same");
    }
}

/// After a retry, too: the refusal is the caller's, and not what came before.
#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_failure() {
    let refusal = || Refusal::new(RefusalKind::RateLimited, "LATER", "later");
    let client = Client::new([crate::support::status(529), error(refusal), ok()]);
    let failure = send(&plain(), &client, post()).await.unwrap_err();
    assert_eq!((client.calls(), Refusal::find(&*failure)), (2, Some(&refusal())));
    assert_eq!(GaveUp::find(&*failure), None);
}
