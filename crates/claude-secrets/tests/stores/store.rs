//! The two stores, as far as tests of both have to do with them.

use std::net::SocketAddr;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::config::SharedCredentialsProvider;
use claude_secrets::source::{Aws, AwsSource, SecretSource, StaticSource, Vault, VaultSource};
use serde_json::json;

use crate::bao::Bao;
use crate::emulator::Emulator;
use crate::{LONG, log};

/// What the secret is called in both.
pub(crate) const NAME: &str = "claude/prod";
/// The id of the `AppRole`; of all, it is not secret.
pub(crate) const ROLE: &str = "gateway-role";

/// The key of this number.
pub(crate) fn key(number: u32) -> String {
    format!("sk-ant-api03-{number}-canary")
}

/// A server with one secret in it.
pub(crate) trait Store: Sized {
    type Source: SecretSource + Clone;

    /// Starts one, with key 0.
    async fn start() -> Self;
    fn address(&self) -> SocketAddr;
    /// The secret's field, by way of this address.
    fn source_by(&self, address: SocketAddr) -> Self::Source;
    fn source(&self) -> Self::Source {
        self.source_by(self.address())
    }
    /// Another version of the secret; its name.
    async fn rotate(&mut self, key: &str) -> String;
    /// Kills it.
    fn stop(&mut self);
    /// Starts another one in its place, with this key.
    async fn start_again(&mut self, key: &str);
}

/// `OpenBao`, with a KV engine of version 2 and the login of an `AppRole`.
pub(crate) struct OfVault {
    bao: Option<Bao>,
    address: SocketAddr,
    version: u32,
}

impl OfVault {
    pub(crate) const fn bao(&self) -> &Bao {
        self.bao.as_ref().expect("it runs")
    }

    pub(crate) async fn fill(bao: &Bao, key: &str, role: serde_json::Value) {
        bao.put(NAME, json!({ "key": key, "note": "canary" })).await;
        let mut attributes = json!({ "role_id": ROLE });
        attributes.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
        assert_eq!(bao.app_role(attributes).await, ROLE);
    }

    pub(crate) fn vault(address: SocketAddr) -> Vault {
        let vault = Vault::new(&format!("http://{address}")).unwrap().with_timeout(LONG);
        vault.with_app_role(ROLE, StaticSource::new("secret-id-canary"))
    }
}

impl Store for OfVault {
    type Source = VaultSource;

    async fn start() -> Self {
        log::begin();
        let bao = Bao::start().await;
        Self::fill(&bao, &key(0), json!({})).await;
        Self { address: bao.address, bao: Some(bao), version: 1 }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn source_by(&self, address: SocketAddr) -> VaultSource {
        Self::vault(address).kv2("secret", NAME).with_field("key")
    }

    async fn rotate(&mut self, key: &str) -> String {
        self.bao().put(NAME, json!({ "key": key })).await;
        self.version += 1;
        self.version.to_string()
    }

    fn stop(&mut self) {
        self.bao = None;
    }

    async fn start_again(&mut self, key: &str) {
        let bao = Bao::start_at(self.address.port()).await.unwrap();
        Self::fill(&bao, key, json!({})).await;
        (self.bao, self.version) = (Some(bao), 1);
    }
}

/// ministack, where a new version comes as `AWSPENDING` and is made `AWSCURRENT` after that.
pub(crate) struct OfAws {
    ministack: Option<Emulator>,
    address: SocketAddr,
    version: String,
}

/// A configuration as an application has it, with credentials that emulators take.
pub(crate) fn config(address: SocketAddr) -> SdkConfig {
    let credentials = Credentials::new("AKIATEST", "secret-access-key-canary", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .build()
}

impl OfAws {
    pub(crate) const fn ministack(&self) -> &Emulator {
        self.ministack.as_ref().expect("it runs")
    }

    pub(crate) fn aws(address: SocketAddr) -> Aws {
        Aws::from_config(config(address)).with_timeout(LONG)
    }

    fn text(key: &str) -> String {
        json!({ "key": key, "note": "canary" }).to_string()
    }
}

impl Store for OfAws {
    type Source = AwsSource;

    async fn start() -> Self {
        log::begin();
        let ministack = Emulator::ministack().await;
        let (_, version) = ministack.create(NAME, &Self::text(&key(0))).await;
        Self { address: ministack.address, ministack: Some(ministack), version }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn source_by(&self, address: SocketAddr) -> AwsSource {
        Self::aws(address).secret(NAME).with_field("key")
    }

    async fn rotate(&mut self, key: &str) -> String {
        let version = self.ministack().put(NAME, &Self::text(key), Some("AWSPENDING")).await;
        self.ministack().promote(NAME, &self.version, &version).await;
        self.version.clone_from(&version);
        version
    }

    fn stop(&mut self) {
        self.ministack = None;
    }

    async fn start_again(&mut self, key: &str) {
        let ministack = Emulator::ministack_at(self.address).await;
        (_, self.version) = ministack.create(NAME, &Self::text(key)).await;
        self.ministack = Some(ministack);
    }
}
