//! Keys that rotate under requests, over the simulator.

mod early;
mod once;
mod retried;
mod source_down;
mod support;
mod under_load;
