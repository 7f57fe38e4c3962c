//! Whose keys a caller gets: every combination of lines and environments.

use std::collections::BTreeMap;

use claude_secrets::{InvalidKeyRing, Key, SecretsErrorKind, SecretsLayer};
use claude_wire::call::{Caller, RefusalKind};

use crate::probe::Client;
use crate::safe::Safe;
use crate::support::*;

type Place = (Option<&'static str>, Option<&'static str>);

/// Where a key can be: an environment, or none, and a line, or none.
const PLACES: [Place; 6] = [
    (Some("prod"), Some("search")),
    (None, Some("search")),
    (Some("prod"), None),
    (None, None),
    (Some("test"), Some("search")),
    (Some("test"), None),
];

fn name((environment, line): Place) -> String {
    format!("{}-{}", environment.unwrap_or("any"), line.unwrap_or("any"))
}

fn caller((environment, line): Place) -> Caller {
    let mut caller = Caller::new();
    caller.environment = environment.map(Into::into);
    caller.line = line.map(Into::into);
    caller
}

/// What the docs say, for one caller: the place of the key, or why there is none.
fn expected(
    places: &[Place],
    ring: Option<&'static str>,
    is_strict: bool,
    (environment, line): Place,
) -> Result<Place, SecretsErrorKind> {
    if ring.is_some() && environment.is_some() && environment != ring {
        return Err(SecretsErrorKind::WrongEnvironment);
    }
    let environment = ring.or(environment);
    let of_line = [(environment, line), (None, line)];
    let of_none = [(environment, None), (None, None)];
    let has_own = line.is_some() && of_line.iter().any(|place| places.contains(place));
    if line.is_some() && is_strict && !has_own {
        return Err(SecretsErrorKind::UnmappedLine);
    }
    let tried = if has_own { of_line } else { of_none };
    tried.into_iter().find(|place| places.contains(place)).ok_or_else(|| {
        // Whether it is the environment that nobody knows.
        let is_known = environment.is_some() && places.iter().any(|(of, _)| *of == environment);
        let any_has_one = places.iter().any(|(of, _)| of.is_some());
        if is_known || !any_has_one {
            SecretsErrorKind::UnmappedLine
        } else {
            SecretsErrorKind::WrongEnvironment
        }
    })
}

