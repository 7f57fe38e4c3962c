//! Many callers at once.

use claude_sim::{FaultMix, Simulator};
use tokio::task::JoinSet;

use super::{As, Path, SEED, ask};
use crate::support::wire::Peer;

const CALLS: u64 = 200;

/// What becomes of each attempt is decided beforehand, and so is how many a call needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_gets_as_many_attempts_as_it_needs() {
    let mut mix = FaultMix::new();
    for fault in [
        "overloaded",
        "internal",
        "reset-before-headers",
        "reset-after-headers",
        "error-event=overloaded_error",
    ] {
        mix = mix.with(fault.parse().unwrap(), 0.08).unwrap();
    }
    let simulator = Simulator::builder().with_seed(SEED).with_fates(mix).build();
    let settings = [("MAX_RETRIES", "20"), ("QUOTA_BURST", "10000")];
    let path = Path::before(simulator, &settings).await;

    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let peer = Peer::connect(path.gateway.address).await;
        calls.spawn(async move {
            let how = if call % 2 == 0 { As::Whole } else { As::Stream };
            (call, how, ask(peer, how, &format!("x-sim-fate: {call}\r\n")).await)
        });
    }
    let answers = calls.join_all().await;
    let requests = path.take_requests();
    let mut needed = 0;
    for (call, how, answer) in answers {
        let expected = path.simulator.first_success(call, 21).unwrap();
        needed += expected as usize;
        let made: Vec<_> = requests.iter().filter(|request| request.fate == Some(call)).collect();
        assert_eq!((answer.head.status(), made.len()), (200, expected as usize), "{call}");
        // Nobody gets the answer of another.
        assert_eq!(answer.head.get("request-id"), Some(&*made[made.len() - 1].request_id), "{call}");
        let body = String::from_utf8(answer.body.whole()).unwrap();
        let is_whole = match how {
            As::Whole => serde_json::from_str::<serde_json::Value>(&body).unwrap()["type"] == "message",
            As::Stream => body.contains("event: message_stop"),
        };
        assert!(is_whole, "{call}: {body}");
    }
    assert_eq!(requests.len(), needed);
    assert!(requests.iter().any(|request| request.attempt > Some(2)), "something has failed");
}
