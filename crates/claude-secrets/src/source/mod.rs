//! Where keys are kept: one trait, and the places that it is written for.
//!
//! | source | what |
//! | --- | --- |
//! | [`EnvironmentSource`] | a variable of the environment |
//! | [`FileSource`] | a file, or a field of a JSON file: what Kubernetes and Docker mount |
#![cfg_attr(feature = "aws", doc = "| [`Aws`] | AWS Secrets Manager (feature `aws`) |")]
#![cfg_attr(
    feature = "vault",
    doc = "| [`Vault`] | the KV engines of HashiCorp Vault and OpenBao (feature `vault`) |"
)]
//! | [`source_fn`] | any async closure |
//! | [`StaticSource`] | a key that is there already, for tests |

#[cfg(feature = "aws")]
mod aws;
mod clean;
mod closure;
mod environment;
mod error;
mod fetched;
mod field;
mod file;
mod fixed;
mod shown;
#[cfg(feature = "vault")]
mod vault;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "aws")]
#[cfg_attr(docsrs, doc(cfg(feature = "aws")))]
pub use aws::{Aws, AwsSource};
pub(crate) use clean::clean;
pub use closure::{SourceFn, source_fn};
pub use environment::EnvironmentSource;
pub use error::{SourceError, SourceErrorKind};
pub use fetched::Fetched;
pub use file::FileSource;
pub use fixed::StaticSource;
pub(crate) use shown::is_key;
#[cfg(feature = "vault")]
#[cfg_attr(docsrs, doc(cfg(feature = "vault")))]
pub use vault::{Vault, VaultSource};

/// What [`SecretSource::fetch`] returns.
pub type Fetch<'a> = Pin<Box<dyn Future<Output = Result<Fetched, SourceError>> + Send + 'a>>;

/// Where a key is kept.
///
/// A source only fetches. When to fetch, for how long what it gave is used, and that ten thousand requests which wait for one
/// key cause one fetch, is the affair of the [`KeyRing`](crate::KeyRing).
///
/// A fetch may be slow and may be dropped at any point; it must not block the thread. It is called inside a tokio runtime, one at a
/// time for each key.
pub trait SecretSource: Send + Sync + 'static {
    /// Names the source for people: its kind and what it reads, such as `env:ANTHROPIC_API_KEY` or
    /// `aws:prod/claude#api_key`. Stands in errors, logs and reports, so it holds nothing secret.
    fn id(&self) -> &str;

    /// Fetches the secret as it is now: past every cache.
    ///
    /// # Errors
    ///
    /// When it cannot be had. The error names the source and the reason, never content.
    fn fetch(&self) -> Fetch<'_>;

    /// For how long what it gives is used before it is asked again, where the settings do not say;
    /// [`Fetched::ttl`] may only shorten it. Files, which cost nothing to look at, say a few seconds.
    fn default_ttl(&self) -> Option<Duration> {
        None
    }
}

impl<T: SecretSource + ?Sized> SecretSource for Arc<T> {
    fn id(&self) -> &str {
        (**self).id()
    }

    fn fetch(&self) -> Fetch<'_> {
        (**self).fetch()
    }

    fn default_ttl(&self) -> Option<Duration> {
        (**self).default_ttl()
    }
}
