//! What can go wrong, by kind.

use std::fmt;

use claude_wire::call::RefusalKind;
use http::StatusCode;

/// What went wrong. See the [crate docs](crate) for how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The API refuses the request as it is: 400, 422, and 4xx that nobody documents.
    InvalidRequest,
    /// The key is missing, wrong or revoked: 401.
    Authentication,
    /// The account cannot be billed: 402.
    Billing,
    /// The key may not do this: 403.
    PermissionDenied,
    /// There is no such model or resource: 404.
    NotFound,
    /// Another operation is in the way: 409.
    Conflict,
    /// What the request presupposes does not hold: 412.
    PreconditionFailed,
    /// The request is too large: 413. The API's edge says so, often without JSON.
    RequestTooLarge,
    /// A limit of requests or tokens a minute is reached: 429.
    RateLimited,
    /// Usage grows too fast: 429 with `ramp_limit_exceeded`.
    RampLimited,
    /// A limit of money is reached, the tier's, the contract's or one that the customer set. It does not go away by
    /// waiting a little.
    SpendLimit,
    /// The API failed: 500 and other 5xx.
    Server,
    /// The API has no capacity: 529.
    Overloaded,
    /// Something took too long: 408, 504, or a clock on this side.
    Timeout,
    /// There was no connection. The request was not sent.
    Connection,
    /// The connection broke while there was no answer yet.
    ConnectionLost,
    /// The answer broke off: its connection, or a stream that ended without `message_stop`.
    IncompleteResponse,
    /// What came back is no HTTP.
    InvalidResponse,
    /// The client could not make or read the request. It was not sent, or not whole.
    UnsendableRequest,
    /// A layer of this stack did not let the request through. It was not sent.
    Refused(RefusalKind),
    /// An error of a service that is not known here.
    Unknown,
}

/// Whose fault a failure is: who can do something about it. What a circuit breaker counts is
/// [`Server`](Self::Server) and [`Network`](Self::Network).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// The caller's: the request is wrong.
    Caller,
    /// The account's: its key, its rights, its limits, its bill.
    Account,
    /// The API's.
    Server,
    /// Somebody's in between.
    Network,
    /// This stack's: its rules, or its configuration.
    Stack,
}

/// Everything that a kind brings with it.
pub(crate) struct Traits {
    /// See [`Error::code`](crate::Error::code).
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) blame: Blame,
    /// What stands for it where only the API's own errors are understood.
    pub(crate) status: u16,
    pub(crate) error_type: &'static str,
}

