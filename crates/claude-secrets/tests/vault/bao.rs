//! A real server, and a root's way into it.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use claude_secrets::source::{StaticSource, Vault};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A server that keeps all in memory; it ends with this.
pub(crate) struct Bao {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) root: String,
}

impl Drop for Bao {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub(crate) fn program() -> PathBuf {
    env::var_os("CLAUDE_TOWER_TEST_BAO").expect("run `cargo xtask test`, which names OpenBao here").into()
}

impl Bao {
    pub(crate) async fn start() -> Self {
        // Somebody may take a port between our look at it and the server's.
        for _ in 0..5 {
            let port = free_pair();
            if let Some(bao) = Self::start_at(port).await {
                return bao;
            }
        }
        panic!("OpenBao did not start");
    }

    /// With what opens it again once it is sealed, which it prints, here into this file.
    pub(crate) async fn start_with_unseal_key(printed: &Path) -> (Self, String) {
        for _ in 0..5 {
            let into = fs::File::create(printed).unwrap();
            if let Some(bao) = Self::spawn(free_pair(), &[], into.into()).once_ready().await {
                return (bao, unseal_key(printed).await);
            }
        }
        panic!("OpenBao did not start");
    }

    pub(crate) async fn start_at(port: u16) -> Option<Self> {
        Self::spawn(port, &[], Stdio::null()).once_ready().await
    }

    async fn once_ready(mut self) -> Option<Self> {
        let bao = &mut self;
        let ready = async {
            while bao.process.try_wait().unwrap().is_none() {
                // Only this very server knows this token.
                if let Some((200, _)) = bao.try_ask("GET", "auth/token/lookup-self", &Value::Null).await {
                    bao.wait_for_engine("secret").await;
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            false
        };
        let ready = tokio::time::timeout(Duration::from_secs(30), ready).await.unwrap();
        ready.then_some(self)
    }

    /// With TLS, and the authority's certificate in this folder.
    pub(crate) async fn start_with_tls(home: &Path) -> Self {
        let certificates = format!("-dev-tls-cert-dir={}", home.display());
        for _ in 0..5 {
            let port = free_pair();
            let mut bao = Self::spawn(port, &["-dev-tls", &certificates], Stdio::null());
            while bao.process.try_wait().unwrap().is_none() {
                if bao.command(home, &["read", "secret/config"]) {
                    return bao;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        panic!("OpenBao did not start");
    }

    fn spawn(port: u16, arguments: &[&str], printed: Stdio) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let root = format!("root-canary-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let process = Command::new(program())
            .args(["server", "-dev", "-dev-no-store-token"])
            .args([format!("-dev-root-token-id={root}"), format!("-dev-listen-address={address}")])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(printed)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, address, root }
    }

    /// Through its own command line, which speaks TLS; whether it worked.
    pub(crate) fn command(&self, home: &Path, arguments: &[&str]) -> bool {
        Command::new(program())
            .args(arguments)
            .env("BAO_ADDR", format!("https://{}", self.address))
            .env("BAO_CACERT", home.join("vault-ca.pem"))
            .env("BAO_TOKEN", &self.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    /// A handle without a login.
    pub(crate) fn bare(&self) -> Vault {
        Vault::new(&format!("http://{}", self.address)).unwrap()
    }

    /// A handle that may do everything.
    pub(crate) fn vault(&self) -> Vault {
        self.bare().with_token(StaticSource::new(&*self.root))
    }

    /// Asks as the root, and it must be granted.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_ask(method, path, &body).await.unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    pub(crate) async fn try_ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        // A path in a namespace is written `team/:path`.
        let (namespace, path) = path.split_once(":").unwrap_or(("", path));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        // Of HTTP/1.0, so that there are no chunks in the answer.
        let request = format!(
            "{method} /v1/{path} HTTP/1.0\r\nhost: {}\r\nx-vault-token: {}\r\nx-vault-namespace: {namespace}\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.root,
            body.len(),
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// An engine of KV version 2 is made as one of version 1, and then upgrades itself.
    pub(crate) async fn wait_for_engine(&self, mount: &str) {
        while !matches!(self.try_ask("GET", &format!("{mount}/config"), &Value::Null).await, Some((200, _))) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Writes a secret of KV version 2, as `secret/…`.
    pub(crate) async fn put(&self, path: &str, fields: Value) {
        self.ask("POST", &format!("secret/data/{path}"), json!({ "data": fields })).await;
    }

    /// A policy that lets these paths be read.
    pub(crate) async fn policy(&self, name: &str, paths: &[&str]) {
        let rules: String =
            paths.iter().map(|path| format!("path \"{path}\" {{ capabilities = [\"read\"] }}\n")).collect();
        self.ask("POST", &format!("sys/policies/acl/{name}"), json!({ "policy": rules })).await;
    }

    /// A token of these attributes.
    pub(crate) async fn token(&self, attributes: Value) -> String {
        let answer = self.ask("POST", "auth/token/create", attributes).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// An `AppRole` that may read `secret/data/claude/*`, with the secret id `secret-id-canary`; its role id.
    pub(crate) async fn app_role(&self, attributes: Value) -> String {
        self.policy("claude", &["secret/data/claude/*"]).await;
        self.ask("POST", "sys/auth/approle", json!({ "type": "approle" })).await;
        let mut role = json!({ "token_policies": ["claude"] });
        role.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        self.ask("POST", "auth/approle/role/gateway", role).await;
        let id = json!({ "secret_id": "secret-id-canary" });
        self.ask("POST", "auth/approle/role/gateway/custom-secret-id", id).await;
        let id = self.ask("GET", "auth/approle/role/gateway/role-id", Value::Null).await;
        id["data"]["role_id"].as_str().unwrap().to_owned()
    }

    /// The accessors of all tokens but the root's: handles by which they can be looked at, not used.
    pub(crate) async fn accessors(&self) -> Vec<String> {
        let answer = self.ask("LIST", "auth/token/accessors", Value::Null).await;
        let accessors = answer["data"]["keys"].as_array().unwrap().iter();
        let mut found = Vec::new();
        for accessor in accessors.map(|accessor| accessor.as_str().unwrap().to_owned()) {
            // One may end while we look.
            let body = json!({ "accessor": accessor });
            let token = self.try_ask("POST", "auth/token/lookup-accessor", &body).await.unwrap();
            if token.0 == 200 && token.1["data"]["policies"] != json!(["root"]) {
                found.push(accessor);
            }
        }
        found
    }

    /// Revokes all tokens but the root's.
    pub(crate) async fn revoke_all(&self) {
        for accessor in self.accessors().await {
            self.ask("POST", "auth/token/revoke-accessor", json!({ "accessor": accessor })).await;
        }
    }
}

/// It is printed a moment after the server is there.
async fn unseal_key(printed: &Path) -> String {
    loop {
        let printed = fs::read_to_string(printed).unwrap();
        let (_, after) = printed.split_once("Unseal Key: ").unwrap_or_default();
        if let Some((key, _)) = after.split_once('\n') {
            return key.trim().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A port that nobody listens on, and neither on the one after it, where the server speaks to its cluster.
fn free_pair() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if let Some(next) = port.checked_add(1)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, next)).is_ok()
        {
            return port;
        }
    }
}
