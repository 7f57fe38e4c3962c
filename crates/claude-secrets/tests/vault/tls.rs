//! TLS, with an authority of its own.

use std::path::{Path, PathBuf};

use claude_secrets::source::SourceErrorKind::{Misconfigured, Unavailable};
use claude_secrets::source::{StaticSource, Vault};

use crate::bao::Bao;
use crate::{key, why};

/// A folder that goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("claude-secrets-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn vault(bao: &Bao) -> Vault {
    Vault::new(&format!("https://{}", bao.address)).unwrap().with_token(StaticSource::new(&*bao.root))
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_certificate_is_trusted_by_its_authority_alone() {
    let home = Folder::new("tls");
    let bao = Bao::start_with_tls(&home.0).await;
    assert!(bao.command(&home.0, &["kv", "put", "-mount=secret", "claude", "k=sk-ant-tls-canary"]));
    let authority = home.0.join("vault-ca.pem");
    let by_file = vault(&bao).with_ca_file(&authority);
    assert_eq!(key(&by_file.kv2("secret", "claude")).await, "sk-ant-tls-canary");
    let by_text = vault(&bao).with_ca_pem(std::fs::read(&authority).unwrap());
    assert_eq!(key(&by_text.kv2("secret", "claude")).await, "sk-ant-tls-canary");

    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let by_another = vault(&bao).with_ca_pem(other.cert.pem());
    let (kind, why_not) = why(&by_another.kv2("secret", "claude")).await;
    assert_eq!(kind, Unavailable);
    assert!(why_not.starts_with("its certificate is not trusted: "), "{why_not}");

    let without = Vault::new(&format!("http://{}", bao.address)).unwrap();
    assert_eq!(why(&without.kv2("secret", "claude")).await.0, Misconfigured, "plain HTTP to a port of TLS");
}

#[tokio::test]
#[ignore = "needs OpenBao: run by cargo xtask test"]
async fn a_certificate_of_a_private_authority_is_not_trusted_unless_it_is_named() {
    let home = Folder::new("tls-system");
    let bao = Bao::start_with_tls(&home.0).await;
    let (kind, why_not) = why(&vault(&bao).kv2("secret", "claude")).await;
    // A system without authorities cannot trust anybody, and says that instead.
    let expected = ["its certificate is not trusted", "the system has no certificate authorities"];
    assert!(expected.iter().any(|words| why_not.starts_with(words)), "{kind:?} {why_not}");
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named() {
    let source = |vault: Vault| vault.kv2("secret", "claude");
    let vault = Vault::new("https://127.0.0.1:1").unwrap();
    let (kind, why_not) = why(&source(vault.clone().with_ca_file("/nowhere/ca.pem"))).await;
    let words = "the authority's file /nowhere/ca.pem cannot be read: entity not found";
    assert_eq!((kind, &*why_not), (Misconfigured, words));
    let (kind, why_not) = why(&source(vault.clone().with_ca_pem("canary"))).await;
    assert_eq!((kind, &*why_not), (Misconfigured, "the PEM of the authority has no certificate in it"));
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert_eq!(why(&source(vault.with_ca_file(here))).await.0, Misconfigured);
}
