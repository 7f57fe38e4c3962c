//! The body of an error response, and of a stream's `error` event.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::shown;

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
        let (mut error, mut request_id) = (None, None);
        Place::Body { error: &mut error, request_id: &mut request_id }.read(bytes).ok()?;
        Some(Self { request_id, ..error? })
    }

    /// Reads the object that stands under `error`.
    pub(crate) fn read_inner(bytes: &[u8]) -> Option<Self> {
        let mut error = None;
        Place::Error(&mut error).read(bytes).ok()?;
        error
    }
}

/// Leaves the message out, which may quote a prompt, and of the rest whatever is no [name](shown::name).
impl fmt::Debug for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorBody")
            .field("error_type", &self.error_type.as_deref().map(shown::debug))
            .field("error_code", &self.error_code.as_deref().map(shown::debug))
            .field("request_id", &self.request_id.as_deref().map(shown::debug))
            .finish_non_exhaustive()
    }
}

/// A place in a body, and what is filled from it. What is not wanted is passed over and never kept, so that a body costs
/// no more than the words that are taken from it.
///
/// The last of several equal keys wins: a place is cleared before it is filled. A list is no object, as it would be
/// for a derived struct.
enum Place<'a> {
    Body { error: &'a mut Option<ErrorBody>, request_id: &'a mut Option<String> },
    Error(&'a mut Option<ErrorBody>),
    Details { error_code: &'a mut Option<String> },
    Text(&'a mut Option<String>),
    Other,
}

impl Place<'_> {
    /// Fails if the bytes are not one JSON text.
    fn read(self, bytes: &[u8]) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        self.deserialize(&mut json)?;
        json.end()
    }

    fn clear(&mut self) {
        match self {
            Self::Error(error) => **error = None,
            Self::Details { error_code: text } | Self::Text(text) => **text = None,
            Self::Body { .. } | Self::Other => {}
        }
    }

    fn member(&mut self, key: &str) -> Place<'_> {
        match (self, key) {
            (Self::Body { error, .. }, "error") => Place::Error(error),
            (Self::Body { request_id, .. }, "request_id") => Place::Text(request_id),
            (Self::Error(Some(error)), "type") => Place::Text(&mut error.error_type),
            (Self::Error(Some(error)), "message") => Place::Text(&mut error.message),
            (Self::Error(Some(error)), "details") => Place::Details { error_code: &mut error.error_code },
            (Self::Details { error_code }, "error_code") => Place::Text(error_code),
            _ => Place::Other,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if matches!(self, Self::Other) {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        self.clear();
        deserializer.deserialize_any(self)
    }
}

/// Any value will do: one of another type leaves the place empty.
impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if let Self::Error(error) = &mut self {
            **error = Some(ErrorBody::default());
        }
        while let Some(member) = map.next_key_seed(Key(&mut self))? {
            map.next_value_seed(member)?;
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if let Self::Text(place) = self {
            *place = Some(text.to_owned());
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key of the object at a place, read as the place of its member.
struct Key<'a, 'b>(&'a mut Place<'b>);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a, '_> {
    type Value = Place<'a>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place<'a>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'a> Visitor<'_> for Key<'a, '_> {
    type Value = Place<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Place<'a>, E> {
        Ok(self.0.member(key))
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
        assert_eq!(
            format!("{body:?}"),
            r#"ErrorBody { error_type: Some("rate_limit_error"), error_code: Some("ramp_limit_exceeded"), request_id: Some("req_1"), .. }"#,
        );
    }

    #[test]
    fn what_is_no_name_is_not_shown() {
        let body = ErrorBody::read(
            br#"{"error":{"type":"a secret","details":{"error_code":"a secret"}},"request_id":"sk-ant-secret"}"#,
        )
        .unwrap();
        let shown = format!("{body:?}");
        assert!(!shown.contains("secret") && shown.contains(r#"error_type: Some("(not shown)")"#), "{shown}");
    }

    #[test]
    fn parts_of_it() {
        for (text, expected) in [
            (r#"{"error":{}}"#, Some(None)),
            (r#"{"error":{"type":"x"}}"#, Some(Some("x"))),
            (r#"{"error":{"type":7,"message":[],"details":"no"},"request_id":{}}"#, Some(None)),
            (r#"{"error":{"type":"x","details":null}}"#, Some(Some("x"))),
            (r#"{"error":{"type":"x","type":"y"}}"#, Some(Some("y"))),
            (r#"{"error":{"type":"x","type":7}}"#, Some(None)),
            (r#"{"error":{"type":"x"},"error":{"type":"y"}}"#, Some(Some("y"))),
            (r#"{"error":{"type":"x"},"error":{}}"#, Some(None)),
            (r#"{"error":{"type":"x"},"error":[]}"#, None),
            (r#"{"error":7,"error":{"type":"y"}}"#, Some(Some("y"))),
            (r#"{"\u0065rror":{"ty\u0070e":"x"}}"#, Some(Some("x"))),
            (r#"{"error":{"details":{"type":"x"}},"type":"y"}"#, Some(None)),
            (r#"{"error":{"type":{"type":"x"}}}"#, Some(None)),
            (r#"{"error":"overloaded"}"#, None),
            (r#"{"error":["x"]}"#, None),
            (r#"[{"type":"x"}]"#, None),
            (r#"{"type":"error"}"#, None),
            ("[]", None),
            ("<html>413</html>", None),
            ("", None),
            (r#"{"error":{"type":"x"}"#, None),
            (r#"{"error":{"type":"x"}}{}"#, None),
            (r#"{"error":{"type":"\ud800"}}"#, None),
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

    #[test]
    fn the_last_of_two() {
        let body = ErrorBody::read(
            br#"{"request_id":"a","error":{"message":"a","details":{"error_code":"a"},"details":{"error_code":"b"}},"request_id":"b"}"#,
        )
        .unwrap();
        assert_eq!((body.error_code.as_deref(), body.request_id.as_deref()), (Some("b"), Some("b")));
        for last in [r#"{}"#, r#"[{"error_code":"b"}]"#, "null", r#"{"error_code":1}"#] {
            let text = format!(r#"{{"details":{{"error_code":"a"}},"details":{last}}}"#);
            assert_eq!(ErrorBody::read_inner(text.as_bytes()), Some(ErrorBody::default()), "{text}");
        }
    }

    /// No tree could hold these.
    #[test]
    fn what_is_not_known_may_be_anything() {
        let lists = "[".repeat(100_000) + &"]".repeat(100_000);
        let objects = r#"{"":"#.repeat(100_000) + "0" + &"}".repeat(100_000);
        for any in [&lists, &objects, "1e400", r#""\ud800""#] {
            let text = format!(
                r#"{{"a":{any},"error":{{"a":{any},"type":"x","details":{{"a":{any},"error_code":"y","b":{any}}},"b":{any}}},"request_id":"z","b":{any}}}"#,
            );
            let body = ErrorBody::read(text.as_bytes()).unwrap();
            assert_eq!(body.error_type.as_deref(), Some("x"));
            assert_eq!(body.error_code.as_deref(), Some("y"));
            assert_eq!(body.request_id.as_deref(), Some("z"));
        }
        for wrong in [lists, objects] {
            let text = format!(r#"{{"error":{{"type":"x","details":{wrong},"message":{wrong}}}}}"#);
            let body = ErrorBody::read(text.as_bytes()).unwrap();
            assert_eq!(body, ErrorBody { error_type: Some("x".to_owned()), ..ErrorBody::default() });
        }
    }
}
