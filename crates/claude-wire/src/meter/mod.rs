//! One meter for each response: what it used, and how it ended.
//!
//! The first layer that needs to know [attaches](Meter::attach) a meter, which scans the body as it goes by and
//! leaves a handle in the response's extensions. Later layers attach too, find the handle and
//! [subscribe](Meter::subscribe); nothing is scanned twice. A layer that changes the body's bytes
//! [detaches](Meter::detach) the handle, so that whoever is above reads anew.
//!
//! ```
//! use bytes::Bytes;
//! use claude_wire::meter::{Ending, Meter};
//! use http::Response;
//! use http_body_util::{BodyExt, Full};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let body = r#"{"model":"claude-sonnet-5-5","stop_reason":"end_turn","usage":{"output_tokens":3}}"#;
//! let response = Response::builder().header("content-type", "application/json");
//! let (response, meter) = Meter::attach(response.body(Full::new(Bytes::from(body))).unwrap());
//! response.into_body().collect().await.unwrap();
//!
//! let reading = meter.reading();
//! assert_eq!(reading.model.as_deref(), Some("claude-sonnet-5-5"));
//! assert_eq!(reading.usage.unwrap().output_tokens, Some(3));
//! assert_eq!(reading.ending, Some(Ending::Complete));
//! # }
//! ```
//!
//! **Form.** The content type tells: `text/event-stream`, `application/json`, or JSON lines for the results of
//! a batch. In a content coding nothing can be read, and the ending says so. A body passes unchanged in any case.
//!
//! **Memory.** What the scanner of events takes ([its docs](crate::sse)) for one that is cut by frames; of JSON, in
//! events too, only the few values that are read, 256 KiB each.

mod batch;
mod body;
mod events;
mod eye;
mod message;
mod reading;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Extensions, HeaderMap, Response};
use http_body::Body as HttpBody;

pub use body::MeteredBody;
pub use reading::{BatchItem, BatchTotals, Ending, Kind, Progress, Reading, Unreadable};

use eye::Eye;

/// The types of JSON lines.
const BATCH_RESULTS: [&str; 4] =
    ["application/x-jsonl", "application/jsonl", "application/x-ndjson", "application/ndjson"];

/// What a subscriber may ask to be waited for.
pub type EndFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hears of what a meter reads.
///
/// Its methods run while a body is polled or dropped: they neither block nor panic, and must not hold a lock
/// that is held around [`Meter::subscribe`].
pub trait Subscriber: Send + 'static {
    /// Something that is read has changed: once for all that one frame changed, and once at the subscription
    /// with what is known by then.
    fn on_change(&mut self, reading: &Reading) {
        let _ = reading;
    }

    /// A result of a batch went by. One that subscribes late has missed those before; their number is in
    /// [`Reading::batch`].
    fn on_batch_item(&mut self, item: &BatchItem) {
        let _ = item;
    }

    /// The body has ended; `reading.ending` says how. Called exactly once.
    ///
    /// The future is waited for before the caller gets the body's last frame: the one with `message_stop` or
    /// the `error` event in a stream, otherwise the one on which the body ends. After a drop there is nobody to
    /// wait, and the future is dropped unpolled.
    fn on_end(&mut self, reading: &Reading) -> Option<EndFuture> {
        let _ = reading;
        None
    }
}

/// A handle to the meter of one response. A clone is another handle to the same meter.
#[derive(Clone)]
pub struct Meter {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    reading: Reading,
    subscribers: Vec<Box<dyn Subscriber>>,
    /// What the subscribers asked to be waited for.
    awaited: Vec<EndFuture>,
}

impl Meter {
    /// Meters `response`, or finds the meter that it has.
    ///
    /// The body is wrapped in either case; the wrapper of a response that has its meter already only waits for
    /// what late subscribers ask for.
    #[must_use = "the response is in it"]
    pub fn attach<B>(response: Response<B>) -> (Response<MeteredBody<B>>, Self)
    where
        B: HttpBody<Data = Bytes>,
    {
        let kind = Self::kind(response.headers());
        Self::attach_as(response, kind)
    }

