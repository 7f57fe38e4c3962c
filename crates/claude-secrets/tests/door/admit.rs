//! Where the token is looked for, and that it is gone afterwards.

use std::error::Error;

use claude_secrets::door::{CLIENT_NOT_ADMITTED, NotAdmitted, NotAdmittedReason as Reason};
use claude_wire::call::{Refusal, RefusalKind};
use http::HeaderMap;
use proptest::prelude::*;

use crate::support::{CANARY, CHAT, REPORTS, REPORTS_NEXT, door, headers};

/// Who came in, and that both headers are gone whatever comes of it, and no other.
fn admitted(mut headers: HeaderMap) -> Result<String, Reason> {
    let mut others = headers.clone();
    others.remove("x-api-key");
    others.remove("authorization");
    let admitted = door().admit(&mut headers);
    assert_eq!(headers, others);
    match admitted {
        Ok(admitted) => {
            assert!(!format!("{admitted:?}").contains(CANARY));
            Ok(admitted.client().to_owned())
        }
        Err(error) => {
            tells_nothing(&error);
            Err(error.reason())
        }
    }
}

/// The refusal is there for machines, and the token is in none of the words.
fn tells_nothing(error: &NotAdmitted) {
    let refusal = Refusal::find(error).unwrap();
    assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::NoCredential, CLIENT_NOT_ADMITTED));
    let source = error.source().unwrap();
    let words = format!("{error} {error:?} {error:#?} {source} {source:?} {}", error.reason().as_str());
    assert!(!words.contains(CANARY) && !words.contains("ctk_"), "{words}");
}

#[test]
fn a_token_is_taken_from_either_header() {
    for (name, value) in [
        ("x-api-key", CHAT.to_owned()),
        ("authorization", format!("Bearer {CHAT}")),
        ("authorization", format!("bearer {CHAT}")),
        ("authorization", format!("BEARER   {CHAT} ")),
    ] {
        let headers =
            headers([(name, value.as_str()), ("x-other", "stays"), ("cookie", "a"), ("cookie", "b")]);
        assert_eq!(admitted(headers).as_deref(), Ok("chat"), "{name}: {value}");
    }
}

#[test]
fn the_caller_is_as_the_client_was_configured() {
    let admitted = door().admit(&mut headers([("x-api-key", CHAT)])).unwrap();
    let caller = admitted.caller();
    let parts = [&caller.environment, &caller.line, &caller.user];
    assert_eq!(parts.map(|part| part.as_deref().unwrap()), ["prod", "chat", "kiosk"]);
    assert_eq!(admitted.clone().into_caller(), *caller);
    let (client, same) = admitted.clone().into_parts();
    assert_eq!((&*client, &same), ("chat", caller));
    let caller = door().admit(&mut headers([("x-api-key", REPORTS)])).unwrap().into_caller();
    assert_eq!((caller.environment, caller.line.as_deref(), caller.user), (None, Some("reports"), None));
}

#[test]
fn while_a_token_is_rotated_both_come_in() {
    for token in [REPORTS, REPORTS_NEXT] {
        assert_eq!(admitted(headers([("x-api-key", token)])).as_deref(), Ok("reports"), "{token}");
    }
}

#[test]
fn the_same_token_in_both_headers_is_one() {
    let both = |key: &str, bearer: &str| {
        admitted(headers([("x-api-key", key), ("authorization", &format!("Bearer {bearer}"))]))
    };
    assert_eq!(both(CHAT, CHAT).as_deref(), Ok("chat"));
    // An SDK that was given an empty key sends the header all the same.
    assert_eq!(both("", CHAT).as_deref(), Ok("chat"));
    assert_eq!(both(CHAT, "").as_deref(), Ok("chat"));
    for (key, bearer) in
        [(CHAT, REPORTS), (REPORTS, REPORTS_NEXT), (CHAT, "unknown-canary"), ("unknown-canary", CHAT)]
    {
        assert_eq!(both(key, bearer), Err(Reason::Ambiguous), "{key} {bearer}");
    }
}

#[test]
fn without_a_token_nobody_comes_in() {
    assert_eq!(admitted(HeaderMap::new()), Err(Reason::Missing));
    for empty in [
        vec![("x-api-key", "")],
        vec![("authorization", "")],
        vec![("authorization", "Bearer")],
        vec![("authorization", "Bearer   ")],
        vec![("x-api-key", ""), ("authorization", "Bearer ")],
        // Headers that mean nothing here, with a token that would be good elsewhere.
        vec![("proxy-authorization", CHAT), ("cookie", CHAT), ("api-key", CHAT)],
    ] {
        assert_eq!(admitted(headers(empty.clone())), Err(Reason::Missing), "{empty:?}");
    }
}

