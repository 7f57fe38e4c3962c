//! The server: from its start to its last answer.

use std::convert::Infallible;
use std::error::Error;

use axum::ServiceExt as _;
use axum::extract::Request;
use axum::serve::ListenerExt;
use claude_tower::client::HyperClient;
use claude_tower::config::Config;
use claude_tower::errors::{ErrorLayer, TracingReporter};
use claude_tower::stack::{Slot, StackBuilder};
use claude_tower::upstream::UpstreamLayer;
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

use crate::buffering::Buffering;
use crate::forward::{Gateway, forward};
use crate::keys;
use crate::page::NoPages;
use crate::shutdown::Shutdown;
use crate::target::Target;

/// Serves until a signal comes and what is running has ended.
pub(crate) async fn serve(config: &Config) -> Result<(), Box<dyn Error>> {
    if !config.gateway.clients.is_empty() {
        println!("admitting clients by their tokens: {} of them", config.gateway.clients.len());
    }
    let target = Target::choose(config).await?;
    let errors = ErrorLayer::observe().with_reporter(TracingReporter::new());
    let client = HyperClient::new(&target.client(&config.client))?;
    let mut stack = StackBuilder::new().layer(Slot::Errors, errors);
    if let Some(retry) = config.retry.layer()? {
        stack = stack.layer(Slot::Retry, retry);
    }
    if let Some(secrets) = keys::layer(&config.secrets).await? {
        stack = stack.layer(Slot::Secrets, secrets);
    }
    let gateway = Gateway {
        door: config.gateway.door()?,
        no_pages: NoPages::new(config),
        upstream: UpstreamLayer::new(target.uri.clone())?.layer(stack.build(client)),
        buffering: Buffering::new(config),
        final_word: config.retry.enabled && config.retry.final_word,
        access_log: config.gateway.access_log,
    };
    // No router: axum's gives the answer to a HEAD request a length that it does not have.
    let service = service_fn(move |request: Request| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(forward(gateway, request).await) }
    });

    // Who can connect finds everything ready.
    let listener = TcpListener::bind(config.gateway.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", config.gateway.listen))?;
    let address = listener.local_addr()?;
    // Without this, small writes wait up to 40 ms for the other side's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
    });
    // Who has read that it is ready may stop it.
    let shutdown = Shutdown::on_signal()?;
    println!("ready: point an SDK here with\n\n    export ANTHROPIC_BASE_URL=http://{address}\n");

    let served =
        axum::serve(listener, service.into_make_service()).with_graceful_shutdown(shutdown.clone().begun());
    tokio::select! {
        served = async { served.await } => served?,
        () = shutdown.hurried(config.gateway.shutdown_grace) => {
            tracing::warn!("stopped with requests still running");
        }
    }
    Ok(())
}
