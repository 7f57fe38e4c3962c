//! Answers that say nothing of a key, whatever they look like.

use claude_secrets::KeyState;
use tokio::time::Instant;

use crate::probe::{AUTHENTICATION_ERROR, Client, Deed, ok, refused, status};
use crate::safe::Safe;
use crate::script::{Step, data, read, trailers};
use crate::support::*;

/// It is handed on as it came, and the key is left in peace.
async fn says_nothing(what: &str, deed: Deed, expected: &str) {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::doing([deed]);
    let answer = send(&layer, &client, post()).await.unwrap();
    let code = answer.status();
    let read = read(answer.into_body()).await;
    assert_eq!(read.text(), expected, "{what}");
    settled().await;
    assert_eq!((client.calls(), safe.fetches()), (1, 1), "{what} ({code})");
    // Of its limits a 429 says something all the same.
    let state = if code == 429 { KeyState::Cooling } else { KeyState::Live };
    assert_eq!(layer.ring().status()[0].state, state, "{what}");
}

const TYPED: &str = r#"{"type":"error","error":{"type":"TYPE","message":"authentication_error"}}"#;

#[tokio::test]
async fn a_401_of_somebody_else() {
    let html = "<html><h1>401 authentication_error</h1></html>";
    says_nothing("a proxy's page", status(401).header("content-type", "text/html").saying(html), html).await;
    says_nothing("an empty one", status(401), "").await;
    says_nothing("one of empty frames", status(401).streaming([data(""), data("")]), "").await;
    says_nothing("one of trailers", status(401).streaming([trailers()]), "").await;
    says_nothing("a string", status(401).saying(r#""authentication_error""#), r#""authentication_error""#)
        .await;
    for kind in ["permission_error", "invalid_request_error", "api_error", "authentication_error_2", ""] {
        let text = TYPED.replace("TYPE", kind);
        says_nothing(kind, status(401).saying(text.clone()), &text).await;
    }
    let cut = &AUTHENTICATION_ERROR[..AUTHENTICATION_ERROR.len() - 1];
    says_nothing("one that is cut", status(401).saying(cut), cut).await;
    let demands = status(401).header("www-authenticate", "Basic").saying("no");
    says_nothing("a proxy that wants a password", demands, "no").await;
}

#[tokio::test]
async fn the_error_with_another_status() {
    for code in [200, 400, 403, 404, 407, 429, 500, 529] {
        says_nothing("the API's words", status(code).saying(AUTHENTICATION_ERROR), AUTHENTICATION_ERROR)
            .await;
    }
    let denied = TYPED.replace("TYPE", "permission_error");
    says_nothing("a key that may not do this", status(403).saying(denied.clone()), &denied).await;
}

#[tokio::test]
async fn one_that_is_too_long() {
    let long = AUTHENTICATION_ERROR.replace("invalid", &"x".repeat(64 * 1024));
    says_nothing("in one frame", status(401).saying(long.clone()), &long).await;
    let pieces = long.as_bytes().chunks(1000).map(|piece| data(piece.to_vec()));
    says_nothing("in many", status(401).streaming(pieces), &long).await;
    // As long as it may be, it is read.
    let room = 64 * 1024 - AUTHENTICATION_ERROR.len();
    let longest = AUTHENTICATION_ERROR.replace("invalid", &("invalid".to_owned() + &"x".repeat(room)));
    assert_eq!(longest.len(), 64 * 1024);
    is_understood(status(401).saying(longest)).await;
}

/// It means the key, and the request is sent again.
async fn is_understood(deed: Deed) {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::doing([deed, ok()]);
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    assert_eq!(client.keys(), [ONE, TWO]);
}

#[tokio::test]
async fn the_apis_own_however_it_comes() {
    is_understood(refused()).await;
    is_understood(status(401).saying(AUTHENTICATION_ERROR)).await;
    let bytes = AUTHENTICATION_ERROR.bytes().map(|byte| data(vec![byte]));
    is_understood(status(401).streaming(bytes)).await;
    is_understood(refused().streaming([data(""), data(AUTHENTICATION_ERROR), trailers()])).await;
    is_understood(refused().header("content-encoding", "identity")).await;
    // What it says is hidden; whose it is, and its status, are not.
    let coded = status(401).header("content-encoding", "gzip").saying(&b"\x1f\x8b\x08"[..]);
    is_understood(coded.header("request-id", "req_1")).await;
}

#[tokio::test]
async fn what_somebody_else_says_in_a_coding() {
    let coded = status(401).header("content-encoding", "gzip").saying("coded");
    says_nothing("a proxy that codes", coded, "coded").await;
}

/// They are of no length, so that no cap of bytes ends them.
#[tokio::test]
async fn one_of_frames_without_end() {
    let endless = || std::iter::repeat_n(data(""), 5_000);
    let text = AUTHENTICATION_ERROR;
    says_nothing("empty ones", status(401).streaming(endless().chain([data(text)])), text).await;
    says_nothing(
        "and ones behind it",
        status(401).streaming([data(text)].into_iter().chain(endless())),
        text,
    )
    .await;
}

/// Of a hidden one that means nothing after all, the bytes are the caller's as they came.
#[tokio::test]
async fn one_in_a_coding_is_handed_on_in_it() {
    let layer = warm(&Safe::of(ONE)).await;
    let coded = status(401).header("content-encoding", "br").header("request-id", "req_1");
    let client = Client::doing([coded.saying(&b"\x00\x01\xff"[..])]);
    let answer = send(&layer, &client, post()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-encoding"].to_str().unwrap()),
        (401, "br")
    );
    assert_eq!(read(answer.into_body()).await.bytes, b"\x00\x01\xff");
    assert_eq!(client.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_whose_body_stalls_is_handed_on_after_five_seconds() {
    let (first, second) = AUTHENTICATION_ERROR.split_at(20);
    let stalls = status(401).streaming([data(first), Step::Sleep(secs(60)), data(second), trailers()]);
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::doing([stalls]);
    let begun = Instant::now();
    let answer = send(&layer, &client, post()).await.unwrap();
    assert_eq!((answer.status().as_u16(), begun.elapsed_by_tokio()), (401, secs(5)));
    let read = read(answer.into_body()).await;
    assert_eq!((read.text(), read.trailers.is_some()), (AUTHENTICATION_ERROR, true));
    assert_eq!(begun.elapsed_by_tokio(), secs(60), "the rest of it comes when it comes");
    settled().await;
    assert_eq!((client.calls(), safe.fetches()), (1, 1));
}

/// A drop now and then does not lengthen the wait.
#[tokio::test(start_paused = true)]
async fn one_that_trickles_has_five_seconds_for_all_of_it() {
    let trickle = AUTHENTICATION_ERROR.bytes().flat_map(|byte| [data(vec![byte]), Step::Sleep(secs(1))]);
    let layer = warm(&Safe::of(ONE)).await;
    let begun = Instant::now();
    let answer = send(&layer, &Client::doing([status(401).streaming(trickle)]), post()).await.unwrap();
    assert_eq!(begun.elapsed_by_tokio(), secs(5));
    assert_eq!(read(answer.into_body()).await.text(), AUTHENTICATION_ERROR);
}

#[tokio::test]
async fn one_whose_body_fails_is_handed_on_with_its_failure() {
    let (first, _) = AUTHENTICATION_ERROR.split_at(20);
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::doing([status(401).streaming([data(first), Step::Fail])]);
    let answer = send(&layer, &client, post()).await.unwrap();
    let read = read(answer.into_body()).await;
    assert_eq!(read.text(), first);
    assert!(read.error.is_some_and(|error| error.contains("reset")));
    settled().await;
    assert_eq!((client.calls(), safe.fetches()), (1, 1));
}

trait ByTokio {
    fn elapsed_by_tokio(self) -> std::time::Duration;
}

impl ByTokio for Instant {
    fn elapsed_by_tokio(self) -> std::time::Duration {
        Self::now() - self
    }
}
