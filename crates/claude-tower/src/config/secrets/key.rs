//! `[[secrets.keys]]`: one key, and where it is kept.

use std::path::PathBuf;

use claude_secrets::{
    API_ORIGIN, Key, Origin, Scheme,
    source::{EnvironmentSource, FileSource},
};
use claude_wire::shown;
use http::Uri;
use serde::{Deserialize, Deserializer};

use super::{
    super::{
        ConfigError,
        check::{Check, Validate},
        path, text,
    },
    NAME, SecretsConfig, VaultConfig, refused,
    vault::{KV_VERSION, PATH, is_path},
};

const HEAVIEST: f64 = 1e6;
const ORIGIN: &str = "the origin that the key may go to: http or https, a host and perhaps a port, such as https://api.anthropic.com";
const SOURCES: [&str; 4] = ["env", "file", "aws", "vault"];

/// `[[secrets.keys]]`: a key, by one of `env`, `file`, `aws` and `vault`.
///
/// | key | default | |
/// | --- | --- | --- |
/// | `name` | must be set | 1 to 128 letters, digits and `_ - . : / @`; another for each key |
/// | `env` | | a variable of the environment |
/// | `file` | | a path, relative to the folder of the configuration file |
/// | `aws` | | a name or an ARN in AWS Secrets Manager (feature `aws`) |
/// | `vault` | | a path in the KV engine of [`VaultConfig`](super::VaultConfig) (feature `vault`): below the mount, or whole as in the API, `secret/data/claude/prod` |
/// | `stage` | not set: `AWSCURRENT` | with `aws`: the label of the version |
/// | `version_id` | not set | with `aws`: the only version that is fetched |
/// | `mount` | not set: that of `[secrets.vault]` | with `vault`: where the KV engine is mounted |
/// | `kv_version` | not set: that of `[secrets.vault]` | with `vault`: 1 or 2 |
/// | `version` | not set: the present one | with `vault` and KV version 2: the only version that is fetched, from 1 |
/// | `field` | not set: all of it is the key | the field of JSON that the key is in, with dots for objects in objects |
/// | `lines` | `[]`: for all that have none of their own | lines of business that it is for |
/// | `environment` | not set: for each | a name |
/// | `weight` | `1` | above 0, up to 1000000 |
/// | `limit_group` | not set: learnt from answers | a name |
/// | `origins` | `["https://api.anthropic.com"]` | where it may go |
/// | `scheme` | `"api-key"` | `"api-key"`, `"bearer"` |
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KeyConfig {
    /// The name, in logs, metrics and reports.
    pub name: String,
    /// The variable of the environment that holds it.
    pub env: Option<String>,
    /// The file that holds it.
    #[serde(deserialize_with = "path::optional")]
    pub file: Option<PathBuf>,
    /// The name or the ARN of the secret in AWS Secrets Manager.
    pub aws: Option<String>,
    /// The path of the secret in Vault, below the mount.
    pub vault: Option<String>,
    /// The label of the version in AWS Secrets Manager.
    pub stage: Option<String>,
    /// The id of the only version in AWS Secrets Manager that is fetched.
    pub version_id: Option<String>,
    /// Where the KV engine is mounted, if not where Vault's other keys are.
    pub mount: Option<String>,
    /// The version of that KV engine.
    pub kv_version: Option<u8>,
    /// The only version of the secret in Vault that is fetched.
    pub version: Option<u64>,
    /// The field that the key is in, where that is JSON.
    pub field: Option<String>,
    /// The lines of business whose calls it is for.
    pub lines: Vec<String>,
    /// The only environment that it is for.
    pub environment: Option<String>,
    /// Its share of the requests of its pool.
    pub weight: f64,
    /// What keys have in common that share their limits.
    pub limit_group: Option<String>,
    /// Where it may go, if not to the API alone.
    #[serde(deserialize_with = "origins")]
    pub origins: Vec<Origin>,
    /// Which header carries it.
    #[serde(with = "SchemeWords")]
    pub scheme: Scheme,
}

impl Default for KeyConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            env: None,
            file: None,
            aws: None,
            vault: None,
            stage: None,
            version_id: None,
            mount: None,
            kv_version: None,
            version: None,
            field: None,
            lines: Vec::new(),
            environment: None,
            weight: 1.0,
            limit_group: None,
            origins: Vec::new(),
            scheme: Scheme::default(),
        }
    }
}

