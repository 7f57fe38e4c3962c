//! Nothing: this crate is its tests, which put ours into stacks that are not ours.
