//! What every scenario stands on: an API that keeps what came, a stack over it, and calls of which everything is heard.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_sim::{Key as SimKey, Server, Simulator};
use claude_tower::client::HyperClient;
use claude_tower::config::{ClientConfig, HttpVersion, Proxy};
use claude_tower::errors::{ErrorLayer, MetricsReporter, TracingReporter};
use claude_tower::retry::{Backoff, RetryLayer};
use claude_tower::secrets::source::{Fetched, SecretSource, source_fn};
use claude_tower::secrets::{Key, KeyRing, SecretString, SecretsLayer};
use claude_tower::stack::{Slot, Stack, StackBuilder};
use claude_tower::wire::call::{Attempt, Call, CallId};
use claude_tower::wire::{Body, BoxError};
use http::{HeaderName, Request, Response, StatusCode, Uri};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::util::{MapRequest, MapRequestLayer};
use tower::{Service, ServiceExt};

use crate::ear::EAR;
use crate::errors;
use crate::tap::{Kept, Tap};

/// Where the API is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// On loopback, below the adapter of hyper's client.
    Sockets,
    /// The same over HTTP/2, whose library logs most.
    Http2,
    /// In place of a client.
    Memory,
}

/// The API, and what came to it.
pub(crate) struct Api {
    pub(crate) simulator: Simulator,
    kept: Kept,
    place: Place,
    origin: String,
    /// Serve for as long as they live.
    _servers: (Option<(Server, Tap)>, Option<AbortOnDrop>),
}

impl Api {
    pub(crate) async fn with(place: Place, keys: &[&str]) -> Self {
        let builder = keys.iter().enumerate().fold(Simulator::builder(), |builder, (at, key)| {
            let organization = format!("00000000-0000-4000-8000-00000000000{at}");
            builder.with_key(SimKey::new(format!("key-{at}"), *key).with_organization(organization))
        });
        let simulator = builder.build();
        match place {
            Place::Memory => {
                let origin = "https://memory.example".to_owned();
                Self { simulator, kept: Kept::default(), place, origin, _servers: (None, None) }
            }
            Place::Sockets => {
                let server = simulator.serve("127.0.0.1:0").await.unwrap();
                let tap = Tap::before(server.local_addr()).await;
                let (kept, origin) = (tap.kept.clone(), tap.origin());
                Self { simulator, kept, place, origin, _servers: (Some((server, tap)), None) }
            }
            Place::Http2 => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let origin = format!("http://{}", listener.local_addr().unwrap());
                let kept = Kept::default();
                let task = tokio::spawn(http2(listener, simulator.clone(), kept.clone()));
                Self { simulator, kept, place, origin, _servers: (None, Some(AbortOnDrop(task))) }
            }
        }
    }

    pub(crate) fn origin(&self) -> String {
        self.origin.clone()
    }

    /// A ring of one key, which belongs here.
    pub(crate) fn ring(&self, source: impl SecretSource) -> KeyRing {
        let key = Key::new("one", source).with_origin(&self.origin()).unwrap();
        KeyRing::builder().with_key(key).build().unwrap()
    }

    pub(crate) fn stack(&self, layer: SecretsLayer) -> Stack {
        EAR.debug(&layer);
        match self.place {
            Place::Sockets => stack(layer, client(HttpVersion::Http1)),
            Place::Http2 => stack(layer, client(HttpVersion::Http2)),
            Place::Memory => stack(layer, keeping(self.simulator.clone(), self.kept.clone())),
        }
    }

    /// A request for it, which nothing is wrong with.
    pub(crate) fn message(&self) -> Request<Body> {
        message(&self.origin(), false)
    }

    pub(crate) fn streamed(&self) -> Request<Body> {
        message(&self.origin(), true)
    }

    /// See [`Kept::are_exactly`].
    #[track_caller]
    pub(crate) fn has_seen(&self, keys: &[(&str, usize)]) {
        EAR.debug(&self.simulator.requests());
        self.kept.are_exactly(keys);
    }
}

pub(crate) fn message(origin: &str, is_stream: bool) -> Request<Body> {
    let body = format!(
        r#"{{"model":"claude-sonnet-5-5","max_tokens":16,"stream":{is_stream},"messages":[{{"role":"user","content":"Hi"}}]}}"#
    );
    Request::post(format!("{origin}/v1/messages"))
        .header("anthropic-version", "2026-10-21")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap()
}

