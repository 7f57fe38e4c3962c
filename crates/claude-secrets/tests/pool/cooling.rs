//! What a failed answer says of a key's limits, and what it does not.

use claude_secrets::{Affinity, KeyState, SlowStart};
use claude_wire::Body;
use claude_wire::call::Caller;
use http::Request;
use std::time::Duration;
use tokio::time::{Instant, sleep};

use crate::support::{
    Answer, Api, OPUS, SECOND, SONNET, answer, error, limited, millis, of_key, pool, post, refused, send,
    sent, since, start, talk, turn,
};

/// How long its conversations keep away from a key that answers like that once.
async fn rest(said: Answer, limited_for: Option<Duration>) -> Duration {
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let api = Api::new();
    let mut ring = pool(&["a", "b"]).with_slow_start(SlowStart::off());
    if let Some(time) = limited_for {
        ring = ring.with_limited_for(time);
    }
    let (claude, _) = start(ring, &api).await;
    api.says("a", said);
    assert_eq!(sent(&claude, &api, talk(conversation)).await, "a");
    api.says("a", answer(200));
    let begun = Instant::now();
    while sent(&claude, &api, talk(conversation)).await != "a" {
        sleep(millis(50)).await;
        assert!(since(begun) < 7_200 * SECOND, "it never came back");
    }
    since(begun)
}

