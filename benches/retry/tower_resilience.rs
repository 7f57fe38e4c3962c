//! The retry of tower-resilience, set to do the same.

use claude_wire::Body;
use claude_wire::body::BoxError;
use http::{Request, Response};
use tower::Layer as _;
use tower::util::MapRequest;
use tower_resilience_retry::{ExponentialRandomBackoff, Retry, RetryBudgetBuilder, RetryLayer};

use crate::inner::{Answer, Inner};
use crate::request;
use crate::ways::{Wait, is_worth_another_try};

/// It asks for requests that are `Clone`, which those with our body are not.
pub(crate) struct Repeatable(pub(crate) Request<Body>);

impl From<Request<Body>> for Repeatable {
    fn from(request: Request<Body>) -> Self {
        Self(request)
    }
}

impl Clone for Repeatable {
    fn clone(&self) -> Self {
        Self(request::copy(&self.0).expect("the body is in memory"))
    }
}

type Unwrapped = MapRequest<Inner, fn(Repeatable) -> Request<Body>>;

pub(crate) fn over(inner: Inner, wait: Wait) -> Retry<Unwrapped, Repeatable, Response<Answer>, BoxError> {
    let (first, most) = wait.backoff();
    let backoff = ExponentialRandomBackoff::new(first, 0.25).expect("a proper backoff").max_interval(most);
    // Each success puts one in.
    let budget = RetryBudgetBuilder::new().token_bucket().max_tokens(100).build().expect("a proper budget");
    RetryLayer::builder()
        .max_attempts(4)
        .backoff(backoff)
        .retry_on_response(is_worth_another_try)
        .budget(budget)
        .build()
        .layer(MapRequest::new(inner, |Repeatable(request)| request))
}
