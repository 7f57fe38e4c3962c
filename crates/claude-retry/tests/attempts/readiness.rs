//! The readiness of the inner service: asked anew for each attempt, of the very instance that is called.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use claude_errors::{Error, ErrorKind};
use claude_retry::{GaveUp, Quota, Reason, ResponseBody, RetryLayer};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

use crate::support::{
    Client, Ready, Script, Strange, io, millis, ok, plain, post, post_due, secs, send, status,
};

type Mock = mock::Mock<Request<Body>, Response<Script>>;
type Handle = mock::Handle<Request<Body>, Response<Script>>;

fn mocked(layer: &RetryLayer) -> (claude_retry::Retry<Mock>, Handle) {
    let (mock, handle) = mock::pair();
    (layer.layer(mock), handle)
}

async fn answered(status: u16) -> Response<Script> {
    let client = Client::new([crate::support::status(status)]);
    client.oneshot(post()).await.unwrap()
}

/// The first attempt goes through the instance that was asked; each further one through a clone that is asked first. (The
/// client panics otherwise, in all of these tests.)
#[tokio::test(start_paused = true)]
async fn is_asked_for_before_each_attempt() {
    let client = Client::new([status(500), status(500), ok()]).ready_as([Ready::Now, Ready::After(secs(3))]);
    let mut service = plain().layer(client.clone());
    for _ in 0..2 {
        assert_eq!(service.ready().await.unwrap().call(post()).await.unwrap().status(), 200);
        client.now_does([status(500), status(500), ok()]);
    }
    let waits = client.waits();
    assert_eq!(waits[0], millis(3_500), "the backoff, and then until it is ready");
    assert_eq!(waits[1], secs(1));
    assert_eq!(waits[3..], [millis(500), secs(1)], "of the second call");
}

#[tokio::test]
async fn is_passed_on() {
    let (service, mut handle) = mocked(&plain());
    let mut service = mock::Spawn::new(service);
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    handle.send_error("closed");
    let mut other = service.clone();
    let error = assert_ready!(other.poll_ready()).unwrap_err();
    assert_eq!(error.to_string(), "closed", "bare");
}

/// Under backpressure a retry waits for its turn like anybody else's call, and is woken when it has come.
#[tokio::test(start_paused = true)]
async fn is_waited_for() {
    let (mut service, mut handle) = mocked(&plain());
    handle.allow(1);
    let mut call = task::spawn(service.ready().await.unwrap().call(post()));
    assert_pending!(call.poll());
    let (_, send) = handle.next_request().await.unwrap();
    send.send_response(answered(503).await);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    tokio::time::advance(secs(1)).await;
    assert!(call.is_woken(), "the wait is over");
    assert_pending!(call.poll());
    tokio::time::advance(secs(3_600)).await;
    assert_pending!(call.poll(), "and now the service is not ready");
    assert_pending!(task::spawn(handle.next_request()).poll());
    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let (_, send) = handle.next_request().await.unwrap();
    send.send_response(answered(204).await);
    assert_eq!(assert_ready!(call.poll()).unwrap().status(), 204);
}

