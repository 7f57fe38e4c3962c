//! Which answers are repeated, and what the caller gets of those that are not, or in vain.

use claude_retry::Reason;
use http_body_util::BodyExt;

use crate::support::{Client, Deed, coded, gave_up, ok, plain, post, send, status, text, typed};

/// What becomes of an answer that comes every time. Three retries are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is the caller's at once, and nobody gave up anything.
    Passed,
    /// It is repeated once.
    Once,
    Repeated,
}
use Then::{Once, Passed, Repeated};

async fn check(name: &str, deed: &Deed, expected: Then) {
    let client = Client::new([deed.clone()]);
    let response = send(&plain(), &client, post()).await.unwrap();
    let attempts = match expected {
        Passed => 1,
        Once => 2,
        Repeated => 4,
    };
    assert_eq!(client.calls(), attempts, "{name}");
    let said = gave_up(&response).map(|said| (said.reason, said.attempts as usize));
    assert_eq!(said, (expected != Passed).then_some((Reason::Attempts, attempts)), "{name}");
    // And as it came.
    let expected = Client::new([deed.clone()]);
    let expected = tower::ServiceExt::oneshot(expected, post()).await.unwrap();
    assert_eq!(response.status(), expected.status(), "{name}");
    assert_eq!(response.version(), expected.version(), "{name}");
    assert_eq!(response.headers(), expected.headers(), "{name}");
    let whole = expected.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text(response).await.as_bytes(), whole, "{name}");
    // One success is a success, whatever came before.
    if attempts > 1 {
        let client = Client::new([deed.clone(), ok()]);
        let response = send(&plain(), &client, post()).await.unwrap();
        assert_eq!((client.calls(), response.status().as_u16()), (2, 200), "{name}");
        assert_eq!(gave_up(&response), None, "{name}");
    }
}

fn row(code: u16, body: impl Into<String>) -> Deed {
    status(code).header("content-type", "application/json").saying(body)
}

#[tokio::test(start_paused = true)]
async fn by_status() {
    for (code, expected) in [
        (200, Passed),
        (204, Passed),
        (301, Passed),
        (304, Passed),
        (400, Passed),
        (401, Passed),
        (402, Passed),
        (403, Passed),
        (404, Passed),
        (405, Passed),
        (408, Repeated),
        (409, Repeated),
        (412, Passed),
        (413, Passed),
        (418, Passed),
        (422, Passed),
        // Of somebody else than the API: no type.
        (429, Repeated),
        (431, Passed),
        (499, Passed),
        (500, Repeated),
        (501, Repeated),
        (502, Repeated),
        (503, Repeated),
        (504, Repeated),
        (520, Repeated),
        (529, Repeated),
        (599, Repeated),
    ] {
        check(&format!("{code}"), &status(code), expected).await;
        check(&format!("{code} in words"), &row(code, "<html>no</html>"), expected).await;
        check(&format!("{code} in JSON"), &row(code, typed("api_error")), at_429(code, expected)).await;
        // A retry-after alone makes no answer one to be repeated; some 200s have it.
        let after = status(code).header("retry-after", "3");
        check(&format!("{code} with a wait"), &after, expected).await;
    }
}

/// A 429 of the API that does not say when it ends is probably one that does not.
fn at_429(code: u16, expected: Then) -> Then {
    if code == 429 { Once } else { expected }
}

