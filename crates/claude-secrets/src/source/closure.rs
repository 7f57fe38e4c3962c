//! Any async closure.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::{Fetch, Fetched, SecretSource, SourceError};

/// A source of any async closure. `id` names it in errors and logs, and holds nothing secret.
///
/// ```
/// use claude_secrets::SecretString;
/// use claude_secrets::source::{Fetched, source_fn};
///
/// let source = source_fn("own:claude", || async {
///     let key = SecretString::from("sk-ant-…");
///     Ok(Fetched::new(key).with_version("7"))
/// });
/// # drop(source);
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
