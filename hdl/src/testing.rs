//! Helpers of the block tests: a clock tick and seeded randomness.

use rand::rngs::StdRng;
use rand::SeedableRng;
use rust_hdl::prelude::*;

/// Settles the inputs, then gives one rising clock edge. `set_clock` writes the clock input.
pub fn tick<B: Block>(uut: &mut B, set_clock: impl Fn(&mut B, bool)) {
    assert!(simulate(uut, 50), "the logic does not settle");
    set_clock(uut, true);
    assert!(simulate(uut, 50), "the logic does not settle");
    set_clock(uut, false);
    assert!(simulate(uut, 50), "the logic does not settle");
}

/// A generator that a failing test can be repeated with.
pub fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
