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

/// Removes what belongs to one connection: the known headers, and those that `connection` names.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Whoever names these would break the message itself; RFC 9110 §7.6.1 forbids it.
        .filter(|name| !matches!(*name, header::CONTENT_LENGTH | header::CONTENT_TYPE | header::HOST))
        .filter(|name| !HOP_BY_HOP.contains(name) && name != "close")
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
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
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            ["anthropic-beta", "anthropic-beta", "authorization", "content-length", "traceparent"]
        );
    }
}
