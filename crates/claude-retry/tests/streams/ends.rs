//! The five ends of a body, of each kind that leaves the layer: `None`, trailers, an error, being at its end behind the
//! last frame, and a drop.

use std::future::poll_fn;
use std::pin::pin;

use claude_retry::{Quota, Reason, ResponseBody};
use http::Response;
use http_body::Body as HttpBody;

use crate::support::{
    BLOCK, DELTA, ERROR, EVENTS, JSON, MESSAGE, MESSAGES, OVERLOADED, READERS, Reader, START, STOP, Script,
    Sent, Step, Upstream, answer, data, gave_up, layer, post, read, send, trailers,
};

/// A kind of body: its head, and its frames. Each is given out once and ends the call.
#[derive(Clone, Copy, Debug)]
struct Kind {
    #[expect(dead_code, reason = "shown when a test fails")]
    name: &'static str,
    status: u16,
    content_type: &'static str,
    frames: &'static [&'static str],
}

const KINDS: [Kind; 8] = [
    Kind { name: "passed", status: 200, content_type: "text/plain", frames: &["hel", "lo"] },
    Kind { name: "passed lines", status: 200, content_type: "application/x-jsonl", frames: &["{}\n", "{}"] },
    Kind { name: "empty", status: 200, content_type: "text/plain", frames: &[] },
    Kind { name: "held", status: 200, content_type: EVENTS, frames: &[START, BLOCK, DELTA, STOP] },
    Kind { name: "held, and it fails", status: 200, content_type: EVENTS, frames: &[START, ERROR] },
    Kind { name: "collected", status: 200, content_type: JSON, frames: &[MESSAGE, " ", "\n"] },
    Kind { name: "failed", status: 529, content_type: JSON, frames: &[OVERLOADED, " "] },
    Kind { name: "failed for good", status: 400, content_type: "text/html", frames: &["<html>", "</html>"] },
];

impl Kind {
    fn text(self) -> String {
        self.frames.concat()
    }

    async fn send(self, knows: bool, end: impl IntoIterator<Item = Step>) -> (Response<Body>, Upstream) {
        let steps = self.frames.iter().map(data).chain(end);
        let body = Script::new(steps).knowing_if(knows);
        let upstream = Upstream::of([answer(self.status, self.content_type, body)]);
        let layer = layer().with_quota(Quota::new(0.0, 0).unwrap()).with_collect(10_000);
        let sent: Sent = send(&layer, &upstream, post(MESSAGES)).await;
        (sent.unwrap(), upstream)
    }
}

type Body = ResponseBody<Script>;

#[tokio::test(start_paused = true)]
async fn by_none() {
    for kind in KINDS {
        for reader in READERS {
            let (response, upstream) = kind.send(false, []).await;
            let got = read(response.into_body(), reader).await;
            assert_eq!(
                (got.text(), got.trailers, got.error.is_none()),
                (kind.text(), None, true),
                "{kind:?}"
            );
            assert!(upstream.was_read(0) && !upstream.is_alive(0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_trailers() {
    for kind in KINDS {
        for (reader, knows) in [(READERS[0], true), (READERS[1], true), (READERS[1], false)] {
            let (response, upstream) = kind.send(knows, [Step::Trailers]).await;
            let got = read(response.into_body(), reader).await;
            assert_eq!(got.text(), kind.text(), "{kind:?}");
            assert_eq!((got.trailers, got.error.is_none()), (Some(trailers()), true), "{kind:?}");
            assert!(!upstream.is_alive(0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_an_error() {
    for kind in KINDS {
        for knows in [false, true] {
            for pause in [None, Some(Step::Wait)] {
                for reader in READERS {
                    let (response, upstream) =
                        kind.send(knows, pause.clone().into_iter().chain([Step::Fail])).await;
                    let got = read(response.into_body(), reader).await;
                    assert_eq!((got.text(), got.trailers.is_none()), (kind.text(), true), "{kind:?}");
                    assert!(got.is_broken(), "{kind:?}: {:?}", got.error);
                    assert!(!upstream.is_alive(0));
                }
            }
        }
    }
}

/// Nobody polls again behind the last frame of one that says that it is the last.
#[tokio::test(start_paused = true)]
async fn by_being_at_its_end() {
    for kind in KINDS {
        let (response, _) = kind.send(true, []).await;
        let mut body = pin!(response.into_body());
        assert_eq!(body.size_hint().exact(), Some(kind.text().len() as u64), "{kind:?}");
        let mut text = String::new();
        while text.len() < kind.text().len() {
            assert!(!body.is_end_stream(), "{kind:?}");
            let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        assert_eq!(text, kind.text());
        assert!(body.is_end_stream(), "{kind:?}");
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(poll_fn(|cx| body.as_mut().poll_frame(cx)).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn by_a_drop() {
    for kind in KINDS {
        for frames in 0..kind.frames.len() {
            for end in [Step::Wait, Step::Fail, Step::Trailers] {
                let (response, upstream) = kind.send(false, [end]).await;
                let mut body = Box::pin(response.into_body());
                for _ in 0..frames {
                    // Small ones may have been joined.
                    let _frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
                }
                assert!(upstream.is_alive(0));
                drop(body);
                assert!(!upstream.is_alive(0), "{kind:?}");
            }
        }
    }
}

/// A server makes a `content-length` of an exact length, and sends no more than that: what then fails would look whole.
#[tokio::test(start_paused = true)]
async fn a_body_that_failed_while_it_was_read_is_not_said_to_be_whole() {
    for kind in KINDS {
        let (response, _) = kind.send(false, [Step::Wait, Step::Fail]).await;
        let body = response.into_body();
        assert_eq!(body.size_hint().exact(), None, "{kind:?}");
        assert!(!body.is_end_stream(), "{kind:?}");
        let got = read(body, Reader::Trusting).await;
        assert!(got.is_broken());
    }
}

/// An answer that broke off is no less a failure for its ends.
#[tokio::test(start_paused = true)]
async fn half_an_answer_ends_in_its_own_error() {
    let halves = [
        Kind { name: "half a stream", status: 200, content_type: EVENTS, frames: &[START, BLOCK] },
        Kind { name: "half a message", status: 200, content_type: JSON, frames: &["{\"id\":", "\"msg_"] },
        Kind { name: "nothing", status: 200, content_type: EVENTS, frames: &[] },
    ];
    for kind in halves {
        for reader in READERS {
            let (response, _) = kind.send(false, [Step::Wait, Step::Fail]).await;
            assert_eq!(gave_up(&response), Some((Reason::Quota, 1)));
            let body = response.into_body();
            assert_eq!(body.size_hint().exact(), None, "{kind:?}");
            let got = read(body, reader).await;
            assert_eq!((got.text(), got.is_broken()), (kind.text(), true), "{kind:?}");
        }
    }
}
