//! Faults: what there are, and how one is chosen for a request.

mod admin;
mod error_answer;
mod fates;
mod fault;
mod grammar;
mod mix;
mod script;
mod statuses;
mod words;

use std::sync::Mutex;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::errors::ApiError;
use crate::lock::lock;
use crate::seed::{self, Purpose};

pub(crate) use admin::admin;
pub(crate) use error_answer::{ErrorAnswer, message_of_type};
pub(crate) use fault::{End, ErrorEvent, Instead, Pieces, Stall};
pub use fault::{Fault, LineEnds};
pub use grammar::ParseFaultError;
pub use mix::{FaultMix, InvalidProbability};

use fates::Attempts;
use script::Script;

/// How many faults a script holds; equal ones in a row count once. What does not fit is left out.
pub const MAX_SCRIPTED_FAULTS: usize = 65_536;

/// How many fates a simulator keeps the attempts of. When one more comes, the one that came first is forgotten,
/// and its next request is its first attempt again.
pub const MAX_FATES: usize = 65_536;

/// The fault of this request. It is no header of the API.
const FAULT_HEADER: HeaderName = HeaderName::from_static("x-sim-fault");
/// The fate of the call that this request is an attempt of. It is no header of the API.
const FATE_HEADER: HeaderName = HeaderName::from_static("x-sim-fate");

/// All that decides about faults.
pub(crate) struct Faults {
    seed: u64,
    script: Mutex<Script>,
    attempts: Mutex<Attempts>,
    fates: FaultMix,
    chance: FaultMix,
}

impl Faults {
    pub(crate) fn new(seed: u64, fates: FaultMix, chance: FaultMix) -> Self {
        Self { seed, script: Mutex::default(), attempts: Mutex::default(), fates, chance }
    }

    /// The fate of the call that the request which has just come in is an attempt of, and which one it is. It counts
    /// also if something else decides about it.
    pub(crate) fn attempt(&self, headers: &HeaderMap) -> Result<Option<(u64, u32)>, ApiError> {
        let fate = header(headers, &FATE_HEADER, str::parse::<u64>)?;
        Ok(fate.map(|fate| (fate, lock(&self.attempts).next(fate))))
    }

    /// The fault of the request that has just come in: by header, by script, by fate, by chance. The first that
    /// says anything decides, also if it says "none".
    pub(crate) fn choose(
        &self,
        headers: &HeaderMap,
        number: u64,
        attempt: Option<(u64, u32)>,
    ) -> Result<Fault, ApiError> {
        if let Some(fault) = header(headers, &FAULT_HEADER, str::parse::<Fault>)? {
            return Ok(fault);
        }
        if let Some(fault) = lock(&self.script).next() {
            return Ok(fault);
        }
        if let Some((fate, attempt)) = attempt {
            return Ok(self.fate(fate, attempt).unwrap_or_default());
        }
        let mut rng = seed::rng(self.seed, number, Purpose::Fault);
        Ok(self.chance.draw(&mut rng).cloned().unwrap_or_default())
    }

    /// What is decided about this attempt.
    pub(crate) fn fate(&self, fate: u64, attempt: u32) -> Option<Fault> {
        self.fates.draw(&mut seed::fate(self.seed, fate, attempt)).cloned()
    }

    pub(crate) fn first_success(&self, fate: u64, attempts: u32) -> Option<u32> {
        (1..=attempts).find(|&attempt| !self.fate(fate, attempt).is_some_and(|fault| fault.is_fatal()))
    }

    pub(crate) fn script(&self, times: u64, fault: Fault) {
        lock(&self.script).add(times, fault);
    }

    pub(crate) fn clear(&self) {
        lock(&self.script).clear();
    }

    pub(crate) fn scripted(&self) -> u64 {
        lock(&self.script).waiting()
    }
}

fn header<T, E: ToString>(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let read = HeaderValue::to_str(value).map_err(|error| error.to_string());
    let read = read.and_then(|text| parse(text).map_err(|error| error.to_string()));
    read.map(Some).map_err(|complaint| ApiError::invalid(format!("{name}: {complaint}")))
}
