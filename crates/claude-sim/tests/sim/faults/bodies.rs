//! What arrives, byte by byte, of answers that are damaged.

use std::io::{ErrorKind, Read};
use std::num::NonZeroUsize;
use std::time::Duration;

use claude_sim::{Block, Fault, LineEnds, Pace, Reply, Simulator};
use flate2::read::GzDecoder;
use futures_util::FutureExt;
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{failing, joined, right, right_events, stream, watch, with_header};
use crate::checker::{assemble, events};
use crate::support::{Answer, ask, send};

#[tokio::test(start_paused = true)]
async fn refused_and_reset_before_the_head() {
    for (fault, kind, read) in [
        (Fault::refuse(), ErrorKind::ConnectionRefused, false),
        (Fault::reset_before_headers(), ErrorKind::ConnectionReset, true),
        (Fault::reset_before_headers().after_execution(), ErrorKind::ConnectionReset, true),
    ] {
        let executed = fault == fault.clone().after_execution() && read;
        let simulator = failing(fault);
        assert_eq!(watch(&simulator, stream()).await, [(0, Err(kind))]);
        let seen = simulator.requests().pop().unwrap();
        assert_eq!((seen.status, seen.body_length.is_some(), seen.key.is_some()), (None, read, read));
        assert_eq!((simulator.in_flight(), simulator.bill().len()), (0, usize::from(executed)));
    }
}

#[tokio::test]
async fn reset_after_the_head() {
    for request in [stream(), ask(&json!({}))] {
        let simulator = failing(Fault::reset_after_headers());
        let response = simulator.clone().oneshot(request.clone()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.body().size_hint().exact(), None);
        drop(response);
        let seen = watch(&failing(Fault::reset_after_headers()), request).await;
        assert_eq!(joined(&seen), (vec![], Some(ErrorKind::ConnectionReset)));
    }
}

