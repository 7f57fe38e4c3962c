//! `tower::retry`, with the policy that a careful user writes.

use std::sync::Arc;
use std::time::Duration;

use claude_wire::Body;
use claude_wire::body::BoxError;
use http::{Request, Response};
use tower::retry::backoff::{Backoff as _, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff as _};
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::util::rng::HasherRng;

use crate::inner::{Answer, Inner};
use crate::request;
use crate::ways::{Wait, is_worth_another_try};

#[derive(Clone)]
pub(crate) struct Careful {
    retries_left: u32,
    budget: Arc<TpsBudget>,
    backoff: ExponentialBackoff,
}

impl Policy<Request<Body>, Response<Answer>, BoxError> for Careful {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<Answer>, BoxError>,
    ) -> Option<Self::Future> {
        if result.as_ref().is_ok_and(|response| !is_worth_another_try(response)) {
            self.budget.deposit();
            return None;
        }
        self.retries_left = self.retries_left.checked_sub(1)?;
        self.budget.withdraw().then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        request::copy(request)
    }
}

pub(crate) fn over(inner: Inner, wait: Wait) -> Retry<Careful, Inner> {
    let (first, most) = wait.backoff();
    let mut maker =
        ExponentialBackoffMaker::new(first, most, 0.25, HasherRng::default()).expect("a proper backoff");
    // A success earns one retry, so that a budget that is in use every time does not run dry.
    let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 1.0));
    Retry::new(Careful { retries_left: 3, budget, backoff: maker.make_backoff() }, inner)
}
