//! Lanes of one vector: activation RAM, dot product and row accumulator in a row.
//!
//! ```text
//!  word --> address chain --> ActivationRam --> DotProduct --> RowAccumulator --> result
//!                                 any, neg ---^
//! ```
//!
//! Cycle contract: nothing in here stalls. Stage 0 of the lanes takes its activations [`activation_ram::LATENCY`] cycles
//! after `word`; `valid`, `row_end` and `last_digit` are those of the dot product that leaves in this cycle; the result
//! follows by [`row_accumulator::LATENCY`].

use rust_hdl::prelude::*;
use tercet_contract::Geometry;

use crate::activation_ram::{ActivationRam, QUARTERS};
use crate::dot_product::DotProduct;
use crate::row_accumulator::RowAccumulator;
#[cfg(doc)]
use crate::{activation_ram, row_accumulator};

/// One vector's share of a kernel with a bus of `W` bits, quarters of `Q = W / 4` bits and `D` codes, and
/// `N` bits of buffer and word.
#[derive(LogicBlock)]
pub struct VectorLanes<const W: usize, const Q: usize, const D: usize, const N: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets rows that were begun.
    pub reset: Signal<In, Bit>,
    /// Stores `beat`, activations of this vector.
    pub write: Signal<In, Bit>,
    /// Which of the T beats of a word it is.
    pub write_trit: Signal<In, Bits<3>>,
    /// Its buffer and word.
    pub write_address: Signal<In, Bits<N>>,
    /// `W / 8` activations.
    pub beat: Signal<In, Bits<W>>,
    /// Buffer and word that the weight beat needs.
    pub word: Signal<In, Bits<N>>,
    /// Trits that are 1 (or -1), from `lane_skew`.
    pub any: Signal<In, Bits<W>>,
    /// Trits that are -1.
    pub neg: Signal<In, Bits<W>>,
    /// The dot product of this cycle is one of a beat.
    pub valid: Signal<In, Bit>,
    /// The beat was the last of its weight row.
    pub row_end: Signal<In, Bit>,
    /// The weight row is that of a last digit.
    pub last_digit: Signal<In, Bit>,
    /// Result of a row, two's complement.
    pub result: Signal<Out, Bits<32>>,
    /// `result` is there.
    pub result_valid: Signal<Out, Bit>,
    activation_ram: ActivationRam<W, Q, N>,
    dot: DotProduct<W, Q, D>,
    accumulator: RowAccumulator,
    // The word of stage d + 1 stands in place d.
    word_line: Vec<DFF<Bits<N>>>,
    _stages: usize,
    _line: usize,
}

impl<const W: usize, const Q: usize, const D: usize, const N: usize> VectorLanes<W, Q, D, N> {
    /// The lanes of one vector of `geometry`.
    pub fn new(geometry: &Geometry) -> Self {
        let trits = geometry.encoding().trits_per_byte();
        let stages = QUARTERS * trits;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write: Default::default(),
            write_trit: Default::default(),
            write_address: Default::default(),
            beat: Default::default(),
            word: Default::default(),
            any: Default::default(),
            neg: Default::default(),
            valid: Default::default(),
            row_end: Default::default(),
            last_digit: Default::default(),
            result: Default::default(),
            result_valid: Default::default(),
            activation_ram: ActivationRam::new(trits),
            dot: DotProduct::new(trits),
            accumulator: RowAccumulator::new(),
            word_line: crate::many(stages - 1),
            _stages: stages,
            _line: stages - 2,
        }
    }
}

impl<const W: usize, const Q: usize, const D: usize, const N: usize> Logic
    for VectorLanes<W, Q, D, N>
{
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, activation_ram, dot, accumulator);
        self.activation_ram.write.next = self.write.val();
        self.activation_ram.write_trit.next = self.write_trit.val();
        self.activation_ram.write_address.next = self.write_address.val();
        self.activation_ram.beat.next = self.beat.val();

        // The word goes from stage to stage.
        self.word_line[0].clock.next = self.clock.val();
        self.word_line[0].d.next = self.word.val();
        self.activation_ram.read_address[0].next = self.word.val();
        self.activation_ram.read_address[1].next = self.word_line[0].q.val();
        for i in 0..self._line {
            self.word_line[i + 1].clock.next = self.clock.val();
            self.word_line[i + 1].d.next = self.word_line[i].q.val();
            self.activation_ram.read_address[i + 2].next = self.word_line[i + 1].q.val();
        }
        for d in 0..self._stages {
            self.dot.activations[d].next = self.activation_ram.activations[d].val();
        }
        self.dot.reset.next = self.reset.val();
        self.dot.any.next = self.any.val();
        self.dot.neg.next = self.neg.val();
        self.accumulator.reset.next = self.reset.val();
        self.accumulator.sum.next = self.dot.sum.val();
        self.accumulator.valid.next = self.valid.val();
        self.accumulator.row_end.next = self.row_end.val();
        self.accumulator.last_digit.next = self.last_digit.val();
        self.result.next = self.accumulator.result.val();
        self.result_valid.next = self.accumulator.result_valid.val();
    }
}
