//! claude-sim.
