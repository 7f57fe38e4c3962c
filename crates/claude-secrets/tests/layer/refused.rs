//! A key that the API refuses: looked up anew, and the request sent once more.

use bytes::Bytes;
use claude_secrets::{Key, KeyState, SecretsLayer, SlowStart};
use claude_wire::Body;
use claude_wire::call::Caller;
use http::{HeaderValue, Request};
use http_body_util::Full;

use crate::probe::{AUTHENTICATION_ERROR, Client, fails, ok, refused, status};
use crate::safe::Safe;
use crate::script::{data, read, trailers};
use crate::support::*;

#[tokio::test]
async fn it_is_sent_once_more_with_the_new_key() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::knowing(TWO);
    let answer = send(&layer, &client, post()).await.unwrap();
    assert_eq!((answer.status().as_u16(), read(answer.into_body()).await.text()), (200, "{}"));
    assert_eq!((client.keys(), safe.fetches()), (vec![ONE.to_owned(), TWO.to_owned()], 2));
    // The next one knows.
    send(&layer, &client, post()).await.unwrap();
    assert_eq!((client.keys().last().unwrap().as_str(), safe.fetches()), (TWO, 2));
}

#[derive(Clone, Debug, PartialEq)]
struct Mark(u8);

#[tokio::test]
async fn the_replay_is_the_same_request_but_for_its_key() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::knowing(TWO);
    let bytes = Bytes::from(PROMPT);
    let mut request = Request::post("https://api.anthropic.com/v1/messages?beta=true")
        .version(http::Version::HTTP_2)
        .header("anthropic-beta", "a")
        .header("content-type", "application/json")
        .header("anthropic-beta", "b")
        .header("x-bytes", HeaderValue::from_bytes(&[0xff, 0x80]).unwrap())
        .header("authorization", "Bearer sk-ant-own-canary")
        .header("x-api-key", "sk-ant-own-canary")
        .extension(Mark(7))
        .extension(Caller::new().with_user("ann"))
        .body(Body::from(bytes.clone()))
        .unwrap();
    request.headers_mut().get_mut("x-bytes").unwrap().set_sensitive(true);
    let (request, attempt) = attempted(request);
    send(&layer, &client, request).await.unwrap();

    let mut seen = client.seen();
    for (seen, key) in seen.iter_mut().zip([ONE, TWO]) {
        assert_eq!(seen.key(), key);
        assert!(seen.parts.headers.remove("x-api-key").unwrap().is_sensitive());
    }
    let (first, second) = (&seen[0], &seen[1]);
    assert_eq!(first.parts.headers, second.parts.headers);
    assert!(second.parts.headers["x-bytes"].is_sensitive());
    assert_eq!(first.parts.headers.get_all("anthropic-beta").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        (&first.parts.method, &first.parts.uri, first.parts.version),
        (&second.parts.method, &second.parts.uri, second.parts.version)
    );
    assert_eq!(second.parts.extensions.get(), Some(&Mark(7)));
    assert_eq!(second.parts.extensions.get(), Some(&Caller::new().with_user("ann")));
    assert_eq!((&*first.body, &*second.body), (PROMPT.as_bytes(), PROMPT.as_bytes()));
    assert_eq!(second.address, Some(bytes.as_ptr() as usize), "nothing is copied");
    // Both are one attempt, which names the key that it has by now.
    assert_eq!((attempt.number(), attempt.is_sent()), (0, true));
    assert_eq!(attempt.key_fingerprint(), layer.ring().status()[0].fingerprint);
}

/// Above, all of it was one attempt. What was refused has cost nothing, so that guards and clocks go by the second time.
#[tokio::test(start_paused = true)]
async fn the_mark_is_of_the_second_time() {
    let safe = Safe::of(ONE).takes(secs(3));
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::new(|seen| if seen.key() == TWO { ok() } else { refused().after(secs(2)) });
    let (request, attempt) = attempted(post());
    let begun = tokio::time::Instant::now();
    send(&layer, &client, request).await.unwrap();
    assert_eq!(client.seen()[1].at - begun, secs(5));
    assert_eq!(attempt.sent_at().unwrap(), client.seen()[1].at.into_std());
}

#[tokio::test]
async fn a_stream_is_not_sent_again_but_the_next_request_finds_the_new_key() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::knowing(TWO);
    let mut request = post();
    *request.body_mut() = Body::stream(Full::from(PROMPT));
    let answer = send(&layer, &client, request).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(read(answer.into_body()).await.text(), AUTHENTICATION_ERROR);
    settled().await;
    assert_eq!((client.calls(), safe.fetches()), (1, 2));
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    assert_eq!((client.keys().last().unwrap().as_str(), safe.fetches()), (TWO, 2));
}

/// Frames, trailers and headers of what the caller gets when there is no other key.
#[tokio::test]
async fn without_another_key_the_answer_is_the_callers_byte_for_byte() {
    let safe = Safe::of(ONE);
    let client = Client::new(|_| {
        let (first, second) = AUTHENTICATION_ERROR.split_at(20);
        status(401)
            .header("content-type", "application/json")
            .header("request-id", "req_1")
            .header("x-twice", "a")
            .header("x-twice", "b")
            .streaming([data(first), data(""), data(second), trailers()])
    });
    let layer = warm(&safe).await;
    let answer = send(&layer, &client, post()).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["request-id"], "req_1");
    assert_eq!(answer.headers().get_all("x-twice").iter().collect::<Vec<_>>(), ["a", "b"]);
    let read = read(answer.into_body()).await;
    assert_eq!(read.text(), AUTHENTICATION_ERROR);
    assert_eq!((read.trailers.unwrap()["x-sum"].to_str().unwrap(), read.error), ("7", None));
    settled().await;
    assert_eq!((client.calls(), safe.fetches()), (1, 2), "it was looked for, and not sent again");
    assert_eq!(layer.ring().status()[0].state, KeyState::Dead);
    assert_eq!(in_flight(layer.ring()), 0);
}

