//! An error in every form that it can be printed in.

use std::error::Error;
use std::fmt::Write;

use claude_tower::errors::{Classification, Error as TypedError};
use claude_tower::secrets::SecretsError;
use claude_tower::wire::call::Refusal;

use crate::ear::EAR;

/// With all that caused it.
pub(crate) fn shown(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        writeln!(text, "{error}\n{error:#}\n{error:?}\n{error:#?}\n{error:x?}").unwrap();
        next = error.source();
    }
    text
}

/// Hears it, and what our own readers make of it.
pub(crate) fn hear(error: Box<dyn Error + Send + Sync>) {
    EAR.hear("error", shown(&*error));
    if let Some(secrets) = SecretsError::find(&*error) {
        EAR.hear("error", shown(secrets));
        EAR.debug(secrets.kind());
    }
    if let Some(refusal) = Refusal::find(&*error) {
        EAR.hear("error", shown(refusal));
    }
    EAR.debug(&Classification::of_error(&*error, None));
    let typed = TypedError::from_service(error, None);
    EAR.hear("error", shown(&typed));
    EAR.hear("error", serde_json::to_string(&typed).unwrap());
    let response = typed.to_response();
    EAR.hear("answer", format!("{response:?} {:?}", response.body()));
}