#[tokio::test(start_paused = true)]
async fn by_the_servers_own_word() {
    for code in [400, 401, 403, 404, 408, 409, 413, 422, 429, 499, 500, 501, 502, 503, 504, 529] {
        for body in [String::new(), typed("rate_limit_error"), coded("x", "enforced_spend_limit_reached")] {
            let yes = row(code, body.as_str()).header("x-should-retry", "true");
            check(&format!("{code} true {body}"), &yes, Repeated).await;
            let no = row(code, body.as_str()).header("x-should-retry", "false");
            check(&format!("{code} false {body}"), &no, Passed).await;
        }
    }
    // Only those two words, in lower case, as in the official SDKs.
    for word in ["TRUE", "True", "1", "yes", ""] {
        check(word, &status(404).header("x-should-retry", word), Passed).await;
    }
    for word in ["FALSE", "False", "0", "no", ""] {
        check(word, &status(529).header("x-should-retry", word), Repeated).await;
    }
    for code in [200, 204, 302] {
        check("a success", &status(code).header("x-should-retry", "true"), Passed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn limits() {
    let limited = || row(429, typed("rate_limit_error"));
    for (name, deed, expected) in [
        ("says when", limited().header("retry-after", "1"), Repeated),
        ("says when, in milliseconds", limited().header("retry-after-ms", "1"), Repeated),
        ("says when, of no use", limited().header("retry-after", "0"), Repeated),
        ("does not say when", limited(), Once),
        ("ramp", row(429, coded("rate_limit_error", "ramp_limit_exceeded")), Repeated),
        ("money", row(429, coded("rate_limit_error", "enforced_spend_limit_reached")), Passed),
        ("contract", row(429, coded("rate_limit_error", "contract_spend_limit_reached")), Passed),
        (
            "money, with a wait",
            row(429, coded("rate_limit_error", "enforced_spend_limit_reached")).header("retry-after", "1"),
            Passed,
        ),
        ("bill", row(429, typed("billing_error")), Passed),
        ("linked", row(402, coded("billing_error", "linked_organization_spend_limit_reached")), Passed),
        (
            "a customer's own",
            row(
                400,
                typed("invalid_request_error").replace(
                    "why",
                    "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
                ),
            ),
            Passed,
        ),
        ("on hold", row(403, coded("permission_error", "organization_on_hold")), Passed),
    ] {
        check(name, &deed, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn by_code_and_by_type() {
    for (code, body, expected) in [
        (400, coded("invalid_request_error", "request_body_timeout"), Repeated),
        (400, coded("invalid_request_error", "thread_continue_in_flight"), Repeated),
        (409, coded("conflict_error", "thread_continue_in_flight"), Repeated),
        (400, coded("invalid_request_error", "request_body_too_large_after_decoding"), Passed),
        (400, coded("invalid_request_error", "nobody_knows"), Passed),
        (400, coded("invalid_request_error", "cmek_key_unreachable"), Repeated),
        (503, coded("api_error", "compaction_unavailable"), Repeated),
        // A status that covers everything, and a type that says more.
        (400, typed("overloaded_error"), Repeated),
        (400, typed("rate_limit_error"), Repeated),
        (500, typed("authentication_error"), Passed),
        (500, typed("not_found_error"), Passed),
        (500, typed("invalid_request_error"), Repeated),
        (502, typed("overloaded_error"), Repeated),
        (503, typed("timeout_error"), Repeated),
        // A status that is clear is clear.
        (401, typed("overloaded_error"), Passed),
        (404, typed("rate_limit_error"), Passed),
        (409, typed("invalid_request_error"), Repeated),
    ] {
        check(&format!("{code} {body}"), &row(code, body), expected).await;
    }
}

/// The one of a failure that may be of the kind that stays: of the call, not of each in a row.
#[tokio::test(start_paused = true)]
async fn once_is_once_in_a_call() {
    let unclear = || row(429, typed("rate_limit_error"));
    for (deeds, calls) in [
        (vec![unclear(), unclear(), ok()], 2),
        (vec![unclear(), status(529), unclear(), ok()], 3),
        (vec![status(529), unclear(), unclear(), ok()], 3),
        (vec![unclear(), unclear().header("retry-after", "1"), ok()], 3),
        (vec![unclear(), status(529), status(529), ok()], 4),
    ] {
        let client = Client::new(deeds);
        drop(send(&plain(), &client, post()).await.unwrap());
        assert_eq!(client.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn as_often_as_is_said() {
    for retries in [0, 1, 2, 7] {
        let client = Client::new([status(529)]);
        let response = send(&plain().with_max_retries(retries), &client, post()).await.unwrap();
        assert_eq!(client.calls(), retries as usize + 1);
        let said = gave_up(&response).unwrap();
        assert_eq!((said.reason, said.attempts), (Reason::Attempts, retries + 1));
    }
    // A failure that is not to be repeated has not been given up, even where nothing is.
    let client = Client::new([status(404)]);
    let response = send(&plain().with_max_retries(0), &client, post()).await.unwrap();
    assert_eq!(gave_up(&response), None);
}
