//! Faults and time.

mod bills;
mod bodies;
mod choosing;
mod drops;
mod fates;
mod grammar;
mod loopback;
mod pace;
mod stalls;
mod statuses;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use claude_sim::{Fault, Simulator};
use claude_wire::BoxError;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

use crate::support::ask;

/// One frame, or how the body ended, and when it came, in milliseconds after the request.
type Seen = Vec<(u64, Result<Bytes, io::ErrorKind>)>;

fn stream() -> Request<Full<Bytes>> {
    ask(&json!({"stream": true}))
}

fn with_header(mut request: Request<Full<Bytes>>, name: &'static str, value: &str) -> Request<Full<Bytes>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// A simulator whose next request meets this fault.
fn failing(fault: Fault) -> Simulator {
    let simulator = Simulator::new();
    simulator.fail_next(1, fault);
    simulator
}

/// Every frame with its time, until the body ends, fails or stands still for a day.
async fn watch(simulator: &Simulator, request: Request<Full<Bytes>>) -> Seen {
    let started = Instant::now();
    let now = || u64::try_from(Instant::now().duration_since(started).as_millis()).unwrap();
    let mut seen = Seen::new();
    let mut body = match simulator.clone().oneshot(request).await {
        Ok(response) => response.into_body(),
        Err(error) => return vec![(now(), Err(kind(&error)))],
    };
    loop {
        match tokio::time::timeout(Duration::from_secs(86_400), body.frame()).await {
            Ok(Some(Ok(frame))) => seen.push((now(), Ok(frame.into_data().unwrap()))),
            Ok(Some(Err(error))) => seen.push((now(), Err(kind(&error)))),
            Ok(None) => return seen,
            Err(_) => {
                seen.push((now(), Err(io::ErrorKind::TimedOut)));
                return seen;
            }
        }
    }
}

fn kind(error: &BoxError) -> io::ErrorKind {
    error.downcast_ref::<io::Error>().unwrap().kind()
}

/// All bytes, and the error that they ended in.
fn joined(seen: &Seen) -> (Vec<u8>, Option<io::ErrorKind>) {
    let bytes = seen.iter().filter_map(|(_, frame)| frame.as_ref().ok()).flatten().copied().collect();
    (bytes, seen.last().and_then(|(_, frame)| frame.as_ref().err()).copied())
}

/// What a simulator without faults answers.
async fn right(fields: &Value) -> Vec<u8> {
    joined(&watch(&Simulator::new(), ask(fields)).await).0
}

/// The events of a stream without faults, each with its bytes.
async fn right_events() -> Vec<Bytes> {
    let seen = watch(&Simulator::new(), stream()).await;
    seen.into_iter().map(|(_, frame)| frame.unwrap()).collect()
}
