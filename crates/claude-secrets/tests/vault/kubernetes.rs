//! Logins with tokens of Kubernetes.
//!
//! The server asks the API of the cluster whose token it is; here a stand-in answers for that.

use std::path::PathBuf;

use claude_secrets::source::SourceErrorKind::{Denied, NotFound};
use claude_secrets::source::{FileSource, StaticSource};
use serde_json::{Value, json};

use crate::bao::Bao;
use crate::tiny::{Tiny, answer};
use crate::{key, why};

/// A token of the service account `gateway` in `apps`, issued a time or another; nobody checks who has signed it.
fn token(issued: u64) -> String {
    let head = json!({ "alg": "RS256", "kid": "k", "typ": "JWT" });
    let claims = json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:apps:gateway",
        "iat": issued,
        "nbf": issued,
        "exp": 4_102_444_800_u64,
        "kubernetes.io": {
            "namespace": "apps",
            "serviceaccount": { "name": "gateway", "uid": "uid-1" },
        },
    });
    let part = |value: &Value| base64(value.to_string().as_bytes());
    format!("{}.{}.{}", part(&head), part(&claims), base64(b"signature canary"))
}

/// That of URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().chain([0, 0].iter()).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..=three.len() {
            text.push(char::from(LETTERS[bits >> (18 - 6 * place) & 63]));
        }
    }
    text
}

/// The API of a cluster, which knows the gateway's tokens.
async fn cluster() -> Tiny {
    Tiny::start(|line| {
        assert!(line.starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews "), "{line}");
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "status": {
                "authenticated": true,
                "user": { "username": "system:serviceaccount:apps:gateway", "uid": "uid-1", "groups": [] },
            },
        });
        let body = review.to_string();
        let length = body.len();
        format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    })
    .await
}

async fn server(cluster: &Tiny, mount: &str) -> Bao {
    let bao = Bao::start().await;
    bao.put("claude/prod", json!({ "k": "sk-ant-prod-canary" })).await;
    bao.policy("claude", &["secret/data/claude/*"]).await;
    bao.ask("POST", &format!("sys/auth/{mount}"), json!({ "type": "kubernetes" })).await;
    let config = json!({
        "kubernetes_host": cluster.url,
        "token_reviewer_jwt": "reviewer-canary",
        // It wants one, though the stand-in speaks without TLS.
        "kubernetes_ca_cert": rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem(),
        "disable_local_ca_jwt": true,
    });
    bao.ask("POST", &format!("auth/{mount}/config"), config).await;
    let role = json!({
        "bound_service_account_names": "gateway",
        "bound_service_account_namespaces": "apps",
        "token_policies": ["claude"],
    });
    bao.ask("POST", &format!("auth/{mount}/role/gateway"), role).await;
    bao
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_pod_logs_in_with_its_token_and_reads_it_anew_each_time() {
    let cluster = cluster().await;
    let bao = server(&cluster, "kubernetes").await;
    let path: PathBuf = std::env::temp_dir().join(format!("claude-secrets-{}-token", std::process::id()));
    let (first, second) = (token(1_700_000_000), token(1_700_003_600));
    std::fs::write(&path, &first).unwrap();
    let vault = bao.bare().with_kubernetes_token("gateway", FileSource::new(&path));
    let source = vault.kv2("secret", "claude/prod");
    assert_eq!(key(&source).await, "sk-ant-prod-canary");
    std::fs::write(&path, &second).unwrap();
    bao.revoke_all().await;
    assert_eq!(key(&source).await, "sk-ant-prod-canary");
    let asked = cluster.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].contains(&first) && asked[1].contains(&second));
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_role_of_others_is_denied() {
    let cluster = cluster().await;
    let bao = server(&cluster, "clusters/eu").await;
    let vault = bao.bare().with_auth_mount("clusters/eu");
    let right = vault.clone().with_kubernetes_token("gateway", StaticSource::new(token(1_700_000_000)));
    assert_eq!(key(&right.kv2("secret", "claude/prod")).await, "sk-ant-prod-canary");
    let wrong = vault.with_kubernetes_token("nobody", StaticSource::new(token(1_700_000_000)));
    let (kind, words) = why(&wrong.kv2("secret", "claude/prod")).await;
    assert_eq!((kind, &*words), (Denied, "logging in at auth/clusters/eu: refused (400)"));
}

#[tokio::test]
async fn what_is_sent_is_a_role_and_a_token() {
    let tiny = Tiny::start(|_| answer(403, "{}")).await;
    for (vault, path) in [
        (tiny.vault().with_kubernetes_token("gateway", StaticSource::new("jwt-canary\n")), "kubernetes"),
        (tiny.vault().with_jwt("gateway", StaticSource::new("jwt-canary\n")), "jwt"),
    ] {
        let (kind, words) = why(&vault.kv2("secret", "claude")).await;
        assert_eq!((kind, words), (Denied, format!("logging in at auth/{path}: permission denied (403)")));
        let asked = tiny.asked().remove(0);
        assert!(asked.starts_with(&format!("POST /v1/auth/{path}/login HTTP/1.1\r\n")), "{asked}");
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
        assert!(!head.contains("x-vault-token"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body, json!({ "role": "gateway", "jwt": "jwt-canary" }));
    }
}

#[tokio::test]
async fn outside_of_a_pod_there_is_no_token_to_log_in_with() {
    let tiny = Tiny::start(|_| answer(403, "{}")).await;
    let (kind, words) = why(&tiny.vault().with_kubernetes("gateway").kv2("secret", "claude")).await;
    let begin = "the jwt: file:/var/run/secrets/kubernetes.io/serviceaccount/token: ";
    assert_eq!(kind, NotFound);
    assert!(words.starts_with(begin), "{words}");
    assert!(tiny.asked().is_empty());
}
