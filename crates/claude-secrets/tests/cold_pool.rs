//! A pool whose keys have not been fetched yet.

use claude_secrets::source::StaticSource;
use claude_secrets::{Affinity, Key, KeyRing, SecretsLayer};
use claude_sim::{Fault, Key as SimKey, Simulator};
use claude_wire::Body;
use claude_wire::call::Attempt;
use http::Request;
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn another_key_is_an_alternative_before_it_was_ever_fetched() {
    let simulator =
        Simulator::builder().with_key(SimKey::new("a", "sk-ant-a")).with_key(SimKey::new("b", "sk-ant-b"));
    let simulator = simulator.build();
    let ring = KeyRing::builder()
        .with_affinity(Affinity::None)
        .with_key(Key::new("a", StaticSource::new("sk-ant-a")).with_limit_group("a"))
        .with_key(Key::new("b", StaticSource::new("sk-ant-b")).with_limit_group("b"))
        .build()
        .unwrap();
    simulator.fail_next(1, Fault::rate_limited(60));
    let attempt = Attempt::new(0, || tokio::time::Instant::now().into_std());
    let request = Request::get("https://api.anthropic.com/v1/models")
        .header("anthropic-version", "2026-10-21")
        .extension(attempt.clone())
        .body(Body::empty())
        .unwrap();
    let claude = SecretsLayer::new(ring).layer(simulator);
    assert_eq!(claude.oneshot(request).await.unwrap().status(), 429);
    assert!(attempt.alternative_left(), "the other can be fetched");
}
