//! One client in two runtimes, of which one ends.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

#[path = "../../../crates/claude-tower/tests/client/loopback.rs"]
mod loopback;

use std::thread;

use claude_tower::client::{HyperClient, ReqwestClient};
use claude_tower::config::{ClientConfig, HttpVersion, Proxy};
use claude_tower::stack::{Stack, StackBuilder};
use claude_wire::Body;
use http::Request;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tower::ServiceExt;

use loopback::{Server, finishes, settled};

/// With a thread of its own, so that connections go on while nobody waits in it.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn call(client: &Stack, url: &str) {
    let request = Request::post(url).body(Body::from("{}")).unwrap();
    let response = finishes(client.clone().oneshot(request)).await.unwrap();
    assert_eq!(finishes(response.collect()).await.unwrap().to_bytes(), "{}");
    settled().await;
}

/// A runtime in a thread of its own. It makes a call, then its connections go on until it is told to end.
struct Caller {
    thread: thread::JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl Caller {
    fn start(client: &Stack, url: &str) -> Self {
        let (client, url) = (client.clone(), url.to_owned());
        let (called, has_called) = std::sync::mpsc::channel();
        let (end, ends) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                call(&client, &url).await;
                called.send(()).unwrap();
                finishes(ends).await.unwrap();
            });
        });
        has_called.recv().unwrap();
        Self { thread, end }
    }

    fn end(self) {
        self.end.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

fn outlives_a_runtime(client: impl Fn(&ClientConfig) -> Stack) {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let mut config = ClientConfig::default();
        config.proxy = Proxy::None;
        config.http_version = version;
        let client = client(&config);
        let servers = runtime();
        let server = servers.block_on(Server::echo());
        let url = server.url("/");

        // The connection lives in the first runtime, and the second uses it.
        let first = Caller::start(&client, &url);
        let second = Builder::new_current_thread().enable_all().build().unwrap();
        second.block_on(call(&client, &url));
        assert_eq!(server.connections(), 1, "{version:?}");
        // With the runtime its connection ends, and what the pool has left of it is of no use.
        first.end();
        for _ in 0..3 {
            second.block_on(call(&client, &url));
        }
        assert_eq!((server.seen().len(), server.connections()), (5, 2), "{version:?}");
    }
}

/// Many calls in both at once, over whatever connections there are.
fn both_at_once(client: impl Fn(&ClientConfig) -> Stack) {
    let mut config = ClientConfig::default();
    config.proxy = Proxy::None;
    let client = client(&config);
    let servers = runtime();
    let server = servers.block_on(Server::echo());
    let url = server.url("/");
    let runtimes = [runtime(), runtime()];
    thread::scope(|scope| {
        for runtime in &runtimes {
            scope.spawn(|| {
                for _ in 0..50 {
                    runtime.block_on(call(&client, &url));
                }
            });
        }
    });
    assert_eq!(server.seen().len(), 100);
}

fn hyper_client(config: &ClientConfig) -> Stack {
    StackBuilder::new().build(HyperClient::new(config).unwrap())
}

fn reqwest_client(config: &ClientConfig) -> Stack {
    StackBuilder::new().build(ReqwestClient::new(config).unwrap())
}

#[test]
fn hyper_util() {
    outlives_a_runtime(hyper_client);
    both_at_once(hyper_client);
}

#[test]
fn reqwest() {
    outlives_a_runtime(reqwest_client);
    both_at_once(reqwest_client);
}
