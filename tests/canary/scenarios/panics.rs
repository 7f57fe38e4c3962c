//! What panics say.

use std::panic::AssertUnwindSafe;

use claude_tower::secrets::source::{Fetched, SecretSource, SourceErrorKind, StaticSource, source_fn};
use claude_tower::secrets::{SecretString, SecretsLayer};
use claude_tower::wire::Body;
use http::{Request, Response};
use tower::service_fn;

use crate::canary;
use crate::ear::EAR;
use crate::stage::{Api, End, OK, Place, call, changing, hear_ring, stack};

/// A client panics with the request, which has its key, and prints what it can print.
pub(super) async fn below_with_a_key(place: Place) {
    let key = canary::key("panic");
    let api = Api::with(place, &[&key]).await;
    let ring = api.ring(changing(&key).1);
    let client = service_fn(|request: Request<Body>| async move {
        assert!(request.headers().contains_key("x-api-key"));
        panic!("cannot send {request:#?} with {:?}", request.headers());
        #[expect(unreachable_code, reason = "says what it would answer")]
        Ok::<_, std::io::Error>(Response::new(Body::empty()))
    });
    let layer = SecretsLayer::new(ring.clone());
    let broken = stack(layer.clone(), client);
    let panicked = tokio::spawn(call(broken, api.message())).await.unwrap_err();
    assert!(panicked.is_panic());
    EAR.hear("panic", format!("{panicked} {panicked:?}"));
    let said = panicked.into_panic();
    EAR.hear("panic", said.downcast_ref::<String>().unwrap().clone());
    hear_ring(&ring);
    // The ring is whole.
    assert_eq!(call(api.stack(layer), api.message()).await, OK);
    api.has_seen(&[(&key, 1)]);
}

/// It panics with the key in its hands, and others wait for it.
pub(super) async fn in_a_source(place: Place) {
    let key = canary::key("source");
    let api = Api::with(place, &[&key]).await;
    let source = source_fn("own:panics", move || {
        let secret = SecretString::from(key.clone());
        async move { panic!("cannot parse {secret:?}") }
    });
    let ring = api.ring(source);
    let failed = ring.start().await.unwrap_err();
    assert_eq!(failed.failed[0].1.kind(), SourceErrorKind::Unavailable);
    EAR.hear("error", crate::errors::shown(&failed));
    assert_eq!(call(api.stack(SecretsLayer::new(ring.clone())), api.message()).await, End::Error);
    hear_ring(&ring);
    api.has_seen(&[]);
}

/// `unwrap_err` and `assert_eq` print what they did not expect.
pub(super) async fn with_what_a_source_gave() {
    let source = StaticSource::new(canary::key("unwrapped"));
    EAR.debug(&source);
    let fetched = source.fetch().await;
    EAR.debug(&fetched);
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| fetched.unwrap_err()));
    assert!(caught.is_err());
    let secret = SecretString::from(canary::key("given"));
    let before = SecretString::from(canary::key("before"));
    let fetched = Fetched::new(secret.clone()).with_previous(before).with_version("7");
    EAR.debug(&(&secret, &fetched, Some(fetched.clone())));
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| panic!("{secret:?} {fetched:#?}")));
    assert!(caught.is_err());
}
