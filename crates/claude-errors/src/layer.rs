//! The layer, in its two modes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tower_layer::Layer;

use crate::messages::Messages;
use crate::observe::ObserveErrors;
use crate::report::Reporter;
use crate::typed::TypedErrors;

/// How much of an error response's body is read if nothing else is said: 64 KiB. The API's are a few hundred bytes.
pub const DEFAULT_BODY_CAP: usize = 64 * 1024;
/// How long the body of an error response is waited for if nothing else is said.
pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Failures become one typed error. See [`ErrorLayer::typed`].
#[derive(Clone, Copy, Debug)]
pub struct Typed(());

/// Failures are seen, and pass. See [`ErrorLayer::observe`].
#[derive(Clone, Copy, Debug)]
pub struct Observe(());

/// Classifies what goes wrong. Made by [`typed`](Self::typed) for programs and by [`observe`](Self::observe) for gateways;
/// see the [crate docs](crate).
pub struct ErrorLayer<M> {
    settings: Arc<Settings>,
    mode: PhantomData<fn(M)>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) body_cap: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) messages: Messages,
    pub(crate) reporters: Vec<Arc<dyn Reporter>>,
    pub(crate) wall_clock: fn() -> SystemTime,
}

impl ErrorLayer<Typed> {
    /// For programs: every failure is an [`Error`](crate::Error).
    ///
    /// * An error of the service, and a response of 400 or above, is an `Err`. The body of such a response is read for it,
    ///   up to a cap of [`DEFAULT_BODY_CAP`] bytes and [`DEFAULT_BODY_TIMEOUT`]; past either the response stays an `Ok`,
    ///   whole, with its [`Classification`](crate::Classification) in its extensions. Trailers behind it are left out.
    /// * A body that fails, a stream that carries an `error` event, and an answer of `/v1/messages` that ends too soon are
    ///   an `Err` of the body, after all the bytes that came. What fails behind a whole message has not failed.
    #[must_use]
    pub fn typed() -> Self {
        Self::new()
    }

    /// How much of an error response's body is read, in bytes.
    #[must_use]
    pub fn with_body_cap(mut self, bytes: usize) -> Self {
        self.settings().body_cap = bytes;
        self
    }

    /// How long the body of an error response is waited for.
    #[must_use]
    pub fn with_body_timeout(mut self, timeout: Duration) -> Self {
        self.settings().body_timeout = timeout;
        self
    }

    /// What errors say to people, by code.
    #[must_use]
    pub fn with_messages(mut self, messages: Messages) -> Self {
        self.settings().messages = messages;
        self
    }
}

impl ErrorLayer<Observe> {
    /// For gateways: failures are classified and reported, and neither result nor bytes change.
    ///
    /// A response of 400 or above carries a [`Classification`](crate::Classification) of its head in its extensions. It is
    /// reported when its body has ended, with what the body says.
    #[must_use]
    pub fn observe() -> Self {
        Self::new()
    }
}

impl<M> ErrorLayer<M> {
    fn new() -> Self {
        let settings = Settings {
            body_cap: DEFAULT_BODY_CAP,
            body_timeout: DEFAULT_BODY_TIMEOUT,
            messages: Messages::new(),
            reporters: Vec::new(),
            wall_clock: system_time,
        };
        Self { settings: Arc::new(settings), mode: PhantomData }
    }

    /// Adds one who hears of every failure. There may be several.
    #[must_use]
    pub fn with_reporter(mut self, reporter: impl Reporter) -> Self {
        self.settings().reporters.push(Arc::new(reporter));
        self
    }

    /// What reads the wall clock, for a `retry-after` that is a date in a response without a `date`; the system's clock
    /// if nothing else is said.
    #[must_use]
    pub fn with_wall_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.settings().wall_clock = clock;
        self
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one default, which is an argument too")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

impl<S> Layer<S> for ErrorLayer<Typed> {
    type Service = TypedErrors<S>;

    fn layer(&self, inner: S) -> TypedErrors<S> {
        TypedErrors::new(inner, Arc::clone(&self.settings))
    }
}

impl<S> Layer<S> for ErrorLayer<Observe> {
    type Service = ObserveErrors<S>;

    fn layer(&self, inner: S) -> ObserveErrors<S> {
        ObserveErrors::new(inner, Arc::clone(&self.settings))
    }
}

impl<M> Clone for ErrorLayer<M> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings), mode: PhantomData }
    }
}

impl<M> fmt::Debug for ErrorLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLayer").field("settings", &self.settings).finish()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("body_cap", &self.body_cap)
            .field("body_timeout", &self.body_timeout)
            .field("messages", &self.messages)
            .field("reporters", &self.reporters.len())
            .finish_non_exhaustive()
    }
}
