//! How long to wait: every form of `retry-after`, and when it counts.

use std::time::{Duration, SystemTime};

use claude_errors::{Classification, Retry};
use http::StatusCode;

use crate::support::{coded, headers, judge, now, typed};

fn wait(status: u16, with: &[(&'static str, &str)], body: &str) -> Option<f64> {
    judge(status, &headers(with), body).unwrap().retry_after.map(|wait| wait.as_secs_f64())
}

/// 20 s after the argument, and 7 s after the `date` below.
const AT: &str = "Fri, 29 Sep 2023 16:26:57 GMT";
const DATE: &str = "Fri, 29 Sep 2023 16:26:50 GMT";

#[test]
fn forms() {
    for (with, expected) in [
        (&[][..], None),
        (&[("retry-after", "12")], Some(12.0)),
        (&[("retry-after", "0.25")], Some(0.25)),
        (&[("retry-after-ms", "1500")], Some(1.5)),
        (&[("retry-after-ms", "1500"), ("retry-after", "12")], Some(1.5)),
        (&[("retry-after-ms", "soon"), ("retry-after", "12")], Some(12.0)),
        (&[("retry-after", AT)], Some(20.0)),
        (&[("retry-after", AT), ("date", DATE)], Some(7.0)),
        (&[("retry-after", AT), ("date", "Mon, 29 Sep 1999 25:61:00 GMT")], Some(20.0)),
        (&[("retry-after", AT), ("date", "garbage")], Some(20.0)),
        (&[("retry-after", AT), ("date", AT)], None),
        (&[("retry-after", "12"), ("date", DATE)], Some(12.0)),
        (&[("retry-after", "0")], None),
        (&[("retry-after", "-10")], None),
        (&[("retry-after", "nan")], None),
        (&[("retry-after", "later")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "61")], Some(61.0)),
        (&[("retry-after", "99999999999999999999999999999999999")], Some(4_294_967.0)),
        (&[("retry-after", "inf")], Some(4_294_967.0)),
    ] {
        for status in [408, 409, 429, 500, 501, 502, 503, 504, 529] {
            assert_eq!(wait(status, with, ""), expected, "{status} {with:?}");
        }
    }
}

/// Against the clock that is given, and no other.
#[test]
fn the_clock_is_an_argument() {
    let with = headers(&[("retry-after", AT)]);
    for (now, expected) in [
        (now(), Some(20)),
        (now() + Duration::from_secs(19), Some(1)),
        (now() + Duration::from_secs(20), None),
        (SystemTime::UNIX_EPOCH, Some(4_294_967)),
    ] {
        let judged = Classification::of_response(StatusCode::BAD_GATEWAY, &with, None, now).unwrap();
        assert_eq!(judged.retry_after, expected.map(Duration::from_secs));
    }
}

/// Where another attempt makes no sense there is nothing to wait for.
#[test]
fn only_of_what_is_repeated() {
    let seconds = ("retry-after", "12");
    for status in [400, 401, 402, 403, 404, 412, 413, 422, 499] {
        assert_eq!(wait(status, &[seconds], ""), None, "{status}");
        assert_eq!(wait(status, &[seconds, ("x-should-retry", "true")], ""), Some(12.0), "{status}");
    }
    assert_eq!(wait(500, &[seconds, ("x-should-retry", "false")], ""), None);
    let spent = coded("rate_limit_error", "enforced_spend_limit_reached");
    assert_eq!(wait(429, &[seconds], &spent), None);
    assert_eq!(wait(429, &[seconds], &coded("rate_limit_error", "ramp_limit_exceeded")), Some(12.0));
    assert_eq!(wait(400, &[seconds], &coded("x", "request_body_timeout")), Some(12.0));
}

/// A wait that cannot be used still says that there is an end.
#[test]
fn a_useless_wait_is_a_wait() {
    let judged = judge(429, &headers(&[("retry-after", "0")]), &typed("rate_limit_error")).unwrap();
    assert_eq!((judged.retry, judged.retry_after), (Retry::Yes, None));
}
