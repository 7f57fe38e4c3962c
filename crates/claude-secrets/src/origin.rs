//! Where a key may go.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Uri};
use thiserror::Error;

/// The API's own origin (2026-11-22).
pub const API_ORIGIN: &str = "https://api.anthropic.com";

/// Scheme, host and port. Two are the same if these are, the port of the scheme's being meant where there is none.
#[derive(Clone)]
pub struct Origin {
    scheme: Scheme,
    host: Arc<str>,
    port: u16,
    text: Arc<str>,
}

/// What is no origin. It does not repeat the text, which may hold a user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an origin is http or https, a host, and perhaps a port, such as {API_ORIGIN}: no user, no path, no query"
)]
pub struct InvalidOrigin(());

impl Origin {
    /// The origin of a request; `None` if its URI has no scheme or no host.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme()?.clone();
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        let default = default_port(&scheme)?;
        let port = uri.port_u16().unwrap_or(default);
        // A port that is none is no port at all to `port_u16`.
        if uri.port_u16().is_none() && has_port(uri.authority()?) {
            return None;
        }
        let text =
            if port == default { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") };
        Some(Self { scheme, host: host.into(), port, text: text.into() })
    }

    /// Whether a request to this URI goes there.
    pub(crate) fn is_of(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return false;
        };
        if *scheme != self.scheme {
            return false;
        }
        // As it is mostly written. Taking an authority apart costs more.
        let own = self.text.get(scheme.as_str().len() + "://".len()..);
        if own.is_some_and(|own| authority.as_str().eq_ignore_ascii_case(own)) {
            return true;
        }
        let port = authority.port_u16();
        authority.host().eq_ignore_ascii_case(&self.host)
            && match port {
                Some(port) => port == self.port,
                None => !has_port(authority) && default_port(scheme) == Some(self.port),
            }
    }

    /// Whether a `host` header names it too, or there is none. One that names another leads elsewhere behind a proxy.
    pub(crate) fn is_named_by(&self, headers: &HeaderMap) -> bool {
        headers.get_all(HOST).iter().all(|host| {
            let host = host.to_str().ok().map(|host| format!("{}://{host}", self.scheme));
            host.and_then(|origin| origin.parse::<Self>().ok()).is_some_and(|origin| origin == *self)
        })
    }

    /// The text of it, such as `https://api.anthropic.com`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// Whether something stands behind the host that is meant to be a port.
fn has_port(authority: &Authority) -> bool {
    let host = authority.host();
    let text = authority.as_str();
    let behind = text.rsplit_once('@').map_or(text, |(_, behind)| behind);
    behind.len() > host.len()
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let uri: Uri = text.parse().map_err(|_| InvalidOrigin(()))?;
        let is_bare = uri.path() == "/" && uri.query().is_none() && !text.contains(['@', '#', '?']);
        Self::of(&uri).filter(|_| is_bare).ok_or(InvalidOrigin(()))
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Origin {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HOST;

    use super::{API_ORIGIN, Origin};

    fn goes(uri: &str, origin: &str) -> bool {
        let origin: Origin = origin.parse().unwrap();
        let uri = uri.parse().unwrap();
        let goes = origin.is_of(&uri);
        assert_eq!(Origin::of(&uri).is_some_and(|other| other == origin), goes, "{uri}");
        goes
    }

    #[test]
    fn only_scheme_host_and_port_together() {
        for (uri, expected) in [
            ("https://api.anthropic.com/v1/messages", true),
            ("https://API.Anthropic.COM:443/", true),
            ("https://user@api.anthropic.com/", true),
            ("http://api.anthropic.com/", false),
            ("https://api.anthropic.com:8443/", false),
            ("https://api.anthropic.com.evil.example/", false),
            ("https://api.anthropic.com./", false),
            ("https://api.anthropic.com@evil.example/", false),
            ("https://evil.example/https://api.anthropic.com", false),
            ("/v1/messages", false),
            ("ftp://api.anthropic.com/", false),
        ] {
            assert_eq!(goes(uri, API_ORIGIN), expected, "{uri}");
        }
        assert!(goes("http://[::1]:8080/x", "http://[::1]:8080"));
        assert!(!goes("http://[::1]/x", "http://[::1]:8080"));
    }

    #[test]
    fn a_host_header_must_name_it_too() {
        let origin: Origin = API_ORIGIN.parse().unwrap();
        for (hosts, expected) in [
            (&[][..], true),
            (&["api.anthropic.com"], true),
            (&["API.anthropic.com:443"], true),
            (&["evil.example"], false),
            (&["api.anthropic.com:80"], false),
            (&["api.anthropic.com", "evil.example"], false),
            (&["api.anthropic.com@evil.example"], false),
            (&[""], false),
        ] {
            let headers = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host))).collect();
            assert_eq!(origin.is_named_by(&headers), expected, "{hosts:?}");
        }
    }

    #[test]
    fn what_is_no_origin() {
        for text in [
            "",
            "api.anthropic.com",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u:p@a",
            "ftp://a",
            "https://a:99999",
            "https://a:",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