impl ErrorKind {
    /// Every kind, for translators and tables; one refusal stands for all.
    pub const ALL: &'static [Self] = &[
        Self::InvalidRequest,
        Self::Authentication,
        Self::Billing,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::RequestTooLarge,
        Self::RateLimited,
        Self::RampLimited,
        Self::SpendLimit,
        Self::Server,
        Self::Overloaded,
        Self::Timeout,
        Self::Connection,
        Self::ConnectionLost,
        Self::IncompleteResponse,
        Self::InvalidResponse,
        Self::UnsendableRequest,
        Self::Refused(RefusalKind::Policy),
        Self::Unknown,
    ];

    /// The stable name of this kind, in upper case. An error that is a layer's [`Refusal`](claude_wire::call::Refusal)
    /// has the refusal's own code instead: see [`Error::code`](crate::Error::code).
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.traits().code
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(self) -> Blame {
        self.traits().blame
    }

    #[rustfmt::skip]
    pub(crate) const fn traits(self) -> Traits {
        use Blame::{Account, Caller, Network, Server, Stack};
        let (code, status, error_type, blame, message) = match self {
            Self::InvalidRequest => ("BAD_REQUEST", 400, "invalid_request_error", Caller, "the API does not accept the request"),
            Self::Authentication => ("AUTH_ERROR", 401, "authentication_error", Account, "the API key is not accepted"),
            Self::Billing => ("BILLING_ERROR", 402, "billing_error", Account, "the account cannot be billed"),
            Self::PermissionDenied => ("PERMISSION_DENIED", 403, "permission_error", Account, "the API key may not do this"),
            Self::NotFound => ("NOT_FOUND", 404, "not_found_error", Caller, "there is no such model or resource"),
            Self::Conflict => ("CONFLICT", 409, "conflict_error", Caller, "another operation is in the way"),
            Self::PreconditionFailed => ("PRECONDITION_FAILED", 412, "invalid_request_error", Caller, "what the request presupposes does not hold"),
            Self::RequestTooLarge => ("REQUEST_TOO_LARGE", 413, "request_too_large", Caller, "the request is too large"),
            Self::RateLimited => ("RATE_LIMIT", 429, "rate_limit_error", Account, "the rate limit is reached"),
            Self::RampLimited => ("RAMP_LIMIT", 429, "rate_limit_error", Account, "usage grows faster than the API allows"),
            Self::SpendLimit => ("SPEND_LIMIT", 429, "rate_limit_error", Account, "the spend limit is reached"),
            Self::Server => ("SERVER_ERROR", 500, "api_error", Server, "the API failed"),
            Self::Overloaded => ("OVERLOADED", 529, "overloaded_error", Server, "the API is overloaded"),
            Self::Timeout => ("TIMEOUT", 504, "timeout_error", Network, "the answer took too long"),
            Self::Connection => ("CONNECTION_ERROR", 502, "api_error", Network, "there is no connection to the API"),
            Self::ConnectionLost => ("CONNECTION_LOST", 502, "api_error", Network, "the connection broke before the answer"),
            Self::IncompleteResponse => ("INCOMPLETE_RESPONSE", 502, "api_error", Network, "the answer broke off"),
            Self::InvalidResponse => ("INVALID_RESPONSE", 502, "api_error", Server, "the answer is not to be understood"),
            Self::UnsendableRequest => ("UNSENDABLE_REQUEST", 400, "invalid_request_error", Caller, "the request could not be sent"),
            Self::Unknown => ("UNKNOWN_ERROR", 500, "api_error", Stack, "the call failed"),
            Self::Refused(refused) => return refusal(refused),
        };
        Traits { code, message, blame, status, error_type }
    }
}

#[rustfmt::skip]
const fn refusal(kind: RefusalKind) -> Traits {
    let (code, status, error_type, message) = match kind {
        RefusalKind::RateLimited => ("RATE_LIMITED_LOCALLY", 429, "rate_limit_error", "a rate limit of this stack is reached"),
        RefusalKind::Overloaded => ("OVERLOADED_LOCALLY", 529, "overloaded_error", "this stack has no room for the request"),
        RefusalKind::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504, "timeout_error", "the deadline is past or cannot be met"),
        RefusalKind::BudgetExceeded => ("BUDGET_EXCEEDED", 402, "billing_error", "the budget does not allow the request"),
        RefusalKind::Unpriced => ("UNPRICED", 400, "invalid_request_error", "the price of the request is not known"),
        RefusalKind::NoCredential => ("NO_CREDENTIAL", 401, "authentication_error", "there is no key for the request"),
        RefusalKind::OriginNotAllowed => ("ORIGIN_NOT_ALLOWED", 403, "permission_error", "the key may not go to this endpoint"),
        RefusalKind::NotPermitted => ("NOT_PERMITTED", 403, "permission_error", "the caller may not do this"),
        RefusalKind::CredentialUnavailable => {
            ("CREDENTIAL_UNAVAILABLE", 503, "api_error", "no credential can be had at the moment")
        }
        RefusalKind::NoEndpoint => ("NO_ENDPOINT", 503, "api_error", "no endpoint is healthy"),
        RefusalKind::Policy => ("POLICY", 400, "invalid_request_error", "the request breaks a rule of this stack"),
        _ => ("REFUSED", 500, "api_error", "this stack did not let the request through"),
    };
    Traits { code, message, blame: Blame::Stack, status, error_type }
}

impl Traits {
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.traits().message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_speakable() {
        let codes: BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL.iter().copied() {
            assert!(kind.code().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{kind:?}");
            assert_ne!(kind.to_string(), "");
        }
    }
}