/// It is not judged: the inner service is broken, which is the end of it and of this call.
#[tokio::test(start_paused = true)]
async fn that_fails_is_the_callers() {
    let client =
        Client::new([io(std::io::ErrorKind::ConnectionReset), ok()]).ready_as([Ready::Now, Ready::Broken]);
    let error = send(&plain(), &client, post()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Strange>(), Some(&Strange), "as it came");
    assert_eq!((client.calls(), GaveUp::find(&*error)), (1, None));

    let (mut service, mut handle) = mocked(&plain());
    let mut call = task::spawn(service.ready().await.unwrap().call(post()));
    assert_pending!(call.poll());
    let (_, send) = handle.next_request().await.unwrap();
    send.send_error(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
    handle.send_error("closed");
    assert_pending!(call.poll());
    tokio::time::advance(secs(1)).await;
    assert_eq!(assert_ready!(call.poll()).unwrap_err().to_string(), "closed");
}

#[tokio::test(start_paused = true)]
async fn or_never() {
    let layer = plain().with_only_if_ready(true);
    for not_ready in [Ready::Never, Ready::After(millis(1))] {
        let client = Client::new([status(500), ok()]).ready_as([Ready::Now, not_ready]);
        let begun = Instant::now();
        let error = send(&layer, &client, post()).await.unwrap_err();
        assert_eq!(Instant::now() - begun, millis(500), "after the wait, and at once then");
        let said = GaveUp::find(&*error).unwrap();
        assert_eq!((client.calls(), said.reason, said.attempts), (1, Reason::NotReady, 1));
        // What it would have been repeated for.
        let judged = Error::from_service(error, None);
        assert_eq!((judged.kind(), judged.status().unwrap().as_u16()), (ErrorKind::Server, 500));
        assert!(judged.maybe_executed());
    }
    // Also what the server asked for.
    let client =
        Client::new([status(429).header("retry-after", "7"), ok()]).ready_as([Ready::Now, Ready::Never]);
    let error = Error::from_service(send(&layer, &client, post()).await.unwrap_err(), None);
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(secs(7))));
    // The first attempt waits as ever, and a service that is ready is used.
    let client = Client::new([status(500), ok()]).ready_as([Ready::After(secs(9)), Ready::Now]);
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
}

/// A call that comes too late calls nothing, and what was made ready for it is anybody's.
#[tokio::test(start_paused = true)]
async fn that_is_not_used_is_given_back() {
    let client = Client::new([ok()]);
    let limited = GlobalConcurrencyLimitLayer::new(1).layer(client.clone());
    for layer in [plain(), plain().with_timeout(Duration::ZERO)] {
        let mut kept = layer.layer(limited.clone());
        let mut other = plain().layer(limited.clone());
        let late = kept.ready().await.unwrap().call(post_due(Duration::ZERO));
        // Before anybody has asked what became of it, and while the service and the call are kept.
        let served = async { other.ready().await.unwrap().call(post()).await.unwrap() };
        let response = tokio::time::timeout(secs(9), served).await.expect("there is a permit");
        assert_eq!(response.status(), 200);
        let error = late.await.unwrap_err();
        assert_eq!(GaveUp::find(&*error).unwrap().reason, Reason::Deadline);
        // And it is as good as before.
        drop(response);
        let again = tokio::time::timeout(secs(9), kept.ready()).await.expect("there is a permit");
        again.unwrap();
    }
    assert_eq!(client.calls(), 2);
}

/// Threads that call clones of one service: none is called that was not asked, each call is repeated as it should be, and
/// the quota comes out even.
#[test]
fn of_clones_under_contention() {
    const THREADS: usize = 4;
    const CALLS: usize = 500;
    let quota = Quota::new(0.0, 100_000).unwrap();
    let layer = plain().with_quota(quota.clone());
    // Every second attempt fails, whoever's it is.
    let client = Client::new((0..3 * THREADS * CALLS).map(|number| {
        let deed = if number % 2 == 0 { status(429) } else { ok() };
        deed.noting(|attempt| attempt.set_wait_handled(true))
    }));
    let service = layer.layer(client.clone());
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (mut service, start) = (service.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                start.wait();
                runtime.block_on(async {
                    let mut gave_up = 0;
                    for _ in 0..CALLS {
                        let response: Result<Response<ResponseBody<Script>>, BoxError> =
                            service.ready().await.unwrap().call(post()).await;
                        gave_up += usize::from(response.unwrap().status() == 429);
                    }
                    gave_up
                })
            })
        })
        .collect();
    let gave_up: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let extra = client.calls() - THREADS * CALLS;
    assert_eq!(quota.available(), 100_000.0 - extra as f64, "one for each extra attempt");
    // As many failed as there were extra attempts and calls that ended badly.
    assert_eq!(client.calls().div_ceil(2), extra + gave_up);
    assert_eq!(client.in_flight(), 0);
}
