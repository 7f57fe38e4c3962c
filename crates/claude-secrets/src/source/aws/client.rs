//! The settings, and the client that is made of them when it is needed.

use std::fmt;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::{Builder, SharedHttpClient};

use super::route::http_client;
use crate::source::{SourceError, SourceErrorKind};

/// Attempts of one fetch. It has seconds, and whoever waits for the key asks again by itself.
const MAX_ATTEMPTS: u32 = 2;

/// What a client is made of.
#[derive(Clone)]
pub(super) enum Settings {
    /// What is set here, and the usual places for the rest.
    Chain(Chain),
    /// The application's own configuration.
    Given(Box<SdkConfig>),
    /// A profile for a configuration that has chosen already.
    Contradictory,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    region: Option<String>,
    profile: Option<String>,
    endpoint: Option<String>,
}

impl Settings {
    pub(super) fn set_region(&mut self, region: String) {
        match self {
            Self::Chain(chain) => chain.region = Some(region),
            Self::Given(config) => **config = config.to_builder().region(Region::new(region)).build(),
            Self::Contradictory => {}
        }
    }

    pub(super) fn set_profile(&mut self, profile: String) {
        match self {
            Self::Chain(chain) => chain.profile = Some(profile),
            Self::Given(_) | Self::Contradictory => *self = Self::Contradictory,
        }
    }

    pub(super) fn set_endpoint(&mut self, endpoint: String) {
        match self {
            Self::Chain(chain) => chain.endpoint = Some(endpoint),
            Self::Given(config) => **config = config.to_builder().endpoint_url(endpoint).build(),
            Self::Contradictory => {}
        }
    }

    /// The same for this region, if none is chosen yet: by the program or by the application's own configuration.
    pub(super) fn of_region(&self, region: &str) -> Option<Self> {
        let chosen = match self {
            Self::Chain(chain) => chain.region.is_some(),
            Self::Given(config) => config.region().is_some(),
            Self::Contradictory => true,
        };
        (!chosen).then(|| {
            let mut settings = self.clone();
            settings.set_region(region.to_owned());
            settings
        })
    }

    /// Finds the region and what else is not set, and makes a client. Reads files, and may ask the instance's metadata.
    pub(super) async fn client(&self, id: &str) -> Result<Client, SourceError> {
        let config = match self {
            Self::Chain(chain) => chain.load().await,
            Self::Given(config) => (**config).clone(),
            Self::Contradictory => {
                let detail = "a profile was set for a configuration that has chosen its own; set it where that is loaded";
                return Err(SourceError::new(id, SourceErrorKind::Misconfigured, detail));
            }
        };
        check_region(id, &config)?;
        // The root certificates are read from their files here, which blocks.
        let made = tokio::task::spawn_blocking(move || Client::new(&config)).await;
        made.map_err(|failed| {
            let (kind, detail) = if failed.is_panic() {
                (SourceErrorKind::Misconfigured, "no HTTP client could be made: are there root certificates?")
            } else {
                (SourceErrorKind::Unavailable, "the runtime is shutting down")
            };
            SourceError::new(id, kind, detail)
        })
    }
}

impl Chain {
    async fn load(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        loader.load().await
    }
}

/// Said here, where words can be found that help: from the SDK it would be one failed dispatch of many.
fn check_region(id: &str, config: &SdkConfig) -> Result<(), SourceError> {
    let detail = match config.region().map(Region::as_ref) {
        None => "no region: set `AWS_REGION`, `region` in the profile, or one in the program",
        Some(region) if !is_label(region) => "the region is no name of one, such as `eu-central-1`",
        Some(_) => return Ok(()),
    };
    Err(SourceError::new(id, SourceErrorKind::Misconfigured, detail))
}

/// A region becomes a part of a host's name.
pub(super) fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The SDK's client, and what it sends with.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) sdk: aws_sdk_secretsmanager::Client,
    pub(super) http: SharedHttpClient,
}

impl Client {
    fn new(config: &SdkConfig) -> Self {
        let http = config.http_client().unwrap_or_else(http_client);
        let retry = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let attempts = retry.max_attempts().min(MAX_ATTEMPTS);
        let sdk = Builder::from(config)
            .http_client(http.clone())
            .retry_config(retry.with_max_attempts(attempts))
            .build();
        Self { sdk: aws_sdk_secretsmanager::Client::from_conf(sdk), http }
    }
}

/// What is set. A configuration is the application's, and shows more than is ours to show.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(chain) => chain.fmt(f),
            Self::Given(config) => {
                f.debug_struct("SdkConfig").field("region", &config.region()).finish_non_exhaustive()
            }
            Self::Contradictory => f.write_str("Contradictory"),
        }
    }
}
