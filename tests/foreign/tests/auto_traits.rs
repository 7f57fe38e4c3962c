//! What a program may do with any public type of ours: hold it, share it, and send it to another thread. It is the
//! compiler that asserts; a type that loses one of these makes an error here, and not in somebody's stack.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests")]

use std::any::type_name;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future;
use std::path::Path;
use std::task::{Context, Poll};

use bytes::Bytes;
use claude_tower::{client, config, errors, retry, secrets, stack, upstream};
use claude_wire::{Body, BoxError, ErrorBody, body, call, facts, headers, meter, sse, usage};
use http::{Request, Response};
use http_body_util::Full;
use tower::Service;
use tower::util::BoxCloneSyncService;

type Inner = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;
type Future = future::Ready<Result<Response<Body>, Infallible>>;
/// Neither `Send` nor `Sync`: what only stands in the type must not count.
type Untouchable = *const ();

/// A service whose future is as good as can be.
struct Ready;

impl Service<Request<Body>> for Ready {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        future::ready(Ok(Response::default()))
    }
}

struct Watch;

impl body::Watch for Watch {
    fn on_end(&mut self, _: body::WatchedEnd) {}
}

/// `Send`, `Sync` and `'static`.
fn shared<T: Send + Sync + 'static>(names: &mut Vec<&'static str>) {
    names.push(type_name::<T>());
}

/// And `Unpin` too.
fn shared_and_unpin<T: Send + Sync + Unpin + 'static>(names: &mut Vec<&'static str>) {
    names.push(type_name::<T>());
}

macro_rules! all {
    ($check:ident, $names:ident: $($type:ty),+ $(,)?) => { $($check::<$type>(&mut $names);)+ };
}

fn names() -> Vec<&'static str> {
    let mut names = Vec::new();
    all!(shared_and_unpin, names:
        Body,
        BoxError,
        ErrorBody,
        body::BodyLayer,
        body::BufferError,
        body::ConvertBody<Inner>,
        body::FailingLate<Full<Bytes>>,
        body::IntoBody<Inner, Untouchable>,
        body::IntoBodyLayer<Untouchable>,
        body::More,
        body::Pace,
        body::Replayed<Full<Bytes>>,
        body::StreamedBody,
        body::Watched<Full<Bytes>, Watch>,
        body::WatchedEnd,
        call::Attempt,
        call::Sent,
        call::BooksHandle,
        call::Call,
        call::CallId,
        call::Caller,
        call::Deadline,
        call::Entry,
        call::EntryKind,
        call::Outcome,
        call::Priority,
        call::Refusal,
        call::RefusalKind,
        call::Template,
        facts::Endpoint,
        facts::Fingerprint,
        facts::RequestFacts,
        facts::Shape,
        headers::Limit,
        headers::RateLimitHeaders,
        meter::BatchItem,
        meter::BatchTotals,
        meter::Ending,
        meter::Kind,
        meter::Meter,
        meter::MeteredBody<Full<Bytes>>,
        meter::Reading,
        meter::Progress,
        meter::Unreadable,
        sse::Event<'static>,
        sse::EventTooLarge,
        sse::Events<'static>,
        sse::Scanner,
        usage::CacheCreation,
        usage::Iteration,
        usage::OutputTokensDetails,
        usage::ServerToolUse,
        usage::Usage,
        client::ClientError,
        client::ConnectTimeout,
        client::HyperClient,
        client::Limited<()>,
        client::ProxyConnector,
        client::ProxyStream,
        client::ReqwestClient,
        config::AwsConfig,
        config::ClientConfig,
        config::Config,
        config::ConfigError,
        config::ConfigProblem,
        config::ConfigProblemKind,
        config::GatewayClient,
        config::GatewayConfig,
        config::HttpVersion,
        config::KeyConfig,
        config::KeyStart,
        config::Loader,
        config::Proxy,
        config::ProxyUrl,
        config::RetryConfig,
        config::SecretsConfig,
        config::TlsConfig,
        config::VaultConfig,
        errors::Blame,
        errors::Classification,
        errors::Error,
        errors::ErrorKind,
        errors::ErrorLayer<errors::Typed>,
        errors::Messages,
        errors::Observe,
        errors::Retry,
        errors::Typed,
        errors::observe::ObserveErrors<Inner>,
        errors::observe::ResponseBody<Full<Bytes>>,
        errors::report::MetricsReporter,
        errors::report::Report<'static>,
        errors::report::SentryReporter,
        errors::report::TracingReporter,
        errors::typed::ResponseBody<Full<Bytes>>,
        errors::typed::TypedErrors<Inner>,
        retry::Backoff,
        retry::GaveUp,
        retry::Hold,
        retry::InvalidBackoff,
        retry::InvalidQuota,
        retry::MaybeExecuted,
        retry::Quota,
        retry::Reason,
        retry::ResponseBody<Full<Bytes>>,
        retry::Retry<Inner>,
        retry::RetryError,
        retry::RetryLayer,
        secrets::Affinity,
        secrets::Existing,
        secrets::InvalidKeyRing,
        secrets::InvalidOrigin,
        secrets::InvalidSlowStart,
        secrets::Key,
        secrets::KeyRing,
        secrets::KeyRingBuilder,
        secrets::KeyState,
        secrets::KeyStatus,
        secrets::Origin,
        secrets::ResponseBody<Full<Bytes>>,
        secrets::RotationDue,
        secrets::Scheme,
        secrets::Secrets<Inner>,
        secrets::SecretsError,
        secrets::SecretsErrorKind,
        secrets::SecretsLayer,
        secrets::SlowStart,
        secrets::StartError,
        secrets::UnknownKey,
        secrets::door::Admission<Inner>,
        secrets::door::Admitted,
        secrets::door::Client,
        secrets::door::Door,
        secrets::door::DoorError,
        secrets::door::DoorLayer,
        secrets::door::NoRandomness,
        secrets::door::NotAdmitted,
        secrets::door::NotAdmittedReason,
        secrets::door::TokenHash,
        secrets::door::TokenHashError,
        secrets::source::EnvironmentSource,
        secrets::source::Fetched,
        secrets::source::FileSource,
        secrets::source::SourceError,
        secrets::source::SourceErrorKind,
        secrets::source::SourceFn<fn() -> Future>,
        secrets::source::StaticSource,
        stack::Slot,
        stack::Stack,
        stack::StackBuilder,
        upstream::InvalidUpstream,
        upstream::Upstream<Inner>,
        upstream::UpstreamLayer,
    );
    #[cfg(feature = "aws")]
    all!(shared_and_unpin, names: secrets::source::Aws, secrets::source::AwsSource);
    #[cfg(feature = "vault")]
    all!(shared_and_unpin, names: secrets::source::Vault, secrets::source::VaultSource);
    // Futures are pinned by whoever polls them.
    all!(shared, names:
        body::ResponseFuture<Future>,
        client::HyperFuture,
        client::ReqwestFuture,
        errors::observe::ResponseFuture<Future>,
        errors::typed::ResponseFuture<Future, Body>,
        retry::ResponseFuture<Ready, Full<Bytes>>,
        secrets::ResponseFuture<Ready, Full<Bytes>>,
        secrets::door::AdmissionFuture<Future>,
        upstream::ResponseFuture<Future>,
    );
    names
}

