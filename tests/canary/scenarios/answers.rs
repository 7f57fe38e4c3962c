//! What the API does.

use claude_sim::{DEFAULT_ORGANIZATION, Fault, Standing};
use claude_tower::secrets::{Key, KeyRing, KeyState, Scheme, SecretsLayer};
use http::StatusCode;

use crate::canary;
use crate::ear::EAR;
use crate::stage::{Api, End, OK, Place, REFUSED, call, changing, hear_ring};

pub(super) async fn a_message(place: Place) {
    let key = canary::key("message");
    let api = Api::with(place, &[&key]).await;
    let ring = api.ring(changing(&key).1);
    hear_ring(&ring);
    ring.start().await.unwrap();
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    assert_eq!(call(stack, api.message()).await, OK);
    hear_ring(&ring);
    api.has_seen(&[(&key, 1)]);
}

/// The first one waits for the key.
pub(super) async fn a_stream(place: Place) {
    let key = canary::key("stream");
    let api = Api::with(place, &[&key]).await;
    let ring = api.ring(changing(&key).1);
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    for _ in 0..2 {
        assert_eq!(call(stack.clone(), api.streamed()).await, OK);
    }
    hear_ring(&ring);
    api.has_seen(&[(&key, 2)]);
}

pub(super) async fn a_bearer_token(place: Place) {
    let key = canary::key("bearer");
    let api = Api::with(place, &[&key]).await;
    let one =
        Key::new("one", changing(&key).1).with_scheme(Scheme::Bearer).with_origin(&api.origin()).unwrap();
    EAR.debug(&one);
    let builder = KeyRing::builder().with_key(one).with_pepper(canary::key("pepper").as_bytes());
    EAR.debug(&builder);
    let ring = builder.build().unwrap();
    assert_eq!(call(api.stack(SecretsLayer::new(ring)), api.message()).await, OK);
    api.has_seen(&[(&key, 1)]);
}

pub(super) async fn a_key_that_was_replaced(place: Place) {
    let (old, new) = (canary::key("old"), canary::key("new"));
    let api = Api::with(place, &[&old, &new]).await;
    let (key, source) = changing(&old);
    let ring = api.ring(source);
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    assert_eq!(call(stack.clone(), api.message()).await, OK);
    key.lock().unwrap().clone_from(&new);
    api.simulator.revoke_key(&old);
    for request in [api.message(), api.streamed()] {
        assert_eq!(call(stack.clone(), request).await, OK);
    }
    hear_ring(&ring);
    api.has_seen(&[(&old, 2), (&new, 2)]);
}

pub(super) async fn a_dead_key(place: Place) {
    let key = canary::key("dead");
    let api = Api::with(place, &[&key]).await;
    api.simulator.revoke_key(&key);
    let ring = api.ring(changing(&key).1);
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    assert_eq!(call(stack.clone(), api.message()).await, REFUSED);
    assert_eq!(ring.status()[0].state, KeyState::Dead);
    hear_ring(&ring);
    // Nothing is left to send, and it is said why.
    assert_eq!(call(stack, api.message()).await, End::Error);
    EAR.debug(&ring.refresh_now().await);
    api.has_seen(&[(&key, 1)]);
}

pub(super) async fn a_pool_at_its_limits(place: Place) {
    let keys = [canary::key("pool-a"), canary::key("pool-b")];
    let api = Api::with(place, &[&keys[0], &keys[1]]).await;
    let builder = keys.iter().zip(["a", "b"]).fold(KeyRing::builder(), |builder, (key, name)| {
        builder.with_key(
            Key::new(name, changing(key).1).with_limit_group(name).with_origin(&api.origin()).unwrap(),
        )
    });
    let ring = builder.build().unwrap();
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    api.simulator.fail_with([Fault::rate_limited(60)]);
    assert_eq!(call(stack.clone(), api.message()).await, OK);
    hear_ring(&ring);
    ring.drain("a").unwrap();
    EAR.debug(&ring.drain(&canary::key("no-name")).is_err());
    hear_ring(&ring);
    // One each: the other took over.
    api.has_seen(&[(&keys[0], 1), (&keys[1], 1)]);
}

pub(super) async fn an_overloaded_api(place: Place) {
    let key = canary::key("overloaded");
    let api = Api::with(place, &[&key]).await;
    let ring = api.ring(changing(&key).1);
    let stack = api.stack(SecretsLayer::new(ring));
    api.simulator.fail_with([Fault::overloaded(), Fault::error_event("overloaded_error").at_the_start()]);
    assert_eq!(call(stack.clone(), api.streamed()).await, OK);
    api.simulator.fail_with([Fault::error_event("overloaded_error").after_content_events(2)]);
    assert_eq!(call(stack, api.streamed()).await, OK);
    api.has_seen(&[(&key, 4)]);
}

pub(super) async fn an_account_without_money(place: Place) {
    let key = canary::key("money");
    let api = Api::with(place, &[&key]).await;
    api.simulator.set_standing(DEFAULT_ORGANIZATION.replace("0001", "0000"), Standing::NoCredit);
    let ring = api.ring(changing(&key).1);
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    assert_eq!(call(stack, api.message()).await, End::Answer(StatusCode::PAYMENT_REQUIRED));
    hear_ring(&ring);
    api.has_seen(&[(&key, 1)]);
}

pub(super) async fn a_reset_before_the_answer(place: Place) {
    let key = canary::key("reset");
    let api = Api::with(place, &[&key]).await;
    let ring = api.ring(changing(&key).1);
    let stack = api.stack(SecretsLayer::new(ring));
    let faults = || [Fault::reset_before_headers(), Fault::refuse(), Fault::reset_after_headers()];
    api.simulator.fail_with(faults().into_iter().chain(faults()));
    while api.simulator.scripted_faults() > 0 {
        call(stack.clone(), api.message()).await;
    }
    assert_eq!(call(stack, api.message()).await, OK);
    let sent = usize::try_from(api.simulator.arrived()).unwrap();
    api.has_seen(&[(&key, sent)]);
}

pub(super) async fn a_reset_in_the_middle(place: Place) {
    let key = canary::key("middle");
    let api = Api::with(place, &[&key]).await;
    let ring = api.ring(changing(&key).1);
    let stack = api.stack(SecretsLayer::new(ring.clone()));
    api.simulator.fail_with([Fault::reset_mid_event(6)]);
    let end = call(stack.clone(), api.streamed()).await;
    // A reset of HTTP/2 takes along what was written before: nothing of the answer was seen, and it is made once more.
    assert!(end == End::Broken(StatusCode::OK) || place == Place::Http2 && end == OK, "{end:?}");
    api.simulator.fail_with([Fault::truncated_json()]);
    call(stack, api.message()).await;
    hear_ring(&ring);
    let sent = usize::try_from(api.simulator.arrived()).unwrap();
    api.has_seen(&[(&key, sent)]);
}
