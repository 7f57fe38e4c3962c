//! Callers that leave, at any point: nothing runs on, nothing is held, and nothing is paid for that was not done.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use bytes::Bytes;
use claude_retry::{Quota, ResponseFuture, Retry};
use claude_wire::Body;
use http::Request;
use tower::{Layer, Service, ServiceExt};

use crate::support::{Client, Deed, Ready, Script, Step, never, ok, plain, post, secs, send, status};

/// Weighs nothing. What holds a waker of it is a timer, or somebody else who would wake the caller.
#[derive(Default)]
struct Bell;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {}
}

/// Bytes whose life can be watched.
struct Watched {
    _alive: Arc<()>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        b"{}"
    }
}

/// A call, and everything that it could leave behind.
struct Caller {
    call: std::pin::Pin<Box<ResponseFuture<Client, Script>>>,
    _service: Retry<Client>,
    client: Client,
    quota: Quota,
    bell: Arc<Bell>,
    body: Arc<()>,
}

impl Caller {
    async fn new(client: Client) -> Self {
        let quota = Quota::new(0.0, 10).unwrap();
        let layer = plain().with_quota(quota.clone()).with_timeout(secs(1_000));
        let mut service = layer.layer(client.clone());
        let body = Arc::new(());
        let bytes = Bytes::from_owner(Watched { _alive: Arc::clone(&body) });
        let request = Request::post("/v1/messages").body(Body::from(bytes)).unwrap();
        let call = Box::pin(service.ready().await.unwrap().call(request));
        Self { call, _service: service, client, quota, bell: Arc::default(), body }
    }

    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.bell));
        assert!(self.call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }

    /// Leaves, and says what is left of the quota and how many calls were made.
    fn leave(self) -> (f64, usize) {
        let Self { call, _service, client, quota, bell, body } = self;
        assert!(Arc::strong_count(&body) > 1, "the request is there");
        let clones = client.clones();
        drop(call);
        assert_eq!(client.in_flight(), 0, "nothing runs on");
        assert_eq!(client.bodies(), 0, "no answer is held");
        assert_eq!(client.clones(), clones - 1, "no service is held");
        assert_eq!(Arc::strong_count(&body), 1, "no request is held");
        assert_eq!(Arc::strong_count(&bell), 1, "no timer is left, and nobody who would wake it");
        (quota.available(), client.calls())
    }
}

fn failing() -> Deed {
    status(500).saying("{}")
}

#[tokio::test(start_paused = true)]
async fn before_the_first_poll() {
    let caller = Caller::new(Client::new([never()])).await;
    assert_eq!(caller.client.in_flight(), 1);
    assert_eq!(caller.leave(), (10.0, 1));
}

