//! Row accumulator: adds the dot products of a row's beats and hands out one int32 a row.
//!
//! Cycle contract: `result_valid` follows the beat with `row_end` by [`LATENCY`] cycle; a row may end in
//! every cycle. No overflow: |y| is at most 128 * K, below 2^31 for every K the kernel takes.
//!
//! ```text
//! cycle         0    1    2    3
//! valid         _/‾‾‾‾‾‾‾‾‾\____
//! row_end       ______/‾‾‾‾\____
//! sum           --< a >< b >----
//! result_valid  ___________/‾‾‾\
//! result        -----------< a+b
//! ```

use rust_hdl::prelude::*;

/// Cycles from `row_end` to `result_valid`.
pub const LATENCY: usize = 1;

/// Adds two's complement sums of 32 bits.
#[derive(LogicBlock, Default)]
pub struct RowAccumulator {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets a row that was begun.
    pub reset: Signal<In, Bit>,
    /// `sum` holds the dot product of a beat.
    pub valid: Signal<In, Bit>,
    /// It is the last beat of its row.
    pub row_end: Signal<In, Bit>,
    /// Dot product of one beat, two's complement.
    pub sum: Signal<In, Bits<32>>,
    /// Sum of the row, two's complement.
    pub result: Signal<Out, Bits<32>>,
    /// `result` is a finished row.
    pub result_valid: Signal<Out, Bit>,
    total: DFF<Bits<32>>,
    done: DFF<Bit>,
    // Set while a row is open, so that the first beat of the next one starts from zero.
    open: DFF<Bit>,
    base: Signal<Local, Bits<32>>,
}

impl Logic for RowAccumulator {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, total, done, open);
        self.base.next = 0.into();
        if self.open.q.val() {
            self.base.next = self.total.q.val();
        }
        self.done.d.next = self.valid.val() & self.row_end.val();
        if self.valid.val() {
            self.total.d.next = self.base.val() + self.sum.val();
            self.open.d.next = !self.row_end.val();
        }
        if self.reset.val() {
            self.done.d.next = false;
            self.open.d.next = false;
        }
        self.result.next = self.total.q.val();
        self.result_valid.next = self.done.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    /// What the block must hand out for a row of sums.
    fn model(row: &[i32]) -> i32 {
        row.iter().sum()
    }

    #[test]
    fn rows_of_any_length_under_random_gaps() {
        for seed in 0..4 {
            let mut rng = seeded(seed);
            let mut uut = RowAccumulator::default();
            uut.connect_all();
            let mut row: Vec<i32> = Vec::new();
            for cycle in 0..1000 {
                let valid = rng.random_bool(0.7);
                let row_end = rng.random_bool(0.3);
                let sum = rng.random_range(-40_960..=40_960);
                uut.valid.next = valid;
                uut.row_end.next = row_end;
                uut.sum.next = u64::from(sum as u32).into();
                tick(&mut uut, |u, level| u.clock.next = level.into());
                if valid {
                    row.push(sum);
                }
                // LATENCY is one tick, which has just passed.
                assert_eq!(
                    uut.result_valid.val(),
                    valid && row_end,
                    "seed {seed} cycle {cycle}"
                );
                if valid && row_end {
                    let want = u64::from(model(&row) as u32);
                    assert_eq!(uut.result.val(), want, "seed {seed} cycle {cycle}");
                    row.clear();
                }
            }
        }
    }
}