#[tokio::test]
async fn there_is_no_third_time() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::new({
        let safe = safe.clone();
        move |seen| {
            // Whatever comes, there is yet another one by then.
            safe.set(if seen.key() == ONE { TWO } else { THREE });
            refused().header("request-id", seen.key().split('-').nth(2).unwrap())
        }
    });
    let answer = send(&layer, &client, post()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["request-id"].to_str().unwrap()), (401, "two"));
    assert_eq!(read(answer.into_body()).await.text(), AUTHENTICATION_ERROR);
    assert_eq!(client.keys(), [ONE, TWO]);
    // The second refusal is known too.
    settled().await;
    assert_eq!(safe.fetches(), 3);
}

/// Another request has fetched the new one in the meantime.
#[tokio::test]
async fn what_is_known_already_is_not_fetched_again() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    let client = Client::new(|seen| if seen.key() == TWO { ok() } else { refused().after(secs(5)) });
    tokio::time::pause();
    let late = send(&layer, &client, post());
    let mut late = tokio_test::task::spawn(Box::pin(late));
    assert!(late.poll().is_pending());
    settled().await;
    safe.set(TWO);
    assert!(layer.ring().refresh_now().await.is_empty());
    assert_eq!(late.await.unwrap().status(), 200);
    assert_eq!((client.keys(), safe.fetches()), (vec![ONE.to_owned(), TWO.to_owned()], 2));
}

#[tokio::test]
async fn one_fetch_is_enough_for_all_that_were_refused() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.set(TWO);
    let client = Client::knowing(TWO);
    let all = (0..50).map(|_| send(&layer, &client, post()));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 200));
    settled().await;
    assert_eq!((client.calls(), safe.fetches()), (100, 2));
}

#[tokio::test]
async fn another_key_of_the_pool_takes_over() {
    let (one, two) = (Safe::of(ONE), Safe::of(TWO));
    let ring = builder()
        .with_key(Key::new("one", one.source()))
        .with_key(Key::new("two", two.source()))
        .with_slow_start(SlowStart::off())
        .build()
        .unwrap();
    ring.start().await.unwrap();
    let layer = SecretsLayer::new(ring);
    for good in [ONE, TWO] {
        assert!(layer.ring().refresh_now().await.is_empty(), "all are tried again");
        let client = Client::knowing(good);
        for _ in 0..20 {
            assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
        }
        let bad = client.keys().iter().filter(|key| *key != good).count();
        assert!(bad <= 1, "the bad one is tried once at the most: {bad}");
    }
}

/// By another name it is the same key, and would be refused again.
#[tokio::test]
async fn two_names_of_one_key_are_not_two_keys() {
    let (one, two) = (Safe::of(ONE), Safe::of(ONE));
    let ring = builder()
        .with_key(Key::new("one", one.source()))
        .with_key(Key::new("two", two.source()))
        .with_slow_start(SlowStart::off())
        .build()
        .unwrap();
    ring.start().await.unwrap();
    let client = Client::knowing(TWO);
    let answer = send(&SecretsLayer::new(ring), &client, post()).await.unwrap();
    assert_eq!((answer.status().as_u16(), client.calls()), (401, 1));
}

/// The source is down when it is asked for another one.
#[tokio::test]
async fn a_source_that_fails_leaves_the_answer_to_the_caller() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    safe.lose();
    let client = Client::knowing(TWO);
    let answer = send(&layer, &client, post()).await.unwrap();
    assert_eq!((answer.status().as_u16(), client.calls()), (401, 1));
    assert_eq!(read(answer.into_body()).await.text(), AUTHENTICATION_ERROR);
}

#[tokio::test]
async fn what_the_client_fails_with_is_passed_on() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    let error = send(&layer, &Client::doing([fails()]), post()).await.unwrap_err();
    assert!(error.is::<crate::probe::Strange>());
    safe.set(TWO);
    let error = send(&layer, &Client::doing([refused(), fails()]), post()).await.unwrap_err();
    assert!(error.is::<crate::probe::Strange>(), "of the replay too");
    assert_eq!(in_flight(layer.ring()), 0);
}

#[tokio::test]
async fn a_failure_ends_the_request_although_its_future_is_still_there() {
    use tower::{Layer, Service};
    let layer = warm(&Safe::of(ONE)).await;
    let mut service = ready(layer.layer(Client::doing([fails()]))).await;
    let mut future = service.call(post());
    assert_eq!(in_flight(layer.ring()), 1);
    (&mut future).await.unwrap_err();
    assert_eq!(in_flight(layer.ring()), 0);
    drop(future);
}

/// The replay may be answered with anything.
#[tokio::test]
async fn what_the_replay_is_answered_with_is_the_answer() {
    for code in [200, 400, 403, 404, 429, 500, 529] {
        let safe = Safe::of(ONE);
        let layer = warm(&safe).await;
        safe.set(TWO);
        let client = Client::new(move |seen| {
            if seen.key() == ONE { refused() } else { status(code).streaming([data("said"), trailers()]) }
        });
        let answer = send(&layer, &client, post()).await.unwrap();
        assert_eq!(answer.status(), code);
        let read = read(answer.into_body()).await;
        assert_eq!((read.text(), read.trailers.is_some()), ("said", true));
        assert_eq!(client.calls(), 2);
    }
}
