//! Inside an axum application.

use axum::Router;
use axum::body::Body as AxumBody;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{Request as AxumRequest, State};
use axum::response::{IntoResponse, Response as AxumResponse};
use axum::routing::post as on_post;
use claude_tower::errors;
use claude_tower::retry::Retry;
use claude_wire::body::{BodyLayer, DEFAULT_BUFFER_CAP};

use super::*;

/// A handler with the request in memory, so that it can be sent again.
async fn in_memory(State(claude): State<Retry<Simulator>>, request: AxumRequest) -> AxumResponse {
    let (head, body) = request.into_parts();
    let body = Body::buffered(body, DEFAULT_BUFFER_CAP).await.unwrap();
    match claude.oneshot(Request::from_parts(head, body)).await {
        Ok(response) => response.map(AxumBody::new),
        Err(error) => refused(error).await,
    }
}

async fn refused(error: BoxError) -> AxumResponse {
    errors::Error::from_service(error, None).into_response()
}

/// The messages go through a handler. Everything else goes on as it comes.
fn app(simulator: &Simulator) -> Router {
    let retry = RetryLayer::new();
    let as_it_comes = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(BodyLayer::new())
        .layer(&retry)
        .service(simulator.clone());
    Router::new()
        .route("/v1/messages", on_post(in_memory))
        .with_state(ServiceBuilder::new().layer(&retry).service(simulator.clone()))
        .fallback_service(as_it_comes)
}

async fn ask_app(app: &Router, path: &str) -> (AxumResponse, Call) {
    let call = new_call();
    let request = post(path).extension(call.clone()).body(AxumBody::from(MESSAGE)).unwrap();
    (app.clone().oneshot(request).await.unwrap(), call)
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_has_the_body_in_memory_has_it_repeated() {
    let simulator = Simulator::new();
    simulator.fail_with([Fault::overloaded(), Fault::reset_before_headers()]);
    let (response, call) = ask_app(&app(&simulator), "/v1/messages").await;
    assert_eq!(response.status(), 200);
    assert_eq!(kinds(&call), ["OVERLOADED", "CONNECTION_LOST", "ok"]);
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    assert!(answer.starts_with(b"{\"model\":"), "{answer:?}");

    simulator.fail_next(4, Fault::reset_before_headers());
    let (response, call) = ask_app(&app(&simulator), "/v1/messages").await;
    assert_eq!((response.status(), kinds(&call).len()), (StatusCode::BAD_GATEWAY, 4));
}

/// What a server is still receiving passes once; the failure comes back as it came.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_still_coming_in_is_sent_once() {
    let simulator = failing_once();
    let (response, call) = ask_app(&app(&simulator), "/v1/messages/count_tokens").await;
    assert_eq!((response.status().as_u16(), kinds(&call)), (529, vec!["OVERLOADED"]));
    let gave_up = GaveUp::of_response(response.extensions()).unwrap();
    assert_eq!((gave_up.reason, gave_up.attempts), (Reason::StreamedRequest, 1));
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    assert!(
        answer.ends_with(b"}") && answer.windows(16).any(|part| part == b"overloaded_error"),
        "{answer:?}"
    );
    let (response, call) = ask_app(&app(&simulator), "/v1/messages/count_tokens").await;
    assert_eq!((response.status(), kinds(&call)), (StatusCode::OK, vec!["ok"]));
}
