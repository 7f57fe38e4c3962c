//! Where the server is.

use http::Uri;
use http::uri::{Authority, Scheme};

use super::failure::Failure;
use crate::source::SourceErrorKind;

/// The address of a server: `https://vault.internal:8200`, perhaps with a path before `/v1`, under which a proxy has it.
#[derive(Clone, Debug)]
pub(super) struct Address {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl Address {
    /// No error shows the address: somebody might have put a password into it.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let bad = |detail: &'static str| Failure::new(SourceErrorKind::Misconfigured, detail);
        let uri: Uri = text.trim().parse().map_err(|_| bad("the address is not a URL"))?;
        let parts = uri.into_parts();
        let scheme =
            parts.scheme.ok_or_else(|| bad("the address needs https:// or http:// at its beginning"))?;
        if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
            return Err(bad("the address is to begin with https:// or http://"));
        }
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| bad("the address names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("the address has a user or a password in it"));
        }
        if !names_a_port_or_none(&authority) {
            return Err(bad("the port of the address is none"));
        }
        let after_host = parts.path_and_query.as_ref();
        if after_host.is_some_and(|after| after.query().is_some()) {
            return Err(bad("the address has a query in it"));
        }
        let path = after_host.map_or("", |after| after.path()).trim_end_matches('/');
        // `…:8200/v1` is written by many, for that is what stands in examples of requests.
        let prefix = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        Ok(Self { scheme, authority, prefix })
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The address of a path below `/v1/`, which is encoded already.
    pub(super) fn at(&self, path: &str) -> Result<Uri, Failure> {
        let path = format!("{}/v1/{path}", self.prefix);
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        let bad = |_| Failure::new(SourceErrorKind::Misconfigured, "the path of the secret is too long");
        uri.path_and_query(path).build().map_err(bad)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

/// The parser takes any text for a port, and a client would then go to the usual one.
fn names_a_port_or_none(authority: &Authority) -> bool {
    let host = authority.host();
    match authority.port_u16() {
        Some(port) => authority.as_str() == format!("{host}:{port}"),
        None => authority.as_str() == host,
    }
}

/// Where a redirect leads, if it is one of a standby, which sends to the active server of its cluster: to the same path and query there.
/// The token goes along, so to nothing else, and never from TLS to none.
pub(super) fn redirected(from: &Uri, location: &str) -> Option<Uri> {
    let to: Uri = location.parse().ok()?;
    let plain_as_before = from.scheme() == Some(&Scheme::HTTP) && to.scheme() == Some(&Scheme::HTTP);
    let whole = to.authority().is_some_and(|to| !to.host().is_empty() && names_a_port_or_none(to));
    let safe = whole && (to.scheme() == Some(&Scheme::HTTPS) || plain_as_before);
    (safe && is_the_same(from, &to)).then_some(to)
}

/// It may write the path in another way, and does not know of what a proxy has taken off before `/v1/`.
fn is_the_same(from: &Uri, to: &Uri) -> bool {
    let (asked, to_path) = (decoded(from.path()), decoded(to.path()));
    let without_proxy = asked.windows(4).position(|part| part == b"/v1/").map(|at| &asked[at..]);
    (asked == to_path || without_proxy == Some(&*to_path)) && from.query() == to.query()
}

fn decoded(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

/// Segments of a path as they are written in a URL. `None` if a segment is empty or leads elsewhere.
pub(super) fn encoded(path: &str) -> Option<String> {
    let mut encoded = String::with_capacity(path.len());
    for segment in path.split('/') {
        if matches!(segment, "" | "." | "..") {
            return None;
        }
        if !encoded.is_empty() {
            encoded.push('/');
        }
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    encoded.push(char::from(byte));
                }
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> String {
        Address::parse(address).unwrap().at("secret/data/a").unwrap().to_string()
    }

    #[test]
    fn an_address_may_have_a_path_and_may_end_as_it_likes() {
        assert_eq!(at("https://vault:8200"), "https://vault:8200/v1/secret/data/a");
        assert_eq!(at("http://127.0.0.1:8200/"), "http://127.0.0.1:8200/v1/secret/data/a");
        assert_eq!(at("https://vault:8200/v1/"), "https://vault:8200/v1/secret/data/a");
        assert_eq!(at("https://proxy/vault/"), "https://proxy/vault/v1/secret/data/a");
        assert_eq!(at("https://[::1]:8200"), "https://[::1]:8200/v1/secret/data/a");
    }

    #[test]
    fn a_bad_address_is_refused_and_not_shown() {
        for bad in [
            "",
            "vault.internal",
            "vault.internal:8200",
            "ftp://vault",
            "https://",
            "https://user:canary@vault:8200",
            "https://vault?token=canary",
            "https://va ult/canary",
            "https://vault:82000",
            "https://vault:canary",
            "https://vault:",
            "https://[::1]:82000",
        ] {
            let failure = Address::parse(bad).unwrap_err();
            assert_eq!(failure.kind(), SourceErrorKind::Misconfigured, "{bad}");
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
    }

    #[test]
    fn a_redirect_never_leaves_tls() {
        let (tls, plain) = (Uri::from_static("https://a/v1/x"), Uri::from_static("http://a/v1/x"));
        assert!(redirected(&tls, "https://b:8200/v1/x").is_some());
        assert!(redirected(&plain, "https://b:8200/v1/x").is_some());
        assert!(redirected(&plain, "http://b:8200/v1/x").is_some());
        assert!(redirected(&tls, "http://b:8200/v1/x").is_none());
        assert!(redirected(&tls, "/v1/x").is_none());
        assert!(redirected(&tls, "what?").is_none());
    }

    #[test]
    fn a_redirect_leads_to_the_same_path_and_query() {
        let from = Uri::from_static("https://a/proxy/v1/x/b%20c%3A?version=1");
        for same in
            ["/proxy/v1/x/b%20c%3A?version=1", "/proxy/v1/x/b%20c:?version=1", "/v1/x/b%20c:?version=1"]
        {
            assert!(redirected(&from, &format!("https://b:8200{same}")).is_some(), "{same}");
        }
        for other in [
            "",
            "/",
            "/collect",
            "/v1/x/b%20c%3A",
            "/v1/x/b%20c%3A?version=2",
            "/v1/b%20c%3A?version=1",
            "/x/b%20c%3A?version=1",
            "/c%3A?version=1",
            "/v1/x/b%2520c%3A?version=1",
        ] {
            assert!(redirected(&from, &format!("https://b:8200{other}")).is_none(), "{other}");
        }
        for authority in ["", "user@b", "b:82000", "b:"] {
            assert!(redirected(&from, &format!("https://{authority}/v1/x/b%20c:?version=1")).is_none());
        }
    }

    #[test]
    fn a_path_cannot_lead_elsewhere() {
        assert_eq!(encoded("claude/prod").as_deref(), Some("claude/prod"));
        assert_eq!(encoded("a b/ü?x#y%").as_deref(), Some("a%20b/%C3%BC%3Fx%23y%25"));
        for bad in ["", "a//b", "../sys", "a/./b", "/a"] {
            assert_eq!(encoded(bad), None, "{bad}");
        }
    }
}
