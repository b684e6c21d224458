//! Data path of the kernel: from a weight beat to a beat of results.
//!
//! ```text
//!  beat --> register --> TritDecode --> LaneSkew --> VectorLanes --\
//!  word ------------------------------------------> VectorLanes     --> ResultPacker --> beat
//!                                                   (one a vector) -/
//! ```
//!
//! Cycle contract: a beat may enter in every cycle and nothing in here ever stalls; who lets beats in
//! (`StreamControl`) holds a place for every beat of results that leaves. From `take` with
//! `beat_end` to `result_valid` it takes [`latency`] cycles. `busy` covers that time for every beat.

use rust_hdl::prelude::*;
use tercet_contract::Geometry;

use crate::activation_loader::ActivationLoader;
use crate::activation_ram::{self, QUARTERS};
use crate::dot_product;
use crate::lane_skew::{self, LaneSkew};
use crate::result_packer::ResultPacker;
use crate::row_accumulator;
use crate::trit_decode::TritDecode;
use crate::vector_lanes::VectorLanes;

/// Cycles from `take` to the inputs of stage 0 of the lanes: the beat register and the skew take
/// as long as the activation RAM.
const LANES_AFTER: usize = 1 + lane_skew::LATENCY;
const _: () = assert!(LANES_AFTER == activation_ram::LATENCY);

/// Cycles from `take` to the dot product of the beat.
const fn sum_after(geometry: &Geometry) -> usize {
    let trits = geometry.encoding().trits_per_byte();
    LANES_AFTER + dot_product::latency(trits, geometry.beat_bytes() / QUARTERS)
}

/// Cycles from `take` of a row's last beat to its beat of results.
pub const fn latency(geometry: &Geometry) -> usize {
    sum_after(geometry) + row_accumulator::LATENCY + 1
}

/// Data path of a kernel with a bus of `W = 8 C` bits, quarters of `Q = W / 4` bits and `D = C / 4` codes, and
/// buffers of `2^A` words, `N = A + 1`.
#[derive(LogicBlock)]
pub struct DataPath<
    const W: usize,
    const C: usize,
    const Q: usize,
    const D: usize,
    const A: usize,
    const N: usize,
> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what is on its way.
    pub reset: Signal<In, Bit>,
    /// Activations: a load begins.
    pub load_begin: Signal<In, Bit>,
    /// Activations: beats of a vector.
    pub load_vector_beats: Signal<In, Bits<12>>,
    /// Activations: vectors.
    pub load_vectors: Signal<In, Bits<3>>,
    /// Activations: buffer to load into.
    pub load_buffer: Signal<In, Bit>,
    /// Activations: a beat of the data port.
    pub load_beat: Signal<In, Bits<W>>,
    /// Activations: it is there.
    pub load_valid: Signal<In, Bit>,
    /// Activations: it came with a bus error.
    pub load_error: Signal<In, Bit>,
    /// Activations: the next beat is one.
    pub loading: Signal<Out, Bit>,
    /// Activations: the load has ended, in this cycle only.
    pub loaded: Signal<Out, Bit>,
    /// Activations: it met a bus error.
    pub load_failed: Signal<Out, Bit>,
    /// A weight beat enters.
    pub take: Signal<In, Bit>,
    /// It is the last of its weight row.
    pub row_end: Signal<In, Bit>,
    /// The weight row is that of a last digit.
    pub last_digit: Signal<In, Bit>,
    /// Its row closes a beat of results.
    pub beat_end: Signal<In, Bit>,
    /// Its buffer and word in the activation RAM.
    pub word: Signal<In, Bits<N>>,
    /// The weight beat.
    pub beat: Signal<In, Bits<W>>,
    /// A beat of results.
    pub result_beat: Signal<Out, Bits<W>>,
    /// `result_beat` is there, in this cycle only.
    pub result_valid: Signal<Out, Bit>,
    /// A beat is between the entrance and the result FIFO.
    pub busy: Signal<Out, Bit>,
    loader: ActivationLoader<A>,
    decode: TritDecode<W, C>,
    skew: LaneSkew<W, C, D>,
    lanes: Vec<VectorLanes<W, Q, D, N>>,
    packer: ResultPacker<W>,
    beat_register: DFF<Bits<W>>,
    // What `take` said travels beside the data: [0] is the entrance.
    valid_line: Vec<DFF<Bit>>,
    row_line: Vec<DFF<Bit>>,
    digit_line: Vec<DFF<Bit>>,
    beat_line: Vec<DFF<Bit>>,
    busy_count: DFF<Bits<8>>,
    write_address: Signal<Local, Bits<N>>,
    loads: Signal<Local, Bit>,
    // What the dot product of this cycle is.
    sum_valid: Signal<Local, Bit>,
    sum_row_end: Signal<Local, Bit>,
    sum_last_digit: Signal<Local, Bit>,
    buffer_bit: Constant<Bits<N>>,
    busy_cycles: Constant<Bits<8>>,
    vector_number: Vec<Constant<Bits<2>>>,
    _trits: usize,
    _vectors: usize,
    _line: usize,
    _beat_line: usize,
}