impl KeyConfig {
    /// The key for a ring.
    pub(super) fn with(&self, stores: &mut Stores<'_>) -> Result<Key, ConfigError> {
        let mut key = self.at_its_source(stores)?.with_weight(self.weight).with_scheme(self.scheme);
        for line in &self.lines {
            key = key.with_line(line.as_str());
        }
        if let Some(environment) = &self.environment {
            key = key.with_environment(environment.as_str());
        }
        if let Some(group) = &self.limit_group {
            key = key.with_limit_group(group.as_str());
        }
        for origin in &self.origins {
            key = key.with_origin(origin.as_str()).map_err(|error| refused(&error))?;
        }
        Ok(key)
    }

    fn at_its_source(&self, stores: &mut Stores<'_>) -> Result<Key, ConfigError> {
        let name = self.name.as_str();
        let field = self.field.as_deref();
        if let Some(variable) = &self.env {
            let source = EnvironmentSource::new(variable.as_str());
            return Ok(Key::new(
                name,
                match field {
                    Some(field) => source.with_field(field),
                    None => source,
                },
            ));
        }
        if let Some(path) = &self.file {
            let source = FileSource::new(path);
            return Ok(Key::new(
                name,
                match field {
                    Some(field) => source.with_field(field),
                    None => source,
                },
            ));
        }
        stores.key(self)
    }

    /// The origin of this URL, if the key may not go there.
    pub(super) fn lacks(&self, uri: &Uri) -> Option<Origin> {
        let origin = Origin::of(uri)?;
        let may = if self.origins.is_empty() {
            origin.as_str() == API_ORIGIN
        } else {
            self.origins.contains(&origin)
        };
        (!may).then_some(origin)
    }

    /// The KV engine that it is in, and the path in it, of which the whole form of the API is read too: `secret/data/claude/prod`.
    pub(super) fn in_vault<'a>(&'a self, vault: &'a VaultConfig) -> InVault<'a> {
        let mount = self.mount.as_deref().unwrap_or(&vault.mount).trim_matches('/');
        let kv_version = self.kv_version.unwrap_or(vault.kv_version);
        let path = self.vault.as_deref().unwrap_or_default().trim_matches('/');
        let below = path.strip_prefix(mount).and_then(|path| path.strip_prefix('/'));
        let whole = if kv_version == 1 { below } else { below.and_then(|path| path.strip_prefix("data/")) };
        InVault { mount, kv_version, path: whole.unwrap_or(path), is_whole: whole.is_some() }
    }

    /// What belongs to one store has no effect on keys from elsewhere.
    fn check_store(&self, check: &mut Check<'_>) {
        for (key, is_set, store, is_there) in [
            ("stage", self.stage.is_some(), "aws", self.aws.is_some()),
            ("version_id", self.version_id.is_some(), "aws", self.aws.is_some()),
            ("mount", self.mount.is_some(), "vault", self.vault.is_some()),
            ("kv_version", self.kv_version.is_some(), "vault", self.vault.is_some()),
            ("version", self.version.is_some(), "vault", self.vault.is_some()),
        ] {
            let message = format!("is only for keys with {store}");
            check.together(is_there || !is_set, &[key, store], message);
        }
        let is_mount = self.mount.as_deref().is_none_or(is_path);
        check.require(is_mount, "mount", PATH);
        if let Some(kv_version) = self.kv_version {
            check.number("kv_version", kv_version, KV_VERSION);
        }
        check.require(self.version != Some(0), "version", "must be at least 1");
    }

    fn sources(&self) -> Vec<&'static str> {
        let set = [self.env.is_some(), self.file.is_some(), self.aws.is_some(), self.vault.is_some()];
        SOURCES.into_iter().zip(set).filter_map(|(name, is_set)| is_set.then_some(name)).collect()
    }
}

impl Validate for KeyConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.require(shown::name(&self.name).is_some(), "name", NAME);
        match &self.sources()[..] {
            [] => {
                let message = "must be set, or file, aws or vault instead: where the key is kept";
                check.together(false, &SOURCES, message);
            }
            [_] => {}
            several => {
                let message = format!("must be the only source, but there are {}", several.join(" and "));
                check.together(false, several, message);
            }
        }
        self.check_store(check);
        let is_variable = self.env.as_deref().is_none_or(is_variable);
        check.require(is_variable, "env", "must be the name of a variable: letters, digits and _");
        for (key, id) in [
            ("aws", &self.aws),
            ("stage", &self.stage),
            ("version_id", &self.version_id),
            ("vault", &self.vault),
            ("field", &self.field),
        ] {
            let is_id = id.as_deref().is_none_or(is_id);
            check.require(is_id, key, "must be 1 to 2048 visible ASCII characters");
        }
        for (key, is_set, is_there) in [
            ("aws", self.aws.is_some(), cfg!(feature = "aws")),
            ("vault", self.vault.is_some(), cfg!(feature = "vault")),
        ] {
            let message =
                format!("is not built in: build with the feature {key}, as in cargo run --features {key}");
            check.require(is_there || !is_set, key, message);
        }
        let are_names = self.lines.iter().all(|line| shown::name(line).is_some());
        check.require(are_names, "lines", format!("{NAME} each"));
        for (key, name) in [("environment", &self.environment), ("limit_group", &self.limit_group)] {
            let is_name = name.as_deref().is_none_or(|name| shown::name(name).is_some());
            check.require(is_name, key, NAME);
        }
        let weight = self.weight;
        let message = format!("must be above 0 and at most {HEAVIEST}, but is {weight}");
        check.require(weight > 0.0 && weight <= HEAVIEST, "weight", message);
    }
}