#[tokio::test(start_paused = true)]
async fn in_the_first_attempt() {
    for deed in [never(), ok().after(secs(5)), never().marked(false), never().marked(true)] {
        let mut caller = Caller::new(Client::new([deed])).await;
        caller.poll();
        assert_eq!(caller.client.in_flight(), 1);
        assert!(Arc::strong_count(&caller.bell) > 1, "the deadline is waited for");
        assert_eq!(caller.leave(), (10.0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn while_an_errors_body_is_read() {
    let slow = status(500).streaming([Step::Data("{".into()), Step::Never]);
    let mut caller = Caller::new(Client::new([slow])).await;
    caller.poll();
    assert_eq!((caller.client.in_flight(), caller.client.bodies()), (0, 1));
    assert_eq!(caller.leave(), (10.0, 1));
}

#[tokio::test(start_paused = true)]
async fn in_the_wait() {
    let mut caller = Caller::new(Client::new([failing(), ok()])).await;
    caller.poll();
    assert_eq!(caller.quota.available(), 8.0);
    assert_eq!((caller.client.in_flight(), caller.client.bodies()), (0, 0), "nothing of the failure is held");
    assert_eq!(caller.leave(), (10.0, 1));
}

#[tokio::test(start_paused = true)]
async fn while_the_service_is_not_ready() {
    for ready in [Ready::Never, Ready::After(secs(9))] {
        let client = Client::new([failing(), ok()]).ready_as([Ready::Now, ready]);
        let mut caller = Caller::new(client).await;
        caller.poll();
        tokio::time::advance(secs(1)).await;
        caller.poll();
        assert_eq!(caller.leave(), (10.0, 1));
    }
}

/// Made is paid.
#[tokio::test(start_paused = true)]
async fn in_the_second_attempt() {
    let slow = status(500).streaming([Step::Data("{".into()), Step::Never]);
    for second in [never(), never().marked(false), slow] {
        let mut caller = Caller::new(Client::new([failing(), second])).await;
        caller.poll();
        tokio::time::advance(secs(1)).await;
        caller.poll();
        assert_eq!(caller.leave(), (8.0, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_second_wait() {
    let mut caller = Caller::new(Client::new([failing(), failing(), ok()])).await;
    caller.poll();
    tokio::time::advance(secs(1)).await;
    caller.poll();
    assert_eq!(caller.quota.available(), 6.0);
    assert_eq!(caller.leave(), (8.0, 2));
}

/// The same of calls that end.
#[tokio::test(start_paused = true)]
async fn after_its_end() {
    let client = Client::new([failing(), status(404).saying("{}")]);
    let body = Arc::new(());
    let bytes = Bytes::from_owner(Watched { _alive: Arc::clone(&body) });
    let request = Request::post("/v1/messages").body(Body::from(bytes)).unwrap();
    let response = send(&plain(), &client, request).await.unwrap();
    assert_eq!((client.clones(), client.in_flight(), client.bodies()), (0, 0, 1));
    assert_eq!(Arc::strong_count(&body), 1);
    drop(response);
    assert_eq!(client.bodies(), 0);
    let error =
        send(&plain(), &Client::new([crate::support::io(std::io::ErrorKind::ConnectionReset)]), post()).await;
    drop(error.unwrap_err());
    // By its deadline.
    let client = Client::new([failing(), never()]);
    drop(send(&plain().with_timeout(secs(9)), &client, post()).await.unwrap_err());
    assert_eq!((client.clones(), client.in_flight(), client.bodies()), (0, 0, 0));
}

/// What the deadline ends is let go then, and not when the future goes that has told its end.
#[tokio::test(start_paused = true)]
async fn by_its_deadline() {
    let slow = status(200).header("content-type", "text/event-stream").streaming([Step::Never]);
    for deed in [never(), never().marked(false), slow] {
        let client = Client::new([deed]);
        let mut service = plain().with_timeout(secs(3)).layer(client.clone());
        let mut call = Box::pin(service.ready().await.unwrap().call(post()));
        assert!(call.as_mut().await.is_err());
        assert_eq!((client.in_flight(), client.bodies()), (0, 0));
        drop(call);
    }
}

/// A thousand callers that leave after any time: the quota is what it was, less what was done.
#[tokio::test(start_paused = true)]
async fn at_any_time() {
    let quota = Quota::new(0.0, 10_000).unwrap().with_cost(|_| 1);
    let layer = plain().with_quota(quota.clone());
    let client = Client::new([failing().after(secs(1))]);
    let service = layer.layer(client.clone());
    let calls = (0..1_000_u32).map(|number| {
        let time = std::time::Duration::from_millis(u64::from(number) * 11);
        tokio::time::timeout(time, service.clone().oneshot(post()))
    });
    let left = futures_util::future::join_all(calls).await.into_iter().filter(Result::is_err).count();
    assert!((500..1_000).contains(&left), "{left}");
    // The one that had no time at all was made, but never polled.
    let extra = client.calls() - 1_000;
    assert_eq!(quota.available(), 10_000.0 - extra as f64);
    assert_eq!((client.in_flight(), client.bodies()), (0, 0));
}