impl<
        const W: usize,
        const C: usize,
        const Q: usize,
        const D: usize,
        const A: usize,
        const N: usize,
    > DataPath<W, C, Q, D, A, N>
{
    /// The data path of `geometry`, whose bus is `W` bits.
    pub fn new(geometry: &Geometry) -> Self {
        assert_eq!(W, geometry.bus_bits(), "bus of the geometry");
        assert_eq!(N, A + 1, "a buffer bit above the word");
        assert_eq!(
            1 << A,
            geometry.activation_words(),
            "words of the activation RAM"
        );
        let trits = geometry.encoding().trits_per_byte();
        let batch = geometry.batch();
        let line = sum_after(geometry);
        // The row's result leaves the accumulators this much later.
        let beat_line = line + row_accumulator::LATENCY;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            load_begin: Default::default(),
            load_vector_beats: Default::default(),
            load_vectors: Default::default(),
            load_buffer: Default::default(),
            load_beat: Default::default(),
            load_valid: Default::default(),
            load_error: Default::default(),
            loading: Default::default(),
            loaded: Default::default(),
            load_failed: Default::default(),
            take: Default::default(),
            row_end: Default::default(),
            last_digit: Default::default(),
            beat_end: Default::default(),
            word: Default::default(),
            beat: Default::default(),
            result_beat: Default::default(),
            result_valid: Default::default(),
            busy: Default::default(),
            loader: ActivationLoader::new(trits),
            decode: TritDecode::new(geometry.encoding()),
            skew: LaneSkew::new(trits),
            lanes: (0..batch).map(|_| VectorLanes::new(geometry)).collect(),
            packer: ResultPacker::new(batch),
            beat_register: Default::default(),
            valid_line: crate::many(line),
            row_line: crate::many(line),
            digit_line: crate::many(line),
            beat_line: crate::many(beat_line),
            busy_count: Default::default(),
            write_address: Default::default(),
            loads: Default::default(),
            sum_valid: Default::default(),
            sum_row_end: Default::default(),
            sum_last_digit: Default::default(),
            buffer_bit: crate::constant(1 << A),
            busy_cycles: crate::constant(latency(geometry) as u64 + 2),
            vector_number: (0..batch as u64).map(crate::constant).collect(),
            _trits: trits,
            _vectors: batch,
            _line: line - 1,
            _beat_line: beat_line - 1,
        }
    }
}

