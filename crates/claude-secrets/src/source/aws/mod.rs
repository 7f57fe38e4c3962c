//! AWS Secrets Manager, with the official SDK.

mod airlock;
mod answer;
mod client;
mod endpoint;
mod error_code;
mod refusal;
mod route;
mod secret;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use self::client::{Chain, Client, Settings};
use super::SourceError;

pub use secret::AwsSource;

/// How long one fetch may take, where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(5);

/// AWS Secrets Manager in one region, with one set of credentials: the handle that [`secret`](Self::secret) makes sources of.
///
/// ```no_run
/// use std::time::Duration;
///
/// use claude_secrets::source::{Aws, SecretSource};
///
/// # async fn example() -> Result<(), claude_secrets::source::SourceError> {
/// // Region and credentials in the way of every AWS program.
/// let aws = Aws::new();
/// let source = aws.secret("prod/claude").with_field("api_key");
/// assert_eq!(source.id(), "aws:prod/claude#api_key");
/// let fetched = source.fetch().await?;
/// println!("version {:?}", fetched.version);
///
/// // Or with everything said.
/// let aws = Aws::new()
///     .with_region("eu-central-1")
///     .with_profile("prod")
///     .with_endpoint("https://vpce-0a1b2c.secretsmanager.eu-central-1.vpce.amazonaws.com")?
///     .with_timeout(Duration::from_secs(2));
/// let source = aws
///     .secret("arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/claude-AbCdEf")
///     .with_field("api_key")
///     .with_overlap(Duration::from_secs(60 * 60));
/// # drop(source);
/// # Ok(())
/// # }
/// ```
///
/// # Region and credentials
///
/// The region is the one that is set here, or is in the [`SdkConfig`](aws_config::SdkConfig), or is part of the ARN of a secret, for
/// which then a client of its own is made; otherwise it is found, and so are the credentials.
///
/// What is not set here is found as all AWS programs find it: the environment (`AWS_REGION`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`,
/// …), the profile files under `~/.aws`, a web identity token (IRSA in EKS), the container's credentials (ECS, EKS Pod
/// Identity), and the instance's metadata. An application that has its own [`SdkConfig`](aws_config::SdkConfig) hands it to
/// [`from_config`](Self::from_config). Profiles that log in with IAM Identity Center (SSO) need that: what they take is not
/// compiled in here.
///
/// # Permissions
///
/// `secretsmanager:GetSecretValue` on the secret, and `kms:Decrypt` on its key, unless that is the account's own
/// `aws/secretsmanager`. Nothing else is called.
///
/// # When something happens
///
/// Nothing is loaded or connected before the first fetch, so a program starts without AWS. Clones, and the sources made of
/// them, share one client with its connections and its credentials. Settings made after a clone are that clone's own; a new
/// region, profile or endpoint means a new client. What failed to load, such as a profile that has no region, is tried again by
/// the next fetch. A fetch may be dropped at any point; the next one begins again where nothing was finished.
///
/// # What is kept from the SDK
///
/// The SDK writes what it receives to its logs: at `TRACE`, and in texts of errors. Here it never has the answer in hand: it
/// finds credentials, signs, sends and repeats, and what came back is read by this crate, at most 512 KiB of it, and wiped.
/// That holds with `LOG_SENSITIVE_BODIES=true` in the environment, too.
///
/// # TLS and proxies
///
/// Rustls with ring and the system's root certificates, whatever other features choose. What goes to `https` goes through the
/// HTTP proxy in `HTTPS_PROXY`, or else `ALL_PROXY`, unless the host is in `NO_PROXY`. Plain `http` never does: that is how the
/// metadata of instances and containers gives credentials to whoever asks. A client in a `SdkConfig` is used as it is.
///
/// Needs Rust 1.94.1, as the SDK does (2026-11).
#[derive(Clone)]
pub struct Aws {
    /// Kept out of what clones share: a handle with another time-out has the same client.
    timeout: Duration,
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    client: OnceCell<Client>,
    /// The same for the regions of ARNs: as many as the program names.
    elsewhere: Mutex<Vec<(String, Arc<Shared>)>>,
}

