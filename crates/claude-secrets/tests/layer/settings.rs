//! Settings that are refused, and what is said of them.

use std::time::Duration;

use claude_secrets::{
    InvalidKeyRing, InvalidSlowStart, Key, KeyRing, KeyRingBuilder, KeyState, SecretsLayer, SlowStart,
};

use crate::probe::{Client, status};
use crate::safe::Safe;
use crate::support::*;

fn key(name: &str) -> Key {
    Key::new(name, Safe::of(ONE).source())
}

fn said(builder: KeyRingBuilder) -> (InvalidKeyRing, String) {
    let error = builder.build().unwrap_err();
    let said = error.to_string();
    (error, said)
}

#[test]
fn a_ring_without_keys() {
    assert_eq!(said(KeyRing::builder()), (InvalidKeyRing::NoKeys(None), "there is no key".to_owned()));
    let of_prod = || KeyRing::builder().with_key(key("one").with_environment("prod"));
    assert_eq!(
        said(of_prod().with_environment("test")),
        (
            InvalidKeyRing::NoKeys(Some("test".into())),
            "there is no key for the environment `test`".to_owned()
        )
    );
    for fits in
        [of_prod(), of_prod().with_environment("prod"), builder().with_key(key("one")).with_environment("x")]
    {
        fits.build().unwrap();
    }
}

#[test]
fn more_keys_than_a_ring_may_have() {
    let of = |keys: usize| (0..keys).fold(builder(), |builder, at| builder.with_key(key(&at.to_string())));
    of(1024).build().unwrap();
    assert_eq!(
        said(of(1025)),
        (InvalidKeyRing::TooManyKeys(1025), "there are 1025 keys, and 1024 at the most".to_owned())
    );
}

#[test]
fn names() {
    for names in [["one", "one"], ["one", ""], [" ", "one"], ["one", "\t"]] {
        let (error, said) = said(builder().with_key(key(names[0])).with_key(key(names[1])));
        let name = if names[0].trim().is_empty() { names[0] } else { names[1] };
        assert_eq!(error, InvalidKeyRing::Name(name.into()));
        assert_eq!(said, format!("key `{name}`: each key needs a name of its own"));
    }
    // Also of keys that this ring does not use: the same list is for all environments.
    let of = |environment: &str| key("one").with_environment(environment);
    let both = builder().with_environment("prod").with_key(of("prod")).with_key(of("test"));
    assert_eq!(said(both).0, InvalidKeyRing::Name("one".into()));
    builder().with_key(key("one")).with_key(key("One")).build().unwrap();
}

/// Whoever confuses the two finds out before it is in the logs.
#[test]
fn a_key_where_a_name_belongs() {
    for builder in [
        builder().with_key(key(ONE)),
        builder().with_key(key("one").with_line(ONE)),
        builder().with_key(key("one").with_line("search").with_line(ONE)),
        builder().with_key(key("one").with_environment(ONE)),
        builder().with_key(key("one").with_limit_group(format!("group {ONE}"))),
        builder().with_key(key("one")).with_environment(ONE),
        builder().with_key(key("one").with_environment("prod")).with_environment(ONE),
        builder().with_environment(ONE),
    ] {
        let (error, said) = said(builder);
        assert!(!format!("{error:?} {said}").contains("canary"), "{error:?}");
        assert_eq!(error, InvalidKeyRing::KeyAsName);
        assert_eq!(said, "a key stands where a name belongs; give its source, and call it something else");
    }
}

#[test]
fn weights() {
    for weight in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1_000_000.1] {
        assert_eq!(
            said(builder().with_key(key("one").with_weight(weight))),
            (
                InvalidKeyRing::Weight("one".into()),
                "key `one`: its weight must be above 0 and at most 1000000".to_owned()
            ),
            "{weight}"
        );
    }
    for weight in [f64::MIN_POSITIVE, 0.5, 1e6] {
        builder().with_key(key("one").with_weight(weight)).build().unwrap();
    }
}