/// Hyper's client, whatever proxies the environment names.
pub(crate) fn client(version: HttpVersion) -> HyperClient {
    let mut config = ClientConfig::default();
    config.proxy = Proxy::None;
    config.http_version = version;
    let client = HyperClient::new(&config).unwrap();
    EAR.debug(&client);
    client
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves a simulator over HTTP/2, which on a wire nobody can read.
async fn http2(listener: TcpListener, simulator: Simulator, kept: Kept) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(keeping(simulator.clone(), kept.clone()));
        drop(tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), service).await.ok();
        }));
    }
}

/// Keeps what the simulator is given, as it would be on the wire of HTTP/1.
fn keeping<B>(
    simulator: Simulator,
    kept: Kept,
) -> MapRequest<Simulator, impl FnMut(Request<B>) -> Request<B> + Clone>
where
    Simulator: Service<Request<B>>,
{
    simulator.map_request(move |request: Request<B>| {
        let mut head = format!("{} {}", request.method(), request.uri());
        for (name, value) in request.headers() {
            write!(head, "\r\n{name}: {}", value.to_str().unwrap()).unwrap();
        }
        kept.keep(head.as_bytes());
        kept.keep(b"\r\n\r\n");
        request
    })
}

/// Everything that there is, around this client.
pub(crate) fn stack<S, B>(secrets: SecretsLayer, client: S) -> Stack
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let errors =
        ErrorLayer::observe().with_reporter(TracingReporter::new()).with_reporter(MetricsReporter::new());
    let soon = Backoff::new(Duration::from_millis(1), Duration::from_millis(1)).unwrap();
    let retry = RetryLayer::new().with_backoff(soon.with_overload_floor(Duration::from_millis(1)));
    // What a layer below might print.
    let below = MapRequestLayer::new(|request: Request<Body>| {
        EAR.debug(&request);
        let credentials: Vec<_> = [HeaderName::from_static("x-api-key"), http::header::AUTHORIZATION]
            .iter()
            .filter_map(|name| request.headers().get(name))
            .collect();
        assert!(credentials.iter().all(|value| value.is_sensitive()), "a credential may be printed");
        EAR.debug(&credentials);
        EAR.debug(&Attempt::find(request.extensions()));
        request
    });
    let builder = StackBuilder::new()
        .layer(Slot::Errors, errors)
        .layer(Slot::Retry, retry)
        .layer(Slot::Secrets, secrets)
        .layer(Slot::PhaseTimeouts, below);
    EAR.debug(&builder);
    let stack = builder.build(client);
    EAR.debug(&stack);
    stack
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Answer(StatusCode),
    /// An answer that broke.
    Broken(StatusCode),
    Error,
}

pub(crate) const OK: End = End::Answer(StatusCode::OK);
pub(crate) const REFUSED: End = End::Answer(StatusCode::UNAUTHORIZED);

/// Makes a call, and hears all that its caller could.
pub(crate) async fn call<S, B>(service: S, mut request: Request<Body>) -> End
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = bytes::Bytes, Error: Into<BoxError>>,
{
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let clock = || tokio::time::Instant::now().into_std();
    let call = Call::new(CallId(number.into()), clock);
    request.extensions_mut().insert(call.clone());
    let made = tokio::time::timeout(Duration::from_secs(30), service.oneshot(request)).await.expect("hangs");
    let end = match made.map_err(Into::into) {
        Err(error) => {
            errors::hear(error);
            End::Error
        }
        Ok(response) => {
            let status = response.status();
            EAR.hear("answer", format!("{:?} {:?}", response.headers(), response.extensions()));
            let mut body = std::pin::pin!(response.into_body());
            let mut end = End::Answer(status);
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => EAR.hear("answer", format!("{frame:?}")),
                    Err(error) => {
                        errors::hear(error.into());
                        end = End::Broken(status);
                        break;
                    }
                }
            }
            end
        }
    };
    EAR.debug(&call);
    EAR.debug(&call.attempts());
    end
}

/// Hears all that a ring says of itself.
pub(crate) fn hear_ring(ring: &KeyRing) {
    EAR.debug(ring);
    EAR.debug(&ring.status());
    EAR.debug(&ring.rotation_due());
}

/// A source whose key can be changed.
pub(crate) fn changing(key: &str) -> (Arc<Mutex<String>>, impl SecretSource) {
    let key = Arc::new(Mutex::new(key.to_owned()));
    let now = Arc::clone(&key);
    let source = source_fn("own:changing", move || {
        let fetched = Fetched::new(SecretString::from(now.lock().unwrap().clone())).with_version("v");
        EAR.debug(&fetched);
        std::future::ready(Ok(fetched))
    });
    EAR.debug(&source);
    (key, source)
}

/// The same request at another place.
pub(crate) fn at(mut request: Request<Body>, uri: &str) -> Request<Body> {
    *request.uri_mut() = uri.parse::<Uri>().unwrap();
    request
}
