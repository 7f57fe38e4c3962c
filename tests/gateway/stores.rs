//! Keys from secret stores: a real server with the key, the gateway, and the simulator behind it that takes no other.

#![cfg(any(feature = "aws", feature = "vault"))]

use std::time::Duration;

use claude_sim::{Key, Server, Simulator};
use serde_json::{Value, json};

use crate::start::File;
use crate::support::gateway::{self, Gateway};
use crate::support::wire::Peer;

const OLD: &str = "sk-ant-api03-canary-old";
const NEW: &str = "sk-ant-api03-canary-new";

/// The API, which takes the old key.
async fn api() -> (Simulator, Server) {
    let simulator = Simulator::builder().with_key(Key::new("claude", OLD)).build();
    let server = simulator.clone().serve("127.0.0.1:0").await.unwrap();
    (simulator, server)
}

/// Starts the gateway with a key from this place in this store.
async fn start(api: &Server, name: &str, place: &str, store: &str, environment: &[(&str, &str)]) -> Gateway {
    let origin = api.base_url();
    let key = format!("[[secrets.keys]]\nname = \"a\"\n{place}\nfield = \"key\"\norigins = [\"{origin}\"]\n");
    let file = File::new(name, &(key + store));
    let mut command = gateway::before(&origin);
    command.arg("--config").arg(&file.0).env("RUST_LOG", "trace").envs(environment.iter().copied());
    Gateway::start(&mut command).await
}

/// Asks for a message without a key.
async fn is_answered(gateway: &Gateway) {
    let body = json!({"model": "claude-opus-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]});
    let body = body.to_string();
    let mut caller = Peer::connect(gateway.address).await;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nanthropic-version: 2023-06-01\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    caller.send(format!("{head}{body}")).await;
    assert_eq!(caller.answer("POST").await.status(), 200);
    let message: Value = serde_json::from_slice(&caller.rest().await.whole()).unwrap();
    assert_eq!(message["type"], "message");
}

/// What was changed in the store and at the API costs no request.
async fn finds_the_new_key(gateway: Gateway, simulator: &Simulator) {
    assert!(simulator.rotate_key(OLD, NEW, Duration::ZERO));
    is_answered(&gateway).await;
    let exit = gateway.stop().await;
    assert!(exit.stderr.contains("a key was rotated"), "{}", exit.stderr);
    assert!(!format!("{}{}", exit.stdout, exit.stderr).contains("canary"), "{}", exit.stderr);
}

#[cfg(feature = "vault")]
#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_key_of_openbao_is_on_requests_and_so_is_the_next() {
    use crate::bao::Bao;

    let bao = Bao::start().await;
    bao.put("claude/prod", json!({ "key": OLD })).await;
    let role = bao.app_role(json!({})).await;
    let (simulator, api) = api().await;
    let store = format!(
        "[secrets.vault]\naddress = \"http://{}\"\nrole_id = \"{role}\"\nsecret_id_env = \"SECRET_ID\"\n",
        bao.address
    );
    let secret_id = [("SECRET_ID", "secret-id-canary")];
    let gateway = start(&api, "vault.toml", "vault = \"claude/prod\"", &store, &secret_id).await;
    is_answered(&gateway).await;
    bao.put("claude/prod", json!({ "key": NEW })).await;
    finds_the_new_key(gateway, &simulator).await;
}

#[cfg(feature = "aws")]
#[tokio::test]
#[ignore = "needs ministack: run by cargo xtask test"]
async fn a_key_of_aws_is_on_requests_and_so_is_the_next() {
    use crate::ministack::Ministack;

    let ministack = Ministack::start().await;
    let text = |key| json!({ "key": key }).to_string();
    ministack.ask("CreateSecret", &json!({ "Name": "claude/prod", "SecretString": text(OLD) })).await;
    let (simulator, api) = api().await;
    let store =
        format!("[secrets.aws]\nregion = \"us-east-1\"\nendpoint = \"http://{}\"\n", ministack.address);
    let credentials =
        [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "secret-access-key-canary")];
    let gateway = start(&api, "aws.toml", "aws = \"claude/prod\"", &store, &credentials).await;
    is_answered(&gateway).await;
    let change = json!({ "SecretId": "claude/prod", "SecretString": text(NEW) });
    ministack.ask("PutSecretValue", &change).await;
    finds_the_new_key(gateway, &simulator).await;
}
