//! One secret.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::config::Config;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

use super::Aws;
use super::airlock::{Airlock, Answer, Heard};
use super::answer::Version;
use super::refusal;
use crate::source::field::{Field, choose};
use crate::source::shown::shown;
use crate::source::{Fetch, Fetched, SecretSource, SourceError, SourceErrorKind};

/// For how long after a rotation the key before it is fetched, where nothing else is said.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that the version before is waited for: whoever asked may have a limit of their own, and would lose the key that is there
/// already.
const THE_ONE_BEFORE: Duration = Duration::from_secs(2);

/// The stage of the version before the present one.
const PREVIOUS: &str = "AWSPREVIOUS";

/// A secret in AWS Secrets Manager: the key itself, or JSON with the key in a field. Made by [`Aws::secret`].
///
/// Text (`SecretString`) and bytes (`SecretBinary`, which must be UTF-8) are taken alike. A clone reads the same secret with the
/// same client.
#[derive(Clone, Debug)]
pub struct AwsSource {
    id: Arc<str>,
    aws: Aws,
    name: Arc<str>,
    field: Option<Field>,
    stage: Option<Arc<str>>,
    version: Option<Arc<str>>,
    overlap: Duration,
}

impl AwsSource {
    pub(super) fn new(aws: Aws, name: Arc<str>) -> Self {
        let id = Arc::from("");
        Self { id, aws, name, field: None, stage: None, version: None, overlap: OVERLAP }.named()
    }

    /// The key is in a field of JSON, as the console makes it: its name, or several with dots between them for objects in
    /// objects. Without this the whole text is the key, and a text that is a JSON object is an error.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.field = Some(Field::new(field));
        self.named()
    }

    /// The version that has this label. Without it, and without [`with_version_id`](Self::with_version_id), it is
    /// `AWSCURRENT`, which follows each rotation. With it the version before is not fetched.
    #[must_use]
    pub fn with_stage(mut self, stage: impl Into<Arc<str>>) -> Self {
        self.stage = Some(stage.into());
        self.named()
    }

    /// This version and no other, which never rotates. If a stage is set too, the version must have it.
    #[must_use]
    pub fn with_version_id(mut self, version: impl Into<Arc<str>>) -> Self {
        self.version = Some(version.into());
        self.named()
    }

    /// For how long after a version was made the one before (`AWSPREVIOUS`) is fetched with it, as
    /// [`Fetched::previous`]; that costs a second call for each fetch. 24 hours if not set, and zero is never.
    ///
    /// It is counted by the service's clock, from when the version was *created*: a key that waited for longer than this as
    /// `AWSPENDING` comes alone. That the version before cannot be had is no error.
    #[must_use]
    pub const fn with_overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }

    /// `aws:`, the name, `@` and a stage or version that is asked for, `#` and the field.
    fn named(mut self) -> Self {
        let labels =
            [&self.stage, &self.version].into_iter().flatten().map(|label| format!("@{}", shown(label)));
        let field = self.field.iter().map(|field| format!("#{field}"));
        self.id = format!("aws:{}{}", shown(&self.name), labels.chain(field).collect::<String>()).into();
        self
    }

    async fn both(&self) -> Result<Fetched, SourceError> {
        // What is asked for stands in the SDK's logs.
        for asked in [Some(&self.name), self.stage.as_ref(), self.version.as_ref()].into_iter().flatten() {
            if shown(asked) != &**asked {
                return Err(self.error(SourceErrorKind::Misconfigured, "a key was given in place of a name"));
            }
        }
        let deadline = Instant::now().checked_add(self.aws.timeout);
        let heard = Heard::default();
        let (present, now) =
            within(deadline, self.version(&heard, self.stage.as_deref(), self.version.as_deref()))
                .await
                .unwrap_or_else(|| Err(self.late(&heard)))?;
        let wants_previous = self.wants_previous(&present, now);
        let mut fetched = Fetched::new(self.key(present.text)?);
        fetched.version = present.id;
        fetched.created = present.created;
        if wants_previous {
            let soon = Instant::now() + THE_ONE_BEFORE;
            let deadline = deadline.map_or(soon, |deadline| deadline.min(soon));
            let previous = self.previous(fetched.version.as_deref());
            fetched.previous = timeout_at(deadline, previous).await.ok().flatten();
        }
        Ok(fetched)
    }

    /// One version, and what time it was at the service.
    async fn version(
        &self,
        heard: &Heard,
        stage: Option<&str>,
        version: Option<&str>,
    ) -> Result<(Version, Option<SystemTime>), SourceError> {
        let client = self.aws.client(&self.id).await?;
        let airlock = Airlock::new(client.http.clone(), heard.clone());
        let sent = client
            .sdk
            .get_secret_value()
            .secret_id(&*self.name)
            .set_version_stage(stage.map(ToOwned::to_owned))
            .set_version_id(version.map(ToOwned::to_owned))
            .customize()
            .config_override(Config::builder().http_client(airlock))
            .send();
        if let Err(error) = sent.await {
            let (kind, detail) = refusal::of(&error, heard);
            return Err(self.error(kind, detail));
        }
        match heard.take() {
            Some(Answer::Whole { body, date }) => Ok((Version::read(&self.id, &body)?, date)),
            _ => Err(self.error(SourceErrorKind::Malformed, "the answer is none of Secrets Manager")),
        }
    }

    /// The key before, if there is one and it can be had.
    async fn previous(&self, present: Option<&str>) -> Option<SecretString> {
        let (previous, _) = self.version(&Heard::default(), Some(PREVIOUS), None).await.ok()?;
        let same = previous.id.is_some() && previous.id.as_deref() == present;
        if same { None } else { self.key(previous.text).ok() }
    }

    /// By the service's clock alone: ours may be another. Where it does not say, it does no harm to ask.
    fn wants_previous(&self, present: &Version, now: Option<SystemTime>) -> bool {
        if self.overlap.is_zero() || self.stage.is_some() || self.version.is_some() {
            return false;
        }
        let (Some(created), Some(now)) = (present.created, now) else { return true };
        now.duration_since(created).map_or(true, |age| age < self.overlap)
    }

    fn key(&self, text: SecretString) -> Result<SecretString, SourceError> {
        if self.field.is_none() && is_object(text.expose_secret()) {
            return Err(self.error(SourceErrorKind::Malformed, "is JSON: name the field"));
        }
        choose(&self.id, self.field.as_ref(), text)
    }

    fn late(&self, heard: &Heard) -> SourceError {
        let timeout = self.aws.timeout;
        let detail = if heard.was_sent() {
            format!("no answer within {timeout:?}")
        } else {
            format!(
                "no request within {timeout:?}: it took too long to find the settings and the credentials"
            )
        };
        self.error(SourceErrorKind::TimedOut, detail)
    }

    fn error(&self, kind: SourceErrorKind, detail: impl Into<Cow<'static, str>>) -> SourceError {
        SourceError::new(&self.id, kind, detail)
    }
}

/// A time-out too far off to be a point in time is none.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// No key begins like that.
fn is_object(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

impl SecretSource for AwsSource {
    fn id(&self) -> &str {
        &self.id
    }

    fn fetch(&self) -> Fetch<'_> {
        Box::pin(self.both())
    }
}
