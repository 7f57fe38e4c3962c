//! Taking the token off a request.

use claude_wire::headers::names::X_API_KEY;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::{NotAdmittedReason as Reason, TokenHash};

/// Longer than any token. What is longer is not even hashed.
const LONGEST: usize = 1_024;

/// Removes both headers, and gives the hash of the token that was in them.
pub(super) fn take(headers: &mut HeaderMap) -> Result<TokenHash, Reason> {
    let key = remove(headers, &X_API_KEY);
    let authorization = remove(headers, &AUTHORIZATION);
    let key = match key?.as_ref().map(HeaderValue::as_bytes) {
        None | Some([]) => None,
        Some(key) => Some(hash(key)?),
    };
    let bearer = match authorization?.as_ref().map(|value| bearer(value.as_bytes())).transpose()? {
        None | Some([]) => None,
        Some(token) => Some(hash(token)?),
    };
    match (key, bearer) {
        (None, None) => Err(Reason::Missing),
        (Some(token), None) | (None, Some(token)) => Ok(token),
        (Some(key), Some(bearer)) if key == bearer => Ok(key),
        (Some(_), Some(_)) => Err(Reason::Ambiguous),
    }
}

/// The only value of a header, which is gone afterwards whether or not it was the only one.
fn remove(headers: &mut HeaderMap, name: &HeaderName) -> Result<Option<HeaderValue>, Reason> {
    let several = headers.get_all(name).iter().nth(1).is_some();
    let value = headers.remove(name);
    if several { Err(Reason::Ambiguous) } else { Ok(value) }
}

/// What is behind `Bearer`, the case of which does not matter (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Result<&[u8], Reason> {
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    if scheme.is_empty() || scheme.eq_ignore_ascii_case(b"bearer") {
        Ok(token.trim_ascii())
    } else {
        Err(Reason::Malformed)
    }
}

fn hash(token: &[u8]) -> Result<TokenHash, Reason> {
    if token.len() > LONGEST || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Reason::Malformed);
    }
    Ok(TokenHash::of_bytes(token))
}
