//! What pays for extra work: what goes in, what goes out, and who shares it.

use std::io::ErrorKind::ConnectionRefused;

use claude_retry::{GaveUp, Quota, Reason, RetryLayer};
use claude_wire::Body;
use http::{HeaderValue, Request};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    Client, Ready, gave_up, io, millis, never, ok, plain, post, post_due, secs, send, status, text,
};

/// A layer, and the handle to a bucket of its own.
fn with(ratio: f64, burst: u32) -> (RetryLayer, Quota) {
    let quota = Quota::new(ratio, burst).unwrap();
    (plain().with_quota(quota.clone()), quota)
}

/// A request that is the so-manyth retry of a client.
fn retry_of_client(count: &str) -> Request<Body> {
    let mut request = post();
    request.headers_mut().insert("x-stainless-retry-count", HeaderValue::from_str(count).unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn each_first_try_puts_its_share_in() {
    let (layer, quota) = with(0.25, 10);
    drop(send(&layer, &Client::new([status(529)]), post()).await);
    assert_eq!(quota.available(), 4.0, "ten, and three attempts at two each");
    for deed in [ok(), status(404), status(301), io(std::io::ErrorKind::Other)] {
        drop(send(&layer, &Client::new([deed]), post()).await);
    }
    assert_eq!(quota.available(), 5.0, "whatever becomes of it");
    for _ in 0..100 {
        drop(send(&layer, &Client::new([ok()]), post()).await);
    }
    assert_eq!(quota.available(), 10.0, "and no more than it holds");
}

#[tokio::test(start_paused = true)]
async fn an_extra_attempt_costs_by_what_failed() {
    for (deed, cost) in [
        (status(429), 1.0),
        (status(409), 1.0),
        (io(ConnectionRefused), 1.0),
        (io(std::io::ErrorKind::ConnectionReset).marked(false), 1.0),
        (io(std::io::ErrorKind::ConnectionReset), 2.0),
        (io(std::io::ErrorKind::TimedOut), 2.0),
        (status(408), 2.0),
        (status(500), 2.0),
        (status(504), 2.0),
        (status(529), 2.0),
    ] {
        let (layer, quota) = with(0.0, 10);
        drop(send(&layer.clone().with_max_retries(1), &Client::new([deed.clone()]), post()).await);
        assert_eq!(quota.available(), 10.0 - cost);
        // One that helps gets back what it cost above one.
        let (layer, quota) = with(0.0, 10);
        drop(send(&layer, &Client::new([deed, ok()]), post()).await.unwrap());
        assert_eq!(quota.available(), 9.0);
    }
    // The last one that helped, and not those before it.
    let (layer, quota) = with(0.0, 10);
    drop(send(&layer, &Client::new([status(529), status(529), ok()]), post()).await.unwrap());
    assert_eq!(quota.available(), 7.0);
    let own = Quota::new(0.0, 10).unwrap().with_cost(|judged| if judged.maybe_executed { 7 } else { 3 });
    let layer = plain().with_quota(own.clone());
    drop(send(&layer, &Client::new([status(529), status(500)]), post()).await);
    assert_eq!(own.available(), 0.0, "three and seven");
}

/// What there is not enough for is not done, and the first failure is the caller's as it came.
#[tokio::test(start_paused = true)]
async fn none_left() {
    for burst in [0, 1] {
        let quota = Quota::new(0.2, burst).unwrap().with_cost(|_| 1);
        let layer = plain().with_quota(quota.clone());
        if burst == 1 {
            drop(send(&layer.clone().with_max_retries(1), &Client::new([status(529)]), post()).await);
        }
        let client = Client::new([status(529).header("x-which", "first").saying("no"), status(500)]);
        let begun = tokio::time::Instant::now();
        let response = send(&layer, &client, post()).await.unwrap();
        assert_eq!(tokio::time::Instant::now(), begun, "at once");
        assert_eq!((client.calls(), response.status().as_u16()), (1, 529));
        let said = gave_up(&response).unwrap();
        assert_eq!((said.reason, said.attempts), (Reason::Quota, 1));
        assert_eq!(response.headers()["x-which"], "first");
        assert_eq!(text(response).await, "no");
        let client = Client::new([io(ConnectionRefused)]);
        let error = send(&layer, &client, post()).await.unwrap_err();
        assert_eq!(client.calls(), 1);
        assert_eq!(GaveUp::find(&*error).unwrap().reason, Reason::Quota);
        assert_eq!(error.to_string(), "gave up after 1 attempt: there is no retry quota left");
    }
    // It runs dry in the middle of a call.
    let (layer, quota) = with(0.0, 5);
    let client = Client::new([status(500)]);
    let response = send(&layer, &client, post()).await.unwrap();
    let said = gave_up(&response).unwrap();
    assert_eq!((client.calls(), said.reason, said.attempts), (3, Reason::Quota, 3));
    assert_eq!(quota.available(), 1.0);
}

/// What is given up for another reason costs nothing.
#[tokio::test(start_paused = true)]
async fn what_is_not_repeated_is_not_paid() {
    let (layer, quota) = with(0.0, 10);
    let long = status(429).header("retry-after", "1000");
    for (layer, deed, request) in [
        (layer.clone(), status(404), post()),
        (layer.clone(), long, post()),
        (layer.clone(), status(500), post_due(millis(1))),
        (layer.clone().with_max_retries(0), status(500), post()),
        (layer.clone().with_maybe_executed(claude_retry::MaybeExecuted::Leave), status(500), post()),
    ] {
        drop(send(&layer, &Client::new([deed]), request).await);
        assert_eq!(quota.available(), 10.0);
    }
    // Nor what the inner service was never ready for.
    let client = Client::new([status(500)]).ready_as([Ready::Now, Ready::Never]);
    send(&layer.clone().with_only_if_ready(true), &client, post()).await.unwrap_err();
    let client = Client::new([status(500)]).ready_as([Ready::Now, Ready::Never]);
    send(&layer, &client, post_due(secs(9))).await.unwrap_err();
    let client = Client::new([status(500)]).ready_as([Ready::Now, Ready::Broken]);
    send(&layer, &client, post()).await.unwrap_err();
    assert_eq!(quota.available(), 10.0);
}

#[tokio::test(start_paused = true)]
async fn clones_and_layers_share_it() {
    let (layer, quota) = with(0.0, 12);
    assert_eq!(layer.quota().available(), 12.0);
    let other = RetryLayer::patient().with_max_retries(1).with_quota(quota.clone());
    let client = Client::new([status(500)]);
    let service = layer.layer(client.clone());
    drop(service.clone().oneshot(post()).await);
    assert_eq!(quota.available(), 6.0);
    drop(layer.clone().with_max_retries(1).layer(client.clone()).oneshot(post()).await);
    assert_eq!((quota.available(), layer.quota().available()), (4.0, 4.0));
    drop(other.layer(client.clone()).oneshot(post()).await);
    drop(other.layer(client.clone()).oneshot(post()).await);
    assert_eq!(other.quota().available(), 0.0);
    let response = service.oneshot(post()).await.unwrap();
    assert_eq!(gave_up(&response).unwrap().reason, Reason::Quota);
    // One of its own shares nothing.
    assert_eq!(RetryLayer::new().quota().available(), 100.0);
    assert_eq!(quota.clone().with_cost(|_| 1).available(), 12.0);
}

/// A request that is somebody's retry is extra work itself: it brings nothing, and takes out one.
#[tokio::test(start_paused = true)]
async fn retries_of_clients_pay() {
    for count in ["1", "2", "4294967296"] {
        let (layer, quota) = with(0.5, 2);
        drop(send(&layer, &Client::new([ok()]), retry_of_client(count)).await.unwrap());
        assert_eq!(quota.available(), 1.0, "{count}");
        drop(send(&layer, &Client::new([status(404)]), retry_of_client(count)).await.unwrap());
        assert_eq!(quota.available(), 0.0, "{count}");
        // One for which there is nothing left goes once.
        let client = Client::new([status(429)]);
        let response = send(&layer, &client, retry_of_client(count)).await.unwrap();
        assert_eq!((client.calls(), gave_up(&response).unwrap().reason), (1, Reason::Quota));
        assert_eq!(quota.available(), 0.0);
    }
    // Also if there is enough by the time that it has failed.
    let (layer, quota) = with(1.0, 1);
    drop(send(&layer, &Client::new([ok()]), retry_of_client("1")).await.unwrap());
    let client = Client::new([status(429).after(secs(1))]);
    let unfunded = send(&layer, &client, retry_of_client("1"));
    let meanwhile = async {
        tokio::task::yield_now().await;
        drop(send(&layer, &Client::new([ok()]), post()).await.unwrap());
    };
    let (response, ()) = tokio::join!(unfunded, meanwhile);
    assert_eq!((quota.available(), client.calls()), (1.0, 1));
    assert_eq!(gave_up(&response.unwrap()).unwrap().reason, Reason::Quota);
    // One that is paid for is repeated like others, and pays for each.
    let (layer, quota) = with(0.0, 10);
    let client = Client::new([status(429), status(429), ok()]);
    drop(send(&layer, &client, retry_of_client("1")).await.unwrap());
    assert_eq!((client.calls(), quota.available()), (3, 7.0));
    // Those are first tries.
    for count in ["0", "", "many", "-1"] {
        let (layer, quota) = with(0.5, 2);
        drop(send(&layer.clone().with_max_retries(1), &Client::new([status(500)]), post()).await.unwrap());
        assert_eq!(quota.available(), 0.0);
        drop(send(&layer, &Client::new([ok()]), retry_of_client(count)).await.unwrap());
        assert_eq!(quota.available(), 0.5, "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_never_polled_has_not_happened() {
    let (layer, quota) = with(0.5, 10);
    drop(send(&layer.clone().with_max_retries(1), &Client::new([status(500)]), post()).await.unwrap());
    assert_eq!(quota.available(), 8.0);
    for request in [post(), retry_of_client("1")] {
        let mut service = layer.layer(Client::new([ok()]));
        drop(service.ready().await.unwrap().call(request));
        assert_eq!(quota.available(), 8.0);
    }
}

/// A call that its deadline kept from being made at all was no try.
#[tokio::test(start_paused = true)]
async fn what_came_too_late_has_not_happened() {
    let (layer, quota) = with(0.5, 10);
    drop(send(&layer.clone().with_max_retries(1), &Client::new([status(500)]), post()).await.unwrap());
    assert_eq!(quota.available(), 8.0);
    for request in [post(), retry_of_client("1")] {
        let late = layer.clone().with_timeout(std::time::Duration::ZERO);
        send(&late, &Client::new([ok()]), request).await.unwrap_err();
        assert_eq!(quota.available(), 8.0);
    }
}

/// At once, and not when the future goes that has told its end.
#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_there_when_the_call_ends() {
    for (layer, ready) in [
        (plain(), Ready::Broken),
        (plain().with_only_if_ready(true), Ready::Never),
        (plain().with_timeout(secs(9)), Ready::Never),
    ] {
        let quota = Quota::new(0.0, 10).unwrap();
        let client = Client::new([status(500)]).ready_as([Ready::Now, ready]);
        let mut service = layer.with_quota(quota.clone()).layer(client);
        let mut call = task::spawn(service.ready().await.unwrap().call(post()));
        assert_pending!(call.poll());
        assert_eq!(quota.available(), 8.0);
        for _ in 0..9 {
            tokio::time::advance(secs(1)).await;
            if call.is_woken() && call.poll().is_ready() {
                break;
            }
        }
        assert_eq!(quota.available(), 10.0);
    }
}

/// It is paid before the wait, so that what waits is bounded too, and given back if the attempt is not made.
#[tokio::test(start_paused = true)]
async fn dropped_in_the_wait_it_is_given_back() {
    let (layer, quota) = with(0.0, 10);
    let mut service = layer.layer(Client::new([status(500), never()]));
    let mut call = task::spawn(service.ready().await.unwrap().call(post()));
    assert_pending!(call.poll());
    assert_eq!(quota.available(), 8.0);
    drop(call);
    assert_eq!(quota.available(), 10.0);
    // In the attempt that it paid for it is spent.
    let mut call = task::spawn(layer.layer(Client::new([status(500), never()])).oneshot(post()));
    assert_pending!(call.poll());
    tokio::time::advance(secs(1)).await;
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(quota.available(), 8.0);
}

/// Ten thousand calls at once against an API that is down: the extra attempts are bounded by the quota, and when it is up
/// again every call succeeds at once and the bucket fills.
#[tokio::test(start_paused = true)]
async fn an_outage_and_its_end() {
    const CALLS: usize = 10_000;
    let quota = Quota::default();
    let layer = RetryLayer::new().with_quota(quota.clone());
    let client = Client::new([status(529).after(millis(10))]);
    let service = layer.layer(client.clone());
    let calls = (0..CALLS).map(|_| service.clone().oneshot(post()));
    let results = futures_util::future::join_all(calls).await;
    assert!(results.into_iter().all(|result| result.unwrap().status() == 529));
    let extra = client.calls() - CALLS;
    assert!((50..=100 + CALLS / 5).contains(&extra), "{extra}");
    assert!(quota.available() < 2.0);
    assert_eq!(client.in_flight(), 0);

    client.now_does([ok()]);
    let before = client.calls();
    for _ in 0..500 {
        assert_eq!(service.clone().oneshot(post()).await.unwrap().status(), 200);
    }
    assert_eq!(client.calls() - before, 500, "one attempt each");
    assert_eq!(quota.available(), quota.capacity());
    // And a single failure is repeated as ever.
    client.now_does([status(529), ok()]);
    assert_eq!(service.oneshot(post()).await.unwrap().status(), 200);
}

/// One after the other, in an outage of any length: one in five is repeated, and none more.
#[tokio::test(start_paused = true)]
async fn a_long_outage() {
    let quota = Quota::new(0.2, 10).unwrap().with_cost(|_| 1);
    let layer = RetryLayer::new().with_quota(quota);
    let client = Client::new([status(500)]);
    for _ in 0..2_000 {
        drop(send(&layer, &client, post()).await.unwrap());
    }
    let extra = client.calls() - 2_000;
    assert!((400..=410).contains(&extra), "{extra}");
}
