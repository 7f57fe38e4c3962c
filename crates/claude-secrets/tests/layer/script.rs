//! Bodies that do as they are told.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use claude_wire::BoxError;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// What a body does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Sleep(Duration),
    Fail,
    Never,
}

pub(crate) fn data(text: impl Into<Bytes>) -> Step {
    Step::Data(text.into())
}

pub(crate) fn trailers() -> Step {
    Step::Trailers([("x-sum".parse().unwrap(), "7".parse().unwrap())].into_iter().collect())
}

/// A body of given steps, whose life can be watched. It knows its length while all that is left is data.
#[derive(Debug)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    _alive: Arc<()>,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>, alive: Arc<()>) -> Self {
        Self { steps: steps.into_iter().collect(), sleep: None, _alive: alive }
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            return Poll::Ready(match self.steps.pop_front() {
                Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
                Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Some(Step::Fail) => Some(Err(io::Error::from(io::ErrorKind::ConnectionReset).into())),
                Some(Step::Sleep(time)) => {
                    self.sleep = Some(Box::pin(sleep(time)));
                    continue;
                }
                Some(Step::Never) => {
                    self.steps.push_front(Step::Never);
                    return Poll::Pending;
                }
                None => None,
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.steps.iter().map(|step| match step {
            Step::Data(data) => Some(data.len() as u64),
            _ => None,
        });
        lengths.sum::<Option<u64>>().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// All that came out of a body, frame by frame as far as it can be told, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: usize,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) error: Option<String>,
}

impl Read {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }
}

/// Reads a body to its end, and checks on the way what it says of itself.
pub(crate) async fn read<B>(body: B) -> Read
where
    B: HttpBody<Data = Bytes, Error = BoxError>,
{
    let mut body = std::pin::pin!(body);
    let mut read = Read::default();
    loop {
        let (said_end, hint) = (body.is_end_stream(), body.size_hint());
        let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        assert!(!said_end || frame.is_none(), "it said that it was at its end");
        match frame {
            Some(Ok(frame)) => {
                read.frames += 1;
                match frame.into_data() {
                    Ok(data) => {
                        let left = hint.exact();
                        assert!(left.is_none_or(|left| left >= data.len() as u64), "longer than it said");
                        read.bytes.extend_from_slice(&data);
                    }
                    Err(frame) => read.trailers = frame.into_trailers().ok(),
                }
            }
            Some(Err(error)) => {
                read.error = Some(error.to_string());
                return read;
            }
            None => {
                assert_eq!(hint.lower(), 0, "shorter than it said");
                return read;
            }
        }
    }
}
