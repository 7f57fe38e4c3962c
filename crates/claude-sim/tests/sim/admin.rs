//! What the simulator tells by HTTP.

use claude_sim::{DEFAULT_KEY, Hidden, Key, REDACTED, Reply, Simulator};
use http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, ask, full, send};

async fn tell(simulator: &Simulator, method: &str, path: &str) -> Answer {
    send(simulator, full(Request::builder().method(method).uri(path), "")).await
}

#[tokio::test(start_paused = true)]
async fn the_bill() {
    let keys = [Key::new("blue", DEFAULT_KEY), Key::new("green", "sk-green").with_workspace("wrkspc_2")];
    let [blue, green] = keys;
    let simulator = Simulator::builder().with_key(blue).with_key(green).with_reply(Reply::text("x")).build();
    send(&simulator, ask(&json!({}))).await;
    let mut other = ask(&json!({"inference_geo": "us"}));
    other.headers_mut().insert("x-api-key", "sk-green".parse().unwrap());
    send(&simulator, other).await;

    let told = tell(&simulator, "GET", "/_sim/bill").await;
    assert_eq!((told.status.as_u16(), told.header("content-type")), (200, "application/json"));
    let expected = simulator.bill();
    assert_eq!(told.json(), json!({ "lines": expected }));
    assert_eq!(expected.len(), 2);
    let line = &told.json()["lines"][1];
    assert_eq!((&line["key"], &line["workspace"]), (&json!("green"), &json!("wrkspc_2")));
    assert_eq!((&line["inference_geo"], &line["requests"]), (&json!("us"), &json!(1)));
    assert_eq!(line["tokens"]["output"], 1);
    let of_green = tell(&simulator, "GET", "/_sim/bill?key=green").await;
    assert_eq!(of_green.json(), json!({ "lines": simulator.bill_of("green") }));
    assert_eq!(of_green.json()["lines"].as_array().map(Vec::len), Some(1));

    assert_eq!(tell(&simulator, "DELETE", "/_sim/bill").await.json(), told.json());
    assert_eq!(tell(&simulator, "GET", "/_sim/bill").await.json(), json!({ "lines": [] }));
    assert_eq!(simulator.arrived(), 2, "nothing of this counts as a request");
}

#[tokio::test(start_paused = true)]
async fn the_requests() {
    let simulator = Simulator::new();
    tokio::time::advance(std::time::Duration::from_millis(1_500)).await;
    send(&simulator, ask(&json!({"model": "nobody"}))).await;
    let told = tell(&simulator, "GET", "/_sim/requests").await.json();
    let [seen] = told["requests"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&seen["number"], &seen["status"], &seen["key"]), (&json!(0), &json!(404), &json!("default")));
    assert_eq!((&seen["arrived_at_ms"], &seen["ended_at_ms"]), (&json!(1_500), &json!(1_500)));
    assert_eq!((&seen["ended_as"], &seen["in_flight"], &seen["fault"]), (&json!(0), &json!(0), &Value::Null));
    let body: Value = serde_json::from_str(seen["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["model"], "nobody");
    let headers = seen["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-api-key", REDACTED])), "{headers:?}");

    assert_eq!(tell(&simulator, "DELETE", "/_sim/requests").await.json(), told);
    assert!(simulator.requests().is_empty());
    send(&simulator, ask(&json!({}))).await;
    assert_eq!(simulator.requests()[0].number, 1);
    assert_eq!(simulator.take_requests().len(), 1);
}

#[tokio::test]
async fn what_is_hidden() {
    let hidden = Hidden::of_seed(5);
    let told = tell(&Simulator::builder().with_seed(5).build(), "GET", "/_sim/hidden").await.json();
    let expected = json!({
        "burst_seconds": hidden.burst().seconds(),
        "grain_ms": u64::try_from(hidden.grain().as_millis()).unwrap(),
        "estimate_error_percent": hidden.estimate_error(),
        "header_age_ms": u64::try_from(hidden.header_age().as_millis()).unwrap(),
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_is_not_there() {
    let simulator = Simulator::new();
    let wrong = tell(&simulator, "POST", "/_sim/bill").await;
    assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, "GET, DELETE"));
    assert_eq!(tell(&simulator, "PUT", "/_sim/hidden").await.status, 405);
    assert_eq!(tell(&simulator, "GET", "/_sim/nothing").await.status, 404);
    assert_eq!(simulator.arrived(), 0);
}
