//! Keys that rotate under requests, over the simulator.

mod once;
mod support;
