//! The retry alone, around reqwest. It calls a simulator of the API that fails now and then, so that no key is needed.
//!
//! ```text
//! cargo run --example retry_reqwest --features reqwest
//! ```

use std::time::Duration;

use claude_retry::{Backoff, GaveUp, Quota, RetryLayer};
use claude_sim::{DEFAULT_KEY, Fault, FaultMix, Simulator};
use claude_tower::client::ReqwestClient;
use claude_tower::config::ClientConfig;
use claude_wire::call::{Call, CallId, Deadline};
use claude_wire::{Body, BoxError};
use http::Request;
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

const MESSAGE: &str =
    r#"{"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}"#;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Three of ten requests find the API overloaded, and the JSON of one of ten breaks off in the middle.
    let faults = FaultMix::new().with(Fault::overloaded(), 0.3)?.with(Fault::truncated_json(), 0.1)?;
    let api = Simulator::builder().with_seed(2).with_chance(faults).build().serve("127.0.0.1:0").await?;

    // For a client that you have already: `ReqwestClient::from_client(yours)`.
    let client = ReqwestClient::new(&ClientConfig::default())?;
    let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2))?;
    let retry = RetryLayer::new()
        .with_backoff(backoff.with_overload_floor(Duration::from_millis(400)))
        // Answers of up to a mebibyte are read whole, so that one that breaks off is repeated.
        .with_collect(1 << 20)
        // Whatever fails: no more than four extra attempts, and one more for every ten calls.
        .with_quota(Quota::new(0.1, 4)?);
    let mut claude = retry.layer(client);

    for id in 1..=8 {
        let clock = || tokio::time::Instant::now().into_std();
        let call = Call::new(CallId(id), clock);
        let mut request = Request::post(format!("{}/v1/messages", api.base_url()))
            .header("x-api-key", DEFAULT_KEY)
            .header("anthropic-version", "2026-10-21")
            .extension(call.clone())
            .body(Body::from(MESSAGE))?;
        // Each call may take ten seconds, with all its attempts and waits.
        if let Some(deadline) = Deadline::after(clock(), Duration::from_secs(10)) {
            request.extensions_mut().insert(deadline);
        }

        match claude.ready().await?.call(request).await {
            Ok(response) => {
                let gave_up = GaveUp::of_response(response.extensions());
                let why = gave_up.map(|why| format!(", {why}")).unwrap_or_default();
                println!("call {id}: {}{why}", response.status().as_u16());
                response.into_body().collect().await?;
            }
            Err(error) => println!("call {id}: {error}"),
        }
        for attempt in call.attempts() {
            let Some(outcome) = attempt.outcome() else { continue };
            let wait = outcome.wait.map(|wait| format!(", then a wait of {wait:.1?}")).unwrap_or_default();
            let status = outcome.status.map(|status| format!(" ({})", status.as_u16())).unwrap_or_default();
            println!("    attempt {}: {}{status}{wait}", attempt.number(), outcome.kind);
        }
    }
    println!("{} of {} tries of the quota are left", retry.quota().available(), retry.quota().capacity());
    Ok(())
}
