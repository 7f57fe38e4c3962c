//! `/_sim/faults`: the script of faults from outside.

use http::Method;
use serde::{Deserialize, Serialize};

use super::{Fault, Faults};
use crate::answer::Answer;
use crate::errors::ApiError;

/// What may be posted.
#[derive(Deserialize)]
#[serde(untagged)]
enum Posted {
    List(Vec<String>),
    Next { next: u64, fault: String },
}

#[derive(Serialize)]
struct Waiting {
    /// How many requests from now on have their fault.
    scripted: u64,
}

/// `POST` adds to the script, `DELETE` clears it, `GET` reads how much of it is left. All of them answer that.
pub(crate) fn admin(faults: &Faults, method: &Method, body: &[u8]) -> Result<Answer, ApiError> {
    match *method {
        Method::GET => {}
        Method::POST => add(faults, body)?,
        Method::DELETE => faults.clear(),
        _ => return Err(ApiError::method_not_allowed("GET, POST, DELETE")),
    }
    Ok(Answer::json(&Waiting { scripted: faults.scripted() }))
}

/// All of it or, if something is wrong, nothing.
fn add(faults: &Faults, body: &[u8]) -> Result<(), ApiError> {
    let expected = r#"["overloaded", ...] or {"next": 3, "fault": "overloaded"} is expected"#;
    let posted = serde_json::from_slice(body).map_err(|_| ApiError::invalid(expected))?;
    let parse = |text: &str| text.parse::<Fault>().map_err(|error| ApiError::invalid(error.to_string()));
    match posted {
        Posted::List(texts) => {
            let parsed: Vec<Fault> = texts.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
            for fault in parsed {
                faults.script(1, fault);
            }
        }
        Posted::Next { next, fault } => faults.script(next, parse(&fault)?),
    }
    Ok(())
}
