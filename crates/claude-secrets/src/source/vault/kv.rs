//! A secret of a KV engine.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::Vault;
use super::address::encoded;
use super::answer::{Answer, Json};
use super::failure::Failure;
use crate::source::field::Field;
use crate::source::shown::shown;
use crate::source::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};

/// For how long the version before is given, too.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that the version before is waited for.
const THE_ONE_BEFORE: Duration = Duration::from_secs(2);

/// A field of a secret that a KV engine of Vault or OpenBao keeps: what [`Vault::kv2`] and [`Vault::kv1`] make.
///
/// The key is in the [field](Self::with_field) that is named, or in the only one there is.
///
/// Of an engine of version 2 come the number of the version and when it was made, and, while the version is young, the
/// [one before](Self::with_overlap). An engine of version 1 keeps nothing but the present. The lease it speaks of, 32 days unless
/// somebody sets it, says nothing of when the secret changes, and is heeded only where whoever wrote the secret has put a
/// field named `ttl` into it.
#[derive(Clone)]
pub struct VaultSource {
    id: Arc<str>,
    vault: Vault,
    engine: Engine,
    mount: Arc<str>,
    path: Arc<str>,
    field: Option<Field>,
    version: Option<u64>,
    overlap: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Kv1,
    Kv2,
}

impl VaultSource {
    pub(super) fn new(vault: Vault, engine: Engine, mount: &str, path: &str) -> Self {
        let (mount, path) = (mount.trim_matches('/'), path.trim_matches('/'));
        let path = if engine == Engine::Kv2 { without_api(mount, path) } else { path };
        let (mount, path) = (mount.into(), path.into());
        let source =
            Self { id: "".into(), vault, engine, mount, path, field: None, version: None, overlap: OVERLAP };
        source.named()
    }

