//! Any async closure.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::{Fetch, Fetched, SecretSource, SourceError};

/// A source of any async closure, for a place that no other source is written for. `id` names it in errors and logs, and
/// holds nothing secret.
///
/// The closure is called once for each fetch, and what it returns may be dropped at any point. When it fails, it says why in
/// its own words: what another library says may quote what it has read.
///
/// ```
/// use claude_secrets::SecretString;
/// use claude_secrets::source::{Fetched, SecretSource, SourceError, SourceErrorKind, source_fn};
/// # use std::sync::Arc;
/// # struct Safe;
/// # impl Safe { async fn open(&self, _: &str) -> Result<(String, u32), ()> { Ok(("sk-ant-example".to_owned(), 7)) } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), SourceError> {
/// # let safe = Arc::new(Safe);
///
/// let source = source_fn("safe:claude", move || {
///     let safe = Arc::clone(&safe);
///     async move {
///         let (key, version) = safe.open("claude").await.map_err(|_| {
///             SourceError::new("safe:claude", SourceErrorKind::Unavailable, "the safe does not open")
///         })?;
///         Ok(Fetched::new(SecretString::from(key)).with_version(version.to_string()))
///     }
/// });
/// assert_eq!(source.fetch().await?.version.as_deref(), Some("7"));
/// # Ok(())
/// # }
/// ```
pub fn source_fn<F, Fut>(id: impl Into<Arc<str>>, fetch: F) -> SourceFn<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Fetched, SourceError>> + Send + 'static,
{
    SourceFn { id: id.into(), fetch }
}

/// What [`source_fn`] makes.
#[derive(Clone)]
pub struct SourceFn<F> {
    id: Arc<str>,
    fetch: F,
}

impl<F, Fut> SecretSource for SourceFn<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Fetched, SourceError>> + Send + 'static,
{
    fn id(&self) -> &str {
        &self.id
    }

    fn fetch(&self) -> Fetch<'_> {
        Box::pin((self.fetch)())
    }
}

impl<F> fmt::Debug for SourceFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFn").field("id", &self.id).finish_non_exhaustive()
    }
}