    /// Like [`attach`](Self::attach), where the layer knows better than the content type what kind of body it
    /// is. The kind makes no difference if there is a meter already.
    #[must_use = "the response is in it"]
    pub fn attach_as<B>(mut response: Response<B>, kind: Kind) -> (Response<MeteredBody<B>>, Self)
    where
        B: HttpBody<Data = Bytes>,
    {
        if let Some(meter) = response.extensions().get::<Self>().cloned() {
            let response = response.map(|body| MeteredBody::gated(body, meter.clone()));
            return (response, meter);
        }
        let meter = Self { shared: Arc::default() };
        meter.lock().reading.kind = kind;
        response.extensions_mut().insert(meter.clone());
        let eye = Eye::new(meter.clone(), kind, Self::coding(response.headers()).map(Into::into));
        (response.map(|body| MeteredBody::scanned(body, eye)), meter)
    }

    /// The kind of body that a response's content type promises.
    #[must_use]
    pub fn kind(headers: &HeaderMap) -> Kind {
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_one_of = |names: &[&str]| names.iter().any(|name| media_type.eq_ignore_ascii_case(name));
        let is_json = || {
            let suffix =
                media_type.len().checked_sub("+json".len()).and_then(|start| media_type.get(start..));
            suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
        };
        if is_one_of(&["application/json"]) {
            Kind::Json
        } else if is_one_of(&["text/event-stream"]) {
            Kind::Events
        } else if is_one_of(&BATCH_RESULTS) {
            Kind::BatchResults
        } else if is_json() {
            Kind::Json
        } else {
            Kind::Other
        }
    }

    /// The content coding in which nothing of a body can be read, if it has one.
    #[must_use]
    pub fn coding(headers: &HeaderMap) -> Option<&str> {
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let mut codings =
            values.flat_map(|value| value.to_str().unwrap_or("unknown").split(',')).map(str::trim);
        codings.find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    }

    /// The meter of a response, if it has one.
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// How far the body is. Cheap enough to ask at every frame: pings move only the bytes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let reading = &self.lock().reading;
        let Reading { bytes, events, delta_bytes, has_content, .. } = *reading;
        Progress { bytes, events, delta_bytes, has_content, has_ended: reading.ending.is_some() }
    }

    /// Takes the meter off a response whose body is about to be changed.
    pub fn detach(extensions: &mut Extensions) -> Option<Self> {
        extensions.remove()
    }

    /// What has been read so far.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.lock().reading.clone()
    }

    /// Subscribes. The subscriber first hears what is known by now, and of the end if that is past.
    pub fn subscribe(&self, mut subscriber: impl Subscriber) {
        // The lock is not held while the subscriber runs; what changes meanwhile is told in the next round.
        loop {
            let reading = self.reading();
            subscriber.on_change(&reading);
            if reading.ending.is_some() {
                let awaited = subscriber.on_end(&reading);
                self.lock().awaited.extend(awaited);
                return;
            }
            let mut shared = self.lock();
            if shared.reading.bytes == reading.bytes && shared.reading.ending.is_none() {
                shared.subscribers.push(Box::new(subscriber));
                return;
            }
        }
    }

    /// Changes the reading, and tells the subscribers.
    fn update(&self, change: impl FnOnce(&mut Reading, &mut Vec<BatchItem>) -> Changed) {
        let mut items = Vec::new();
        let mut shared = self.lock();
        if change(&mut shared.reading, &mut items) == Changed::No && items.is_empty() {
            return;
        }
        if shared.subscribers.is_empty() {
            return;
        }
        let reading = shared.reading.clone();
        let mut subscribers = std::mem::take(&mut shared.subscribers);
        drop(shared);
        let mut awaited = Vec::new();
        for subscriber in &mut subscribers {
            items.iter().for_each(|item| subscriber.on_batch_item(item));
            subscriber.on_change(&reading);
            if reading.ending.is_some() {
                awaited.extend(subscriber.on_end(&reading));
            }
        }
        let mut shared = self.lock();
        shared.awaited.extend(awaited);
        if reading.ending.is_none() {
            // Those that came meanwhile stand behind those that were there.
            subscribers.append(&mut shared.subscribers);
            shared.subscribers = subscribers;
        }
    }

    /// Polls what the subscribers asked to be waited for.
    fn poll_awaited(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut awaited = std::mem::take(&mut self.lock().awaited);
            if awaited.is_empty() {
                return Poll::Ready(());
            }
            awaited.retain_mut(|future| future.as_mut().poll(cx).is_pending());
            if !awaited.is_empty() {
                let mut shared = self.lock();
                awaited.append(&mut shared.awaited);
                shared.awaited = awaited;
                return Poll::Pending;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.lock().reading).finish()
    }
}

/// Whether a frame changed what subscribers care for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}
