//! The values of `anthropic-beta`.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};

use crate::errors::ApiError;

/// What the API accepts on 2026-11-22: the list in the Python SDK 2.12.0, and what the documentation names besides,
/// in the last three lines. Some have no effect any more.
const KNOWN: &[&str] = &[
    "admin-user-sign-out-2026-10-08",
    "advisor-tool-2026-03-01",
    "agent-memory-2026-07-22",
    "analytics-usage-cost-2026-08-24",
    "cache-diagnosis-2026-04-07",
    "ce-claude-code-managed-settings-2026-10-06",
    "ce-plugins-2026-09-01",
    "ce-user-management-2026-07-13",
    "code-execution-2025-05-22",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "dreaming-2026-04-21",
    "experimental-claude-tag-2026-10-21",
    "extended-cache-ttl-2025-04-11",
    "fallback-credit-2026-06-01",
    "fallback-credit-2026-07-01",
    "fast-mode-2026-02-01",
    "files-api-2025-04-14",
    "inline-tools-2026-09-15",
    "interleaved-thinking-2025-05-14",
    "managed-agents-2026-04-01",
    "mcp-client-2025-04-04",
    "mcp-client-2025-11-20",
    "mcp-client-2026-09-15",
    "mcp-tunnels-2026-06-22",
    "message-batches-2024-09-24",
    "message-threads-2026-08-12",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-system-clear-at-2026-08-21",
    "mid-conversation-tool-changes-2026-07-01",
    "model-context-window-exceeded-2025-08-26",
    "output-128k-2025-02-19",
    "output-300k-2026-03-24",
    "pdfs-2024-09-25",
    "prompt-caching-2024-07-31",
    "server-side-fallback-2026-06-01",
    "server-side-fallback-2026-07-01",
    "skills-2025-10-02",
    "spend-limit-reads-2026-09-26",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "telemetry-destinations-2026-08-11",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "thinking-token-count-2026-05-13",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
    "user-profiles-2026-03-24",
    "user-profiles-2026-08-18",
    "user-profiles-2026-09-04",
    "user-profiles-billing-2026-10-01",
    "webhooks-2026-10-07",
    "fine-grained-tool-streaming-2025-05-14",
    "oauth-2025-04-20",
    "oidc-federation-2026-04-01",
];

/// The values that are accepted besides those that the API knows.
pub(crate) struct Betas {
    more: Vec<String>,
}

impl Betas {
    pub(crate) const fn new(more: Vec<String>) -> Self {
        Self { more }
    }

    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let unknown: Vec<_> =
            values(headers).filter(|value| !self.knows(value)).map(|value| format!("`{value}`")).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown = unknown.join(", ");
        Err(ApiError::invalid(format!(
            "Unexpected value(s) {unknown} for the `anthropic-beta` header. \
             Please consult our documentation at docs.anthropic.com or try again without the header."
        )))
    }

    fn knows(&self, value: &str) -> bool {
        value.is_empty() || KNOWN.contains(&value) || self.more.iter().any(|more| more == value)
    }
}

/// Whether a beta of this family is asked for.
pub(crate) fn has(headers: &HeaderMap, family: &str) -> bool {
    values(headers).any(|value| value.starts_with(family))
}

/// The header may hold a list, and may be repeated.
fn values(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, str>> {
    let lists = headers.get_all("anthropic-beta").iter().map(HeaderValue::as_bytes);
    lists
        .flat_map(|list| list.split(|&byte| byte == b','))
        .map(|value| String::from_utf8_lossy(value.trim_ascii()))
}
