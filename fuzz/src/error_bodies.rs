//! The body of an error against the tree that serde makes of it.

use claude_wire::ErrorBody;
use serde::de::IgnoredAny;
use serde_json::Value;

/// The bytes are the body of an error response.
pub fn error_bodies(data: &[u8]) {
    let read = ErrorBody::read(data);
    match serde_json::from_slice(data) {
        Ok(tree) => is_what_the_tree_says(read.as_ref(), &tree),
        // What is not wanted may be what no tree can hold: too deep, too large a number. It is JSON all the same.
        Err(_) if serde_json::from_slice::<IgnoredAny>(data).is_ok() => {}
        Err(_) => assert_eq!(read, None, "no JSON"),
    }

    let Some(mut body) = read else { return };
    // Whatever the message is, it shows as any other would.
    let shown = format!("{body:?} {body:#?}");
    body.message = Some("another".to_owned());
    assert_eq!(format!("{body:?} {body:#?}"), shown);
}

fn is_what_the_tree_says(read: Option<&ErrorBody>, tree: &Value) {
    let Some(error) = tree.get("error").filter(|error| error.is_object()) else {
        assert_eq!(read, None, "no object with an object `error` in it");
        return;
    };
    let Some(body) = read else { panic!("not read: {tree}") };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    assert_eq!(body.error_type, text(&error["type"]));
    assert_eq!(body.message, text(&error["message"]));
    assert_eq!(body.error_code, text(&error["details"]["error_code"]));
    assert_eq!(body.request_id, text(&tree["request_id"]));
}
