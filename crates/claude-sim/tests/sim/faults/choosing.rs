//! Which fault a request meets.

use claude_sim::{Fault, FaultMix, MAX_SCRIPTED_FAULTS, Simulator};
use serde_json::{Value, json};

use super::{stream, with_header};
use crate::support::{ask, full, get, post, send};

async fn status(simulator: &Simulator, headers: &[(&'static str, &str)]) -> u16 {
    let request = headers.iter().fold(stream(), |request, (name, value)| with_header(request, name, value));
    send(simulator, request).await.status.as_u16()
}

fn certain(fault: Fault) -> FaultMix {
    FaultMix::new().with(fault, 1.0).unwrap()
}

#[tokio::test]
async fn header_then_script_then_fate_then_chance() {
    let simulator = Simulator::builder()
        .with_fates(certain(Fault::internal()))
        .with_chance(certain(Fault::rate_limited(1)))
        .build();
    simulator.fail_next(2, Fault::overloaded());
    let (header, fate) = (("x-sim-fault", "status=503"), ("x-sim-fate", "7"));
    assert_eq!(status(&simulator, &[header, fate]).await, 503);
    assert_eq!(simulator.scripted_faults(), 2);
    assert_eq!(status(&simulator, &[fate]).await, 529);
    assert_eq!(status(&simulator, &[]).await, 529);
    assert_eq!(simulator.scripted_faults(), 0);
    assert_eq!(status(&simulator, &[fate]).await, 500);
    assert_eq!(status(&simulator, &[]).await, 429);
    // Nothing is something too.
    assert_eq!(status(&simulator, &[("x-sim-fault", "none"), fate]).await, 200);
    simulator.fail_with([Fault::none()]);
    assert_eq!(status(&simulator, &[fate]).await, 200);
    let seen = simulator.requests();
    assert_eq!(seen[0].headers["x-sim-fault"], "status=503");
    assert_eq!(seen[0].headers["x-sim-fate"], "7");
    assert_eq!(seen[3].fault.as_deref(), Some("status=500"));
    let fates: Vec<_> = seen.iter().map(|seen| (seen.fate, seen.attempt)).collect();
    let attempt = |n| (Some(7), Some(n));
    assert_eq!(
        fates,
        [attempt(1), attempt(2), (None, None), attempt(3), (None, None), attempt(4), attempt(5)]
    );
}

#[tokio::test]
async fn a_fated_call_is_not_subject_to_chance() {
    let builder = Simulator::builder().with_chance(certain(Fault::overloaded()));
    assert_eq!(status(&builder.build(), &[("x-sim-fate", "7")]).await, 200);
}

#[tokio::test]
async fn headers_that_say_nothing_known() {
    let simulator = Simulator::new();
    for (name, value) in
        [("x-sim-fault", "sunshine"), ("x-sim-fate", "-1"), ("x-sim-fate", "x"), ("x-sim-fault", "é")]
    {
        let mut request = stream();
        request.headers_mut().insert(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        let answer = send(&simulator, request).await;
        assert_eq!(answer.status, 400);
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("{name}: ")), "{message}");
    }
    assert!(simulator.bill().is_empty());
}

#[tokio::test]
async fn the_script_is_in_order_and_can_be_cleared() {
    let simulator = Simulator::new();
    simulator.fail_with([Fault::overloaded(), Fault::none(), Fault::internal()]);
    simulator.fail_next(2, Fault::internal());
    simulator.fail_next(0, Fault::overloaded());
    assert_eq!(simulator.scripted_faults(), 5);
    for expected in [529, 200, 500, 500] {
        assert_eq!(status(&simulator, &[]).await, expected);
    }
    simulator.clear_faults();
    assert_eq!((status(&simulator, &[]).await, simulator.scripted_faults()), (200, 0));
}

#[test]
fn the_script_is_bounded() {
    let simulator = Simulator::new();
    simulator.fail_next(u64::MAX, Fault::internal());
    simulator.fail_next(7, Fault::internal());
    assert_eq!(simulator.scripted_faults(), u64::MAX);
    simulator.clear_faults();
    let both = [Fault::internal(), Fault::overloaded()];
    simulator.fail_with(both.into_iter().cycle().take(MAX_SCRIPTED_FAULTS));
    simulator.fail_next(10, Fault::refuse());
    assert_eq!(simulator.scripted_faults(), MAX_SCRIPTED_FAULTS as u64);
}

#[tokio::test]
async fn chance_is_as_likely_as_it_says() {
    let mix = FaultMix::new().with(Fault::overloaded(), 0.3).unwrap().with(Fault::internal(), 0.1).unwrap();
    let simulator = Simulator::builder().with_chance(mix).build();
    let mut counts = [0; 3];
    for _ in 0..4_000 {
        let answer = send(&simulator, ask(&json!({"max_tokens": 1}))).await;
        counts[match answer.status.as_u16() {
            529 => 0,
            500 => 1,
            _ => 2,
        }] += 1;
    }
    assert!((1_100..1_300).contains(&counts[0]), "{counts:?}");
    assert!((340..460).contains(&counts[1]), "{counts:?}");
}

#[test]
fn probabilities_that_are_none() {
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = FaultMix::new().with(Fault::internal(), wrong).unwrap_err();
        assert!(error.to_string().ends_with("which is not between 0 and 1"), "{error}");
    }
    let half = FaultMix::new().with(Fault::internal(), 0.5).unwrap();
    let error = half.with(Fault::overloaded(), 0.6).unwrap_err();
    assert_eq!(error.to_string(), "the probabilities of faults come to 1.1, which is more than 1");
    let mut tenths = FaultMix::new();
    for _ in 0..10 {
        tenths = tenths.with(Fault::internal(), 0.1).unwrap();
    }
}

#[tokio::test]
async fn from_outside() {
    let simulator = Simulator::new();
    let waiting = async |request| {
        let answer = send(&simulator, request).await;
        (answer.status.as_u16(), answer.json()["scripted"].clone())
    };
    let post = |body: &Value| full(post("/_sim/faults"), body.to_string());
    assert_eq!(waiting(post(&json!(["overloaded", "status=503 body=html"]))).await, (200, json!(2)));
    assert_eq!(waiting(post(&json!({"next": 2, "fault": "internal"}))).await, (200, json!(4)));
    // All or nothing, and what is asked of the simulator meets no fault.
    assert_eq!(waiting(post(&json!(["overloaded", "sunshine"]))).await.0, 400);
    assert_eq!(waiting(post(&json!({"next": "all"}))).await.0, 400);
    assert_eq!(waiting(full(get("/_sim/faults"), "")).await, (200, json!(4)));
    for expected in [529, 503, 500] {
        assert_eq!(status(&simulator, &[]).await, expected);
    }
    let delete = http::Request::delete("/_sim/faults");
    assert_eq!(waiting(full(delete, "")).await, (200, json!(0)));
    assert_eq!(status(&simulator, &[]).await, 200);
    assert_eq!(waiting(full(http::Request::put("/_sim/faults"), "")).await.0, 405);
}