#[tokio::test]
async fn every_caller_of_every_ring() {
    let mut cases = 0;
    for chosen in 1_u32..64 {
        let all = PLACES.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0);
        let all: Vec<Place> = all.map(|(_, place)| *place).collect();
        for ring_is in [None, Some("prod"), Some("test")] {
            // What the ring does not use at all.
            let is_ours = |place: &&Place| ring_is.is_none() || place.0.is_none() || place.0 == ring_is;
            let places: Vec<Place> = all.iter().filter(is_ours).copied().collect();
            for is_strict in [false, true] {
                for environment in [None, Some("prod"), Some("test"), Some("moon")] {
                    for line in [None, Some("search"), Some("mail")] {
                        cases += 1;
                        let expected = if places.is_empty() {
                            None
                        } else {
                            Some(expected(&places, ring_is, is_strict, (environment, line)))
                        };
                        one_caller(&all, ring_is, is_strict, (environment, line), expected).await;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 63 * 3 * 2 * 4 * 3);
}

async fn one_caller(
    places: &[Place],
    ring_is: Option<&'static str>,
    is_strict: bool,
    who: Place,
    expected: Option<Result<Place, SecretsErrorKind>>,
) {
    let case = format!("{places:?} in a ring of {ring_is:?}, strict: {is_strict}, for {who:?}");
    let mut safes = BTreeMap::new();
    let mut builder = builder().with_strict_lines(is_strict);
    if let Some(environment) = ring_is {
        builder = builder.with_environment(environment);
    }
    for place in places {
        let name = name(*place);
        let safe = Safe::of(&name);
        let mut key = Key::new(name.clone(), safe.source());
        if let Some(environment) = place.0 {
            key = key.with_environment(environment);
        }
        if let Some(line) = place.1 {
            key = key.with_line(line);
        }
        builder = builder.with_key(key);
        safes.insert(name, safe);
    }
    let built = builder.build();
    let Some(expected) = expected else {
        let error = built.expect_err(&case);
        assert_eq!(error, InvalidKeyRing::NoKeys(ring_is.map(Into::into)), "{case}");
        return;
    };
    let client = Client::content();
    let answer = send(&SecretsLayer::new(built.expect(&case)), &client, post_of(caller(who))).await;
    let expected = expected.map(name);
    match (&expected, answer) {
        (Ok(name), Ok(_)) => assert_eq!(client.only().key(), name, "{case}"),
        (Err(kind), Err(error)) => assert_eq!(refusal(&error).0, *kind, "{case}"),
        (expected, answer) => panic!("{case}: {answer:?} and not {expected:?}"),
    }
    // What was begun has begun by then.
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
    for (name, safe) in safes {
        assert_eq!(safe.fetches(), usize::from(expected.as_ref() == Ok(&name)), "{name} of {case}");
    }
}

/// A caller of whom nothing is known, and no caller at all, are the same.
#[tokio::test]
async fn who_says_nothing_gets_a_key_of_no_line() {
    let (search, others) = (Safe::of(ONE), Safe::of(TWO));
    for is_strict in [false, true] {
        let ring = builder()
            .with_key(Key::new("search", search.source()).with_line("search"))
            .with_key(Key::new("others", others.source()))
            .with_strict_lines(is_strict)
            .build()
            .unwrap();
        let client = Client::content();
        let layer = SecretsLayer::new(ring);
        send(&layer, &client, post()).await.unwrap();
        send(&layer, &client, post_of(Caller::new())).await.unwrap();
        send(&layer, &client, post_of(Caller::new().with_user("ann"))).await.unwrap();
        assert_eq!(client.keys(), [TWO; 3]);
    }
}

#[tokio::test]
async fn a_key_may_be_for_several_lines() {
    let key = Key::new("both", Safe::of(ONE).source()).with_line("search").with_line("mail");
    let layer = SecretsLayer::new(builder().with_key(key).build().unwrap());
    let client = Client::content();
    for line in ["search", "mail"] {
        send(&layer, &client, post_of(Caller::new().with_line(line))).await.unwrap();
    }
    assert_eq!(client.keys(), [ONE, ONE]);
    // Names are compared as they are.
    for line in ["Search", "search ", "", "sea"] {
        let error = send(&layer, &client, post_of(Caller::new().with_line(line))).await.unwrap_err();
        assert_eq!(refusal(&error).0, SecretsErrorKind::UnmappedLine, "{line:?}");
    }
}

#[tokio::test]
async fn a_no_says_what_is_wrong_and_repeats_no_name_of_the_callers() {
    let search = || Key::new("search", Safe::of(ONE).source()).with_line("search");
    let of_prod = || Key::new("prod", Safe::of(TWO).source()).with_environment("prod");
    let line = |line: &str| Caller::new().with_line(line);
    let environment = |name: &str| Caller::new().with_environment(name);
    for (builder, caller, code, detail) in [
        (
            builder().with_key(search()).with_key(of_prod()).with_strict_lines(true),
            line("canary"),
            "UNMAPPED_LINE",
            "the line of the caller has no key",
        ),
        (
            builder().with_key(search()),
            line("canary"),
            "UNMAPPED_LINE",
            "every key is for a line, and the caller is of none of them",
        ),
        (
            builder().with_key(search()).with_environment("prod"),
            environment("canary"),
            "WRONG_ENVIRONMENT",
            "the environment of the caller is not `prod`",
        ),
        (
            builder().with_key(of_prod()),
            environment("canary"),
            "WRONG_ENVIRONMENT",
            "there is no key for the environment of the caller, or for callers without one",
        ),
    ] {
        let layer = SecretsLayer::new(builder.build().unwrap());
        let client = Client::content();
        let (request, attempt) = attempted(post_of(caller));
        let error = send(&layer, &client, request).await.unwrap_err();
        assert_eq!(error.to_string(), detail);
        let (_, refusal) = refusal(&error);
        assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::NotPermitted, code));
        assert_eq!(refusal.retry_after(), None, "time heals none of it");
        assert!(!format!("{error:?} {refusal}").contains("canary"));
        assert_eq!((client.calls(), attempt.is_sent()), (0, false));
    }
}
