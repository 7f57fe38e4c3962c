//! What goes onto a request, and what stays as it was.

use bytes::Bytes;
use claude_secrets::{Existing, Key, Scheme, SecretsErrorKind, SecretsLayer};
use claude_wire::Body;
use claude_wire::call::{Caller, RefusalKind};
use http::{HeaderName, HeaderValue, Method, Request, Version};
use http_body_util::{BodyExt, Full};

use crate::probe::Client;
use crate::safe::Safe;
use crate::support::*;

/// What callers have been seen to send along.
const CREDENTIALS: &[&[(&str, &str)]] = &[
    &[("x-api-key", "sk-ant-own-canary")],
    &[("x-api-key", "sk-ant-own-canary"), ("x-api-key", "sk-ant-own-too-canary")],
    &[("X-API-Key", "sk-ant-own-canary"), ("AUTHORIZATION", "bearer sk-ant-own-canary")],
    &[("authorization", "Bearer sk-ant-oat01-canary")],
    &[("Authorization", "Basic dTpw"), ("authorization", "Bearer sk-ant-oat01-canary")],
    &[("authorization", "Bearer a"), ("x-api-key", "b"), ("authorization", "Bearer c"), ("x-api-key", "d")],
];

/// What is blank is none.
const BLANK: &[&[(&str, &str)]] = &[
    &[],
    &[("x-api-key", "")],
    &[("x-api-key", " "), ("authorization", "Bearer ")],
    &[("authorization", "bearer")],
];

fn carrying(credentials: &[(&str, &str)]) -> Request<Body> {
    let mut request = post();
    for (name, value) in credentials {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn there_is_one_credential_whatever_was_there() {
    for (scheme, expected) in [
        (Scheme::ApiKey, ("x-api-key", ONE.to_owned())),
        (Scheme::Bearer, ("authorization", format!("Bearer {ONE}"))),
    ] {
        let key = Key::new("default", Safe::of(ONE).source()).with_scheme(scheme);
        let layer = SecretsLayer::new(builder().with_key(key).build().unwrap());
        // The first of them waits for the key.
        for credentials in CREDENTIALS.iter().chain(BLANK) {
            let client = Client::content();
            send(&layer, &client, carrying(credentials)).await.unwrap();
            let seen = client.only();
            assert_eq!(seen.credentials(), [(expected.0, &*expected.1)], "{credentials:?}");
            assert!(seen.parts.headers[expected.0].is_sensitive());
        }
    }
}

#[tokio::test]
async fn a_callers_own_credential_may_stay() {
    let layer = warm(&Safe::of(ONE)).await.with_existing(Existing::Keep);
    for credentials in BLANK {
        let client = Client::content();
        send(&layer, &client, carrying(credentials)).await.unwrap();
        assert_eq!(client.only().key(), ONE, "who has none gets one: {credentials:?}");
    }
    for credentials in CREDENTIALS {
        let client = Client::content();
        let (request, attempt) = attempted(carrying(credentials));
        let headers = request.headers().clone();
        send(&layer, &client, request).await.unwrap();
        let seen = client.only();
        assert_eq!(seen.parts.headers, headers, "{credentials:?}");
        let fingerprint = attempt.key_fingerprint().unwrap();
        assert!(fingerprint.starts_with("key-"));
        assert_ne!(Some(&fingerprint), layer.ring().status()[0].fingerprint.as_ref());
        assert_eq!(attempt.limit_group().unwrap(), fingerprint, "a group of its own");
        assert_eq!(attempt.origin().unwrap(), "https://api.anthropic.com".into());
    }
}

/// Whichever header carries it, and whatever the scheme is written like.
#[tokio::test]
async fn a_kept_credential_has_one_name() {
    let layer = warm(&Safe::of(ONE)).await.with_existing(Existing::Keep);
    let mut names = Vec::new();
    for (name, value) in [
        ("x-api-key", "sk-ant-own-canary"),
        ("authorization", "Bearer sk-ant-own-canary"),
        ("authorization", "bEARER sk-ant-own-canary"),
        ("x-api-key", ONE),
    ] {
        let (request, attempt) = attempted(carrying(&[(name, value)]));
        send(&layer, &Client::content(), request).await.unwrap();
        names.push(attempt.key_fingerprint().unwrap());
    }
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0], names[2]);
    assert_eq!(Some(&names[3]), layer.ring().status()[0].fingerprint.as_ref(), "the ring's is known again");
}

/// They are for servers that the ring knows nothing of, and nothing is fetched for them.
#[tokio::test]
async fn a_kept_credential_needs_nothing_of_the_ring() {
    let safe = Safe::of(ONE);
    let layer = cold(&safe).with_existing(Existing::Keep);
    let client = Client::doing([crate::probe::refused()]);
    let mut request = carrying(&[("x-api-key", "sk-ant-own-canary")]);
    *request.uri_mut() = "http://localhost:8080/v1/messages".parse().unwrap();
    request.extensions_mut().insert(Caller::new().with_line("unknown"));
    let answer = send(&layer, &client, request).await.unwrap();
    assert_eq!(answer.status(), 401, "and what becomes of them is not ours");
    settled().await;
    assert_eq!((client.calls(), safe.fetches()), (1, 0));
}

