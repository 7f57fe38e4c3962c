//! Faults as text, and back.

use std::num::NonZeroUsize;
use std::time::Duration;

use claude_sim::{Fault, LineEnds};
use fastrand::Rng;
use http::{HeaderName, HeaderValue, StatusCode};

fn text(rng: &mut Rng) -> String {
    let alphabet = ['a', 'Z', '0', ' ', ',', '=', '"', '\\', 'x', 'é', '世', '\n', '\t', '\0', '/', ';'];
    (0..rng.usize(..12)).map(|_| alphabet[rng.usize(..alphabet.len())]).collect()
}

fn duration(rng: &mut Rng) -> Duration {
    match rng.usize(..6) {
        0 => Duration::MAX,
        1 => Duration::ZERO,
        2 => Duration::from_nanos(rng.u64(..1 << 40)),
        3 => Duration::from_micros(rng.u64(..1 << 30)),
        4 => Duration::from_millis(rng.u64(..1 << 20)),
        _ => Duration::from_secs(rng.u64(..)),
    }
}

fn error(rng: &mut Rng) -> Fault {
    let mut fault = match rng.usize(..11) {
        0 => Fault::rate_limited(rng.u64(..)),
        1 => Fault::ramp_limit(3),
        2 => Fault::spend_cap(),
        3 => Fault::contract_spend_cap(),
        4 => Fault::organization_spend_limit(),
        5 => Fault::workspace_spend_limit(),
        6 => Fault::gateway_spend_limit(),
        7 => Fault::internal(),
        8 => Fault::overloaded(),
        _ => Fault::status(StatusCode::from_u16(rng.u16(100..1000)).unwrap()),
    };
    for _ in 0..rng.usize(..6) {
        fault = match rng.usize(..12) {
            0 => fault.with_error_type(text(rng)),
            1 => fault.without_error_type(),
            2 => fault.with_error_code(text(rng)),
            3 => fault.with_message(text(rng)),
            4 => fault.with_retry_after(text(rng)),
            5 => fault.with_retry_after_ms(text(rng)),
            6 => fault.with_should_retry(rng.bool()),
            7 => fault
                .with_header(HeaderName::from_static("x-odd"), HeaderValue::from_bytes(b"\xff: x").unwrap()),
            8 => fault.without_json(),
            9 => fault.with_empty_body(),
            10 => fault.with_body((0..rng.usize(..20)).map(|_| rng.u8(..)).collect::<Vec<_>>(), text(rng)),
            _ => fault.after_execution(),
        };
    }
    fault
}

fn part(rng: &mut Rng) -> Fault {
    match rng.usize(..20) {
        0..=2 => error(rng),
        3 => Fault::refuse(),
        4 => Fault::reset_before_headers(),
        5 => Fault::reset_before_headers().after_execution(),
        6 => Fault::reset_after_headers(),
        7 => Fault::reset_mid_event(rng.u32(..)),
        8 => Fault::stall_headers(duration(rng)),
        9 => Fault::stall_first_event(duration(rng)),
        10 => Fault::stall_between_events(rng.u32(..), duration(rng)).with_pings(duration(rng)),
        11 => Fault::error_event(text(rng)).after_content_events(rng.u32(..3)),
        12 => Fault::error_event("api_error").at_the_start().without_request_id(),
        13 if rng.bool() => Fault::truncated_json_in_event(rng.u32(..)),
        13 => Fault::truncated_json(),
        14 => Fault::no_message_stop(),
        15 => Fault::wrong_length(rng.i64(..)),
        16 => Fault::drip(NonZeroUsize::new(rng.usize(1..)).unwrap(), duration(rng)),
        17 => Fault::cut_randomly().and(Fault::noise()),
        18 => Fault::line_ends(if rng.bool() { LineEnds::Cr } else { LineEnds::CrLf }),
        _ => Fault::gzip_unasked(),
    }
}

#[test]
fn what_is_written_is_read() {
    let mut rng = Rng::with_seed(4);
    for _ in 0..20_000 {
        let mut fault = Fault::none();
        for _ in 0..rng.usize(..4) {
            fault = fault.and(part(&mut rng));
        }
        let written = fault.to_string();
        assert!(written.bytes().all(|byte| matches!(byte, b' '..=b'~')), "it fits into a header: {written}");
        assert_eq!(written.parse::<Fault>().as_ref(), Ok(&fault), "{written}");
    }
}

