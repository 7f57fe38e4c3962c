//! A layer above that follows redirects, over an API that sends elsewhere.

use claude_secrets::SecretsErrorKind;
use claude_wire::{Body, BoxError};
use http::Request;
use tower::{Layer, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{Action, Attempt, Policy};

use crate::probe::{Client, ok, status};
use crate::safe::Safe;
use crate::support::*;

/// Follows everything, and takes all of the request along.
#[derive(Clone)]
struct Credulous;

impl Policy<Body, BoxError> for Credulous {
    fn redirect(&mut self, _: &Attempt<'_>) -> Result<Action, BoxError> {
        Ok(Action::Follow)
    }

    fn clone_body(&self, body: &Body) -> Option<Body> {
        body.try_clone()
    }
}

fn sends_to(status_code: u16, location: &'static str) -> Client {
    Client::new(move |seen| {
        if seen.parts.uri.path() == "/v1/messages" {
            status(status_code).header("location", location)
        } else {
            ok()
        }
    })
}

async fn follow(client: &Client, request: Request<Body>) -> Result<http::StatusCode, BoxError> {
    let secrets = warm(&Safe::of(ONE)).await.layer(client.clone());
    let followed = FollowRedirectLayer::with_policy(Credulous).layer(secrets).oneshot(request).await;
    followed.map(|answer| answer.status())
}

#[tokio::test]
async fn no_key_follows_to_another_host() {
    for code in [301, 302, 303, 307, 308] {
        for location in [
            "https://evil.example/v1/other",
            "//evil.example/v1/other",
            "http://api.anthropic.com/v1/other",
            "https://api.anthropic.com:8443/v1/other",
            "https://api.anthropic.com@evil.example/v1/other",
        ] {
            let client = sends_to(code, location);
            let error = follow(&client, post()).await.unwrap_err();
            assert_eq!(refusal(&error).0, SecretsErrorKind::OriginNotAllowed, "{code} to {location}");
            assert_eq!(client.calls(), 1);
        }
    }
}

#[tokio::test]
async fn a_redirect_within_the_api_gets_a_key_again() {
    for location in ["/v1/other", "other", "https://api.anthropic.com/v1/other"] {
        let client = sends_to(307, location);
        assert_eq!(follow(&client, post()).await.unwrap(), 200, "{location}");
        assert_eq!(client.keys(), [ONE, ONE]);
        assert_eq!(client.seen()[1].body, PROMPT.as_bytes());
    }
}

/// A layer above never sees the key, so that it has nothing to take along.
#[tokio::test]
async fn nothing_of_the_key_is_in_the_answer() {
    let client = sends_to(307, "https://evil.example/");
    let answer = send(&warm(&Safe::of(ONE)).await, &client, post()).await.unwrap();
    assert_eq!(answer.status(), 307, "the layer itself follows nothing");
    assert!(!format!("{answer:?}").contains("canary"));
}
