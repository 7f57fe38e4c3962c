//! One version of a key, ready to be put on requests.

use std::sync::Arc;

use bytes::Bytes;
use claude_wire::headers::names::X_API_KEY;
use http::header::{AUTHORIZATION, Entry};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::fingerprint::{Digest, Fingerprinter};
use crate::trust::Trust;

/// Which header carries the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `x-api-key`: the API takes it with both of its versions (2026-11).
    #[default]
    ApiKey,
    /// `authorization: Bearer`: what the official SDKs send since their late 2026 majors, and what access tokens need.
    Bearer,
}

impl Scheme {
    const fn name(self) -> HeaderName {
        match self {
            Self::ApiKey => X_API_KEY,
            Self::Bearer => AUTHORIZATION,
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "",
            Self::Bearer => "Bearer ",
        }
    }
}

/// One version of a key. Shared by the requests that carry it: who counts the handles knows how many are on their way.
pub(crate) struct Credential {
    name: HeaderName,
    value: HeaderValue,
    digest: Digest,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) trust: Trust,
}

/// The memory of a header's value, wiped when the last request that carries it has gone.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Credential {
    /// `None` if it holds what no header can.
    pub(crate) fn new(secret: &SecretString, scheme: Scheme, fingerprinter: &Fingerprinter) -> Option<Self> {
        let secret = secret.expose_secret().as_bytes();
        let prefix = scheme.prefix().as_bytes();
        let mut text = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.len()));
        text.extend_from_slice(prefix);
        text.extend_from_slice(secret);
        // Not copied: every clone of the value is a handle to this memory.
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(Wiped(text))).ok()?;
        value.set_sensitive(true);
        let (digest, fingerprint) = fingerprinter.of(secret);
        Some(Self { name: scheme.name(), value, digest, fingerprint, trust: Trust::default() })
    }

    pub(crate) const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether both are the same key.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Whether the API has refused it, and its source had no other.
    pub(crate) fn is_dead(&self) -> bool {
        self.trust.is_dead()
    }

    /// The only credential of these headers from now on, from which any other [was taken off](take_off) before.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        debug_assert!(!is_there(headers), "there is another credential");
        headers.insert(self.name.clone(), self.value.clone());
    }
}

/// Whether there is any credential, be it blank.
pub(crate) fn is_there(headers: &HeaderMap) -> bool {
    headers.contains_key(X_API_KEY) || headers.contains_key(AUTHORIZATION)
}

/// Removes whatever credential is there.
pub(crate) fn take_off(headers: &mut HeaderMap) {
    headers.remove(X_API_KEY);
    headers.remove(AUTHORIZATION);
}

/// Says of whatever credential is there that it is not to be printed.
pub(crate) fn hide(headers: &mut HeaderMap) {
    for name in [X_API_KEY, AUTHORIZATION] {
        if let Entry::Occupied(mut values) = headers.entry(name) {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

/// The credential that the caller has put there himself, if there is any: without its scheme. What is blank is none.
pub(crate) fn of_caller(headers: &HeaderMap) -> Option<&[u8]> {
    let values = headers.get_all(X_API_KEY).iter().chain(headers.get_all(AUTHORIZATION));
    values.map(|value| without_scheme(value.as_bytes())).find(|credential| !credential.is_empty())
}

fn without_scheme(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    match value.split_at_checked(6) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer") => match token.first() {
            None | Some(b' ' | b'\t') => token.trim_ascii(),
            Some(_) => value,
        },
        _ => value,
    }
}