#[test]
fn as_a_person_writes_it() {
    let seconds = Duration::from_secs;
    for (text, fault) in [
        ("none", Fault::none()),
        (" overloaded ", Fault::overloaded()),
        ("OVERLOADED", Fault::overloaded()),
        (
            "status=503 retry-after=2 body=html",
            Fault::status(StatusCode::SERVICE_UNAVAILABLE).with_retry_after("2").without_json(),
        ),
        ("stall-first-event=30s pings=5s", Fault::stall_first_event(seconds(30)).with_pings(seconds(5))),
        ("stall-headers=forever", Fault::stall_headers(Duration::MAX)),
        ("stall-headers=2m,noise", Fault::stall_headers(seconds(120)).and(Fault::noise())),
        ("stall-between-events=1h after=3", Fault::stall_between_events(3, seconds(3_600))),
        ("reset-before-headers executed", Fault::reset_before_headers().after_execution()),
        ("rate-limited=7 message=\"a, \\\"b\\\"\"", Fault::rate_limited(7).with_message("a, \"b\"")),
        ("error-event=api_error after=2", Fault::error_event("api_error").after_content_events(2)),
        ("drip=16/100ms", Fault::drip(NonZeroUsize::new(16).unwrap(), Duration::from_millis(100))),
        ("wrong-length=-5", Fault::wrong_length(-5)),
        (
            "internal header=\"x-a: b: c\" bytes=\"\\x00\" content-type=text/plain",
            Fault::internal()
                .with_header(HeaderName::from_static("x-a"), HeaderValue::from_static("b: c"))
                .with_body(&b"\0"[..], "text/plain"),
        ),
    ] {
        assert_eq!(text.parse(), Ok(fault), "{text}");
    }
}

#[test]
fn what_is_no_fault_says_why() {
    for (text, complaint) in [
        ("", "no fault at all"),
        (" ", "no fault at all"),
        (",", "a name is missing"),
        (", noise", "a name is missing"),
        ("noise,, noise", "a name is missing"),
        ("noise,", "a comma and nothing after it"),
        ("=", "a name is missing"),
        ("sunshine", "there is none by the name of \"sunshine\""),
        ("status", "status needs a value"),
        ("status=12", "a status has three digits, of which the first is not 0"),
        ("overloaded=3", "overloaded takes no value"),
        ("overloaded pings=3s", "overloaded has no \"pings\""),
        ("noise after=1", "noise has no \"after\""),
        ("refuse executed", "refuse has no \"executed\""),
        ("stall-headers=5", "stall-headers: \"5\" is not a duration such as 30s, 250ms or forever"),
        ("stall-headers=5d", "stall-headers: \"5d\" is not a duration such as 30s, 250ms or forever"),
        ("stall-headers=1s pings=1s", "stall-headers has no \"pings\""),
        ("drip=0/1s", "drip is written as bytes/duration, such as 16/100ms"),
        ("reset-mid-event=-1", "reset-mid-event: \"-1\" is not a number that fits"),
        ("line-ends=lf", "line-ends are crlf or cr"),
        ("status=500 message=\"a", "a quote without an end"),
        ("status=500 message=\"\\n\"", "a backslash stands before a quote, a backslash or x only"),
        ("status=500 message=\"\\xg0\"", "\\x wants two hexadecimal digits"),
        ("status=500 message=\"\\xff\"", "the value of message is not UTF-8"),
        ("status=500 retry-after=\"\\x00\"", "a value that cannot stand in a header"),
        ("status=500 header=x", "a header is written as \"name: value\""),
        ("status=500 should-retry=yes", "should-retry is true or false"),
        ("status=500 body=json", "body is html or empty; others are bytes=\"...\""),
        ("status=500 content-type=a", "content-type stands after bytes=\"...\""),
    ] {
        let error = text.parse::<Fault>().unwrap_err();
        assert_eq!(error.to_string(), format!("not a fault: {complaint}"), "{text:?}");
    }
}

#[test]
fn nothing_that_is_read_breaks_it() {
    let mut rng = Rng::with_seed(5);
    let pieces = [
        "status",
        "=",
        "\"",
        "\\",
        "x",
        " ",
        ",",
        "500",
        "世",
        "pings",
        "drip",
        "1/2s",
        "99999999999999999999h",
    ];
    for _ in 0..20_000 {
        let text: String = (0..rng.usize(..9)).map(|_| pieces[rng.usize(..pieces.len())]).collect();
        if let Ok(fault) = text.parse::<Fault>() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }
}
