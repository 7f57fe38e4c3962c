//! Headers that belong to one connection.

use http::header::{self, HeaderMap, HeaderName};

/// Those that belong to a connection by their name alone.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes what belongs to one connection: the known headers, and those that `connection` names; and `others` too. The
/// rest stays in its order.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap, others: &[HeaderName]) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Whoever names these would break the message itself; RFC 9110 §7.6.1 forbids it.
        .filter(|name| !matches!(*name, header::CONTENT_LENGTH | header::CONTENT_TYPE | header::HOST))
        .collect();
    let goes = |name: &HeaderName| [&HOP_BY_HOP, &named[..], others].iter().any(|names| names.contains(name));
    if !headers.keys().any(goes) {
        return;
    }
    // `HeaderMap::remove` would move the last header to the place of the one that is gone.
    let mut kept = HeaderMap::with_capacity(headers.keys_len());
    let mut name = None;
    for (next, value) in std::mem::take(headers) {
        // Further values of a header come without its name.
        if next.is_some() {
            name = next.filter(|name| !goes(name));
        }
        if let Some(name) = &name {
            kept.append(name, value);
        }
    }
    *headers = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_and_what_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("connection", "content-length, keep-alive,,bad name"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("content-length", "2"),
            ("authorization", "Bearer x"),
            ("traceparent", "00-0-0-00"),
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
        ] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        remove_hop_by_hop(&mut headers, &[]);
        let left: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            left,
            ["content-length", "authorization", "traceparent", "anthropic-beta", "anthropic-beta"]
        );
    }
}
