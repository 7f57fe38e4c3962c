//! `[secrets.vault]`: how Vault or OpenBao is reached, and how one logs in there.

use std::{fmt, ops::RangeInclusive, path::PathBuf, time::Duration};

use http::Uri;
use serde::{Deserialize, Deserializer};

use super::{
    super::{
        check::{Check, Validate},
        duration, path, text,
        url::{Rules, shown},
    },
    key::{is_id, is_variable},
};

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);
pub(super) const KV_VERSION: RangeInclusive<u8> = 1..=2;
const ADDRESS: Rules = Rules { schemes: &["http", "https"], user: false, path: true, port: &[] };
const ADDRESS_EXPECTED: &str =
    "an http or https URL without user, query and fragment, such as https://vault.internal:8200";

/// `[secrets.vault]`: HashiCorp Vault or OpenBao, for keys with `vault`.
///
/// | key | default | |
/// | --- | --- | --- |
/// | `address` | not set | a URL; must be set if a key is there |
/// | `mount` | `"secret"` | where the KV engine is mounted |
/// | `kv_version` | `2` | 1 or 2 |
/// | `namespace` | not set | |
/// | `ca_file` | not set: the system's authorities | path of a PEM file with the only authorities that are believed |
/// | `timeout` | `5s` | `100ms` to `5m`, for one request |
/// | `token_env`, `token_file` | not set | where a token is kept |
/// | `role_id`, with `secret_id_env` or `secret_id_file` | not set | a login as an AppRole |
/// | `kubernetes_role` | not set | a login with the token of the pod's service account |
/// | `jwt_role`, with `jwt_env` or `jwt_file` | not set | a login with a JSON Web Token |
/// | `auth_mount` | not set | where the method of the login is mounted, if not by its own name; needs one of the three roles |
///
/// One way to get a token at the most: without any, requests carry none, which is right for an agent that puts one on. Relative
/// paths are relative to the folder of the configuration file. Requests go straight to the server, past `client.proxy` and any
/// proxy in the environment.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VaultConfig {
    /// Where it is.
    #[serde(deserialize_with = "address")]
    pub address: Option<Uri>,
    /// Where the KV engine is mounted.
    pub mount: String,
    /// The version of the KV engine.
    pub kv_version: u8,
    /// The namespace.
    pub namespace: Option<String>,
    /// The authorities that have signed the server's certificate.
    #[serde(deserialize_with = "path::optional")]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// The variable that holds a token.
    pub token_env: Option<String>,
    /// The file that holds a token.
    #[serde(deserialize_with = "path::optional_of_secret")]
    pub token_file: Option<PathBuf>,
    /// The role id of an AppRole.
    pub role_id: Option<String>,
    /// The variable that holds the secret id of the AppRole.
    pub secret_id_env: Option<String>,
    /// The file that holds the secret id of the AppRole.
    #[serde(deserialize_with = "path::optional_of_secret")]
    pub secret_id_file: Option<PathBuf>,
    /// The role that the service account of the pod logs in as.
    pub kubernetes_role: Option<String>,
    /// The role that a JSON Web Token logs in as.
    pub jwt_role: Option<String>,
    /// The variable that holds the JSON Web Token.
    pub jwt_env: Option<String>,
    /// The file that holds the JSON Web Token.
    #[serde(deserialize_with = "path::optional_of_secret")]
    pub jwt_file: Option<PathBuf>,
    /// Where the method of the login is mounted.
    pub auth_mount: Option<String>,
}

impl Default for VaultConfig {
    fn default() -> Self {
        Self {
            address: None,
            mount: "secret".to_owned(),
            kv_version: 2,
            namespace: None,
            ca_file: None,
            timeout: Duration::from_secs(5),
            token_env: None,
            token_file: None,
            role_id: None,
            secret_id_env: None,
            secret_id_file: None,
            kubernetes_role: None,
            jwt_role: None,
            jwt_env: None,
            jwt_file: None,
            auth_mount: None,
        }
    }
}

#[cfg(feature = "vault")]
impl VaultConfig {
    pub(super) fn store(&self) -> Result<claude_secrets::source::Vault, super::ConfigError> {
        use claude_secrets::source::{EnvironmentSource, FileSource, Vault};

        let address = self.address.as_ref().map(Uri::to_string).unwrap_or_default();
        let mut vault =
            Vault::new(&address).map_err(|error| super::refused(&error))?.with_timeout(self.timeout);
        if let Some(namespace) = &self.namespace {
            vault = vault.with_namespace(namespace.as_str());
        }
        if let Some(path) = &self.ca_file {
            vault = vault.with_ca_file(path);
        }
        if let Some(mount) = &self.auth_mount {
            vault = vault.with_auth_mount(mount.as_str());
        }
        if let Some(variable) = &self.token_env {
            vault = vault.with_token(EnvironmentSource::new(variable.as_str()));
        }
        if let Some(path) = &self.token_file {
            vault = vault.with_token(FileSource::new(path));
        }
        if let Some(role) = &self.role_id {
            let role = role.as_str();
            if let Some(variable) = &self.secret_id_env {
                vault = vault.with_app_role(role, EnvironmentSource::new(variable.as_str()));
            } else if let Some(path) = &self.secret_id_file {
                vault = vault.with_app_role(role, FileSource::new(path));
            }
        }
        if let Some(role) = &self.kubernetes_role {
            vault = vault.with_kubernetes(role.as_str());
        }
        if let Some(role) = &self.jwt_role {
            let role = role.as_str();
            if let Some(variable) = &self.jwt_env {
                vault = vault.with_jwt(role, EnvironmentSource::new(variable.as_str()));
            } else if let Some(path) = &self.jwt_file {
                vault = vault.with_jwt(role, FileSource::new(path));
            }
        }
        Ok(vault)
    }
}