/// Futures go to other threads with the task that polls them.
fn future_is_send<S: Service<Request<Body>, Future: Send + 'static>>() {}

fn is_send<F: Send>(_: F) {}

#[test]
fn futures_go_where_their_task_goes() {
    future_is_send::<stack::Stack>();
    future_is_send::<client::HyperClient>();
    future_is_send::<client::ReqwestClient>();
    future_is_send::<body::ConvertBody<stack::Stack>>();
    future_is_send::<body::IntoBody<client::HyperClient, Body>>();
    future_is_send::<upstream::Upstream<client::HyperClient>>();
    future_is_send::<errors::typed::TypedErrors<client::HyperClient>>();
    future_is_send::<errors::observe::ObserveErrors<client::ReqwestClient>>();
    future_is_send::<retry::Retry<client::HyperClient>>();
    future_is_send::<retry::Retry<client::ReqwestClient>>();
    future_is_send::<retry::Retry<stack::Stack>>();
    future_is_send::<secrets::Secrets<client::HyperClient>>();
    future_is_send::<secrets::Secrets<client::ReqwestClient>>();
    future_is_send::<secrets::Secrets<stack::Stack>>();
    future_is_send::<retry::Retry<secrets::Secrets<stack::Stack>>>();
    future_is_send::<secrets::door::Admission<stack::Stack>>();
    is_send(Body::buffered(Full::<Bytes>::default(), body::DEFAULT_BUFFER_CAP));
    is_send(http_body_util::BodyExt::collect(Body::empty()));
}

/// Reads the sources, so that a new type cannot be left out.
#[test]
fn no_public_type_is_left_out() {
    let checked: BTreeSet<_> = names().into_iter().map(last_name).collect();
    let mut declared = BTreeSet::new();
    for folder in
        ["claude-wire/src", "claude-errors/src", "claude-retry/src", "claude-secrets/src", "claude-tower/src"]
    {
        declare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates").join(folder), &mut declared);
    }
    assert!(declared.contains("Attempt") && declared.contains("HyperFuture"), "{declared:?}");
    let left_out: Vec<_> = declared.iter().filter(|name| !checked.contains(name.as_str())).collect();
    assert!(left_out.is_empty(), "add these to the lists in this file: {left_out:?}");
}

/// `claude_wire::body::Watched<a::B, c::D>` is `Watched`.
fn last_name(name: &'static str) -> &'static str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// What needs a feature that is off here.
fn is_left_away(folder: &Path) -> bool {
    folder.ends_with("claude-secrets/src/source/aws") && cfg!(not(feature = "aws"))
        || folder.ends_with("claude-secrets/src/source/vault") && cfg!(not(feature = "vault"))
}

fn declare(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !is_left_away(&path) {
                declare(&path, names);
            }
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            let declarations = source.lines().filter_map(|line| {
                let line = line.trim_start();
                line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum "))
            });
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            names.extend(declarations.map(|line| line.split(|c| !is_name(c)).next().unwrap().to_owned()));
        }
    }
}