/// Where in Vault a key is.
pub(super) struct InVault<'a> {
    pub(super) mount: &'a str,
    pub(super) kv_version: u8,
    /// Below the mount.
    pub(super) path: &'a str,
    /// Whether it was written as in the API.
    pub(super) is_whole: bool,
}

impl InVault<'_> {
    /// Why it is hardly the path of a secret. Those that are such all the same can be written as in the API.
    pub(super) fn check(&self) -> Result<(), String> {
        if !is_path(self.path) {
            return Err(PATH.to_owned());
        }
        let (mount, path) = (self.mount, self.path);
        let begins_with = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        if self.is_whole || self.kv_version == 1 || !(begins_with("data") || begins_with(mount)) {
            return Ok(());
        }
        let rest = path.strip_prefix(mount).unwrap_or(path).trim_start_matches('/');
        let rest = rest.strip_prefix("data/").unwrap_or(rest);
        Err(format!(
            "must be the path below the mount, such as {rest}, or the whole one of the API, {mount}/data/{rest}, but is neither"
        ))
    }
}

pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 2_048 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The secret stores, of which all keys share one each.
pub(super) struct Stores<'a> {
    #[cfg_attr(
        not(any(feature = "aws", feature = "vault")),
        expect(dead_code, reason = "there are no stores")
    )]
    config: &'a SecretsConfig,
    #[cfg(feature = "aws")]
    aws: Option<claude_secrets::source::Aws>,
    #[cfg(feature = "vault")]
    vault: Option<claude_secrets::source::Vault>,
}

impl<'a> Stores<'a> {
    pub(super) fn new(config: &'a SecretsConfig) -> Self {
        Self {
            config,
            #[cfg(feature = "aws")]
            aws: None,
            #[cfg(feature = "vault")]
            vault: None,
        }
    }

    fn key(&mut self, key: &KeyConfig) -> Result<Key, ConfigError> {
        #[cfg(feature = "aws")]
        if let Some(id) = &key.aws {
            let aws = match self.aws.take() {
                Some(aws) => aws,
                None => self.config.aws.store()?,
            };
            let mut source = self.aws.insert(aws).secret(id.as_str()).with_overlap(self.config.overlap);
            if let Some(stage) = &key.stage {
                source = source.with_stage(stage.as_str());
            }
            if let Some(version) = &key.version_id {
                source = source.with_version_id(version.as_str());
            }
            return Ok(Key::new(
                key.name.as_str(),
                match &key.field {
                    Some(field) => source.with_field(field),
                    None => source,
                },
            ));
        }
        #[cfg(feature = "vault")]
        if key.vault.is_some() {
            let vault = match self.vault.take() {
                Some(vault) => vault,
                None => self.config.vault.store()?,
            };
            let vault = self.vault.insert(vault);
            let at = key.in_vault(&self.config.vault);
            let source = match at.kv_version {
                1 => vault.kv1(at.mount, at.path),
                // Which reads the whole form, too; twice would be once too often.
                _ => vault.kv2(at.mount, key.vault.as_deref().unwrap_or_default()),
            };
            let mut source = source.with_overlap(self.config.overlap);
            if let Some(version) = key.version {
                source = source.with_version(version);
            }
            return Ok(Key::new(
                key.name.as_str(),
                match &key.field {
                    Some(field) => source.with_field(field),
                    None => source,
                },
            ));
        }
        // The check has said so already.
        Err(refused(&NoSource(key.name.clone())))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("key {0} has no source that is built in")]
struct NoSource(String);

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Origin>, D::Error> {
    Ok(Vec::<Written>::deserialize(deserializer)?.into_iter().map(|origin| origin.0).collect())
}

struct Written(Origin);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, ORIGIN, |text| text.parse().ok().map(Self))
    }
}

/// How [`Scheme`] is written.
#[derive(Deserialize)]
#[serde(remote = "Scheme", rename_all = "kebab-case")]
enum SchemeWords {
    ApiKey,
    Bearer,
}
