//! Accounts that have no money left.

use std::time::Duration;

use claude_secrets::{Affinity, SlowStart};
use claude_wire::call::Caller;
use tokio::time::{Instant, sleep};

use crate::support::{
    Answer, Api, OPUS, SECOND, SONNET, answer, attempted, coded, error, pool, post, sent, since, start, turn,
};

fn of_caller(mut request: http::Request<claude_wire::Body>) -> http::Request<claude_wire::Body> {
    request.extensions_mut().insert(Caller::new().with_line("search"));
    request
}

fn of(model: &str) -> http::Request<claude_wire::Body> {
    of_caller(turn(1, 0, model))
}

/// How long each class keeps away from a group that answers one class like that.
async fn rest(said: Answer) -> Duration {
    let api = Api::new();
    let ring = pool(&["a", "b"]).with_affinity(Affinity::Caller).with_slow_start(SlowStart::off());
    let (claude, _) = start(ring, &api).await;
    let home = sent(&claude, &api, of(SONNET)).await;
    api.says(&home, said);
    let (attempt, request) = attempted(of(SONNET));
    assert_eq!(sent(&claude, &api, request).await, home);
    assert!(attempt.alternative_left());
    api.says(&home, answer(200));
    let begun = Instant::now();
    let count = || of_caller(post("/v1/messages/count_tokens", r#"{"model":"x"}"#.to_owned(), 0));
    for other in [of(SONNET), of(OPUS), of("claude-of-tomorrow"), count()] {
        assert_ne!(sent(&claude, &api, other).await, home);
    }
    while sent(&claude, &api, of(SONNET)).await != home {
        assert_ne!(sent(&claude, &api, of(OPUS)).await, home);
        sleep(SECOND / 2).await;
        assert!(since(begun) < 7_200 * SECOND, "it never came back");
    }
    assert_eq!(sent(&claude, &api, of(OPUS)).await, home);
    assert_eq!(sent(&claude, &api, count()).await, home);
    since(begun)
}

#[tokio::test(start_paused = true)]
async fn its_group_rests_a_minute_for_every_class_and_others_take_over() {
    let own = |which: &str| {
        let message = format!("You have reached your specified {which}API usage limits. Wait.");
        error(400, "invalid_request_error", &message)
    };
    for said in [
        coded("enforced_spend_limit_reached"),
        coded("contract_spend_limit_reached"),
        error(402, "billing_error", "no credit"),
        error(429, "billing_error", "the gateway's"),
        own(""),
        own("workspace "),
    ] {
        let shown = format!("{said:?}");
        assert_eq!(rest(said).await, 60 * SECOND, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_time_that_the_answer_says_holds() {
    let said = coded("enforced_spend_limit_reached").with("retry-after", "600");
    assert_eq!(rest(said).await, 600 * SECOND);
    let said = coded("enforced_spend_limit_reached").with("retry-after", "6");
    assert_eq!(rest(said).await, 60 * SECOND);
}