impl Validate for VaultConfig {
    fn check(&self, check: &mut Check<'_>) {
        let valid = self.address.as_ref().is_none_or(|uri| ADDRESS.allows(uri));
        check.require(valid, "address", format!("must be {ADDRESS_EXPECTED}"));
        check.number("kv_version", self.kv_version, KV_VERSION);
        check.duration("timeout", self.timeout, TIMEOUT);
        check.require(is_path(&self.mount), "mount", PATH);
        for (key, id) in [
            ("namespace", self.namespace.as_ref()),
            ("role_id", self.role_id.as_ref()),
            ("kubernetes_role", self.kubernetes_role.as_ref()),
            ("jwt_role", self.jwt_role.as_ref()),
        ] {
            let is_id = id.is_none_or(|id| is_id(id));
            check.require(is_id, key, "must be visible ASCII characters, at least one");
        }
        let is_mount = self.auth_mount.as_deref().is_none_or(is_path);
        check.require(is_mount, "auth_mount", PATH);
        for (key, variable) in [
            ("token_env", &self.token_env),
            ("secret_id_env", &self.secret_id_env),
            ("jwt_env", &self.jwt_env),
        ] {
            let is_variable = variable.as_deref().is_none_or(is_variable);
            check.require(is_variable, key, "must be the name of a variable: letters, digits and _");
        }
        self.check_login(check);
    }
}

impl VaultConfig {
    fn check_login(&self, check: &mut Check<'_>) {
        let ways = [
            ("token_env", self.token_env.is_some()),
            ("token_file", self.token_file.is_some()),
            ("role_id", self.role_id.is_some()),
            ("kubernetes_role", self.kubernetes_role.is_some()),
            ("jwt_role", self.jwt_role.is_some()),
        ];
        let ways: Vec<&str> = ways.iter().filter_map(|(key, is_set)| is_set.then_some(*key)).collect();
        let message = format!("must be the only way to get a token, but there are {}", ways.join(" and "));
        check.together(ways.len() <= 1, &ways, message);

        let secret_id = (self.secret_id_env.is_some(), self.secret_id_file.is_some());
        role_needs(
            check,
            ("role_id", self.role_id.is_some()),
            ["secret_id_env", "secret_id_file"],
            secret_id,
        );
        let jwt = (self.jwt_env.is_some(), self.jwt_file.is_some());
        role_needs(check, ("jwt_role", self.jwt_role.is_some()), ["jwt_env", "jwt_file"], jwt);

        let logs_in = self.role_id.is_some() || self.kubernetes_role.is_some() || self.jwt_role.is_some();
        check.together(
            logs_in || self.auth_mount.is_none(),
            &["auth_mount", "role_id", "kubernetes_role", "jwt_role"],
            "needs a login, by secrets.vault.role_id, secrets.vault.kubernetes_role or secrets.vault.jwt_role",
        );
    }
}

/// A role and what proves it, in a variable or in a file: both or neither, and one of the two.
fn role_needs(
    check: &mut Check<'_>,
    (role, has_role): (&str, bool),
    [env, file]: [&str; 2],
    (has_env, has_file): (bool, bool),
) {
    check.together(
        !has_role || has_env || has_file,
        &[role, env, file],
        format!("needs secrets.vault.{env} or secrets.vault.{file} as well"),
    );
    check.together(
        has_role || !(has_env || has_file),
        &[env, file, role],
        format!("needs secrets.vault.{role} as well"),
    );
    check.together(
        !(has_env && has_file),
        &[env, file],
        format!("must be the only one: set secrets.vault.{env} or secrets.vault.{file}"),
    );
}

pub(super) const PATH: &str =
    "must be a path of visible ASCII characters, without empty names, . and .. in it";

/// Whether it is a path at Vault, where slashes around it do not matter.
pub(super) fn is_path(path: &str) -> bool {
    is_id(path) && path.trim_matches('/').split('/').all(|name| !matches!(name, "" | "." | ".."))
}

impl fmt::Debug for VaultConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All fields are named, so that a new one is not forgotten here.
        let Self {
            address,
            mount,
            kv_version,
            namespace,
            ca_file,
            timeout,
            token_env,
            token_file,
            role_id,
            secret_id_env,
            secret_id_file,
            kubernetes_role,
            jwt_role,
            jwt_env,
            jwt_file,
            auth_mount,
        } = self;
        f.debug_struct("VaultConfig")
            .field("address", &address.as_ref().map(shown))
            .field("mount", mount)
            .field("kv_version", kv_version)
            .field("namespace", namespace)
            .field("ca_file", ca_file)
            .field("timeout", timeout)
            .field("token_env", token_env)
            .field("token_file", token_file)
            .field("role_id", role_id)
            .field("secret_id_env", secret_id_env)
            .field("secret_id_file", secret_id_file)
            .field("kubernetes_role", kubernetes_role)
            .field("jwt_role", jwt_role)
            .field("jwt_env", jwt_env)
            .field("jwt_file", jwt_file)
            .field("auth_mount", auth_mount)
            .finish()
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    Ok(Option::<Address>::deserialize(deserializer)?.map(|address| address.0))
}

struct Address(Uri);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, ADDRESS_EXPECTED, |text| ADDRESS.parse(text).map(Self))
    }
}
