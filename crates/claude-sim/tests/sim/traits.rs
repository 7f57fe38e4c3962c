//! Where the simulator fits.

use claude_sim::{
    BillLine, Builder, Burst, ClassLimits, DEFAULT_KEY, Hidden, Key, LimitClass, Limits, Model, Reply,
    ResponseFuture, SeenRequest, Server, SimBody, Simulator, Standing, TokenCounts,
};
use claude_wire::{Body, BoxError};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use serde_json::json;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use crate::support::body;

fn shared<T: Send + Sync + 'static>() {}

#[test]
fn auto_traits() {
    fn movable<T: Send + Unpin>() {}
    shared::<(Limits, ClassLimits, LimitClass, Hidden, Burst, Standing, BillLine, TokenCounts)>();
    shared::<(Simulator, Builder, Key, Model, Reply, SeenRequest, Server, SimBody)>();
    movable::<(SimBody, ResponseFuture)>();
}

#[tokio::test]
async fn at_the_bottom_of_a_stack() -> Result<(), BoxError> {
    let stack: BoxCloneSyncService<Request<Body>, Response<SimBody>, BoxError> = ServiceBuilder::new()
        .layer(BoxCloneSyncService::layer())
        .concurrency_limit(1)
        .service(Simulator::new());
    let request = |body: Body| {
        Request::post("https://api.anthropic.com/v1/messages?beta=true")
            .header("x-api-key", DEFAULT_KEY)
            .header("anthropic-version", "2026-10-21")
            .body(body)
    };
    let asked = body(&json!({})).to_string();
    for body in [Body::from(asked.clone()), Body::stream(Body::from(asked))] {
        assert_eq!(stack.clone().oneshot(request(body)?).await?.status(), 200);
    }
    Ok(())
}

#[tokio::test]
async fn other_bodies_too() -> Result<(), BoxError> {
    let simulator = Simulator::new();
    let boxed = Empty::new().boxed_unsync();
    let response = simulator.clone().oneshot(Request::get("/").body(boxed)?).await?;
    assert_eq!(response.status(), 404);
    let text = "{}".to_owned();
    assert_eq!(simulator.oneshot(Request::get("/").body(text)?).await?.status(), 404);
    Ok(())
}
