//! The end of a call's time: whose it is, and what becomes of the call wherever it comes.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use claude_errors::{Error, ErrorKind};
use claude_retry::{GaveUp, Reason, RetryError};
use claude_wire::BoxError;
use claude_wire::call::{Attempt, Deadline, Refusal, RefusalKind, dispatch};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::support::{
    Client, Ready, Step, due, gave_up, io, millis, never, ok, plain, post, post_due, post_of_call, secs,
    send, status, text,
};

/// Why it was given up, after how many attempts.
fn reason(error: &BoxError) -> (Reason, u32) {
    let found = GaveUp::find(&**error).unwrap();
    (found.reason, found.attempts)
}

fn is_timed_out(error: &BoxError) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(&**error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        next = error.source();
    }
    false
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_the_settings_and_the_request() {
    for (settings, request, expected) in [
        (None, None, None),
        (Some(5), None, Some(5)),
        (None, Some(5), Some(5)),
        (Some(5), Some(9), Some(5)),
        (Some(9), Some(5), Some(5)),
        (Some(7), Some(7), Some(7)),
    ] {
        let mut layer = plain();
        if let Some(settings) = settings {
            layer = layer.with_timeout(secs(settings));
        }
        let client = Client::new([status(500), status(500), never()]);
        let begun = Instant::now();
        let expected = expected.map(|expected| due(secs(expected)));
        let request = request.map_or_else(post, |request| post_due(secs(request)));
        let call = tokio::time::timeout(secs(1_000), send(&layer, &client, request)).await;
        if let Some(expected) = expected {
            let error = call.expect("a deadline ends it").unwrap_err();
            assert_eq!(reason(&error), (Reason::Deadline, 3));
            assert_eq!(Instant::now().into_std(), expected.instant());
        } else {
            assert!(call.is_err(), "nothing ends it");
            assert_eq!(Instant::now() - begun, secs(1_000));
        }
        // The layers below find the one that holds, in every attempt.
        assert_eq!(client.calls(), 3);
        assert!(client.seen().iter().all(|seen| seen.deadline() == expected), "{settings:?}");
    }
}

/// A time that no instant can hold is as good as none.
#[tokio::test(start_paused = true)]
async fn one_that_never_comes() {
    let client = Client::new([status(500), ok()]);
    let layer = plain().with_timeout(Duration::MAX);
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    assert!(client.seen().iter().all(|seen| seen.deadline().is_none()));
    let own = due(secs(60));
    let client = Client::new([ok()]);
    drop(send(&layer, &client, post_due(secs(60))).await.unwrap());
    assert_eq!(client.seen()[0].deadline(), Some(own));
}

#[tokio::test(start_paused = true)]
async fn past_before_anything_was_called() {
    let past = |by: Duration| {
        let mut request = post();
        let instant = Instant::now().into_std().checked_sub(by).unwrap();
        request.extensions_mut().insert(Deadline::at(instant));
        request
    };
    tokio::time::advance(secs(100)).await;
    for (layer, request) in [
        (plain(), past(Duration::ZERO)),
        (plain(), past(secs(9))),
        (plain().with_timeout(Duration::ZERO), post()),
    ] {
        let client = Client::new([ok()]);
        let begun = Instant::now();
        let error = send(&layer, &client, request).await.unwrap_err();
        assert_eq!((client.calls(), Instant::now()), (0, begun));
        assert_eq!(reason(&error), (Reason::Deadline, 0));
        assert_eq!(error.to_string(), "gave up after 0 attempts: the deadline is past or cannot be met");
        assert_eq!(Refusal::find(&*error).unwrap().kind(), RefusalKind::DeadlineExceeded);
        let judged = Error::from_service(error, None);
        assert_eq!(judged.kind(), ErrorKind::Refused(RefusalKind::DeadlineExceeded));
        assert!(!judged.maybe_executed());
    }
}

