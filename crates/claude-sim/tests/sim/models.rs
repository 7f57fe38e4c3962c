//! The catalogue.

use claude_sim::{Model, Simulator};
use serde_json::{Value, json};

use crate::support::{full, get, message, send};

async fn fetch(simulator: &Simulator, uri: &str) -> Value {
    let answer = send(simulator, full(get(uri), "")).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn one_model() {
    let simulator = Simulator::new();
    let expected = json!({
        "type": "model", "id": "claude-opus-5-5", "display_name": "Claude Opus 5.5", "line": "opus",
        "created_at": "2026-09-22T00:00:00Z", "lifecycle": "active", "deprecated_at": null, "retires_at": null,
        "max_input_tokens": 1_000_000, "max_tokens": 128_000, "capabilities": null,
    });
    assert_eq!(fetch(&simulator, "/v1/models/claude-opus-5-5").await, expected);
    let sonnet = fetch(&simulator, "/v1/models/claude-sonnet-4-5").await;
    assert_eq!(sonnet["id"], "claude-sonnet-4-5-20250929");
    assert_eq!(
        (&sonnet["lifecycle"], &sonnet["retires_at"]),
        (&json!("deprecated"), &json!("2026-11-30T00:00:00Z"))
    );
    let answer = send(&simulator, full(get("/v1/models/claude-9"), "")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["message"]),
        (404, &json!("model: claude-9"))
    );
}

#[tokio::test]
async fn pages_cover_everything_forwards_and_backwards() {
    let simulator = Simulator::new();
    let all = fetch(&simulator, "/v1/models?limit=1000").await;
    let all = ids(&all);
    assert_eq!(all.len(), Model::catalogue().len());
    assert_eq!(ids(&fetch(&simulator, "/v1/models").await).len(), 20);

    let mut forwards: Vec<String> = Vec::new();
    let mut uri = "/v1/models?limit=7".to_owned();
    loop {
        let page = fetch(&simulator, &uri).await;
        forwards.extend(ids(&page).iter().map(ToString::to_string));
        assert_eq!(page["last_id"], json!(forwards.last()));
        if page["has_more"] == false {
            break;
        }
        uri = format!("/v1/models?limit=7&after_id={}", page["last_id"].as_str().unwrap());
    }
    assert_eq!(forwards, all);

    let mut backwards: Vec<String> = vec![all[all.len() - 1].to_owned()];
    loop {
        let page = fetch(&simulator, &format!("/v1/models?limit=7&before_id={}", backwards[0])).await;
        let before = ids(&page).iter().map(ToString::to_string).chain(backwards).collect();
        backwards = before;
        assert_eq!(page["first_id"], json!(backwards[0]));
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(backwards, all);
}

#[tokio::test]
async fn bad_pages() {
    for query in ["limit=0", "limit=1001", "limit=x", "after_id=nobody", "before_id=a&after_id=b"] {
        let answer = send(&Simulator::new(), full(get(&format!("/v1/models?{query}")), "")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["type"]),
            (400, &json!("invalid_request_error"))
        );
    }
    let empty = Simulator::builder().with_models([]).build();
    let page = fetch(&empty, "/v1/models?after_id=").await;
    assert_eq!(page, json!({"data": [], "has_more": false, "first_id": null, "last_id": null}));
}

#[tokio::test]
async fn a_catalogue_of_ones_own() {
    let model = Model::new("mine").with_alias("my-alias").with_max_tokens(5).with_max_input_tokens(90);
    assert_eq!(model.id(), "mine");
    let simulator = Simulator::builder().with_models([model]).build();
    assert_eq!(ids(&fetch(&simulator, "/v1/models").await), ["mine"]);
    assert_eq!(fetch(&simulator, "/v1/models/mine").await["max_input_tokens"], 90);
    assert_eq!(message(&simulator, &json!({"model": "my-alias", "max_tokens": 5})).await["model"], "mine");
}
