//! What the simulator remembers of its requests.

use std::convert::Infallible;

use bytes::Bytes;
use claude_sim::{
    DEFAULT_KEY, Fault, Key, MAX_LOG_FAULT_BYTES, MAX_SCRIPTED_REPLIES, REDACTED, Reply, SimBody, Simulator,
};
use http_body::Frame;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;
use tower::{Service, ServiceExt};

use crate::support::{Answer, ask, body, full, get, post, send};

#[tokio::test]
async fn requests_are_seen_as_they_came() {
    let simulator = Simulator::builder().with_key(Key::new("blue", "sk-blue-secret")).build();
    let mut request = ask(&json!({"model": "nobody"}));
    *request.uri_mut() = "/v1/messages?beta=true".parse().unwrap();
    for (name, value) in [
        ("x-api-key", "sk-blue-secret"),
        ("authorization", "Bearer sk-blue-secret"),
        ("cookie", "sk-blue-secret"),
        ("x-stainless-retry-count", "1"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let sent = request.body().clone().collect().await.unwrap().to_bytes();
    let answer = send(&simulator, request).await;
    send(&simulator, full(get("/v1/models"), "")).await;

    let seen = simulator.requests();
    assert_eq!(simulator.arrived(), 2);
    let first = &seen[0];
    assert_eq!(
        (first.number, first.method.as_str(), first.path.as_str()),
        (0, "POST", "/v1/messages?beta=true")
    );
    assert_eq!((&first.body, first.body_length), (&sent, Some(sent.len())));
    assert_eq!(first.request_id, answer.header("request-id"));
    assert_eq!((first.status.unwrap().as_u16(), first.key.as_deref()), (404, Some("blue")));
    assert_eq!(first.headers["x-stainless-retry-count"], "1");
    assert_eq!(first.headers["x-api-key"], REDACTED);
    assert_eq!(first.headers["cookie"], REDACTED);
    assert_eq!(first.headers["authorization"], "Bearer <redacted>");
    assert!(!format!("{seen:?} {simulator:?}").contains("secret"));
    let second = &seen[1];
    assert_eq!((second.number, second.status.unwrap().as_u16(), second.key.as_deref()), (1, 401, None));
}

#[tokio::test]
async fn the_log_is_bounded() {
    let simulator = Simulator::builder().with_log(3, 10).build();
    for _ in 0..5 {
        send(&simulator, ask(&json!({}))).await;
    }
    let seen = simulator.requests();
    assert_eq!(seen.iter().map(|seen| seen.number).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(seen.iter().all(|seen| seen.body.len() == 10 && seen.body_length > Some(10)));
    assert_eq!(simulator.arrived(), 5);

    let silent = Simulator::builder().with_log(0, 10).build();
    send(&silent, ask(&json!({}))).await;
    assert!(silent.requests().is_empty());
    assert_eq!(silent.arrived(), 1);
}

#[tokio::test]
async fn a_body_may_come_in_pieces() {
    let simulator = Simulator::new();
    let sent = body(&json!({"stream": true})).to_string();
    let whole = send(&simulator, full(post("/v1/messages"), sent.clone())).await;
    for size in [1, 2, 3, 100] {
        let pieces: Vec<Bytes> = sent.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let request = post("/v1/messages").body(StreamBody::new(Frames(frames))).unwrap();
        let answer = Answer::read(simulator.clone().oneshot(request).await.unwrap()).await;
        assert_eq!((answer.status, answer.headers.len()), (whole.status, whole.headers.len()));
        let seen = simulator.requests().pop().unwrap();
        assert_eq!(seen.body, sent);
    }
}

/// An iterator as a stream that is always ready.
struct Frames<I>(I);

impl<I: Iterator + Unpin> futures_util::Stream for Frames<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

#[tokio::test]
async fn in_flight_is_from_the_first_poll_to_the_end_of_the_body() {
    let simulator = Simulator::new();
    let unpolled = simulator.clone().call(ask(&json!({})));
    assert_eq!((simulator.in_flight(), simulator.arrived()), (0, 0));
    drop(unpolled);

    let open = async || simulator.clone().oneshot(ask(&json!({"stream": true}))).await.unwrap().into_body();
    let (dropped, mut cut, read): (SimBody, SimBody, SimBody) = (open().await, open().await, open().await);
    assert_eq!(simulator.in_flight(), 3);
    drop(dropped);
    assert_eq!(simulator.in_flight(), 2);
    cut.frame().await.unwrap().unwrap();
    assert_eq!(simulator.in_flight(), 2);
    drop(cut);
    assert_eq!(simulator.in_flight(), 1);
    read.collect().await.unwrap();
    assert_eq!((simulator.in_flight(), simulator.max_in_flight()), (0, 3));

    // The last frame ends it, although nobody asks whether there is another.
    let mut whole = simulator.clone().oneshot(ask(&json!({}))).await.unwrap().into_body();
    whole.frame().await.unwrap().unwrap();
    assert_eq!(simulator.in_flight(), 0);
}

#[tokio::test]
async fn uploads_that_break_off() {
    let simulator = Simulator::new();
    // The caller goes away in the middle.
    let (mut upload, body) = Channel::<Bytes, std::io::Error>::new(4);
    let mut call =
        tokio_test::task::spawn(simulator.clone().oneshot(post("/v1/messages").body(body).unwrap()));
    upload.send_data(Bytes::from_static(b"{")).await.unwrap();
    tokio_test::assert_pending!(call.poll());
    assert_eq!(simulator.in_flight(), 1);
    drop(call);
    assert_eq!(simulator.in_flight(), 0);
    // The body fails.
    let (upload, body) = Channel::<Bytes, std::io::Error>::new(4);
    upload.abort(std::io::Error::other("cable cut"));
    let error = simulator.clone().oneshot(post("/v1/messages").body(body).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "cable cut");
    assert_eq!(simulator.in_flight(), 0);
    for seen in simulator.requests() {
        assert_eq!((seen.body_length, seen.status), (None, None));
    }
    assert_eq!(simulator.arrived(), 2);
    let answer = send(&simulator, ask(&json!({}))).await;
    assert_eq!(answer.status, 200);
    assert!(DEFAULT_KEY.starts_with("sk-ant-api03-simulator"));
}

#[tokio::test]
async fn the_texts_of_faults_are_bounded() {
    let simulator = Simulator::new();
    simulator.fail_next(1, Fault::internal().with_body(vec![0; 1 << 20], "text/plain"));
    send(&simulator, ask(&json!({}))).await;
    let fault = simulator.requests()[0].fault.clone().unwrap();
    assert_eq!(fault.len(), MAX_LOG_FAULT_BYTES);
    assert!(fault.starts_with("status=500 bytes="), "{fault}");
}

#[test]
fn the_script_of_replies_is_bounded_and_can_be_cleared() {
    let simulator = Simulator::new();
    simulator.script(std::iter::repeat(Reply::echo()));
    assert_eq!(simulator.scripted(), MAX_SCRIPTED_REPLIES);
    simulator.clear_script();
    assert_eq!(simulator.scripted(), 0);
}