/// Whoever stands above has sent nothing either: it may go elsewhere, or be paid back.
#[tokio::test(start_paused = true)]
async fn past_before_anything_was_called_marks_nobody_above() {
    for is_late in [true, false] {
        let client = Client::new([ok()]);
        let mut service = plain().layer(client.clone());
        let mut request = if is_late { post_due(Duration::ZERO) } else { post() };
        let above = Attempt::of(&mut request, || Instant::now().into_std());
        let future = dispatch(service.ready().await.unwrap(), request);
        // In time, it is sent with the attempt below.
        assert_eq!(above.is_sent(), !is_late);
        assert_eq!(future.await.is_err(), is_late);
        assert_eq!((above.is_sent(), client.calls()), (!is_late, usize::from(!is_late)));
    }
    // So a layer of this kind above says that nothing was executed.
    let (request, call) = post_of_call();
    let inner = plain().with_timeout(Duration::ZERO).layer(Client::new([ok()]));
    let error = plain().layer(inner).oneshot(request).await.unwrap_err();
    let judged = Error::from_service(error, None);
    assert_eq!(judged.kind(), ErrorKind::Refused(RefusalKind::DeadlineExceeded));
    let attempts = call.attempts();
    assert_eq!(attempts.len(), 1, "what was not made is none");
    assert!(!attempts[0].is_sent() && !attempts[0].outcome().unwrap().maybe_executed);
}

/// The attempt was sent, and nothing came: it may have been executed.
#[tokio::test(start_paused = true)]
async fn passes_in_an_attempt_that_was_sent() {
    for deed in [never(), never().marked(true), ok().after(secs(11)), status(500).after(secs(11))] {
        let client = Client::new([deed]);
        let begun = Instant::now();
        let error = send(&plain().with_timeout(secs(10)), &client, post()).await.unwrap_err();
        assert_eq!(Instant::now() - begun, secs(10));
        assert_eq!(client.in_flight(), 0, "nothing runs on");
        assert_eq!((client.calls(), reason(&error)), (1, (Reason::Deadline, 1)));
        assert!(is_timed_out(&error));
        assert!(Refusal::find(&*error).is_none());
        let judged = Error::from_service(error, Some(true));
        assert_eq!((judged.kind(), judged.maybe_executed()), (ErrorKind::Timeout, true));
    }
}

/// It stood in a queue of a layer below: a refusal, as that layer would have given.
#[tokio::test(start_paused = true)]
async fn passes_in_an_attempt_that_was_not_sent() {
    let client = Client::new([never().marked(false)]);
    let error = send(&plain(), &client, post_due(secs(10))).await.unwrap_err();
    assert_eq!((client.calls(), client.in_flight(), reason(&error)), (1, 0, (Reason::Deadline, 1)));
    assert_eq!(Refusal::find(&*error).unwrap().code(), "DEADLINE_EXCEEDED");
    assert!(!is_timed_out(&error));
    let judged = Error::from_service(error, Some(true));
    assert_eq!(judged.kind(), ErrorKind::Refused(RefusalKind::DeadlineExceeded));
    assert!(!judged.maybe_executed());
}

/// What is known then is what the attempt before failed with.
#[tokio::test(start_paused = true)]
async fn passes_in_the_queue_of_a_second_attempt() {
    let client = Client::new([status(529), never().marked(false)]);
    let error = send(&plain(), &client, post_due(secs(10))).await.unwrap_err();
    assert_eq!((client.calls(), client.in_flight(), reason(&error)), (2, 0, (Reason::Deadline, 2)));
    let judged = Error::from_service(error, None);
    assert_eq!((judged.kind(), judged.maybe_executed()), (ErrorKind::Overloaded, false));
    assert_eq!(judged.status().unwrap(), 529);
    // If that one may have been executed, it may have been.
    let client = Client::new([status(500), never().marked(false)]);
    let error = send(&plain(), &client, post_due(secs(10))).await.unwrap_err();
    assert!(Error::from_service(error, None).maybe_executed());
}

#[tokio::test(start_paused = true)]
async fn passes_while_the_inner_service_is_not_ready() {
    for ready in [Ready::Never, Ready::After(secs(11))] {
        let client = Client::new([io(io::ErrorKind::ConnectionReset), ok()]).ready_as([Ready::Now, ready]);
        let begun = Instant::now();
        let error = send(&plain(), &client, post_due(secs(10))).await.unwrap_err();
        assert_eq!(Instant::now() - begun, secs(10));
        assert_eq!((client.calls(), reason(&error)), (1, (Reason::Deadline, 1)));
        let judged = Error::from_service(error, None);
        assert_eq!((judged.kind(), judged.maybe_executed()), (ErrorKind::ConnectionLost, true));
    }
    // In time, it is used.
    let client = Client::new([status(500), ok()]).ready_as([Ready::Now, Ready::After(secs(9))]);
    assert_eq!(send(&plain(), &client, post_due(secs(10))).await.unwrap().status(), 200);
}