impl<
        const W: usize,
        const C: usize,
        const Q: usize,
        const D: usize,
        const A: usize,
        const N: usize,
    > Logic for DataPath<W, C, Q, D, A, N>
{
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, beat_register, busy_count);
        clock!(self, clock, loader, skew, packer);
        self.loader.reset.next = self.reset.val();
        self.skew.reset.next = self.reset.val();
        self.packer.reset.next = self.reset.val();

        // Activations in.
        self.loader.open.next = self.load_begin.val();
        self.loader.vector_beats.next = self.load_vector_beats.val();
        self.loader.vectors.next = self.load_vectors.val();
        self.loader.beat_valid.next = self.load_valid.val();
        self.loader.beat_error.next = self.load_error.val();
        self.loading.next = self.loader.loading.val();
        self.loaded.next = self.loader.loaded.val();
        self.load_failed.next = self.loader.failed.val();
        self.loads.next = self.loader.loading.val() & self.load_valid.val();
        self.write_address.next = bit_cast::<N, A>(self.loader.word.val());
        if self.load_buffer.val() {
            self.write_address.next =
                bit_cast::<N, A>(self.loader.word.val()) | self.buffer_bit.val();
        }

        // Weights.
        self.beat_register.d.next = self.beat.val();
        self.decode.beat.next = self.beat_register.q.val();
        for i in 0..self._trits {
            self.skew.any_in[i].next = self.decode.any[i].val();
            self.skew.neg_in[i].next = self.decode.neg[i].val();
        }

        // What a beat is.
        self.valid_line[0].clock.next = self.clock.val();
        self.row_line[0].clock.next = self.clock.val();
        self.digit_line[0].clock.next = self.clock.val();
        self.beat_line[0].clock.next = self.clock.val();
        self.valid_line[0].d.next = self.take.val() & !self.reset.val();
        self.row_line[0].d.next = self.row_end.val();
        self.digit_line[0].d.next = self.last_digit.val();
        self.beat_line[0].d.next = self.beat_end.val();
        for i in 0..self._line {
            self.valid_line[i + 1].clock.next = self.clock.val();
            self.row_line[i + 1].clock.next = self.clock.val();
            self.digit_line[i + 1].clock.next = self.clock.val();
            self.valid_line[i + 1].d.next = self.valid_line[i].q.val() & !self.reset.val();
            self.row_line[i + 1].d.next = self.row_line[i].q.val();
            self.digit_line[i + 1].d.next = self.digit_line[i].q.val();
            // The assignments of the last turn are those that stay.
            self.sum_valid.next = self.valid_line[i + 1].q.val();
            self.sum_row_end.next = self.row_line[i + 1].q.val();
            self.sum_last_digit.next = self.digit_line[i + 1].q.val();
        }
        for i in 0..self._beat_line {
            self.beat_line[i + 1].clock.next = self.clock.val();
            self.beat_line[i + 1].d.next = self.beat_line[i].q.val();
            self.packer.beat_end.next = self.beat_line[i + 1].q.val();
        }

        // Lanes, a set for each vector.
        for v in 0..self._vectors {
            self.lanes[v].clock.next = self.clock.val();
            self.lanes[v].reset.next = self.reset.val();
            self.lanes[v].write.next =
                self.loads.val() & (self.loader.vector.val() == self.vector_number[v].val());
            self.lanes[v].write_trit.next = self.loader.trit.val();
            self.lanes[v].write_address.next = self.write_address.val();
            self.lanes[v].beat.next = self.load_beat.val();
            self.lanes[v].word.next = self.word.val();
            self.lanes[v].any.next = self.skew.any.val();
            self.lanes[v].neg.next = self.skew.neg.val();
            self.lanes[v].valid.next = self.sum_valid.val();
            self.lanes[v].row_end.next = self.sum_row_end.val();
            self.lanes[v].last_digit.next = self.sum_last_digit.val();
            self.packer.results[v].next = self.lanes[v].result.val();
            self.packer.result_valid.next = self.lanes[v].result_valid.val();
        }
        self.result_beat.next = self.packer.beat.val();
        self.result_valid.next = self.packer.beat_valid.val();

        if self.busy_count.q.val() != 0 {
            self.busy_count.d.next = self.busy_count.q.val() - 1;
        }
        if self.take.val() {
            self.busy_count.d.next = self.busy_cycles.val();
        }
        self.busy.next = self.busy_count.q.val() != 0;
    }
}
