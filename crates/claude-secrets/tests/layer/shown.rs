//! No key in anything that can be shown.

use std::fmt::Debug;
use std::pin::pin;

use claude_secrets::source::{SecretSource, StaticSource};
use claude_secrets::{
    Existing, Key, KeyRing, Origin, Scheme, SecretsError, SecretsLayer, SlowStart, StartError,
};
use claude_wire::call::Refusal;
use tower::{Layer, Service};

use crate::probe::{Client, refused};
use crate::safe::Safe;
use crate::support::*;

/// What must not be seen: of the key any part that says something.
const SECRETS: [&str; 4] = ["canary", "sk-ant", "c2stYW50", "115, 107, 45, 97, 110, 116"];

fn shows_nothing<T: Debug + ?Sized>(value: &T) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        let shown_at = SECRETS.iter().find(|secret| shown.contains(**secret));
        assert_eq!(shown_at, None, "{shown}");
        assert!(!shown.is_empty());
    }
}

fn says_nothing(error: &(dyn std::error::Error + 'static)) {
    shows_nothing(error);
    let mut error = Some(error);
    while let Some(one) = error {
        let said = format!("{one} {one:#}");
        assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{said}");
        error = one.source();
    }
}

fn key() -> Key {
    Key::new("one", StaticSource::new(ONE))
        .with_line("search")
        .with_environment("prod")
        .with_limit_group("acme")
        .with_weight(2.0)
        .with_origin("https://api.anthropic.com")
        .unwrap()
        .with_scheme(Scheme::Bearer)
}

#[tokio::test]
async fn settings_rings_and_services() {
    shows_nothing(&StaticSource::new(ONE));
    shows_nothing(&Safe::of(ONE).source().id().to_owned());
    shows_nothing(&key());
    let builder = KeyRing::builder().with_key(key()).with_pepper(b"pepper-canary").with_environment("prod");
    shows_nothing(&builder);
    let ring = builder.build().unwrap();
    shows_nothing(&ring);
    ring.start().await.unwrap();
    shows_nothing(&ring);
    shows_nothing(&ring.status());
    shows_nothing(&ring.rotation_due());
    let layer = SecretsLayer::new(ring).with_existing(Existing::Keep);
    shows_nothing(&layer);
    shows_nothing(&layer.layer(Client::content()));
    shows_nothing(&SlowStart::default());
    shows_nothing(&"https://user-canary@a".parse::<Origin>());
    shows_nothing(&layer.ring().drain("nobody"));
    shows_nothing(&KeyRing::builder().with_key(key()).with_key(key()).build());
}

#[tokio::test]
async fn requests_answers_and_what_is_between() {
    let safe = Safe::of(ONE);
    let layer = warm(&safe).await;
    let client = Client::knowing(TWO);
    let mut service = ready(layer.layer(client.clone())).await;
    shows_nothing(&service);
    let (request, attempt) = attempted(post());
    safe.close();
    let mut future = pin!(service.call(request));
    shows_nothing(&future);
    assert!(polled(future.as_mut()).await.is_pending());
    settled().await;
    assert!(polled(future.as_mut()).await.is_pending());
    shows_nothing(&future);
    shows_nothing(&layer.ring().status());
    safe.set(TWO);
    safe.open();
    let answer = future.as_mut().await.unwrap();
    shows_nothing(&future);
    shows_nothing(&answer);
    shows_nothing(answer.body());
    shows_nothing(&attempt);
    // After a rotation, with two versions.
    let status = layer.ring().status();
    assert!(status[0].previous.is_some());
    shows_nothing(&status);
    shows_nothing(&layer);
    // What layers below log of requests.
    for seen in client.seen() {
        shows_nothing(&seen.parts);
        shows_nothing(&seen.parts.headers);
    }
}

#[tokio::test]
async fn errors() {
    // A source whose key is none, which must not be told in words.
    for bad in ["sk-ant-\0-canary", "sk-ant- canary", "", "sk-ant-\u{e4}-canary"] {
        let layer = cold(&Safe::of(bad));
        let error = send(&layer, &Client::content(), post()).await.unwrap_err();
        says_nothing(&*error);
        shows_nothing(SecretsError::find(&*error).unwrap().kind());
        shows_nothing(Refusal::find(&*error).unwrap());
        shows_nothing(&layer.ring().status());
        let error: StartError = layer.ring().start().await.unwrap_err();
        says_nothing(&error);
        shows_nothing(&layer.ring().refresh_now().await);
    }
    // One that the API refuses.
    let layer = warm(&Safe::of(ONE)).await;
    let client = Client::doing([refused()]);
    assert_eq!(send(&layer, &client, post()).await.unwrap().status(), 401);
    let error = send(&layer, &client, post()).await.unwrap_err();
    says_nothing(&*error);
    assert_eq!(error.to_string(), "key `default`: the API refuses it, and safe:claude has no other");
    shows_nothing(&layer.ring().status());
}

/// A credential that a caller has put there himself and that stays is as secret as ours.
#[tokio::test]
async fn a_credential_that_was_kept() {
    let layer = warm(&Safe::of(ONE)).await.with_existing(Existing::Keep);
    for (name, value) in [("x-api-key", "sk-ant-own-canary"), ("authorization", "Bearer sk-ant-own-canary")] {
        let client = Client::content();
        let mut request = post();
        request.headers_mut().insert(name, value.parse().unwrap());
        send(&layer, &client, request).await.unwrap();
        let seen = client.only();
        shows_nothing(&seen.parts.headers);
        shows_nothing(seen.attempt());
        assert_eq!(seen.header(name), Some(value), "it is there all the same");
    }
}