#[test]
fn what_is_nearly_a_token_does_not_come_in() {
    let cut = &CHAT[..CHAT.len() - 1];
    let longer = format!("{CHAT}x");
    let upper = CHAT.to_uppercase();
    for wrong in [cut, &longer, &upper, "canary", "sha256:", "sk-ant-api03-canary"] {
        assert_eq!(admitted(headers([("x-api-key", wrong)])), Err(Reason::Unknown), "{wrong}");
        let bearer = format!("Bearer {wrong}");
        assert_eq!(admitted(headers([("authorization", bearer)])), Err(Reason::Unknown), "{wrong}");
    }
    // Whoever has read the configuration has the hash, not the token.
    let hash = crate::support::hash(CHAT).to_text();
    assert_eq!(admitted(headers([("x-api-key", &hash)])), Err(Reason::Unknown));
    assert_eq!(admitted(headers([("x-api-key", &hash["sha256:".len()..])])), Err(Reason::Unknown));
}

#[test]
fn absurd_headers_are_refused() {
    let long = "x".repeat(64 << 10);
    let long_bearer = format!("Bearer {long}");
    for (name, value) in [
        ("x-api-key", long.as_bytes()),
        ("authorization", long_bearer.as_bytes()),
        ("authorization", long.as_bytes()),
        ("x-api-key", b"\xff\xfe-canary"),
        ("x-api-key", "ctk_chät-canary".as_bytes()),
        ("x-api-key", b"two words-canary"),
        ("x-api-key", b"tab\t-canary"),
        ("authorization", b"Bearer two words-canary"),
        ("authorization", b"Bearer \xff"),
        ("authorization", b"\xff\xff"),
        ("authorization", b"Basic dXNlcjpjYW5hcnk="),
        ("authorization", b"Bearer\tctk_chat-canary"),
        ("authorization", CHAT.as_bytes()),
        ("authorization", b"Bearer,ctk_chat-canary"),
    ] {
        let shown = String::from_utf8_lossy(&value[..value.len().min(40)]).into_owned();
        assert_eq!(admitted(headers([(name, value)])), Err(Reason::Malformed), "{name}: {shown}");
    }
    // The longest that is hashed, and one more.
    assert_eq!(admitted(headers([("x-api-key", &long[..1_024])])), Err(Reason::Unknown));
    assert_eq!(admitted(headers([("x-api-key", &long[..1_025])])), Err(Reason::Malformed));
    // A good key does not make up for another scheme.
    let mixed = headers([("x-api-key", CHAT), ("authorization", "Basic dXNlcjpjYW5hcnk=")]);
    assert_eq!(admitted(mixed), Err(Reason::Malformed));
}

#[test]
fn a_header_that_is_there_several_times_is_refused() {
    for name in ["x-api-key", "authorization"] {
        let value =
            |token: &str| if name == "x-api-key" { token.to_owned() } else { format!("Bearer {token}") };
        for several in [vec![CHAT, CHAT], vec![CHAT, REPORTS], vec!["", CHAT], vec![CHAT, "", ""]] {
            let several: Vec<_> = several.into_iter().map(|token| (name, value(token))).collect();
            assert_eq!(admitted(headers(several.clone())), Err(Reason::Ambiguous), "{several:?}");
        }
    }
    // The other header goes all the same.
    let bearer = format!("Bearer {CHAT}");
    for several in [
        [("x-api-key", CHAT), ("authorization", &*bearer), ("authorization", &*bearer)],
        [("x-api-key", CHAT), ("x-api-key", CHAT), ("authorization", &*bearer)],
    ] {
        assert_eq!(admitted(headers(several)), Err(Reason::Ambiguous), "{several:?}");
    }
}

proptest! {
    /// Whatever is sent, both headers are gone, nothing panics, and nobody comes in by chance.
    #[test]
    fn no_header_panics(
        keys in proptest::collection::vec(value(), 0..3),
        authorizations in proptest::collection::vec(value(), 0..3),
    ) {
        let map = headers(
            keys.iter().map(|value| ("x-api-key", value)).chain(authorizations.iter().map(|value| ("authorization", value))),
        );
        prop_assert!(admitted(map).is_err());
    }
}

/// What HTTP allows as a value.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b' '), Just(b'\t'), 0x20..0x7f_u8, 0x80..=0xff_u8];
    let bytes = proptest::collection::vec(byte, 0..40);
    (prop_oneof![Just(""), Just("Bearer "), Just("bearer"), Just("ctk_")], bytes)
        .prop_map(|(prefix, bytes)| [prefix.as_bytes(), &bytes].concat())
}
