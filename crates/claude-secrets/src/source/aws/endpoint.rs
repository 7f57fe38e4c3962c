//! An address instead of the region's own.

use http::Uri;

use crate::source::{SourceError, SourceErrorKind};

/// The address as the SDK takes it. What it is instead is not said: it may hold a password.
pub(super) fn checked(text: &str) -> Result<String, SourceError> {
    let wrong = |what| Err(SourceError::new("aws", SourceErrorKind::Misconfigured, what));
    let Ok(uri) = text.parse::<Uri>() else {
        return wrong("the endpoint is no URL");
    };
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong("the endpoint is no URL that begins with `https://` or `http://`");
    };
    // The parser takes any text for a port.
    let whole = match authority.port_u16() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    };
    if authority.host().is_empty() || authority.as_str() != whole {
        return wrong("the endpoint has a host and a port, and neither name nor password");
    }
    if uri.query().is_some() || uri.path() != "/" {
        return wrong("the endpoint has no path and no query");
    }
    Ok(format!("{}://{authority}", uri.scheme_str().unwrap_or("https")))
}

#[cfg(test)]
mod tests {
    use super::checked;
    use crate::source::SourceErrorKind;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_a_port() {
        for (given, taken) in [
            ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
            ("https://secrets.example/", "https://secrets.example"),
            ("http://[::1]:4566", "http://[::1]:4566"),
        ] {
            assert_eq!(checked(given).unwrap(), taken);
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_quoted() {
        for given in [
            "",
            "localhost:4566",
            "/secrets",
            "ftp://secrets.example",
            "https://user:sk-ant-canary@secrets.example",
            "https://secrets.example/path",
            "https://secrets.example/?sk-ant-canary",
            "https://secrets.example:port",
        ] {
            let error = checked(given).unwrap_err();
            assert_eq!(error.kind(), SourceErrorKind::Misconfigured, "{given}");
            assert!(!format!("{error:?} {error:#}").contains("canary"));
        }
    }
}