/// An attempt that begins at the deadline would be sent, and perhaps billed, for nothing.
#[tokio::test(start_paused = true)]
async fn no_attempt_begins_when_it_is_past() {
    let client = Client::new([status(529), ok()]).ready_as([Ready::Now, Ready::After(secs(9))]);
    let error = send(&plain(), &client, post_due(secs(10))).await.unwrap_err();
    assert_eq!((client.calls(), reason(&error)), (1, (Reason::Deadline, 1)));
    assert_eq!(Error::from_service(error, None).kind(), ErrorKind::Overloaded);
}

/// Whoever could only be late is told at once, and gets what there is.
#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_end_before_it_is_not_begun() {
    let asked = || status(429).header("retry-after", "10").saying("{}");
    for (due, goes_on) in [(millis(9_000), false), (millis(10_000), false), (millis(10_001), true)] {
        let client = Client::new([asked(), ok()]);
        let begun = Instant::now();
        let response = send(&plain(), &client, post_due(due)).await.unwrap();
        if goes_on {
            assert_eq!((client.calls(), response.status().as_u16()), (2, 200));
            assert_eq!(client.waits(), [secs(10)]);
        } else {
            assert_eq!(Instant::now(), begun, "at once");
            assert_eq!((client.calls(), response.status().as_u16()), (1, 429));
            let said = gave_up(&response).unwrap();
            assert_eq!((said.reason, said.attempts), (Reason::Deadline, 1));
            assert_eq!(response.headers()["retry-after"], "10");
            assert_eq!(text(response).await, "{}");
        }
    }
    // An error as it came, too.
    let client = Client::new([io(io::ErrorKind::ConnectionRefused).after(secs(1)), ok()]);
    let begun = Instant::now();
    let error = send(&plain(), &client, post_due(millis(1_500))).await.unwrap_err();
    assert_eq!((Instant::now() - begun, client.calls()), (secs(1), 1));
    assert_eq!(reason(&error), (Reason::Deadline, 1));
    let source = error.downcast_ref::<RetryError>().unwrap().source().unwrap();
    assert_eq!(source.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionRefused);
    // No wait at all fits as long as there is time.
    let handled = asked().noting(|attempt| attempt.set_wait_handled(true));
    let client = Client::new([handled, ok()]);
    assert_eq!(send(&plain(), &client, post_due(millis(1))).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn who_is_ready_at_the_deadline_is_in_time() {
    let client = Client::new([ok().after(secs(10))]);
    assert_eq!(send(&plain(), &client, post_due(secs(10))).await.unwrap().status(), 200);
    // A failure too: it is what is known, and there is no time for another attempt.
    let client = Client::new([status(529).after(secs(10))]);
    let response = send(&plain(), &client, post_due(secs(10))).await.unwrap();
    assert_eq!((client.calls(), response.status().as_u16()), (1, 529));
    assert_eq!(gave_up(&response).unwrap().reason, Reason::Deadline);
    let client = Client::new([status(404).after(secs(10))]);
    let response = send(&plain(), &client, post_due(secs(10))).await.unwrap();
    assert_eq!((response.status().as_u16(), gave_up(&response)), (404, None));
}

/// Its head is known: the answer is the caller's with as much of its body as there is.
#[tokio::test(start_paused = true)]
async fn passes_while_an_errors_body_is_read() {
    for (code, expected) in [(529, Some(Reason::Deadline)), (404, None)] {
        let body = [Step::Data("slow".into()), Step::Sleep(secs(4)), Step::Data("ly".into())];
        let client = Client::new([status(code).streaming(body)]);
        let begun = Instant::now();
        let response = send(&plain(), &client, post_due(secs(1))).await.unwrap();
        assert_eq!(Instant::now() - begun, secs(1));
        assert_eq!((client.calls(), response.status().as_u16()), (1, code));
        assert_eq!(gave_up(&response).map(|said| said.reason), expected);
        assert_eq!(text(response).await, "slowly");
    }
}

/// It covers all attempts and waits together, and does not begin anew.
#[tokio::test(start_paused = true)]
async fn is_over_the_whole() {
    let client = Client::new([status(500).after(secs(3))]);
    let begun = Instant::now();
    let error = send(&plain().with_max_retries(100), &client, post_due(secs(20))).await.unwrap_err();
    // Four attempts of 3 s and waits of 0.5, 1 and 2 s are over at 15.5 s, and then 4 s are waited: the fifth attempt has
    // half a second.
    assert_eq!(reason(&error), (Reason::Deadline, 5));
    assert_eq!(client.waits(), [3_500, 4_000, 5_000, 7_000].map(millis));
    assert_eq!(Instant::now() - begun, secs(20));
}
