//! Header names of the API and its official SDKs (as of 2026-11-22).

use http::HeaderName;

macro_rules! names {
    ($($(#[$doc:meta])* $constant:ident = $name:literal;)+) => {
        $($(#[$doc])* pub const $constant: HeaderName = HeaderName::from_static($name);)+
    };
}

names! {
    /// The version that gives a body its meaning: `2023-06-01` or `2026-10-21`.
    ANTHROPIC_VERSION = "anthropic-version";
    /// Beta features, a comma-joined list that may repeat. An unknown one is a 400.
    ANTHROPIC_BETA = "anthropic-beta";
    /// The classic place of an API key; the other is `authorization`.
    X_API_KEY = "x-api-key";
    /// Names a response, for support.
    REQUEST_ID = "request-id";
    /// Whose key it was.
    ORGANIZATION_ID = "anthropic-organization-id";
    /// The workspace of the key; may also select one on a request.
    WORKSPACE_ID = "anthropic-workspace-id";
    /// Selects a user profile on a request.
    USER_PROFILE_ID = "anthropic-user-profile-id";
    /// Milliseconds to wait; before `retry-after`.
    RETRY_AFTER_MS = "retry-after-ms";
    /// `true` or `false`: whether another attempt makes sense.
    X_SHOULD_RETRY = "x-should-retry";
    /// The official SDKs' count of their own repeats, from 0.
    X_STAINLESS_RETRY_COUNT = "x-stainless-retry-count";
}
