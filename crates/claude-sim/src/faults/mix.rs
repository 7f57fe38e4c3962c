//! Faults that come by chance.

use std::error::Error;
use std::fmt;

use fastrand::Rng;

use super::fault::Fault;

/// Faults and how likely each is. What is left to one is no fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultMix {
    faults: Vec<(Fault, f64)>,
    sum: f64,
}

impl FaultMix {
    /// Nothing goes wrong.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault that comes with this probability.
    ///
    /// # Errors
    ///
    /// If it is not between 0 and 1, or all of them come to more than 1.
    pub fn with(mut self, fault: Fault, probability: f64) -> Result<Self, InvalidProbability> {
        let sum = self.sum + probability;
        // Ten times a tenth is a little more than one.
        if !(0.0..=1.0).contains(&probability) || sum > 1.0 + 1e-9 {
            return Err(InvalidProbability { probability, sum });
        }
        self.faults.push((fault, probability));
        self.sum = sum;
        Ok(self)
    }

    /// One draw, whatever is in the mix.
    pub(crate) fn draw(&self, rng: &mut Rng) -> Option<&Fault> {
        let mut left = rng.f64();
        self.faults.iter().find_map(|(fault, probability)| {
            left -= probability;
            (left < 0.0).then_some(fault)
        })
    }
}

/// A probability that is none, or more than is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidProbability {
    probability: f64,
    sum: f64,
}

impl fmt::Display for InvalidProbability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probability, sum } = self;
        if (0.0..=1.0).contains(probability) {
            write!(f, "the probabilities of faults come to {sum}, which is more than 1")
        } else {
            write!(f, "the probability of a fault is {probability}, which is not between 0 and 1")
        }
    }
}

impl Error for InvalidProbability {}
