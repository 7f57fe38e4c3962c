//! A body that is there already, drained without a runtime.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::vec;

use bytes::Bytes;
use claude_wire::meter::Meter;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame};

struct Frames {
    rest: vec::IntoIter<Bytes>,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.rest.next().map(|data| Ok(Frame::data(data))))
    }
}

/// Takes every frame. The number of bytes.
pub(crate) fn drain(frames: Vec<Bytes>) -> usize {
    poll_through(Frames { rest: frames.into_iter() })
}

/// The same through a meter, as a layer attaches it.
pub(crate) fn metered(frames: Vec<Bytes>) -> usize {
    let response = Response::builder().header(CONTENT_TYPE, "text/event-stream");
    let response = response.body(Frames { rest: frames.into_iter() }).expect("a proper response");
    let (response, meter) = Meter::attach(response);
    let length = poll_through(response.into_body());
    assert!(meter.reading().ending.is_some(), "the meter has seen the end");
    length
}

fn poll_through(body: impl Body<Data = Bytes, Error = Infallible>) -> usize {
    let mut body = pin!(body);
    let mut cx = Context::from_waker(Waker::noop());
    let mut length = 0;
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut cx) {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    length
}
