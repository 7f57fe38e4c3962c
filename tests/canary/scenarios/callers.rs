//! What callers bring along.

use claude_tower::secrets::door::{Client, Door, DoorLayer, TokenHash};
use claude_tower::secrets::{Existing, SecretString, SecretsLayer};
use claude_tower::wire::Body;
use claude_tower::wire::call::Caller;
use http::Request;
use tower::Layer;

use crate::canary;
use crate::ear::EAR;
use crate::errors;
use crate::stage::{Api, End, OK, Place, REFUSED, call, changing};

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// Callers with keys of their own, in either header. A layer below must not print them either.
pub(super) async fn a_key_that_is_kept(place: Place) {
    let [ours, own, token] = ["ours", "own", "token"].map(canary::key);
    let api = Api::with(place, &[&ours, &own, &token]).await;
    let layer = SecretsLayer::new(api.ring(changing(&ours).1)).with_existing(Existing::Keep);
    let stack = api.stack(layer);
    assert_eq!(call(stack.clone(), with(api.message(), "x-api-key", &own)).await, OK);
    let token_header = format!("Bearer {token}");
    assert_eq!(call(stack.clone(), with(api.message(), "authorization", &token_header)).await, OK);
    assert_eq!(call(stack.clone(), api.message()).await, OK);
    api.simulator.revoke_key(&own);
    assert_eq!(call(stack, with(api.message(), "x-api-key", &own)).await, REFUSED);
    api.has_seen(&[(&ours, 1), (&own, 2), (&token, 1)]);
}

pub(super) async fn a_key_that_is_replaced(place: Place) {
    let [ours, own] = ["ours", "own"].map(canary::key);
    let api = Api::with(place, &[&ours]).await;
    let stack = api.stack(SecretsLayer::new(api.ring(changing(&ours).1)));
    for name in ["x-api-key", "authorization"] {
        assert_eq!(call(stack.clone(), with(api.message(), name, &own)).await, OK);
    }
    api.has_seen(&[(&ours, 2), (&own, 0)]);
}

pub(super) async fn a_key_that_is_not_wanted(place: Place) {
    let [ours, own] = ["ours", "own"].map(canary::key);
    let api = Api::with(place, &[&ours]).await;
    let layer = SecretsLayer::new(api.ring(changing(&ours).1)).with_existing(Existing::Refuse);
    let stack = api.stack(layer);
    assert_eq!(call(stack.clone(), with(api.message(), "x-api-key", &own)).await, End::Error);
    assert_eq!(call(stack, api.message()).await, OK);
    api.has_seen(&[(&ours, 1), (&own, 0)]);
}

/// Tokens of clients end at the door, the right ones and the wrong ones.
pub(super) async fn at_the_door(place: Place) {
    let ours = canary::key("behind");
    let [token, wrong, other] = ["right", "wrong", "other"].map(canary::token);
    let client = Client::new("reports")
        .with_token(TokenHash::of(&SecretString::from(token.clone())))
        .with_caller(Caller::new().with_line("research"));
    EAR.debug(&client);
    let door = Door::new([client]).unwrap();
    let layer = DoorLayer::new(door.clone());
    EAR.debug(&(&door, &layer));

    let api = Api::with(place, &[&ours]).await;
    let behind = layer.layer(api.stack(SecretsLayer::new(api.ring(changing(&ours).1))));
    EAR.debug(&behind);
    let bearer = |token: &str| with(api.message(), "authorization", &format!("Bearer {token}"));
    assert_eq!(call(behind.clone(), with(api.message(), "x-api-key", &token)).await, OK);
    assert_eq!(call(behind.clone(), bearer(&token)).await, OK);
    for request in [
        api.message(),
        bearer(&wrong),
        with(api.message(), "authorization", &format!("Basic {token}")),
        with(api.message(), "x-api-key", &format!("{token} {wrong}")),
        with(bearer(&token), "x-api-key", &other),
    ] {
        assert_eq!(call(behind.clone(), request).await, End::Error);
    }
    let admitted = door.admit(bearer(&token).headers_mut());
    EAR.debug(&admitted);
    let not_admitted = door.admit(bearer(&wrong).headers_mut());
    EAR.debug(&not_admitted);
    api.has_seen(&[(&ours, 2), (&token, 0), (&wrong, 0), (&other, 0)]);
}

pub(super) async fn doors_that_cannot_be_built() {
    let token = canary::token("door");
    let hash = TokenHash::of(&SecretString::from(token.clone()));
    EAR.debug(&hash);
    for clients in [
        vec![Client::new(&*token).with_token(hash)],
        vec![Client::new("a").with_token(hash), Client::new("b").with_token(hash)],
    ] {
        EAR.hear("error", errors::shown(&Door::new(clients).unwrap_err()));
    }
    for text in [token.clone(), format!("sha256:{token}")] {
        EAR.hear("error", errors::shown(&text.parse::<TokenHash>().unwrap_err()));
    }
}
