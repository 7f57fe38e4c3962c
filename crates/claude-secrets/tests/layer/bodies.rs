//! Bodies on their way through: however they end, and what they say of themselves.

use std::pin::pin;

use claude_secrets::{Key, KeyRingBuilder, ResponseBody, SecretsLayer};
use http_body::Body as HttpBody;

use crate::probe::{AUTHENTICATION_ERROR, Client, status};
use crate::safe::Safe;
use crate::script::{Read, Script, Step, data, read, trailers};
use crate::support::*;

/// 200, 403 and 500 are passed; the others are read for what they say of the key.
const CODES: [u16; 7] = [200, 400, 401, 402, 403, 429, 500];

async fn answered(code: u16, steps: impl IntoIterator<Item = Step>) -> (ResponseBody<Script>, Client) {
    let client = Client::doing([status(code).streaming(steps)]);
    // Of one key alone a 400 would say nothing.
    let both = [("one", ONE), ("two", TWO)].map(|(name, key)| Key::new(name, Safe::of(key).source()));
    let ring = both.into_iter().fold(builder(), KeyRingBuilder::with_key).build().unwrap();
    let answer = send(&SecretsLayer::new(ring), &client, post()).await.unwrap();
    assert_eq!(answer.status(), code);
    (answer.into_body(), client)
}

fn said(text: &str) -> Read {
    Read { bytes: text.into(), ..Read::default() }
}

#[tokio::test]
async fn one_that_is_complete() {
    for code in CODES {
        let (body, client) = answered(code, [data("one"), data(""), data("two")]).await;
        assert_eq!(body.size_hint().exact(), Some(6), "{code}");
        assert!(!body.is_end_stream());
        let read = read(body).await;
        assert_eq!(Read { frames: 0, ..read }, said("onetwo"), "{code}");
        assert_eq!(client.alive().1, 0);
    }
}

#[tokio::test]
async fn one_that_is_empty() {
    for code in CODES {
        let (body, _) = answered(code, []).await;
        assert!(body.is_end_stream(), "{code}");
        assert_eq!(body.size_hint().exact(), Some(0));
        assert_eq!(read(body).await, Read::default());
    }
}

#[tokio::test]
async fn one_with_trailers() {
    for code in CODES {
        let (body, _) = answered(code, [data("one"), trailers()]).await;
        assert!(!body.is_end_stream());
        let read = read(body).await;
        assert_eq!((read.text(), read.frames), ("one", 2), "{code}");
        assert_eq!(read.trailers.unwrap()["x-sum"], "7");
        let (body, _) = answered(code, [trailers()]).await;
        assert!(!body.is_end_stream(), "{code}: there is something left");
        assert!(crate::script::read(body).await.trailers.is_some());
    }
}

#[tokio::test]
async fn one_that_fails() {
    for code in CODES {
        let (body, _) = answered(code, [data("one"), Step::Fail]).await;
        assert!(!body.is_end_stream(), "{code}");
        assert_eq!(body.size_hint().exact(), None);
        let mut body = pin!(body);
        let mut frames = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            frames.push(frame.map(|frame| frame.into_data().unwrap()).map_err(|error| error.to_string()));
        }
        assert_eq!(frames.len(), 2, "{code}: the failure comes once");
        assert_eq!(frames[0].as_deref(), Ok(&b"one"[..]));
        assert!(frames[1].is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped() {
    for code in CODES {
        let (body, client) = answered(code, [data("one"), Step::Never]).await;
        let mut body = Box::pin(body);
        let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "one");
        assert!(polled(std::future::poll_fn(|cx| body.as_mut().poll_frame(cx))).await.is_pending());
        assert_eq!(client.alive().1, 1);
        drop(body);
        assert_eq!(client.alive().1, 0, "{code}");
    }
}

/// It does not say that it is at its end, and then it is: some bodies never know before.
#[tokio::test(start_paused = true)]
async fn one_that_is_cut() {
    for code in CODES {
        let (body, _) = answered(code, [data("one"), Step::Sleep(secs(1))]).await;
        let read = read(body).await;
        assert_eq!(Read { frames: 0, ..read }, said("one"), "{code}");
    }
}

/// Frame by frame, and none before it came.
#[tokio::test(start_paused = true)]
async fn a_stream_is_passed_as_it_comes() {
    let begun = tokio::time::Instant::now();
    let steps = (0..5).flat_map(|_| [data("event"), Step::Sleep(secs(7))]);
    let (body, _) = answered(200, steps).await;
    let mut body = pin!(body);
    for at in 0..5 {
        let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "event");
        assert_eq!(tokio::time::Instant::now() - begun, secs(7 * at));
    }
}

/// Small frames of what was read ahead may be joined; nothing else changes.
#[tokio::test]
async fn many_small_frames_that_were_read_ahead() {
    let steps = AUTHENTICATION_ERROR.bytes().map(|byte| data(vec![byte])).chain([trailers()]);
    let (body, _) = answered(401, steps).await;
    let length = body.size_hint().lower();
    assert_eq!(length, AUTHENTICATION_ERROR.len() as u64);
    let read = read(body).await;
    assert_eq!((read.text(), read.trailers.is_some()), (AUTHENTICATION_ERROR, true));
    assert!(read.frames < 8, "{}", read.frames);
}

/// What is longer than is read ahead goes on from there.
#[tokio::test]
async fn a_large_one_that_was_read_in_part() {
    let large: Vec<u8> = (0..1_000_000_u32).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
    for code in [401, 429] {
        let steps = large.chunks(777).map(|piece| data(piece.to_vec())).chain([trailers()]);
        let (body, _) = answered(code, steps).await;
        let read = read(body).await;
        assert!(read.bytes == large && read.trailers.is_some(), "{code}");
    }
}
