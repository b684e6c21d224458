//! Row accumulator: adds the dot products of a row's beats, and the rows of a weight's digits.
//!
//! A row of W is `digits` weight rows, the most significant digit first: `y = 3 y + row sum`. The sum of a weight
//! row begins with three times what stands there, so one register holds both.
//!
//! Cycle contract: `result_valid` follows the beat with `row_end` of the last digit by [`LATENCY`] cycles; a weight row
//! may end in every cycle. No overflow: a row sum is at most 128 * K <= 2^22, y at most 121 * 2^22 < 2^29.
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

/// Adds two's complement sums of 24 bits to results of 32.
#[derive(LogicBlock)]
pub struct RowAccumulator {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets a row that was begun.
    pub reset: Signal<In, Bit>,
    /// `sum` holds the dot product of a beat.
    pub valid: Signal<In, Bit>,
    /// It is the last beat of its weight row.
    pub row_end: Signal<In, Bit>,
    /// The weight row is that of the last digit.
    pub last_digit: Signal<In, Bit>,
    /// Dot product of one beat, two's complement.
    pub sum: Signal<In, Bits<24>>,
    /// Result of the row, two's complement.
    pub result: Signal<Out, Bits<32>>,
    /// `result` is a finished row.
    pub result_valid: Signal<Out, Bit>,
    total: DFF<Bits<32>>,
    // A beat of a weight row is in `total`.
    open: DFF<Bit>,
    // Digits of a row are in `total`, the weight row of the next has not begun.
    partial: DFF<Bit>,
    done: DFF<Bit>,
    base: Signal<Local, Bits<32>>,
    wide: Signal<Local, Bits<32>>,
    high: Constant<Bits<32>>,
}

impl RowAccumulator {
    /// An accumulator with nothing in it.
    pub fn new() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            valid: Default::default(),
            row_end: Default::default(),
            last_digit: Default::default(),
            sum: Default::default(),
            result: Default::default(),
            result_valid: Default::default(),
            total: Default::default(),
            open: Default::default(),
            partial: Default::default(),
            done: Default::default(),
            base: Default::default(),
            wide: Default::default(),
            high: crate::constant(0xff00_0000),
        }
    }
}

impl Logic for RowAccumulator {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, total, open, partial, done);
        self.base.next = 0.into();
        if self.open.q.val() {
            self.base.next = self.total.q.val();
        } else if self.partial.q.val() {
            self.base.next = self.total.q.val() + (self.total.q.val() << 1);
        }
        self.wide.next = bit_cast::<32, 24>(self.sum.val());
        if self.sum.val().get_bit(23) {
            self.wide.next = bit_cast::<32, 24>(self.sum.val()) | self.high.val();
        }
        self.done.d.next = self.valid.val() & self.row_end.val() & self.last_digit.val();
        if self.valid.val() {
            self.total.d.next = self.base.val() + self.wide.val();
            self.open.d.next = !self.row_end.val();
            self.partial.d.next = self.row_end.val() & !self.last_digit.val();
        }
        if self.reset.val() {
            self.open.d.next = false;
            self.partial.d.next = false;
            self.done.d.next = false;
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

    #[test]
    fn rows_of_any_length_and_digits_under_random_gaps() {
        for seed in 0..4 {
            let mut rng = seeded(seed);
            let mut uut = RowAccumulator::new();
            uut.connect_all();
            let (mut row, mut y) = (0i32, 0i32);
            let mut expected = std::collections::VecDeque::from([None; LATENCY - 1]);
            for cycle in 0..1000 {
                let valid = rng.random_bool(0.7);
                let row_end = rng.random_bool(0.3);
                let last_digit = rng.random_bool(0.4);
                let sum = rng.random_range(-40_960..=40_960);
                uut.valid.next = valid;
                uut.row_end.next = row_end;
                uut.last_digit.next = last_digit;
                uut.sum.next = u64::from(sum as u32 & 0xff_ffff).into();
                let mut result = None;
                if valid {
                    row += sum;
                    if row_end {
                        y = y.wrapping_mul(3).wrapping_add(row);
                        row = 0;
                        if last_digit {
                            result = Some(y);
                            y = 0;
                        }
                    }
                }
                expected.push_back(result);
                tick(&mut uut, |u, level| u.clock.next = level.into());
                let want = expected.pop_front().expect("pushed above");
                assert_eq!(
                    uut.result_valid.val(),
                    want.is_some(),
                    "seed {seed} cycle {cycle}"
                );
                if let Some(want) = want {
                    assert_eq!(
                        uut.result.val(),
                        u64::from(want as u32),
                        "seed {seed} cycle {cycle}"
                    );
                }
            }
        }
    }
}
