//! The body of an error against the tree that serde makes of it.

use claude_wire::ErrorBody;
use serde_json::Value;

/// The bytes are the body of an error response.
pub fn error_bodies(data: &[u8]) {
    let read = ErrorBody::read(data);
    let tree: Value = serde_json::from_slice(data).unwrap_or_default();
    let Some(error) = tree.get("error").filter(|error| error.is_object()) else {
        assert_eq!(read, None, "no object with an object `error` in it");
        return;
    };
    let Some(mut body) = read else { panic!("not read: {tree}") };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    assert_eq!(body.error_type, text(&error["type"]));
    assert_eq!(body.message, text(&error["message"]));
    assert_eq!(body.error_code, text(&error["details"]["error_code"]));
    assert_eq!(body.request_id, text(&tree["request_id"]));

    // Whatever the message is, it shows as any other would.
    let shown = format!("{body:?} {body:#?}");
    body.message = Some("another".to_owned());
    assert_eq!(format!("{body:?} {body:#?}"), shown);
}
