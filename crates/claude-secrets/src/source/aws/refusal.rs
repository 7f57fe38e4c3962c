//! What a failure means, in our words.

use std::borrow::Cow;
use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::SdkError;

use super::airlock::{Answer, Heard, Refused};
use crate::source::SourceErrorKind::{
    self, Denied, Malformed, Misconfigured, NotFound, TimedOut, Unavailable,
};

/// A kind, and words that name neither content nor what the SDK made of it.
pub(super) type Failure = (SourceErrorKind, Cow<'static, str>);

/// The SDK's error goes no further than here: it may hold the response.
pub(super) fn of<E>(error: &SdkError<E>, heard: &Heard) -> Failure
where
    E: Error + 'static,
{
    let answer = heard.take();
    if matches!(answer, Some(Answer::TooLong)) {
        return (Malformed, "the answer is longer than 512 KiB".into());
    }
    match error {
        SdkError::TimeoutError(_) => (TimedOut, "no answer in the SDK's own time".into()),
        SdkError::DispatchFailure(failure) => {
            if let Some(credentials) = find::<CredentialsError>(failure.as_connector_error()) {
                no_credentials(credentials)
            } else if failure.is_timeout() {
                (TimedOut, "no connection, or no answer, in the SDK's own time".into())
            } else if failure.is_io() || heard.was_sent() {
                (Unavailable, "the endpoint cannot be reached, or the connection broke".into())
            } else {
                (Misconfigured, "no request could be made: look at region, endpoint and credentials".into())
            }
        }
        SdkError::ConstructionFailure(_) => {
            (Misconfigured, "no request could be made of the name, stage and version".into())
        }
        _ => match answer {
            Some(Answer::Refused(refused)) => refused.failure(),
            _ => (Malformed, "the answer is none of Secrets Manager".into()),
        },
    }
}

fn no_credentials(error: &CredentialsError) -> Failure {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            Denied,
            "no credentials: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a profile, or a role for where this runs".into(),
        ),
        CredentialsError::InvalidConfiguration(_) => {
            (Misconfigured, "the settings for credentials are wrong: look at the profile and its files".into())
        }
        CredentialsError::ProviderTimedOut(_) => (TimedOut, "who gives the credentials did not answer in time".into()),
        _ => (Unavailable, "who gives the credentials failed".into()),
    }
}

/// The error of this type in the chain.
fn find<T: Error + 'static>(error: Option<&(impl Error + 'static)>) -> Option<&T> {
    let mut next = error.map(|error| error as &(dyn Error + 'static));
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

impl Refused {
    pub(super) fn failure(&self) -> Failure {
        let (kind, words) = self.meaning();
        let code = self.code.as_deref().unwrap_or("no code");
        let request = self.request.as_deref().map(|id| format!(", request {id}")).unwrap_or_default();
        (kind, format!("{words} ({code}, status {}{request})", self.status).into())
    }

    /// By the code, where there is one: some emulators are wrong about the status. Codes as documented for `GetSecretValue` and
    /// as common to all services (2026-11).
    fn meaning(&self) -> (SourceErrorKind, &'static str) {
        match self.code.as_deref().unwrap_or_default() {
            "ResourceNotFoundException" => {
                (NotFound, "there is no such secret here, or no such version of it")
            }
            "InvalidRequestException" if self.deleted => (NotFound, "the secret is marked for deletion"),
            "InvalidRequestException" => (Misconfigured, "what is asked does not fit the secret"),
            "InvalidParameterException" | "ValidationException" | "ValidationError" => {
                (Misconfigured, "the name, stage or version is not as they are written")
            }
            "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "UnauthorizedOperation" => (
                Denied,
                "not allowed: is there `secretsmanager:GetSecretValue`, and `kms:Decrypt` for its key?",
            ),
            "DecryptionFailure" | "DecryptionFailureException" => {
                (Denied, "the value cannot be decrypted: is there `kms:Decrypt`, and is the key enabled?")
            }
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "RequestTimeTooSkewed" => {
                (Denied, "the credentials have expired, or the clock is wrong")
            }
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "OptInRequired" => (Denied, "the credentials are not accepted"),
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "BandwidthLimitExceeded"
            | "LimitExceededException" => (Unavailable, "asked too often"),
            "InternalServiceError"
            | "InternalServiceErrorException"
            | "InternalFailure"
            | "ServiceUnavailable" => (Unavailable, "the service fails"),
            "UnknownOperationException" => (Misconfigured, "the endpoint is not one of Secrets Manager"),
            _ => self.meaning_of_the_status(),
        }
    }

    const fn meaning_of_the_status(&self) -> (SourceErrorKind, &'static str) {
        match self.status {
            401 | 403 => (Denied, "not allowed"),
            408 | 429 => (Unavailable, "asked too often"),
            500.. => (Unavailable, "the service fails"),
            300..=399 | 404 => (Misconfigured, "the endpoint is not one of Secrets Manager"),
            _ => (Malformed, "the request is refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Refused;
    use crate::source::SourceErrorKind::{Denied, Malformed, Misconfigured, NotFound, Unavailable};

    fn refused(status: u16, code: &str) -> Refused {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Refused { status, code, ..Refused::default() }
    }

    #[test]
    fn the_code_counts_before_the_status() {
        for (status, code, kind) in [
            (400, "ResourceNotFoundException", NotFound),
            (404, "ResourceNotFoundException", NotFound),
            (400, "AccessDeniedException", Denied),
            (400, "UnrecognizedClientException", Denied),
            (400, "ExpiredTokenException", Denied),
            (400, "InvalidSignatureException", Denied),
            (400, "DecryptionFailure", Denied),
            (400, "ThrottlingException", Unavailable),
            (500, "InternalServiceError", Unavailable),
            (400, "InvalidParameterException", Misconfigured),
            (400, "InvalidRequestException", Misconfigured),
            (403, "SomethingNew", Denied),
            (418, "SomethingNew", Malformed),
            (503, "", Unavailable),
            (429, "", Unavailable),
            (403, "", Denied),
            (302, "", Misconfigured),
            (404, "", Misconfigured),
        ] {
            assert_eq!(refused(status, code).failure().0, kind, "{status} {code}");
        }
    }

    #[test]
    fn a_secret_that_is_to_be_deleted_is_not_there() {
        let refused = Refused { deleted: true, ..refused(400, "InvalidRequestException") };
        let (kind, words) = refused.failure();
        assert_eq!(kind, NotFound);
        assert!(words.contains("marked for deletion"), "{words}");
    }

    #[test]
    fn the_code_and_the_request_are_named() {
        let refused = Refused { request: Some("7a4-b".to_owned()), ..refused(400, "ThrottlingException") };
        assert_eq!(refused.failure().1, "asked too often (ThrottlingException, status 400, request 7a4-b)");
    }
}
