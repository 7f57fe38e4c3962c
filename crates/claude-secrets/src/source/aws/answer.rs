//! A version of a secret, out of what `GetSecretValue` answers.

use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::source::{SourceError, SourceErrorKind};

/// A version of a secret.
pub(super) struct Version {
    pub(super) text: SecretString,
    /// The service's name for it.
    pub(super) id: Option<String>,
    pub(super) created: Option<SystemTime>,
}

impl Version {
    pub(super) fn read(id: &str, body: &[u8]) -> Result<Self, SourceError> {
        let malformed = |detail| SourceError::new(id, SourceErrorKind::Malformed, detail);
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(body) else {
            return Err(malformed("the answer is no JSON of Secrets Manager"));
        };
        let text = match (answer.remove("SecretString"), answer.remove("SecretBinary")) {
            (Some(Value::String(text)), _) => SecretString::from(text),
            (None | Some(Value::Null), Some(Value::String(coded))) => {
                decoded(&Zeroizing::new(coded)).ok_or_else(|| malformed("its binary value is not UTF-8"))?
            }
            (None | Some(Value::Null), None | Some(Value::Null)) => {
                return Err(SourceError::new(id, SourceErrorKind::Empty, "the version has no value"));
            }
            _ => return Err(malformed("the answer is no answer of Secrets Manager")),
        };
        let created = answer.get("CreatedDate").and_then(Value::as_f64);
        Ok(Self {
            text,
            id: answer.get("VersionId").and_then(Value::as_str).map(ToOwned::to_owned),
            created: created.and_then(since_the_epoch),
        })
    }
}

fn decoded(coded: &str) -> Option<SecretString> {
    let bytes = aws_smithy_types::base64::decode(coded).ok()?;
    match String::from_utf8(bytes) {
        Ok(text) => Some(SecretString::from(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            None
        }
    }
}

/// Seconds, with a fraction.
fn since_the_epoch(seconds: f64) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use secrecy::ExposeSecret;

    use super::Version;
    use crate::source::SourceErrorKind;

    fn read(body: &str) -> Result<Version, SourceErrorKind> {
        Version::read("aws:test", body.as_bytes()).map_err(|error| {
            assert!(!format!("{error:?} {error:#}").contains("canary"), "{error}");
            error.kind()
        })
    }

    #[test]
    fn a_version_is_text_or_text_in_bytes() {
        let version = read(
            r#"{"ARN":"arn:x","VersionId":"v-1","SecretString":"sk-ant-a-canary","CreatedDate":1523477145.5,"New":[]}"#,
        )
        .unwrap();
        assert_eq!(version.text.expose_secret(), "sk-ant-a-canary");
        assert_eq!(version.id.as_deref(), Some("v-1"));
        let created = SystemTime::UNIX_EPOCH + Duration::from_millis(1_523_477_145_500);
        assert_eq!(version.created, Some(created));

        let version = read(r#"{"SecretString":null,"SecretBinary":"c2stYW50LWItY2FuYXJ5"}"#).unwrap();
        assert_eq!(version.text.expose_secret(), "sk-ant-b-canary");
        assert_eq!((version.id, version.created), (None, None));
    }

    #[test]
    fn a_date_that_is_none_is_no_reason_to_have_no_key() {
        for date in ["-1", "1e300", r#""yesterday""#, "null"] {
            let body = format!(r#"{{"SecretString":"sk-ant-a-canary","CreatedDate":{date}}}"#);
            assert_eq!(read(&body).unwrap().created, None);
        }
    }

    #[test]
    fn anything_else_is_malformed_and_not_quoted() {
        for body in [
            "",
            "sk-ant-canary",
            r#"["sk-ant-canary"]"#,
            r#"{"SecretString":["sk-ant-canary"]}"#,
            r#"{"SecretString":"sk-ant-canary""#,
            r#"{"SecretBinary":"sk-ant-canary!"}"#,
            r#"{"SecretBinary":"/////w=="}"#,
        ] {
            assert_eq!(read(body).err(), Some(SourceErrorKind::Malformed), "{body}");
        }
        assert_eq!(read("{}").err(), Some(SourceErrorKind::Empty));
    }
}
