//! Who shares what: organisations, workspaces, classes of models, tiers.

use claude_sim::{
    ClassLimits, DEFAULT_KEY, DEFAULT_WORKSPACE, Hidden, Key, LimitClass, Limits, Model, Reply, Simulator,
};
use serde_json::json;

use super::{figures, requests, shown, status, status_of, with_key};
use crate::support::{ask, body, full, post, send};

#[tokio::test(start_paused = true)]
async fn a_workspace_has_its_own_limits_and_its_organisations() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", "sk-blue").with_workspace("wrkspc_1"))
        .with_key(Key::new("cyan", "sk-cyan").with_workspace("wrkspc_1"))
        .with_key(Key::new("red", "sk-red"))
        .with_limits(Limits::each(ClassLimits::per_minute(10, 100_000, 100_000)))
        .with_workspace_limits("wrkspc_1", Limits::each(ClassLimits::per_minute(3, 50_000, 200_000)))
        .with_hidden(Hidden::plain())
        .with_reply(Reply::text("x").with_cache_written(20_000, 0))
        .build();
    let first = with_key(&simulator, "sk-blue").await;
    let limits = shown(&first);
    assert_eq!(figures(limits.requests), (3, 2), "the workspace binds");
    assert_eq!(figures(limits.input_tokens), (50_000, 30_000));
    assert_eq!(figures(limits.output_tokens), (100_000, 100_000), "here the organisation does");
    assert_eq!(figures(limits.tokens), (50_000, 30_000));
    let limits = shown(&with_key(&simulator, "sk-red").await);
    assert_eq!(figures(limits.requests), (10, 8), "the organisation's, of both");
    assert_eq!(figures(limits.input_tokens), (100_000, 60_000));
    assert_eq!(figures(limits.tokens), (200_000, 160_000), "input and output");

    assert_eq!(status_of(&simulator, "sk-cyan").await, 200);
    simulator.set_workspace_limits("wrkspc_1", requests(3));
    assert_eq!(status_of(&simulator, "sk-blue").await, 200);
    for _ in 0..20 {
        let refused = with_key(&simulator, "sk-cyan").await;
        assert_eq!(refused.status, 429);
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("3 requests per minute of your workspace (wrkspc_1)"), "{message}");
    }
    // What the workspace refused took nothing from the organisation.
    assert_eq!(figures(shown(&with_key(&simulator, "sk-red").await).requests), (10, 5));
}

#[tokio::test(start_paused = true)]
async fn the_organisation_binds_where_the_workspace_does_not() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", "sk-blue").with_workspace("wrkspc_1"))
        .with_limits(requests(2))
        .with_workspace_limits("wrkspc_1", requests(5))
        .with_hidden(Hidden::plain())
        .build();
    for expected in [200, 200, 429, 429] {
        assert_eq!(status_of(&simulator, "sk-blue").await, expected);
    }
    // Nothing was taken from the workspace by what the organisation refused.
    simulator.set_limits(Limits::none());
    let answer = with_key(&simulator, "sk-blue").await;
    assert_eq!(figures(shown(&answer).requests), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn the_default_workspace_takes_no_limits() {
    let simulator = Simulator::builder().with_workspace_limits(DEFAULT_WORKSPACE, requests(1)).build();
    for _ in 0..3 {
        assert_eq!(status(&simulator).await, 200);
        simulator.set_workspace_limits(DEFAULT_WORKSPACE, requests(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_workspace_of_the_same_id_is_another_one_in_another_organisation() {
    let key = |name: &str, secret: &str| Key::new(name, secret).with_organization(name).with_workspace("w");
    let simulator = Simulator::builder()
        .with_key(key("blue", "sk-blue"))
        .with_key(key("red", "sk-red"))
        .with_workspace_limits("w", requests(1))
        .with_hidden(Hidden::plain())
        .build();
    for (key, expected) in [("sk-blue", 200), ("sk-red", 200), ("sk-blue", 429), ("sk-red", 429)] {
        assert_eq!(status_of(&simulator, key).await, expected, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn organisations_and_classes_share_nothing() {
    let simulator = Simulator::builder()
        .with_key(Key::new("blue", DEFAULT_KEY))
        .with_key(Key::new("red", "sk-red").with_organization("org-2"))
        .with_limits(requests(2))
        .with_organization_limits("org-2", requests(3))
        .with_models(
            Model::catalogue()
                .into_iter()
                .chain([Model::new("mine"), Model::new("ours").with_limit_class(LimitClass::new("mine"))]),
        )
        .with_hidden(Hidden::plain())
        .build();
    let status_of_model = async |model: &str| send(&simulator, ask(&json!({"model": model}))).await.status;
    // 4.8 and 4.6 share; an alias is its model; custom models are by themselves or where they are put.
    for [one, other] in [
        ["claude-opus-4-8", "claude-opus-4-6"],
        ["claude-opus-4-5", "claude-opus-4-7"],
        ["claude-fable-5-1", "claude-fable-5"],
        ["claude-opus-5-5", "claude-opus-5-5"],
        ["claude-opus-5", "claude-opus-5"],
        ["mine", "ours"],
    ] {
        let expected = if one == "claude-opus-4-5" { [429, 429, 429] } else { [200, 200, 429] };
        for (model, expected) in [one, other, one].into_iter().zip(expected) {
            assert_eq!(status_of_model(model).await, expected, "{model}");
        }
    }
    for expected in [200, 200, 200, 429] {
        assert_eq!(status_of(&simulator, "sk-red").await, expected);
    }
}

#[tokio::test]
async fn the_tables_of_the_tiers() {
    let most = ["1000 2000000 400000", "5000 5000000 1000000", "10000 10000000 2000000"];
    let large = ["1000 500000 100000", "2000 1500000 300000", "4000 4000000 800000"];
    let old = ["1000 100000 20000", "2000 200000 40000", "4000 400000 80000"];
    let models = Model::catalogue()
        .into_iter()
        .chain([Model::new("mine"), Model::new("old").with_limit_class(LimitClass::HAIKU_3_5)]);
    let models: Vec<Model> = models.collect();
    for (index, limits) in [Limits::start(), Limits::build(), Limits::scale()].into_iter().enumerate() {
        let simulator =
            Simulator::builder().with_models(models.clone()).with_limits(limits).with_seed(3).build();
        for (model, expected) in [
            ("claude-fable-5-2", large),
            ("claude-fable-5", large),
            ("claude-mythos-5-1", large),
            ("claude-opus-5-5", most),
            ("claude-opus-5", most),
            ("claude-opus-4-8", most),
            ("claude-sonnet-5-5", most),
            ("claude-sonnet-5", most),
            ("claude-sonnet-4-6", most),
            ("claude-haiku-5-5", most),
            ("claude-haiku-4-5", most),
            ("mine", most),
            ("old", old),
        ] {
            let answer = send(&simulator, ask(&json!({"model": model}))).await;
            let limits = ["requests", "input-tokens", "output-tokens"]
                .map(|bucket| answer.header(&format!("anthropic-ratelimit-{bucket}-limit")).to_owned());
            assert_eq!(limits.join(" "), expected[index], "{model}");
        }
        let count =
            send(&simulator, full(post("/v1/messages/count_tokens"), body(&json!({})).to_string())).await;
        assert_eq!(count.header("anthropic-ratelimit-requests-limit"), ["2000", "4000", "8000"][index]);
    }
}
