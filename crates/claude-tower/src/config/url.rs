//! URLs in a configuration.

use http::Uri;

/// What a URL may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) schemes: &'static [&'static str],
    /// Whether it may name a user and a password.
    pub(super) user: bool,
    /// Whether it may have a path other than `/`.
    pub(super) path: bool,
    /// Schemes for which the port has no usual number.
    pub(super) port: &'static [&'static str],
}

impl Rules {
    /// Reads a URL by these rules. A query or a fragment is never allowed: nothing here would use it.
    pub(super) fn parse(self, text: &str) -> Option<Uri> {
        // `Uri` drops fragments without a word.
        if text.contains('#') {
            return None;
        }
        let uri: Uri = text.parse().ok()?;
        self.allows(&uri).then_some(uri)
    }

    /// Whether a URL is one by these rules.
    pub(super) fn allows(self, uri: &Uri) -> bool {
        let among = |schemes: &[&str]| uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme));
        let Some(authority) = uri.authority() else {
            return false;
        };
        let (user, place) = match authority.as_str().rsplit_once('@') {
            // Clients disagree on which of several @ is the last of the user: it must be written %40.
            Some((user, _)) if user.contains('@') => return false,
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        // The `http` crate checks neither that a host is there nor that a port is a number.
        let port = match place.strip_prefix(authority.host()) {
            Some("") => None,
            Some(port) => match port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) {
                Some(port @ 1..) => Some(port),
                _ => return false,
            },
            None => return false,
        };
        among(self.schemes)
            && !authority.host().is_empty()
            && (self.user || user.is_none())
            && (port.is_some() || !among(self.port))
            && (self.path || matches!(uri.path(), "" | "/"))
            && uri.query().is_none()
    }
}

/// A URL as it may be shown: without the user and the password.
pub(super) fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    match authority.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}{}", uri.path()),
        None => format!("{scheme}://{authority}{}", uri.path()),
    }
}
