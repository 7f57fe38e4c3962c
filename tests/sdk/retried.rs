//! With the gateway's retries: what fails before its content is nothing that an SDK would notice, what fails after it is
//! what it would be without the gateway, and what fails for good is not repeated by both.

use claude_sim::Fault;

use crate::failures::{Call, Seen, WAYS, run};
use crate::harness::{Direct, Sdk, ThroughGateway, no_difference, without_pool};
use crate::support::gateway;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_notices_nothing_of_what_fails_before_its_content() {
    nothing_is_noticed(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_notices_nothing_of_what_fails_before_its_content() {
    nothing_is_noticed(Sdk::TypeScript).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_sees_the_same_failures_after_content() {
    content_is_not_repeated(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_sees_the_same_failures_after_content() {
    content_is_not_repeated(Sdk::TypeScript).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn python_does_not_repeat_what_the_gateway_has_given_up() {
    retries_do_not_multiply(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official SDKs, which `cargo xtask test` installs"]
async fn typescript_does_not_repeat_what_the_gateway_has_given_up() {
    retries_do_not_multiply(Sdk::TypeScript).await;
}

/// Before any content, in whatever way it was asked.
const BEFORE_CONTENT: [&str; 9] = [
    "overloaded",
    "internal executed",
    "status=429 retry-after-ms=1",
    "refuse",
    "reset-before-headers",
    "reset-after-headers",
    "reset-mid-event=1",
    "error-event=overloaded_error at-start",
    "error-event=overloaded_error after=0",
];

/// The SDK does not repeat, so that all that is repeated is by the gateway.
async fn nothing_is_noticed(sdk: Sdk) {
    let faults: Vec<_> =
        BEFORE_CONTENT.iter().flat_map(|fault| WAYS.iter().map(move |way| (*fault, *way))).collect();
    let through = ThroughGateway::started(gateway::repeating).await;
    for (fault, _) in &faults {
        through.simulator.fail_with([fault.parse().unwrap(), Fault::none()]);
    }
    let calls: Vec<Call> = faults.iter().map(|(_, way)| Call::once("", way)).collect();
    let seen = run(sdk, &through.base_url(), &calls);

    // What is answered depends on how many requests there were: each is made twice.
    let direct = Direct::start().await;
    let twice: Vec<Call> = calls.iter().flat_map(|call| [call.clone(), call.clone()]).collect();
    let expected = run(sdk, &direct.base_url(), &twice);
    for ((fault, way), (seen, expected)) in
        faults.iter().zip(seen.iter().zip(expected.iter().skip(1).step_by(2)))
    {
        let what = format!("{fault} ({way}): {:?}", seen.raised);
        assert_eq!((seen.class(), seen.attempts), ("", 1), "{what}");
        assert!(seen.returned.is_some() || !seen.events.is_empty(), "{what}");
        assert_eq!(seen, expected, "{what}");
    }
    let requests = through.simulator.requests();
    assert_eq!(requests.len(), 2 * calls.len(), "one more for each");
    for (pair, (fault, way)) in requests.chunks(2).zip(&faults) {
        let [failed, repeated] = pair else { unreachable!() };
        assert_eq!(
            failed.fault.as_deref(),
            Some(&*fault.parse::<Fault>().unwrap().to_string()),
            "{fault} ({way})"
        );
        assert_eq!(
            (&failed.headers, repeated.fault.as_deref()),
            (&repeated.headers, None),
            "{fault} ({way})"
        );
    }
}

/// In a stream, after content that the caller has seen.
const AFTER_CONTENT: [&str; 6] = [
    "error-event=overloaded_error after=1",
    "error-event=overloaded_error after=3",
    "error-event=rate_limit_error after=2",
    "error-event=api_error after=2 no-request-id",
    "truncated-json",
    "no-message-stop",
];

async fn content_is_not_repeated(sdk: Sdk) {
    let mut calls = Vec::new();
    for fault in AFTER_CONTENT {
        for way in ["stream", "helper"] {
            calls.push(Call::once(fault, way));
        }
    }
    is_the_same(sdk, &calls).await;
}

/// The same as without the gateway, and not one request more.
async fn is_the_same(sdk: Sdk, calls: &[Call]) {
    let server = Direct::start().await;
    let direct = run(sdk, &server.base_url(), calls);
    let through = ThroughGateway::started(|upstream| without_pool(gateway::repeating(upstream))).await;
    for (seen, direct) in run(sdk, &through.base_url(), calls).iter().zip(&direct) {
        assert_eq!(seen, direct, "{} ({})", direct.call.fault, direct.call.way);
    }
    no_difference(&server.simulator, &through.simulator);
}

/// What fails each time, how many attempts the gateway makes of it, and what there is to be raised.
const FOR_GOOD: [(&str, usize); 7] = [
    ("overloaded", 4),
    ("internal", 4),
    ("status=500 retry-after-ms=1", 4),
    ("status=409 retry-after-ms=1", 4),
    ("status=429 retry-after-ms=1", 4),
    ("status=502 body=html", 4),
    ("spend-cap", 1),
];

/// Of these there is an answer of the gateway instead.
const NO_ANSWER: [&str; 2] = ["refuse", "reset-before-headers"];

async fn retries_do_not_multiply(sdk: Sdk) {
    let mut calls = Vec::new();
    let mut attempts = 0;
    for (fault, of_gateway) in FOR_GOOD {
        for way in WAYS {
            calls.push(Call { max_retries: 2, ..Call::once(fault, way) });
            attempts += of_gateway;
        }
    }
    let server = Direct::start().await;
    let once: Vec<Call> = calls.iter().map(|call| Call { max_retries: 0, ..call.clone() }).collect();
    let direct = run(sdk, &server.base_url(), &once);
    let through = ThroughGateway::started(gateway::repeating).await;
    for (seen, direct) in run(sdk, &through.base_url(), &calls).iter().zip(&direct) {
        let what = format!("{} ({})", direct.call.fault, direct.call.way);
        assert_eq!(seen.attempts, 1, "{what}");
        assert_eq!(what_is_raised(seen), what_is_raised(direct), "{what}");
    }
    assert_eq!(through.simulator.requests().len(), attempts, "as many as the gateway makes");

    let calls = NO_ANSWER.map(|fault| Call { max_retries: 2, ..Call::once(fault, "whole") });
    let through = ThroughGateway::started(gateway::repeating).await;
    for seen in run(sdk, &through.base_url(), &calls) {
        assert_eq!((seen.class(), seen.attempts), ("InternalServerError", 1), "{}", seen.call.fault);
        assert_eq!(seen.raised.as_ref().unwrap()["headers"]["x-should-retry"], "false");
    }
    assert_eq!(through.simulator.requests().len(), 4 * calls.len());

    // It is the header that does it.
    let calls = [Call { max_retries: 2, ..Call::once("status=500 retry-after-ms=1", "whole") }];
    let through = ThroughGateway::started(|upstream| {
        let mut command = gateway::repeating(upstream);
        command.env("CLAUDE_TOWER__RETRY__FINAL_WORD", "false");
        command
    });
    let through = through.await;
    assert_eq!(run(sdk, &through.base_url(), &calls)[0].attempts, 3);
    assert_eq!(through.simulator.requests().len(), 3 * 4);
}

/// All but what is of one request alone, and of the header that says the final word.
fn what_is_raised(seen: &Seen) -> Vec<String> {
    let raised = seen.raised.as_ref().unwrap_or_else(|| panic!("{:?} should have failed", seen.call));
    ["class", "status", "type", "error_code", "details", "workspace_id"]
        .map(|field| raised[field].to_string())
        .to_vec()
}
