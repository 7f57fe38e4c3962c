//! The whole stack: layers in the one order in which they work together.
//!
//! Each layer is correct in any position; the order decides what they are to each other. A cache hit costs
//! nothing that is below it, and what is below the retry happens once for each attempt, because each attempt may
//! be billed. [`StackBuilder`] puts whatever it is given into that order.
//!
//! ```
//! use claude_tower::stack::{Slot, StackBuilder};
//! use claude_tower::wire::Body;
//! use http::{Request, Response};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), claude_tower::wire::BoxError> {
//! let client = service_fn(|request: Request<Body>| async move {
//!     assert_eq!(request.headers()["x-team"], "search");
//!     Ok::<_, std::io::Error>(Response::new(Body::empty()))
//! });
//! let team = tower::util::MapRequestLayer::new(|mut request: Request<Body>| {
//!     request.headers_mut().insert("x-team", http::HeaderValue::from_static("search"));
//!     request
//! });
//! let stack = StackBuilder::new().layer(Slot::Telemetry, team).build(client);
//! stack.oneshot(Request::new(Body::from("{}"))).await?;
//! # Ok(()) }
//! ```
//!
//! A stack with a layer that has to read answers asks for them in no coding: whatever `accept-encoding` says, requests go
//! out with `identity`, except those for files and skills. One that only passes answers on leaves the header alone.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_wire::facts::Endpoint;
use claude_wire::{Body, BoxError};
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;
use tower_service::Service;

/// The places of a stack, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Slot {
    /// Spans and metrics over everything.
    Telemetry,
    /// Failures become one typed error.
    Errors,
    /// The total deadline: over queues and attempts.
    TotalDeadline,
    /// Private data is taken out, so that nothing below sees it.
    Redact,
    /// Another model for the task at hand.
    Tier,
    /// Answers that are known already.
    Cache,
    /// The only place that makes further attempts. All below happens once for each.
    Retry,
    /// Another model after a failure.
    ModelFallback,
    /// Marks for the API's prompt cache.
    PromptCache,
    /// Another endpoint.
    Relay,
    /// The key, which belongs to the endpoint's origin.
    Secrets,
    /// Money, reserved at the price of what was chosen above. A refused budget must not hold rate.
    Cost,
    /// The buckets of the key's limit group, and the place among concurrent calls.
    RateLimit,
    /// The clocks of a single attempt, which start when it is sent.
    PhaseTimeouts,
}

impl Slot {
    /// All of them, outermost first.
    pub const ORDER: &'static [Self] = &[
        Self::Telemetry,
        Self::Errors,
        Self::TotalDeadline,
        Self::Redact,
        Self::Tier,
        Self::Cache,
        Self::Retry,
        Self::ModelFallback,
        Self::PromptCache,
        Self::Relay,
        Self::Secrets,
        Self::Cost,
        Self::RateLimit,
        Self::PhaseTimeouts,
    ];
}

impl Slot {
    /// Whether what stands there has to read answers.
    const fn reads_answers(self) -> bool {
        match self {
            Self::Redact
            | Self::Cache
            | Self::Retry
            | Self::ModelFallback
            | Self::Secrets
            | Self::Cost
            | Self::RateLimit => true,
            Self::Telemetry
            | Self::Errors
            | Self::TotalDeadline
            | Self::Tier
            | Self::PromptCache
            | Self::Relay
            | Self::PhaseTimeouts => false,
        }
    }
}

/// Asks for an answer that can be read. Files and skills are data, which nobody reads and which may be large.
fn in_no_coding(mut request: Request<Body>) -> Request<Body> {
    if !matches!(Endpoint::from_path(request.uri().path()), Endpoint::Files | Endpoint::Skills) {
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    request
}

/// Puts one layer around what is below. The mutex makes it `Sync` whatever the layer is, and is never locked.
type Apply = Mutex<Box<dyn FnOnce(Stack) -> Stack + Send>>;

/// Composes layers around a client.
#[derive(Default)]
pub struct StackBuilder {
    layers: Vec<(Slot, Apply)>,
}

impl StackBuilder {
    /// A stack of no layers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer at its place, whenever it is added. Of several in one place, the first is the outermost.
    #[must_use]
    pub fn layer<L, B>(mut self, slot: Slot, layer: L) -> Self
    where
        L: Layer<Stack> + Send + 'static,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<Request<Body>>>::Future: Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.layers.push((slot, Mutex::new(Box::new(move |inner| Stack::new(layer.layer(inner))))));
        self
    }

    /// Puts the layers around `client`.
    pub fn build<S, B>(mut self, client: S) -> Stack
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // A stable sort: within a place the order of adding stays.
        self.layers.sort_by_key(|&(slot, _)| slot);
        let client = if self.layers.iter().any(|(slot, _)| slot.reads_answers()) {
            Stack::new(client.map_request(in_no_coding))
        } else {
            Stack::new(client)
        };
        self.layers.into_iter().rev().fold(client, |inner, (_, apply)| {
            let apply = apply.into_inner().unwrap_or_else(PoisonError::into_inner);
            apply(inner)
        })
    }
}

impl fmt::Debug for StackBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.layers.iter().map(|(slot, _)| slot)).finish()
    }
}

/// A client with its layers, of one nameable type. A clone shares what the layers' clones share.
#[derive(Clone)]
pub struct Stack {
    inner: BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>,
}

impl Stack {
    fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service =
            service.map_response(|response: Response<B>| response.map(Body::new)).map_err(Into::into);
        Self { inner: BoxCloneSyncService::new(service) }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stack")
    }
}

impl Service<Request<Body>> for Stack {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future =
        <BoxCloneSyncService<Request<Body>, Response<Body>, BoxError> as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.inner.call(request)
    }
}
