//! What is measured, and the ways to do it.

use std::task::{Context, Poll};

use claude_secrets::source::StaticSource;
use claude_secrets::{Key, KeyRing, Scheme, SecretsLayer};
use claude_wire::Body;
use claude_wire::call::{self, CallId};
use claude_wire::facts::facts;
use http::{HeaderName, HeaderValue, Request};
use tokio::runtime::Runtime;
use tower::{Layer, Service};

use crate::drive::{Call, Driver};
use crate::inner::{Inner, Script};
use crate::request::Template;

/// One kind of request.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Case {
    Small,
    Large,
    InAStack,
}

pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) call: Call,
}

/// What puts the key there by hand, and what does it with a ring of one.
pub(crate) const FLOOR: &str = "a fixed header";
pub(crate) const ONE: &str = "one key";

impl Case {
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Large, Self::InAStack];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Small => "1 KiB",
            Self::Large => "64 KiB",
            Self::InAStack => "1 KiB, below a retry",
        }
    }

    pub(crate) fn template(self) -> Template {
        match self {
            Self::Small => Template::new(1024, false),
            Self::Large => Template::new(64 * 1024, false),
            Self::InAStack => Template::new(1024, false).with_caller(),
        }
    }

    /// A request. Below a retry, with what that leaves in it: a call, an attempt, and the facts, which were read there.
    pub(crate) fn make(self, template: &Template) -> Request<Body> {
        let mut request = template.make();
        if self == Self::InAStack {
            let call = call::Call::new(CallId(1), || tokio::time::Instant::now().into_std());
            request.extensions_mut().insert(call.clone());
            call.begin_attempt().put_into(&mut request);
            facts(&mut request);
        }
        request
    }

    /// All over the same service. The least that could be done comes first.
    pub(crate) fn ways(self, runtime: &Runtime) -> Vec<Way> {
        let inner = Inner::new(Script::Message);
        let way = |name, service: Box<dyn FnOnce() -> Call>| Way { name, call: service() };
        let ring = |keys: usize, scheme| ring(runtime, keys, scheme);
        let over = |ring: KeyRing| {
            let inner = inner.clone();
            Box::new(move || Driver::AtOnce.drive(SecretsLayer::new(ring).layer(inner)))
        };
        let (bare, fixed) = (inner.clone(), Fixed::over(inner.clone()));
        vec![
            way("bare", Box::new(move || Driver::AtOnce.drive(bare))),
            way(FLOOR, Box::new(move || Driver::AtOnce.drive(fixed))),
            way(ONE, over(ring(1, Scheme::ApiKey))),
            way("one key, as a bearer token", over(ring(1, Scheme::Bearer))),
            way("a pool of 3", over(ring(3, Scheme::ApiKey))),
        ]
    }
}

/// A ring whose keys are there already.
fn ring(runtime: &Runtime, keys: usize, scheme: Scheme) -> KeyRing {
    let key = |at: usize| {
        let source = StaticSource::new(format!("sk-ant-api03-{at:0>95}"));
        Key::new(format!("key-{at}"), source).with_scheme(scheme)
    };
    let ring = (0..keys).fold(KeyRing::builder(), |builder, at| builder.with_key(key(at)));
    let ring = ring.build().expect("proper keys");
    runtime.block_on(ring.start()).expect("the keys are there");
    ring
}

/// What one writes who has one key that never changes: as `SetRequestHeaderLayer::overriding` of tower-http does it.
#[derive(Clone)]
struct Fixed {
    inner: Inner,
    value: HeaderValue,
}

impl Fixed {
    fn over(inner: Inner) -> Self {
        let mut value = HeaderValue::try_from(format!("sk-ant-api03-{:0>95}", 0)).expect("a key");
        value.set_sensitive(true);
        Self { inner, value }
    }
}

impl Service<Request<Body>> for Fixed {
    type Response = <Inner as Service<Request<Body>>>::Response;
    type Error = <Inner as Service<Request<Body>>>::Error;
    type Future = <Inner as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(HeaderName::from_static("x-api-key"), self.value.clone());
        self.inner.call(request)
    }
}
