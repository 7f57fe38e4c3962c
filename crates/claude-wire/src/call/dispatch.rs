//! The call of the inner service, with the mark that it was sent.

use http::Request;
use tower_service::Service;

use super::Attempt;
use crate::body::Body;

/// Calls `inner`, and marks the request's [`Attempt`] as sent if nobody below will.
///
/// A layer of ours calls its inner service through this. Whoever below has claimed the mark
/// ([`Attempt::claim`]) sets it when it knows better; if nobody has, this was the innermost layer, and what it
/// called must be taken to have sent.
///
/// A service that is not ours and hands the request on later, such as `tower::buffer`, hides who stands below it: over
/// one, the mark is set at the call, which is early and on the safe side.
///
/// The inner service must be ready.
pub fn dispatch<S>(inner: &mut S, request: Request<Body>) -> S::Future
where
    S: Service<Request<Body>>,
{
    let Some(attempt) = request.extensions().get::<Attempt>().cloned() else {
        return inner.call(request);
    };
    attempt.claim();
    let claims = attempt.claims();
    let future = inner.call(request);
    if attempt.claims() == claims {
        attempt.mark_sent();
    }
    future
}
