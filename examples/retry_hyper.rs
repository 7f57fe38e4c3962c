//! The retry alone, around hyper-util's own client. It calls a simulator of the API that fails now and then, so that no key is
//! needed.
//!
//! ```text
//! cargo run --example retry_hyper
//! ```

use claude_retry::{GaveUp, RetryLayer};
use claude_sim::{DEFAULT_KEY, Fault, FaultMix, Simulator};
use claude_wire::call::{Call, CallId};
use claude_wire::{Body, BoxError};
use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, Service, ServiceExt};

const MESSAGE: &str = r#"{"model": "claude-sonnet-5-5", "max_tokens": 64, "stream": true, "messages": [{"role": "user", "content": "Hi"}]}"#;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Three of ten requests find the API overloaded; one of ten is answered 200, and the stream then says that it failed.
    let event = Fault::error_event("overloaded_error").at_the_start();
    let faults = FaultMix::new().with(Fault::overloaded(), 0.3)?.with(event, 0.1)?;
    let api = Simulator::builder().with_seed(2).with_chance(faults).build().serve("127.0.0.1:0").await?;

    // Any client that sends a `Body` will do. Nothing else of ours is needed.
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let retry = RetryLayer::new();
    let mut claude = retry.layer(client);

    for id in 1..=8 {
        // Whoever puts a `Call` into the request can read afterwards what became of each attempt.
        let call = Call::new(CallId(id), || tokio::time::Instant::now().into_std());
        let request = Request::post(format!("{}/v1/messages", api.base_url()))
            .header("x-api-key", DEFAULT_KEY)
            .header("anthropic-version", "2026-10-21")
            .extension(call.clone())
            .body(Body::from(MESSAGE))?;

        let response = claude.ready().await?.call(request).await?;
        let gave_up = GaveUp::of_response(response.extensions());
        println!(
            "call {id}: {}{}",
            response.status().as_u16(),
            gave_up.map(|why| format!(", {why}")).unwrap_or_default()
        );
        for attempt in call.attempts() {
            let Some(outcome) = attempt.outcome() else { continue };
            let wait = outcome.wait.map(|wait| format!(", then a wait of {wait:.1?}")).unwrap_or_default();
            let status = outcome.status.map(|status| format!(" ({})", status.as_u16())).unwrap_or_default();
            println!("    attempt {}: {}{status}{wait}", attempt.number(), outcome.kind);
        }
        // The stream is the API's own, from its first byte on.
        response.into_body().collect().await?;
    }
    println!("{} of {} tries of the quota are left", retry.quota().available(), retry.quota().capacity());
    Ok(())
}