#[tokio::test]
async fn reset_inside_an_event() {
    let events = right_events().await;
    for (n, count) in (1..=events.len() + 2).zip(1..) {
        let seen = watch(&failing(Fault::reset_mid_event(count)), stream()).await;
        let (bytes, error) = joined(&seen);
        assert_eq!(error, Some(ErrorKind::ConnectionReset));
        let last = n.min(events.len()) - 1;
        let half = &events[last][..events[last].len() / 2];
        assert_eq!(bytes, [&events[..last].concat(), half].concat());
    }
    let whole = right(&json!({})).await;
    let seen = watch(&failing(Fault::reset_mid_event(9)), ask(&json!({}))).await;
    assert_eq!(joined(&seen), (whole[..whole.len() / 2].to_vec(), Some(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_body_that_is_reset_is_at_its_end() {
    let mut body = failing(Fault::reset_after_headers()).oneshot(stream()).await.unwrap().into_body();
    // Only a server that writes it out needs time before it.
    body.frame().now_or_never().unwrap().unwrap().unwrap_err();
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_error_event() {
    let right = right_events().await;
    let deltas: Vec<usize> =
        (0..right.len()).filter(|&at| right[at].starts_with(b"event: content_block_delta")).collect();
    let fault = Fault::error_event("overloaded_error");
    for (fault, before) in [
        (fault.clone().at_the_start(), 0),
        (fault.clone(), 1),
        (fault.clone().after_content_events(1), deltas[0] + 1),
        (fault.clone().after_content_events(2), deltas[1] + 1),
        (fault.clone().after_content_events(9_999), right.len() - 1),
    ] {
        let answer = send(&failing(fault), stream()).await;
        assert_eq!(answer.status, 200);
        let right = right[..before].concat();
        assert!(answer.body.starts_with(&right));
        let last = events(&answer.body[right.len()..]).unwrap();
        assert_eq!((last.len(), last[0].name.as_str()), (1, "error"));
        let error = json!({"type": "overloaded_error", "message": "Overloaded"});
        let expected = json!({"type": "error", "error": error, "request_id": answer.header("request-id")});
        assert_eq!(last[0].data, expected);
    }
    let answer = send(&failing(fault.without_request_id().at_the_start()), stream()).await;
    assert!(events(&answer.body).unwrap()[0].data.get("request_id").is_none());
}

#[tokio::test]
async fn a_whole_message_has_no_event_for_its_error() {
    for (kind, status) in
        [("overloaded_error", 529), ("api_error", 500), ("rate_limit_error", 429), ("odd_error", 500)]
    {
        let answer = send(&failing(Fault::error_event(kind)), ask(&json!({}))).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["type"]), (status, &json!(kind)));
    }
    // What fails for a better reason stays as it is.
    let answer = send(&failing(Fault::error_event("api_error")), ask(&json!({"model": "nobody"}))).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn json_that_breaks_off() {
    let whole = right(&json!({})).await;
    let answer = send(&failing(Fault::truncated_json()), ask(&json!({}))).await;
    assert_eq!(answer.body, whole[..whole.len() / 2]);
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let answer = send(&failing(Fault::no_message_stop()), ask(&json!({}))).await;
    assert_eq!(answer.body, whole[..whole.len() - 1]);

    let right = right_events().await;
    let (last, before) = right.split_last().unwrap();
    let last_content = right.iter().rposition(|event| event.starts_with(b"event: content_block_delta\n"));
    let last_content = last_content.unwrap() + 1;
    assert!((4..before.len()).contains(&last_content));
    for (fault, n) in [
        ("truncated-json", last_content),
        ("truncated-json=0", 1),
        ("truncated-json=1", 1),
        ("truncated-json=3", 3),
        ("truncated-json=9999", right.len()),
    ] {
        let answer = send(&failing(fault.parse().unwrap()), stream()).await;
        let cut = answer.body.strip_prefix(right[..n - 1].concat().as_slice()).unwrap();
        let cut = cut.strip_suffix(b"\n\n").unwrap();
        assert!(right[n - 1].starts_with(cut), "{fault}");
        let data = cut.split(|&byte| byte == b'\n').nth(1).unwrap().strip_prefix(b"data: {").unwrap();
        assert!(!data.is_empty());
        serde_json::from_slice::<Value>(&[b"{", data].concat()).unwrap_err();
    }
    assert!(last.starts_with(b"event: message_stop\n"));
    let answer = send(&failing(Fault::no_message_stop()), stream()).await;
    assert_eq!(answer.body, before.concat());
}

#[tokio::test]
async fn json_breaks_off_between_characters_in_the_last_content_there_is() {
    for (text, name) in
        [("", "message_delta"), ("é", "content_block_delta"), (&"世界".repeat(500), "content_block_delta")]
    {
        let simulator = failing(Fault::truncated_json());
        let blocks = [Block::text(text), Block::text(text)];
        simulator.script([Reply::of(blocks.into_iter().filter(|_| !text.is_empty()))]);
        let answer = send(&simulator, stream()).await;
        let text = std::str::from_utf8(&answer.body).unwrap();
        let events: Vec<_> = text.strip_suffix("\n\n").unwrap().split("\n\n").collect();
        let (last, before) = events.split_last().unwrap();
        let (event, data) = last.split_once('\n').unwrap();
        assert_eq!(event, format!("event: {name}"));
        serde_json::from_str::<Value>(data.strip_prefix("data: ").unwrap()).unwrap_err();
        assert_eq!(before.iter().any(|event| event.contains("\"index\":1")), name == "content_block_delta");
        for event in before {
            serde_json::from_str::<Value>(event.split_once("data: ").unwrap().1).unwrap();
        }
    }
}

#[tokio::test]
async fn a_length_that_is_wrong() {
    for request in [ask(&json!({})), stream()] {
        let whole = joined(&watch(&Simulator::new(), request.clone()).await).0;
        for off in [-1, 1, -30, 30, -1_000_000, 1_000_000] {
            let response = failing(Fault::wrong_length(off)).oneshot(request.clone()).await.unwrap();
            let declared = (whole.len() as u64).saturating_add_signed(off);
            assert_eq!(response.headers()["content-length"], declared.to_string());
            assert_eq!(response.body().size_hint().exact(), Some(declared));
            assert_eq!(Answer::read(response).await.body, whole);
        }
        let answer = send(&failing(Fault::wrong_length(0)), request).await;
        assert_eq!(answer.body, whole);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_length_leaves_no_room_for_pings() {
    let right = right_events().await.concat();
    for stall in ["stall-first-event=1000s pings=1ms", "stall-between-events=1000s after=3 pings=1ms"] {
        let fault = format!("{stall}, wrong-length=1").parse().unwrap();
        let response = failing(fault).oneshot(stream()).await.unwrap();
        assert_eq!(response.headers()["content-length"], (right.len() + 1).to_string());
        let start = tokio::time::Instant::now();
        assert_eq!(Answer::read(response).await.body, right);
        let waited = tokio::time::Instant::now().saturating_duration_since(start);
        assert_eq!(waited, Duration::from_secs(1000));
    }
    let pace =
        Pace::instant().with_first_token(Duration::from_secs(1000)).with_pings(Duration::from_millis(1));
    let simulator = Simulator::builder().with_pace(pace).build();
    let request = with_header(stream(), "x-sim-fault", "wrong-length=1");
    assert_eq!(send(&simulator, request).await.body, right);
}

#[tokio::test]
async fn hints_are_true() {
    for fault in [
        Fault::none(),
        Fault::truncated_json(),
        Fault::no_message_stop(),
        Fault::gzip_unasked(),
        Fault::cut_randomly(),
        Fault::noise(),
        Fault::stall_first_event(Duration::from_millis(1)),
        Fault::stall_between_events(2, Duration::from_millis(1)),
        Fault::error_event("api_error"),
        Fault::internal(),
        Fault::internal().with_empty_body(),
    ] {
        for request in [ask(&json!({})), stream()] {
            let response = failing(fault.clone()).oneshot(request).await.unwrap();
            let length =
                response.headers().get("content-length").map(|it| it.to_str().unwrap().parse().unwrap());
            let mut body = response.into_body();
            assert_eq!(body.size_hint().exact(), length);
            let mut left = length;
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                assert!(!data.is_empty());
                left = left.map(|left: u64| left - data.len() as u64);
                if let Some(left) = left {
                    assert_eq!(body.size_hint().exact(), Some(left));
                }
            }
            assert!(body.is_end_stream());
            assert_eq!(left.unwrap_or(0), 0, "{fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_drip() {
    let fault = Fault::drip(NonZeroUsize::new(100).unwrap(), Duration::from_millis(20));
    for request in [ask(&json!({})), stream()] {
        let whole = joined(&watch(&Simulator::new(), request.clone()).await).0;
        let seen = watch(&failing(fault.clone()), request).await;
        assert_eq!(joined(&seen), (whole.clone(), None));
        assert_eq!(seen.len(), whole.len().div_ceil(100));
        for (index, (time, frame)) in seen.iter().enumerate() {
            assert_eq!(*time, 20 * index as u64);
            assert!(frame.as_ref().unwrap().len() == 100 || index + 1 == seen.len());
        }
    }
}

#[tokio::test]
async fn cuts_that_hurt() {
    let (mut in_characters, mut in_line_ends) = (0, 0);
    for seed in 0..40 {
        let simulator = Simulator::builder().with_seed(seed).build();
        simulator.fail_next(1, Fault::cut_randomly().and(Fault::line_ends(LineEnds::CrLf)));
        let seen = watch(&simulator, stream()).await;
        let frames: Vec<_> = seen.iter().map(|(_, frame)| frame.as_ref().unwrap()).collect();
        assert!(frames.len() > 10 && frames.iter().all(|frame| !frame.is_empty()));
        in_characters += frames.iter().filter(|frame| matches!(frame[0], 0x80..=0xbf)).count();
        in_line_ends +=
            frames.windows(2).filter(|two| two[0].ends_with(b"\r") && two[1].starts_with(b"\n")).count();
        let plain = String::from_utf8(joined(&seen).0).unwrap().replace("\r\n", "\n");
        let whole = send(&Simulator::builder().with_seed(seed).build(), stream()).await;
        assert_eq!(plain.as_bytes(), whole.body);
    }
    assert!(in_characters > 200 && in_line_ends > 300, "{in_characters} {in_line_ends}");
}

#[tokio::test]
async fn line_ends() {
    let plain = String::from_utf8(right_events().await.concat()).unwrap();
    for (line_ends, end) in [(LineEnds::CrLf, "\r\n"), (LineEnds::Cr, "\r")] {
        let answer = send(&failing(Fault::line_ends(line_ends)), stream()).await;
        assert_eq!(answer.body, plain.replace('\n', end));
    }
}

#[tokio::test]
async fn noise_can_be_told_from_the_message() {
    let mut kinds = [0, 0];
    for seed in 0..20 {
        let simulator = Simulator::builder().with_seed(seed).build();
        simulator.fail_next(1, Fault::noise());
        let body = send(&simulator, stream()).await.body;
        let body = std::str::from_utf8(&body).unwrap();
        let is_noise = |block: &&str| block.starts_with(':') || block.starts_with("event: weather");
        kinds[0] += body.split_inclusive("\n\n").filter(|block| block.starts_with(':')).count();
        kinds[1] += body.split_inclusive("\n\n").filter(|block| block.starts_with("event: weather")).count();
        let quiet: String = body.split_inclusive("\n\n").filter(|block| !is_noise(block)).collect();
        // A comment may stand at the head of an event.
        assemble(&events(quiet.as_bytes()).unwrap()).unwrap();
    }
    assert!(kinds[0] > 20 && kinds[1] > 20, "{kinds:?}");
}

#[tokio::test]
async fn gzip_that_nobody_asked_for() {
    for fields in [json!({}), json!({"stream": true})] {
        let whole = right(&fields).await;
        let answer = send(&failing(Fault::gzip_unasked()), ask(&fields)).await;
        assert_eq!(answer.header("content-encoding"), "gzip");
        let mut plain = Vec::new();
        GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, whole);
    }
}

#[tokio::test]
async fn gzip_of_a_stream_that_is_cut() {
    let right = right_events().await;
    let accepting = || with_header(stream(), "accept-encoding", "gzip");
    let (bytes, error) = joined(&watch(&failing(Fault::reset_mid_event(3)), accepting()).await);
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    let mut plain = Vec::new();
    let broken = GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(plain, [&right[..2].concat(), &right[2][..right[2].len() / 2]].concat());

    // What ends in good order ends its coding too.
    for (fault, length) in [
        (Fault::no_message_stop(), right.len() - 1),
        (Fault::truncated_json_in_event(5), 4),
        (Fault::error_event("api_error"), 1),
    ] {
        let (bytes, error) = joined(&watch(&failing(fault), accepting()).await);
        assert_eq!(error, None);
        let mut plain = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        assert!(plain.starts_with(&right[..length].concat()));
    }
    // All at once: gzip, odd line ends, random cuts.
    let fault = Fault::gzip_unasked().and(Fault::line_ends(LineEnds::Cr)).and(Fault::cut_randomly());
    let (bytes, _) = joined(&watch(&failing(fault), stream()).await);
    let mut plain = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut plain).unwrap();
    assert_eq!(plain.replace('\r', "\n").as_bytes(), right.concat());
}

#[tokio::test]
async fn a_message_with_nothing_in_it_fails_too() {
    for fault in [
        Fault::error_event("api_error").after_content_events(1),
        Fault::reset_mid_event(2),
        Fault::no_message_stop(),
    ] {
        let simulator = failing(fault);
        simulator.script([Reply::text("")]);
        let (bytes, _) = joined(&watch(&simulator, stream()).await);
        assert!(bytes.starts_with(b"event: message_start") && !bytes.ends_with(b"message_stop\"}\n\n"));
    }
}
