//! The one wrapper that knows how a body ends.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

/// How a watched body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchedEnd {
    /// Every frame was there: the body said so by `None`, by trailers, or by being at its end after a frame
    /// or from the start.
    Complete,
    /// The body failed.
    Failed,
    /// It was dropped before its end.
    Dropped,
}

/// Whether a frame may be handed on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pace {
    /// At once.
    Pass,
    /// After [`Watch::poll_release`] is ready.
    Hold,
}

/// Sees what passes through a [`Watched`] body.
///
/// Its methods may run while the body is dropped: they neither block nor panic.
pub trait Watch {
    /// A data frame is about to be handed on.
    fn on_data(&mut self, data: &Bytes) -> Pace {
        let _ = data;
        Pace::Pass
    }

    /// Trailers are about to be handed on. [`on_end`](Self::on_end) follows.
    fn on_trailers(&mut self, trailers: &HeaderMap) {
        let _ = trailers;
    }

    /// The body has ended. Called exactly once; before the last frame, the error or the `None` is handed on.
    fn on_end(&mut self, end: WatchedEnd);

    /// Waited for before a held frame is handed on, and before whatever ends the body is. Not called after a
    /// drop.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// Whether [`poll_release`](Self::poll_release) would be ready. While it would not, the body does not say that it is
    /// at its end, so that whoever reads it polls once more.
    fn is_released(&self) -> bool {
        true
    }
}

pin_project! {
    /// A body and its [`Watch`].
    ///
    /// A body ends in five ways, and only the first is easy to see: `None`; trailers; an error; a data frame
    /// after which the body says that it is at its end, so that nobody polls again; and a drop. A body may
    /// also be at its end before it is ever polled. The watch hears of each exactly once.
    ///
    /// Frames, `is_end_stream` and `size_hint` are passed on unchanged.
    pub struct Watched<B, W>
    where
        B: HttpBody<Data = Bytes>,
        W: Watch,
    {
        #[pin]
        body: B,
        watch: W,
        ended: bool,
        held: Option<Held<B::Error>>,
    }

    impl<B, W> PinnedDrop for Watched<B, W>
    where
        B: HttpBody<Data = Bytes>,
        W: Watch,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !std::mem::replace(this.ended, true) {
                this.watch.on_end(WatchedEnd::Dropped);
            }
        }
    }
}

/// What waits for its release.
enum Held<E> {
    Frame(Frame<Bytes>),
    Error(E),
    End,
}

impl<B, W> Watched<B, W>
where
    B: HttpBody<Data = Bytes>,
    W: Watch,
{
    /// Watches `body`. If it is at its end already, the watch hears so now.
    pub fn new(body: B, mut watch: W) -> Self {
        let ended = body.is_end_stream();
        if ended {
            watch.on_end(WatchedEnd::Complete);
        }
        Self { body, watch, ended, held: None }
    }

    /// The watch.
    pub const fn watch(&self) -> &W {
        &self.watch
    }

    /// The watch, to be changed.
    pub const fn watch_mut(&mut self) -> &mut W {
        &mut self.watch
    }

    /// The watched body.
    pub const fn get_ref(&self) -> &B {
        &self.body
    }
}

impl<B, W> HttpBody for Watched<B, W>
where
    B: HttpBody<Data = Bytes>,
    W: Watch,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        if this.held.is_none() {
            let polled = ready!(this.body.as_mut().poll_frame(cx));
            let (held, pace, end) = match polled {
                Some(Ok(frame)) => {
                    let pace = match frame.data_ref() {
                        Some(data) => this.watch.on_data(data),
                        None => Pace::Pass,
                    };
                    if let Some(trailers) = frame.trailers_ref() {
                        this.watch.on_trailers(trailers);
                    }
                    let last = frame.is_trailers() || this.body.is_end_stream();
                    (Held::Frame(frame), pace, last.then_some(WatchedEnd::Complete))
                }
                Some(Err(error)) => (Held::Error(error), Pace::Pass, Some(WatchedEnd::Failed)),
                None => (Held::End, Pace::Pass, Some(WatchedEnd::Complete)),
            };
            // What is waited for may have been asked for after the end was seen.
            let mut wait = pace == Pace::Hold || matches!(held, Held::End);
            if let Some(end) = end.filter(|_| !*this.ended) {
                *this.ended = true;
                this.watch.on_end(end);
                wait = true;
            }
            if !wait {
                return Poll::Ready(held.into_frame());
            }
            *this.held = Some(held);
        }
        ready!(this.watch.poll_release(cx));
        Poll::Ready(this.held.take().and_then(Held::into_frame))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream() && (!self.ended || self.watch.is_released())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        if let Some(Held::Frame(frame)) = &self.held {
            let held = frame.data_ref().map_or(0, |data| data.len() as u64);
            let upper = hint.upper().and_then(|upper| upper.checked_add(held));
            let mut with_held = SizeHint::new();
            with_held.set_lower(hint.lower().saturating_add(held));
            if let Some(upper) = upper {
                with_held.set_upper(upper);
            }
            hint = with_held;
        }
        hint
    }
}

impl<E> Held<E> {
    fn into_frame(self) -> Option<Result<Frame<Bytes>, E>> {
        match self {
            Self::Frame(frame) => Some(Ok(frame)),
            Self::Error(error) => Some(Err(error)),
            Self::End => None,
        }
    }
}

impl<B, W> fmt::Debug for Watched<B, W>
where
    B: HttpBody<Data = Bytes>,
    W: Watch,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("ended", &self.ended).finish_non_exhaustive()
    }
}
