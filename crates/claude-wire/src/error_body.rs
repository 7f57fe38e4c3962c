//! The body of an error response, and of a stream's `error` event.

use std::fmt;

use serde_json::Value;

/// What the API says went wrong, read leniently from
/// `{"type":"error","error":{"type","message","details":{"error_code"}},"request_id"}`.
///
/// Everything may be absent. Programs go by [`error_code`](Self::error_code) first, then by
/// [`error_type`](Self::error_type), and never by the message; both are open sets.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorBody {
    /// `error.type`, such as `rate_limit_error`.
    pub error_type: Option<String>,
    /// `error.message`, for people. It may quote the request.
    pub message: Option<String>,
    /// `error.details.error_code` (since August 2026), such as `ramp_limit_exceeded`.
    pub error_code: Option<String>,
    /// `request_id`, the same as the response's `request-id` header.
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// Reads a body or an event's data. `None` if it is no JSON object with an object `error` in it: what an
    /// edge or a proxy sends, and no reason to fail.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(bytes).ok()?;
        Self::of(body.get("error")?, body.get("request_id"))
    }

    /// Reads the object that stands under `error`.
    pub(crate) fn read_inner(bytes: &[u8]) -> Option<Self> {
        Self::of(&serde_json::from_slice(bytes).ok()?, None)
    }

    /// Goes by the tree: there the last of several equal keys wins, and a list is no object, as it would be for
    /// a derived struct.
    fn of(error: &Value, request_id: Option<&Value>) -> Option<Self> {
        let error = error.as_object()?;
        let text = |value: Option<&Value>| Some(value?.as_str()?.to_owned());
        Some(Self {
            error_type: text(error.get("type")),
            message: text(error.get("message")),
            error_code: text(error.get("details").and_then(|details| details.get("error_code"))),
            request_id: text(request_id),
        })
    }
}

/// Leaves the message out: it may quote a prompt.
impl fmt::Debug for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorBody")
            .field("error_type", &self.error_type)
            .field("error_code", &self.error_code)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_shape() {
        let body = ErrorBody::read(
            br#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down","details":{"error_code":"ramp_limit_exceeded","more":1}},"request_id":"req_1","new":[]}"#,
        )
        .unwrap();
        assert_eq!(body.error_type.as_deref(), Some("rate_limit_error"));
        assert_eq!(body.message.as_deref(), Some("slow down"));
        assert_eq!(body.error_code.as_deref(), Some("ramp_limit_exceeded"));
        assert_eq!(body.request_id.as_deref(), Some("req_1"));
        assert!(!format!("{body:?}").contains("slow down"));
    }

    #[test]
    fn parts_of_it() {
        for (text, expected) in [
            (r#"{"error":{}}"#, Some(None)),
            (r#"{"error":{"type":"x"}}"#, Some(Some("x"))),
            (r#"{"error":{"type":7,"message":[],"details":"no"},"request_id":{}}"#, Some(None)),
            (r#"{"error":{"type":"x","details":null}}"#, Some(Some("x"))),
            (r#"{"error":{"type":"x","type":"y"}}"#, Some(Some("y"))),
            (r#"{"error":{"type":"x"},"error":{"type":"y"}}"#, Some(Some("y"))),
            (r#"{"error":"overloaded"}"#, None),
            (r#"{"error":["x"]}"#, None),
            (r#"[{"type":"x"}]"#, None),
            (r#"{"type":"error"}"#, None),
            ("[]", None),
            ("<html>413</html>", None),
            ("", None),
            (r#"{"error":{"type":"x"}"#, None),
        ] {
            let read = ErrorBody::read(text.as_bytes());
            assert_eq!(read.as_ref().map(|body| body.error_type.as_deref()), expected, "{text}");
        }
    }

    /// A list is no object, though its first entry may be what an object would hold.
    #[test]
    fn a_list_of_details() {
        let body = ErrorBody::read(br#"{"error":{"details":["code"]}}"#).unwrap();
        assert_eq!(body, ErrorBody::default());
    }
}