#[tokio::test]
async fn a_credential_of_the_callers_own_may_be_refused() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await.with_existing(Existing::Refuse);
    let client = Client::content();
    for credentials in BLANK {
        send(&layer, &client, carrying(credentials)).await.unwrap();
    }
    assert!(client.keys().iter().all(|key| key == ONE));
    for credentials in CREDENTIALS {
        let error = send(&layer, &client, carrying(credentials)).await.unwrap_err();
        let (kind, refusal) = refusal(&error);
        assert_eq!(kind, SecretsErrorKind::CredentialPresent, "{credentials:?}");
        assert_eq!((refusal.kind(), refusal.code()), (RefusalKind::Policy, "CREDENTIAL_PRESENT"));
        assert!(!format!("{error} {error:?} {refusal}").contains("canary"));
    }
    assert_eq!(client.calls(), BLANK.len());
}

#[derive(Clone, Debug, PartialEq)]
struct Mark(u8);

fn strange(body: Body) -> Request<Body> {
    let mut request = Request::builder()
        .method(Method::from_bytes(b"BREW").unwrap())
        .uri("https://API.anthropic.com:443/v1/messages?beta=true&x=%2F")
        .version(Version::HTTP_2)
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "a")
        .header("anthropic-beta", "b,c")
        .header("content-type", "application/json")
        .header("x-bytes", HeaderValue::from_bytes(&[0xff, b' ', 0x80]).unwrap())
        .header("proxy-authorization", "Basic dTpw")
        .header("cookie", "a=b")
        .extension(Mark(7))
        .extension(Caller::new().with_user("ann"))
        .body(body)
        .unwrap();
    request.headers_mut().get_mut("cookie").unwrap().set_sensitive(true);
    request
}

#[tokio::test]
async fn everything_else_stays_as_it_was() {
    let bytes = Bytes::from(PROMPT);
    let bodies = || {
        let stream = Full::from(bytes.clone()).map_frame(|frame| frame);
        [(Body::from(bytes.clone()), true), (Body::stream(stream), false)]
    };
    // With the key at hand, and without.
    for is_warm in [true, false] {
        for (body, is_buffered) in bodies() {
            let safe = Safe::of(ONE);
            let layer = if is_warm { warm(&safe).await } else { cold(&safe) };
            let client = Client::content();
            send(&layer, &client, strange(body)).await.unwrap();
            let mut seen = client.only();
            let expected = strange(Body::empty()).into_parts().0;
            assert_eq!(seen.key(), ONE);
            seen.parts.headers.remove("x-api-key");
            assert_eq!(seen.parts.headers, expected.headers);
            assert!(seen.parts.headers["cookie"].is_sensitive());
            assert_eq!(seen.parts.method, expected.method);
            assert_eq!(seen.parts.uri.to_string(), expected.uri.to_string());
            assert_eq!(seen.parts.version, expected.version);
            assert_eq!(seen.parts.extensions.get(), Some(&Mark(7)));
            assert_eq!(seen.parts.extensions.get(), Some(&Caller::new().with_user("ann")));
            assert_eq!(seen.body, PROMPT.as_bytes());
            // Not a byte of it is copied.
            assert_eq!(seen.address, is_buffered.then_some(bytes.as_ptr() as usize));
        }
    }
}

#[tokio::test]
async fn the_attempt_names_the_key_and_never_shows_it() {
    let key = Key::new("default", Safe::of(ONE).source())
        .with_limit_group("acme")
        .with_origin("https://proxy.example:8443")
        .unwrap();
    let layer = SecretsLayer::new(builder().with_key(key).with_pepper(b"pepper").build().unwrap());
    let (request, attempt) = attempted(post_to("https://Proxy.Example:8443/v1/messages?a=b"));
    let client = Client::content();
    send(&layer, &client, request).await.unwrap();
    assert_eq!(attempt.key_fingerprint(), layer.ring().status()[0].fingerprint);
    assert_eq!(attempt.limit_group().as_deref(), Some("acme"));
    assert_eq!(attempt.origin().as_deref(), Some("https://proxy.example:8443"));
    assert!(!format!("{attempt:?}").contains("canary"));
    assert!(!format!("{:?}", client.only()).contains("canary"), "nor does the request");
}

/// Who has no layer above that makes attempts finds one below all the same.
#[tokio::test]
async fn a_request_without_an_attempt_gets_one() {
    let client = Client::content();
    let layer = warm(&Safe::of(ONE)).await;
    send(&layer, &client, post()).await.unwrap();
    let seen = client.only();
    let attempt = seen.attempt();
    assert_eq!((attempt.number(), attempt.is_sent()), (0, true));
    assert_eq!(attempt.key_fingerprint(), layer.ring().status()[0].fingerprint);
}