#[test]
fn times() {
    let ms = Duration::from_millis;
    let wrong: [(KeyRingBuilder, &'static str); 11] = [
        (builder().with_ttl(Duration::ZERO), "the time to live must be 1 ms or more"),
        (builder().with_ttl(Duration::from_micros(999)), "the time to live must be 1 ms or more"),
        (builder().with_jitter(-0.1), "the jitter must be between 0 and 1"),
        (builder().with_jitter(1.1), "the jitter must be between 0 and 1"),
        (builder().with_jitter(f64::NAN), "the jitter must be between 0 and 1"),
        (
            builder().with_refresh_before(ms(1), ms(2)),
            "the mandatory refresh must not be before the advisory one",
        ),
        (builder().with_fetch_timeout(Duration::ZERO), "a fetch needs more than no time"),
        (
            builder().with_failure_backoff(Duration::ZERO, ms(1)),
            "the pause after a failure must not be nothing",
        ),
        (
            builder().with_failure_backoff(Duration::ZERO, Duration::ZERO),
            "the pause after a failure must not be nothing",
        ),
        (
            builder().with_failure_backoff(ms(2), ms(1)),
            "the first pause after a failure must not be above the longest",
        ),
        (builder().with_jitter(2.0).with_fetch_timeout(Duration::ZERO), "the jitter must be between 0 and 1"),
    ];
    for (builder, words) in wrong {
        assert_eq!(said(builder.with_key(key("one"))), (InvalidKeyRing::Time(words), words.to_owned()));
    }
}

/// The ends of the ranges, and times that no clock holds: a ring that is built works.
#[tokio::test(start_paused = true)]
async fn times_at_the_end_of_their_range() {
    let (none, all) = (Duration::ZERO, Duration::MAX);
    for builder in [
        builder().with_ttl(Duration::from_millis(1)).with_jitter(1.0),
        builder().with_ttl(all).with_refresh_before(all, all),
        builder().with_refresh_before(none, none),
        builder().with_fetch_timeout(all),
        builder().with_failure_backoff(all, all),
        builder().with_max_stale(all).with_overlap(all).with_max_age(all).with_limited_for(all),
        builder().with_max_stale(none).with_overlap(none).with_max_age(none).with_limited_for(none),
    ] {
        let shown = format!("{builder:?}");
        let safe = Safe::of(ONE);
        let ring = builder.with_key(Key::new("one", safe.source())).build().expect(&shown);
        let layer = SecretsLayer::new(ring);
        let client = Client::knowing(TWO);
        finishes(send(&layer, &client, post())).await.expect(&shown);
        safe.lose();
        drop(finishes(layer.ring().refresh_now()).await);
        safe.set(TWO);
        assert!(finishes(layer.ring().refresh_now()).await.is_empty(), "{shown}");
        let answer = finishes(send(&layer, &client, post())).await.expect(&shown);
        assert_eq!(answer.status(), 200, "{shown}");
    }
}

/// The longest time is very long, and not none.
#[tokio::test]
async fn times_that_no_clock_holds_mean_for_ever() {
    let safe = Safe::of(ONE);
    let key = || Key::new("one", safe.source());
    let ring = builder().with_key(key()).with_limited_for(Duration::MAX).build().unwrap();
    let layer = SecretsLayer::new(ring);
    assert_eq!(send(&layer, &Client::doing([status(429)]), post()).await.unwrap().status(), 429);
    assert_eq!(layer.ring().status()[0].state, KeyState::Cooling);

    let layer = SecretsLayer::new(builder().with_key(key()).with_overlap(Duration::MAX).build().unwrap());
    layer.ring().start().await.unwrap();
    safe.set(TWO);
    assert!(layer.ring().refresh_now().await.is_empty());
    let client = Client::knowing(ONE);
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 200);
    assert_eq!(client.keys(), [TWO, ONE], "the one before stands in");

    safe.lose();
    let ring = builder().with_key(key()).with_failure_backoff(Duration::MAX, Duration::MAX).build().unwrap();
    let (layer, fetches) = (SecretsLayer::new(ring), safe.fetches());
    for _ in 0..3 {
        send(&layer, &client, post()).await.unwrap_err();
    }
    assert_eq!(safe.fetches(), fetches + 1, "its source is left alone");
}

#[test]
fn a_slow_start_that_is_none() {
    let hour = Duration::from_secs(3_600);
    for (rate, time) in [
        (0.0, hour),
        (0.09, hour),
        (-1.0, hour),
        (f64::NAN, hour),
        (f64::INFINITY, hour),
        (1_000_000.1, hour),
        (10.0, hour + Duration::from_nanos(1)),
        (10.0, Duration::MAX),
    ] {
        let error: InvalidSlowStart = SlowStart::new(rate, time).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a slow start begins with a rate of 0.1 to 1000000 requests a second, and lasts an hour at the most"
        );
    }
    for (rate, time) in [(0.1, hour), (1e6, Duration::ZERO)] {
        SlowStart::new(rate, time).unwrap();
    }
    assert_eq!(SlowStart::default(), SlowStart::new(10.0, Duration::from_secs(10)).unwrap());
}