impl Aws {
    /// Region and credentials in the way of every AWS program.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Settings::Chain(Chain::default()), TIMEOUT)
    }

    /// The application's own configuration: region, credentials, endpoint and HTTP client as they are in it. A fetch makes no
    /// more than two attempts, whatever it says.
    #[must_use]
    pub fn from_config(config: aws_config::SdkConfig) -> Self {
        Self::of(Settings::Given(Box::new(config)), TIMEOUT)
    }

    /// The region, such as `eu-central-1`, before what ARNs and the environment say.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        let region = region.into();
        self.set(|settings| settings.set_region(region))
    }

    /// The profile of the files under `~/.aws` that region and credentials are taken from, before what `AWS_PROFILE` says. A
    /// configuration of the application's own has chosen already: with one, this is an error of the first fetch.
    #[must_use]
    pub fn with_profile(self, profile: impl Into<String>) -> Self {
        let profile = profile.into();
        self.set(|settings| settings.set_profile(profile))
    }

    /// Where Secrets Manager is, instead of at the region's public address: an interface endpoint in a VPC, or an emulator.
    ///
    /// # Errors
    ///
    /// When it is no URL of scheme `https` or `http`, or holds a name and password, a query or a path. Over `http` the key
    /// travels in clear.
    pub fn with_endpoint(self, endpoint: &str) -> Result<Self, SourceError> {
        let endpoint = endpoint::checked(endpoint)?;
        Ok(self.set(|settings| settings.set_endpoint(endpoint)))
    }

    /// How long one fetch may take in all: finding settings and credentials, two attempts, and the version before, which has two
    /// seconds of it at the most. 5 s if not set.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A secret, by its name or its ARN (for one of another account, its ARN). The region in an ARN is asked, unless another was
    /// chosen.
    #[must_use]
    pub fn secret(&self, name: impl Into<Arc<str>>) -> AwsSource {
        let name = name.into();
        let aws = region_of(&name).and_then(|region| self.of_region(region));
        AwsSource::new(aws.unwrap_or_else(|| self.clone()), name)
    }

    /// This handle in another region, if it has not chosen one. All that it makes for one share a client.
    fn of_region(&self, region: &str) -> Option<Self> {
        let settings = self.shared.settings.of_region(region)?;
        let mut elsewhere = self.shared.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let known = elsewhere.iter().find(|(known, _)| known == region).map(|(_, shared)| Arc::clone(shared));
        let shared = known.unwrap_or_else(|| {
            let made = Self::of(settings, self.timeout).shared;
            elsewhere.push((region.to_owned(), Arc::clone(&made)));
            made
        });
        Some(Self { timeout: self.timeout, shared })
    }

    fn of(settings: Settings, timeout: Duration) -> Self {
        let shared = Shared { settings, client: OnceCell::new(), elsewhere: Mutex::default() };
        Self { timeout, shared: Arc::new(shared) }
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.shared.settings.clone();
        change(&mut settings);
        Self::of(settings, self.timeout)
    }

    /// The client, made by whoever asks first. One that is dropped while it makes it leaves that to the next.
    async fn client(&self, id: &str) -> Result<&Client, SourceError> {
        // Boxed, because what looks for credentials is some 20 KiB, which each fetch would carry along.
        self.shared.client.get_or_try_init(|| Box::pin(self.shared.settings.client(id))).await
    }
}

/// The region in an ARN: `arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/claude-AbCdEf`.
fn region_of(name: &str) -> Option<&str> {
    let mut parts = name.split(':');
    let is_arn =
        parts.next() == Some("arn") && parts.next().is_some_and(|partition| partition.starts_with("aws"));
    if !is_arn || parts.next() != Some("secretsmanager") {
        return None;
    }
    parts.next().filter(|region| client::is_label(region))
}

impl Default for Aws {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("settings", &self.shared.settings)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
