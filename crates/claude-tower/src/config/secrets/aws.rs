//! `[secrets.aws]`: how AWS Secrets Manager is reached.

use std::{fmt, ops::RangeInclusive, time::Duration};

use http::Uri;
use serde::{Deserialize, Deserializer};

use super::{
    super::{
        check::{Check, Validate},
        duration, text,
        url::{Rules, shown},
    },
    key::is_id,
};

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);
const ENDPOINT: Rules = Rules { schemes: &["http", "https"], user: false, path: false, port: &[] };
const ENDPOINT_EXPECTED: &str =
    "an http or https URL of a host and perhaps a port, such as http://127.0.0.1:4566";

/// `[secrets.aws]`: AWS Secrets Manager, for keys with `aws`. What is not set is found as all AWS programs find it.
///
/// | key | default | |
/// | --- | --- | --- |
/// | `region` | not set | such as `eu-central-1` |
/// | `profile` | not set | of the files under `~/.aws` |
/// | `endpoint` | not set | a URL: an endpoint in a VPC, or an emulator |
/// | `timeout` | `5s` | `100ms` to `5m`, for one fetch in all |
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AwsConfig {
    /// The region.
    pub region: Option<String>,
    /// The profile that region and credentials are taken from.
    pub profile: Option<String>,
    /// Where it is, instead of at the region's public address.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Option<Uri>,
    /// How long one fetch may take.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self { region: None, profile: None, endpoint: None, timeout: Duration::from_secs(5) }
    }
}

#[cfg(feature = "aws")]
impl AwsConfig {
    pub(super) fn store(&self) -> Result<claude_secrets::source::Aws, super::ConfigError> {
        let mut aws = claude_secrets::source::Aws::new().with_timeout(self.timeout);
        if let Some(region) = &self.region {
            aws = aws.with_region(region.as_str());
        }
        if let Some(profile) = &self.profile {
            aws = aws.with_profile(profile.as_str());
        }
        if let Some(endpoint) = &self.endpoint {
            aws = aws.with_endpoint(&endpoint.to_string()).map_err(|error| super::refused(&error))?;
        }
        Ok(aws)
    }
}

impl Validate for AwsConfig {
    fn check(&self, check: &mut Check<'_>) {
        for (key, id) in [("region", &self.region), ("profile", &self.profile)] {
            let is_id = id.as_deref().is_none_or(is_id);
            check.require(is_id, key, "must be visible ASCII characters, at least one");
        }
        let valid = self.endpoint.as_ref().is_none_or(|uri| ENDPOINT.allows(uri));
        check.require(valid, "endpoint", format!("must be {ENDPOINT_EXPECTED}"));
        check.duration("timeout", self.timeout, TIMEOUT);
    }
}

impl fmt::Debug for AwsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All fields are named, so that a new one is not forgotten here.
        let Self { region, profile, endpoint, timeout } = self;
        f.debug_struct("AwsConfig")
            .field("region", region)
            .field("profile", profile)
            .field("endpoint", &endpoint.as_ref().map(shown))
            .field("timeout", timeout)
            .finish()
    }
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    Ok(Option::<Endpoint>::deserialize(deserializer)?.map(|endpoint| endpoint.0))
}

struct Endpoint(Uri);

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, ENDPOINT_EXPECTED, |text| ENDPOINT.parse(text).map(Self))
    }
}
