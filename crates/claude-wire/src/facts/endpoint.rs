//! What of the API a path names.

/// What of the API a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/v1/messages`: the one that is billed.
    Messages,
    /// `/v1/messages/count_tokens`
    CountTokens,
    /// `/v1/messages/batches` and below.
    Batches,
    /// `/v1/models` and below.
    Models,
    /// `/v1/files` and below.
    Files,
    /// `/v1/skills` and below.
    Skills,
    /// `/v1/complete`: legacy, deprecated since 2026-10-07.
    Complete,
    /// Anything else, and what cannot be told: it may still be billed.
    Other,
}

/// Stands before what a path names.
const VERSION: &[u8] = b"/v1/";

impl Endpoint {
    /// The endpoint of a path. Whatever stands before the last `/v1/` is a base path of a gateway or of another
    /// platform, which may have a version of its own, and makes no difference; neither does a slash at the end.
    #[must_use]
    pub fn from_path(path: &str) -> Self {
        // Where such a path leads, only the one decides who resolves it.
        let may_have_dots = path.bytes().any(|byte| matches!(byte, b'.' | b'%'));
        if may_have_dots && path.split('/').any(is_dots) {
            return Self::Other;
        }
        let path = path.trim_end_matches('/');
        // Paths are short: a look at each place is sooner done than a search is prepared.
        let Some(at) = path.as_bytes().windows(VERSION.len()).rposition(|window| window == VERSION) else {
            return Self::Other;
        };
        let rest = &path[at + VERSION.len()..];
        let mut segments = rest.split('/');
        match (segments.next(), segments.next(), segments.next()) {
            (Some("messages"), None, None) => Self::Messages,
            (Some("messages"), Some("count_tokens"), None) => Self::CountTokens,
            (Some("messages"), Some("batches"), _) => Self::Batches,
            (Some("models"), ..) => Self::Models,
            (Some("files"), ..) => Self::Files,
            (Some("skills"), ..) => Self::Skills,
            (Some("complete"), None, None) => Self::Complete,
            _ => Self::Other,
        }
    }

    /// Whether a request body of this endpoint has the fields of a message.
    pub(super) const fn has_message_body(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens | Self::Complete)
    }
}

/// Whether a segment is `.` or `..`, as it is or with its dots as `%2e`.
fn is_dots(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while let Some(behind) =
        rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E"))
    {
        rest = behind;
        dots += 1;
    }
    rest.is_empty() && (dots == 1 || dots == 2)
}

#[cfg(test)]
mod tests {
    use super::Endpoint::{self, *};

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/v1/messages", Messages),
            ("/v1/messages/", Messages),
            ("/anthropic/v1/messages", Messages),
            ("/v1/messages/count_tokens", CountTokens),
            ("/v1/messages/batches", Batches),
            ("/v1/messages/batches/msgbatch_1/results", Batches),
            ("/v1/models", Models),
            ("/v1/models/claude-opus-5-5", Models),
            ("/v1/models/v1", Models),
            ("/v1/models/v1/", Models),
            ("/v1/files/file_1/content", Files),
            ("/v1/skills", Skills),
            ("/v1/complete", Complete),
            ("/v1/messages/other", Other),
            ("/v1/messagesx", Other),
            ("/v1/organizations/rate_limits", Other),
            ("/v2/messages", Other),
            ("/v1", Other),
            ("", Other),
            ("/v1/models/../messages", Other),
            ("/v1/./messages", Other),
            ("/v1/%2e%2E/v1/messages", Other),
            ("/v1/.%2e/v1/messages", Other),
            ("/v1/.../v1/messages", Messages),
        ] {
            assert_eq!(Endpoint::from_path(path), expected, "{path}");
        }
    }
}