#[tokio::test(start_paused = true)]
async fn a_limited_key_rests_exactly_as_long_as_the_api_says() {
    let plain = || error(429, "rate_limit_error", "slowly");
    let ramp = || {
        let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"ramp_limit_exceeded"}}}"#;
        plain().with_body(body)
    };
    for (said, limited_for, expected) in [
        (limited(7), None, 7 * SECOND),
        (limited(120), None, 120 * SECOND),
        (plain().with("retry-after", "1.5"), None, millis(1_500)),
        (plain().with("retry-after-ms", "2500"), None, millis(2_500)),
        (limited(30).with("retry-after-ms", "2500"), None, millis(2_500)),
        (
            plain()
                .with("date", "Mon, 23 Nov 2026 10:00:00 GMT")
                .with("retry-after", "Mon, 23 Nov 2026 10:00:20 GMT"),
            None,
            20 * SECOND,
        ),
        (plain(), None, 5 * SECOND),
        (plain().with("retry-after", "0"), None, 5 * SECOND),
        (plain().with("retry-after", "soon"), None, 5 * SECOND),
        (plain(), Some(2 * SECOND), 2 * SECOND),
        (answer(429).with_body("<html>"), None, 5 * SECOND),
        (ramp().with("retry-after", "3"), None, 3 * SECOND),
        (limited(9).with("x-should-retry", "false"), None, 9 * SECOND),
    ] {
        let shown = format!("{said:?}");
        assert_eq!(rest(said, limited_for).await, expected, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_pause_holds() {
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let api = Api::new();
    let (claude, ring) = start(pool(&["a", "b"]).with_slow_start(SlowStart::off()), &api).await;
    // Both are under way before either is answered.
    api.says("a", limited(30).after(SECOND));
    let first = tokio::spawn({
        let claude = claude.clone();
        async move { send(&claude, talk(conversation)).await.unwrap() }
    });
    sleep(millis(10)).await;
    api.says("a", limited(5).after(2 * SECOND));
    assert_eq!(send(&claude, talk(conversation)).await.unwrap(), 429);
    assert_eq!(first.await.unwrap(), 429);
    let cooling = ring.status()[0].cooling.clone();
    assert_eq!(cooling, [("sonnet-5.5".into(), millis(28_990))]);
    assert_eq!((ring.status()[0].state, ring.status()[1].state), (KeyState::Cooling, KeyState::Live));
}

/// A pause of weeks is not for somebody who knows better.
#[tokio::test(start_paused = true)]
async fn an_operator_ends_a_pause() {
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let api = Api::new();
    let (claude, ring) = start(pool(&["a", "b"]).with_slow_start(SlowStart::off()), &api).await;
    api.says("a", limited(3_600));
    assert_eq!(sent(&claude, &api, talk(conversation)).await, "a");
    api.says("a", answer(200));
    assert_eq!(sent(&claude, &api, talk(conversation)).await, "b");
    assert_eq!(ring.status()[0].state, KeyState::Cooling);
    ring.restore("a").unwrap();
    assert_eq!(ring.status()[0].state, KeyState::Live);
    assert_eq!(sent(&claude, &api, talk(conversation)).await, "a");
}

/// Of one caller, who decides about the key.
fn of_caller(mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(Caller::new().with_line("search"));
    request
}

#[tokio::test(start_paused = true)]
async fn only_the_class_that_met_its_limit_rests() {
    let api = Api::new();
    let ring = pool(&["a", "b"]).with_affinity(Affinity::Caller).with_slow_start(SlowStart::off());
    let (claude, ring) = start(ring, &api).await;
    let of = |model: &str| of_caller(turn(1, 0, model));
    let count = || {
        let body = format!(r#"{{"model":"{SONNET}","messages":[{{"role":"user","content":"x"}}]}}"#);
        of_caller(post("/v1/messages/count_tokens", body, 0))
    };
    let home = sent(&claude, &api, of(SONNET)).await;
    api.says(&home, limited(60));
    assert_eq!(sent(&claude, &api, of(SONNET)).await, home);
    api.says(&home, answer(200));

    assert_ne!(sent(&claude, &api, of(SONNET)).await, home);
    for other in [of(OPUS), of("claude-haiku-4-5"), of("claude-of-tomorrow"), count()] {
        assert_eq!(sent(&claude, &api, other).await, home);
    }
    // Models that share their limits rest together.
    api.says(&home, limited(60));
    assert_eq!(sent(&claude, &api, of("claude-opus-4-8")).await, home);
    api.says(&home, answer(200));
    assert_ne!(sent(&claude, &api, of("claude-opus-4-5-20251101")).await, home);
    // Counting has limits of its own.
    api.says(&home, limited(60));
    assert_eq!(sent(&claude, &api, count()).await, home);
    api.says(&home, answer(200));
    assert_ne!(sent(&claude, &api, count()).await, home);
    assert_eq!(sent(&claude, &api, of(OPUS)).await, home);
    let of_home = ring.status().into_iter().find(|key| *key.name == *home).unwrap();
    assert_eq!(of_home.cooling.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn when_all_rest_the_one_that_is_whole_again_first_is_used() {
    let api = Api::new();
    let names = ["a", "b", "c"];
    let (claude, _) = start(pool(&names).with_slow_start(SlowStart::off()), &api).await;
    for (name, time) in names.into_iter().zip([30, 10, 20]) {
        api.says(name, limited(time));
        let conversation = of_key(&names, name, 1).await[0];
        send(&claude, talk(conversation)).await.unwrap();
    }
    for name in names {
        api.says(name, answer(200));
    }
    for conversation in 0..20 {
        assert_eq!(sent(&claude, &api, talk(conversation)).await, "b");
    }
    sleep(11 * SECOND).await;
    // Now there is one that does not rest.
    for conversation in 0..20 {
        assert_eq!(sent(&claude, &api, talk(conversation)).await, "b");
    }
    sleep(10 * SECOND).await;
    let homes = of_key(&names, "c", 3).await;
    for conversation in homes {
        assert_eq!(sent(&claude, &api, talk(conversation)).await, "c");
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_key_of_a_pool_does_not_rest() {
    let api = Api::new();
    let (claude, ring) = start(pool(&["a"]), &api).await;
    api.says("a", limited(60));
    for _ in 0..5 {
        assert_eq!(send(&claude, talk(1)).await.unwrap(), 429);
    }
    assert_eq!(ring.status()[0].state, KeyState::Cooling);
    api.says("a", answer(200));
    let begun = Instant::now();
    assert_eq!(send(&claude, talk(1)).await.unwrap(), 200);
    assert_eq!(since(begun), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_limits_moves_nothing() {
    let conversation = of_key(&["a", "b"], "a", 1).await[0];
    let api = Api::new();
    let (claude, ring) = start(pool(&["a", "b"]), &api).await;
    for said in [
        error(400, "invalid_request_error", "messages: field required"),
        error(
            400,
            "invalid_request_error",
            "your prompt says: You have reached your specified API usage limits",
        ),
        error(403, "permission_error", "no"),
        error(404, "not_found_error", "no"),
        error(409, "conflict_error", "no"),
        error(413, "request_too_large", "no"),
        error(500, "api_error", "no"),
        error(503, "api_error", "no").with("retry-after", "30"),
        error(504, "timeout_error", "no"),
        error(529, "overloaded_error", "no").with("retry-after", "30"),
        answer(200).with("retry-after", "30"),
        // A proxy's, not the API's.
        answer(401).with_body("<html>no</html>"),
    ] {
        let shown = format!("{said:?}");
        api.says("a", said);
        assert_eq!(sent(&claude, &api, talk(conversation)).await, "a", "{shown}");
        assert_eq!(ring.status()[0].state, KeyState::Live, "{shown}");
        assert_eq!(sent(&claude, &api, talk(conversation)).await, "a", "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_key_hands_its_conversations_on_and_they_stay_where_they_went() {
    let conversations = of_key(&["a", "b", "c"], "a", 20).await;
    let api = Api::new();
    let (claude, ring) = start(pool(&["a", "b", "c"]).with_slow_start(SlowStart::off()), &api).await;
    api.says("a", refused());
    assert_eq!(send(&claude, talk(conversations[0])).await.unwrap(), 200);
    assert_eq!(ring.status()[0].state, KeyState::Dead);
    for conversation in conversations {
        let first = sent(&claude, &api, talk(conversation)).await;
        assert_ne!(first, "a");
        assert_eq!(sent(&claude, &api, turn(conversation, 1, SONNET)).await, first);
    }
}
