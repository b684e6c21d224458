//! Data path of the kernel: from a weight beat to a beat of results.
//!
//! ```text
//!  beat --> register --> TritDecode --nz,neg--> DotProduct --> RowAccumulator --> ResultPacker --> beat
//!  word --> ActivationRam ----------activations----^
//! ```
//!
//! Cycle contract: a beat may enter in every cycle and nothing in here ever stalls; who lets beats in
//! (`StreamControl`) stops early enough for the results already on their way. From `take` with
//! `row_end` to the packer it takes [`latency`] cycles. `busy` covers that time for every beat.

use rust_hdl::prelude::*;
use tercet_contract::Geometry;

use crate::activation_ram::{self, ActivationRam};
use crate::dot_product::{self, DotProduct};
use crate::result_packer::ResultPacker;
use crate::row_accumulator::{self, RowAccumulator};
use crate::trit_decode::{self, TritDecode};

/// Cycles from `take` to the inputs of the lanes: the beat register and the decoder take as
/// long as the activation RAM.
const LANES_AFTER: usize = 1 + trit_decode::LATENCY;
const _: () = assert!(LANES_AFTER == activation_ram::LATENCY);

/// Cycles from `take` to the row's result at the packer.
pub const fn latency(geometry: &Geometry) -> usize {
    LANES_AFTER + dot_product::latency(geometry.lanes()) + row_accumulator::LATENCY
}

/// Data path of a kernel with a bus of `W = 8 C` bits and an activation RAM of `2^A` words.
#[derive(LogicBlock)]
pub struct DataPath<const W: usize, const C: usize, const A: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what is on its way.
    pub reset: Signal<In, Bit>,
    /// Activation RAM: the next beat is number 0.
    pub load_rewind: Signal<In, Bit>,
    /// Activation RAM: stores `load_beat`.
    pub load_write: Signal<In, Bit>,
    /// A beat of activations.
    pub load_beat: Signal<In, Bits<W>>,
    /// Activation RAM: words that hold beats written since `load_rewind`.
    pub loaded_words: Signal<Out, Bits<32>>,
    /// A weight beat enters.
    pub take: Signal<In, Bit>,
    /// It is the last of its row.
    pub row_end: Signal<In, Bit>,
    /// Its word in the activation RAM.
    pub word: Signal<In, Bits<A>>,
    /// The weight beat.
    pub beat: Signal<In, Bits<W>>,
    /// Fill up the last beat of results.
    pub flush: Signal<In, Bit>,
    /// A beat of results.
    pub result_beat: Signal<Out, Bits<W>>,
    /// `result_beat` is there, in this cycle only.
    pub result_valid: Signal<Out, Bit>,
    /// A beat is between the entrance and the packer.
    pub busy: Signal<Out, Bit>,
    /// The packer holds no part of a beat.
    pub aligned: Signal<Out, Bit>,
    activation_ram: ActivationRam<W, A>,
    decode: TritDecode<W, C>,
    dot: DotProduct<W, C>,
    accumulator: RowAccumulator,
    packer: ResultPacker<W>,
    beat_register: DFF<Bits<W>>,
    // `take` and `row_end` travel beside the data: [0] is the entrance.
    valid_line: Vec<DFF<Bit>>,
    end_line: Vec<DFF<Bit>>,
    busy_count: DFF<Bits<8>>,
    busy_cycles: Constant<Bits<8>>,
    _trits: usize,
    _last: usize,
}

impl<const W: usize, const C: usize, const A: usize> DataPath<W, C, A> {
    /// The data path of `geometry`, whose bus is `W` bits.
    pub fn new(geometry: &Geometry) -> Self {
        assert_eq!(W, geometry.bus_bits(), "bus of the geometry");
        assert_eq!(
            1 << A,
            geometry.activation_words(),
            "words of the activation RAM"
        );
        let trits = geometry.encoding().trits_per_byte();
        let line = LANES_AFTER + dot_product::latency(geometry.lanes());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            load_rewind: Default::default(),
            load_write: Default::default(),
            load_beat: Default::default(),
            loaded_words: Default::default(),
            take: Default::default(),
            row_end: Default::default(),
            word: Default::default(),
            beat: Default::default(),
            flush: Default::default(),
            result_beat: Default::default(),
            result_valid: Default::default(),
            busy: Default::default(),
            aligned: Default::default(),
            activation_ram: ActivationRam::new(trits),
            decode: TritDecode::new(geometry.encoding()),
            dot: DotProduct::new(trits),
            accumulator: Default::default(),
            packer: Default::default(),
            beat_register: Default::default(),
            valid_line: crate::many(line),
            end_line: crate::many(line),
            busy_count: Default::default(),
            busy_cycles: Constant::new((latency(geometry) as u64 + 1).into()),
            _trits: trits,
            _last: line - 1,
        }
    }
}

impl<const W: usize, const C: usize, const A: usize> Logic for DataPath<W, C, A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, beat_register, busy_count);
        clock!(
            self,
            clock,
            activation_ram,
            decode,
            dot,
            accumulator,
            packer
        );
        self.accumulator.reset.next = self.reset.val();
        self.packer.reset.next = self.reset.val();

        self.activation_ram.rewind.next = self.load_rewind.val();
        self.activation_ram.write.next = self.load_write.val();
        self.activation_ram.beat.next = self.load_beat.val();
        self.loaded_words.next = self.activation_ram.words.val();
        self.activation_ram.read_address.next = self.word.val();

        self.beat_register.d.next = self.beat.val();
        self.decode.beat.next = self.beat_register.q.val();
        for i in 0..self._trits {
            self.dot.activations[i].next = self.activation_ram.activations[i].val();
            self.dot.nz[i].next = self.decode.nz[i].val();
            self.dot.neg[i].next = self.decode.neg[i].val();
        }

        self.valid_line[0].clock.next = self.clock.val();
        self.end_line[0].clock.next = self.clock.val();
        self.valid_line[0].d.next = self.take.val() & !self.reset.val();
        self.end_line[0].d.next = self.row_end.val();
        for i in 0..self._last {
            self.valid_line[i + 1].clock.next = self.clock.val();
            self.end_line[i + 1].clock.next = self.clock.val();
            self.valid_line[i + 1].d.next = self.valid_line[i].q.val() & !self.reset.val();
            self.end_line[i + 1].d.next = self.end_line[i].q.val();
            // The assignment of the last turn is the one that stays.
            self.accumulator.valid.next = self.valid_line[i + 1].q.val();
            self.accumulator.row_end.next = self.end_line[i + 1].q.val();
        }
        self.accumulator.sum.next = self.dot.sum.val();
        self.packer.result.next = self.accumulator.result.val();
        self.packer.result_valid.next = self.accumulator.result_valid.val();
        self.packer.flush.next = self.flush.val();
        self.result_beat.next = self.packer.beat.val();
        self.result_valid.next = self.packer.beat_valid.val();
        self.aligned.next = self.packer.aligned.val();

        if self.busy_count.q.val() != 0 {
            self.busy_count.d.next = self.busy_count.q.val() - 1;
        }
        if self.take.val() {
            self.busy_count.d.next = self.busy_cycles.val();
        }
        self.busy.next = self.busy_count.q.val() != 0;
    }
}