    /// The name of the field that holds the key, or several names with dots between them for objects in objects.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.field = Some(Field::new(field));
        self.named()
    }

    /// This version of the secret, whatever the present one is. Only an engine of version 2 has versions: with another this fails as
    /// [`Misconfigured`](SourceErrorKind::Misconfigured).
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self.named()
    }

    /// For how long after a version was made the one before it is fetched too, as [`Fetched::previous`]: 24 hours unless set, never if
    /// zero. By the server's clock. One that was deleted or destroyed is not given, which is how to end the overlap at once.
    #[must_use]
    pub const fn with_overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }

    fn named(mut self) -> Self {
        let namespace =
            self.vault.namespace().map(|namespace| format!("{}/", shown(namespace.trim_matches('/'))));
        let version = self.version.map(|version| format!("@{version}"));
        let field = self.field.as_ref().map(|field| format!("#{field}"));
        let part = |part: Option<String>| part.unwrap_or_default();
        let (mount, path) = (shown(&self.mount), shown(&self.path));
        self.id = format!("vault:{}{mount}/{path}{}{}", part(namespace), part(version), part(field)).into();
        self
    }

    async fn read(&self) -> Result<Fetched, SourceError> {
        let begin = Instant::now();
        let failed = |failure: Failure| failure.into_error(&self.id);
        let url = self.url().map_err(failed)?;
        match self.engine {
            Engine::Kv1 => {
                let answer = self.vault.server().read(&url).await.map_err(failed)?;
                self.version_1(&self.success(answer).map_err(failed)?)
            }
            Engine::Kv2 => {
                let versioned = self.version.map(|version| format!("?version={version}"));
                let whole = format!("{url}{}", versioned.unwrap_or_default());
                let answer = self.vault.server().read(&whole).await.map_err(failed)?;
                let now = answer.date;
                let version = self.version_2(&self.success(answer).map_err(failed)?)?;
                let elapsed = Instant::now().saturating_duration_since(begin);
                let limit = time_for_the_one_before(self.vault.timeout(), elapsed);
                Ok(self.with_the_one_before(&url, version, now, limit).await)
            }
        }
    }

    /// The path below `/v1/`.
    fn url(&self) -> Result<String, Failure> {
        let bad = |detail| Failure::new(SourceErrorKind::Misconfigured, detail);
        if self.engine == Engine::Kv1 && self.version.is_some() {
            return Err(bad("KV version 1 keeps no versions"));
        }
        let mount = encoded(&self.mount).ok_or_else(|| bad("the mount is no path"))?;
        let path = encoded(&self.path).ok_or_else(|| bad("the path has an empty name in it, `.` or `..`"))?;
        let between = if self.engine == Engine::Kv2 { "data/" } else { "" };
        Ok(format!("{mount}/{between}{path}"))
    }

    /// The JSON of a success, or why there is none, with what may be wrong with the path.
    fn success(&self, answer: Answer) -> Result<Json, Failure> {
        let reason = self.perhaps(&answer);
        answer.success().map_err(|failure| match reason {
            Some(reason) => failure.and(reason),
            None => failure,
        })
    }

    /// Why it may be that there is nothing, or nothing for us: a policy refuses a path that nobody meant before it is looked at.
    fn perhaps(&self, answer: &Answer) -> Option<&'static str> {
        let nothing = answer.is_absence_without_reason();
        if !nothing && answer.status != StatusCode::FORBIDDEN {
            return None;
        }
        let below_mount = self.path.strip_prefix(&*self.mount).is_some_and(|rest| rest.starts_with('/'));
        if self.engine == Engine::Kv2 && self.path.starts_with("data/") {
            Some("the path begins with `data/`, which is put before it anyway")
        } else if below_mount {
            Some("the path begins with the name of the mount, which is put before it anyway")
        } else if self.engine == Engine::Kv2 && nothing {
            Some("perhaps the engine is of KV version 1")
        } else {
            None
        }
    }

    fn version_1(&self, json: &Json) -> Result<Fetched, SourceError> {
        let data = json.get("data").filter(|data| data.is_object()).ok_or_else(|| self.unlike())?;
        let fetched = Fetched::new(self.key_in(data)?);
        let lease = json.get("lease_duration").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
        Ok(match lease.filter(|_| data.get("ttl").is_some()) {
            Some(seconds) => fetched.with_ttl(Duration::from_secs(seconds)),
            None => fetched,
        })
    }

    fn version_2(&self, json: &Json) -> Result<Version, SourceError> {
        let data = json.get("data").ok_or_else(|| self.unlike())?;
        let fields = data.get("data").filter(|fields| fields.is_object()).ok_or_else(|| self.unlike())?;
        let metadata = data.get("metadata").ok_or_else(|| self.unlike())?;
        let number = metadata.get("version").and_then(Value::as_u64);
        let created = metadata.get("created_time").and_then(Value::as_str).and_then(time);
        Ok(Version { key: self.key_in(fields)?, number, created })
    }

    /// Whatever becomes of the one before, the present one has been had.
    async fn with_the_one_before(
        &self,
        url: &str,
        version: Version,
        now: Option<SystemTime>,
        limit: Duration,
    ) -> Fetched {
        let Version { key, number, created } = version;
        let age = now.zip(created).map(|(now, created)| now.duration_since(created).unwrap_or_default());
        let before = number.filter(|number| *number > 1).map(|number| number - 1);
        let mut fetched = Fetched::new(key);
        if let Some(before) = before
            && self.version.is_none()
            && age.is_some_and(|age| age < self.overlap)
            && !limit.is_zero()
        {
            let path = format!("{url}?version={before}");
            let answer = timeout(limit, self.vault.server().read(&path)).await.ok().and_then(Result::ok);
            let json = answer.and_then(|answer| answer.success().ok());
            let previous = json.and_then(|json| self.version_2(&json).ok());
            let previous = previous.map(|previous| previous.key);
            fetched.previous =
                previous.filter(|previous| previous.expose_secret() != fetched.secret.expose_secret());
        }
        fetched.version = number.map(|number| number.to_string());
        fetched.created = created;
        fetched
    }

    /// The key among the fields of a secret.
    fn key_in(&self, fields: &Value) -> Result<SecretString, SourceError> {
        if let Some(field) = &self.field {
            return field.in_value(&self.id, fields);
        }
        let mut names = fields.as_object().into_iter().flat_map(|fields| fields.keys());
        match (names.next(), names.count()) {
            (None, _) => Err(SourceError::new(&self.id, SourceErrorKind::Empty, "has no field at all")),
            (Some(only), 0) => Field::new(only).in_value(&self.id, fields),
            (Some(_), others) => {
                let detail = format!("has {} fields, and which one is the key was not said", others + 1);
                Err(SourceError::new(&self.id, SourceErrorKind::MissingField, detail))
            }
        }
    }

    fn unlike(&self) -> SourceError {
        let detail = match self.engine {
            Engine::Kv1 => "answers with JSON that is no secret of KV version 1",
            Engine::Kv2 => "answers with JSON that is no secret of KV version 2",
        };
        SourceError::new(&self.id, SourceErrorKind::Malformed, detail)
    }
}

/// The path below the mount, of one that is written as in the API: `<mount>/data/<path>`. A secret whose own path begins like that
/// can be written so, too.
fn without_api<'a>(mount: &str, path: &'a str) -> &'a str {
    path.strip_prefix(mount).and_then(|path| path.strip_prefix("/data/")).unwrap_or(path)
}

/// How long the version before is waited for. Whoever asked has a limit for all of it, which is no less than that of one request, and
/// would lose the key that is there already.
fn time_for_the_one_before(one_request: Duration, elapsed: Duration) -> Duration {
    one_request.saturating_sub(elapsed).min(THE_ONE_BEFORE)
}

/// A version of a secret, read.
struct Version {
    key: SecretString,
    number: Option<u64>,
    created: Option<SystemTime>,
}

fn time(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

impl SecretSource for VaultSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn fetch(&self) -> Fetch<'_> {
        Box::pin(self.read())
    }
}

impl fmt::Debug for VaultSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultSource")
            .field("id", &self.id)
            .field("overlap", &self.overlap)
            .field("vault", &self.vault)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_before_has_what_is_left_of_the_time_and_two_seconds_at_the_most() {
        let seconds = Duration::from_secs;
        for (one_request, elapsed, left) in [(5, 0, 2), (5, 3, 2), (5, 4, 1), (5, 5, 0), (5, 9, 0), (1, 0, 1)]
        {
            assert_eq!(time_for_the_one_before(seconds(one_request), seconds(elapsed)), seconds(left));
        }
    }
}
