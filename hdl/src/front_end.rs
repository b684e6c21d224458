//! Front end: fetches commands, checks them, starts the units, and keeps the order of their ends.
//!
//! ```text
//! Idle -> Fetch -> Record -> Decode -> Check -> Begin -+-> Fetch (next command)
//!          |                                           +-> Runs -> Fetch
//!          +-> Drain (end of list, STOP) -> Finish -> Idle
//! any error -> Fail -> Abort -> Clear -> Finish
//! ```
//!
//! | state | what happens | leaves when |
//! |---|---|---|
//! | Fetch | the record of the next command is asked for | the data reader has taken the run; ends when a list is through; waits when a ring is empty |
//! | Record | its beats come, behind the activations of the command before | all are there |
//! | Decode | fields are checked against the contract, an immediate command's before the start | next cycle |
//! | Check | what the checks came to is gathered, addresses are worked out | next cycle; what is wrong is told in Begin |
//! | Begin | the command enters the queues of stream and writer, its weights and activations are asked for | the units can take them |
//! | Runs | the run list is read, each entry becomes a run of weights | the list is through |
//! | Drain | commands under way end | none is left and the writer is idle |
//! | Fail | commands before the failing one end | none is left, or only the failing one |
//! | Abort | nothing new is asked for, outstanding transfers come in | every bus is quiet |
//! | Clear | queues, FIFOs and pipeline are emptied | next cycle |
//!
//! Up to [`MAX_IN_FLIGHT`] commands are under way at once. While one is streamed, the activations of
//! the next are loaded into the other buffer, its weights gather in their FIFO, and the record of the one
//! after it is fetched; so a queue of commands streams without a gap. The data port serves these reads
//! strictly in the order in which they are asked for here; nothing is arbitrated.
//!
//! An error keeps what was written, records code and index of the command, and ends with `done` like any
//! list; the buses are quiet by then, so the next `start` finds a clean kernel. Errors are told in the order
//! of the commands, whichever unit sees them first: the writer's is always the oldest; the stream's counts when
//! all commands before have settled, this block's when nothing (or only the failing command) is in flight.
//!
//! Cycle contract: the first run is offered to the data reader in the cycle after `start`, with an immediate command
//! two cycles after it (its activations and weights). From the last beat of a record to the runs of its command 3
//! cycles, if nothing keeps it waiting.

use rust_hdl::prelude::*;
use tercet_contract::command::{BYTE_ADDRESS_BITS, COMMAND_BYTES};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::Geometry;

use crate::activation_ram::QUARTERS;
use crate::axi_write_master::entry as write_entry;
use crate::command_decode::{CommandDecode, RECORD_WORDS};
use crate::run_list::RunList;
use crate::stream_control::entry as stream_entry;

/// Commands between Begin and their end.
pub const MAX_IN_FLIGHT: usize = 8;

/// What the front end is doing.
#[derive(Copy, Clone, Debug, PartialEq, LogicState)]
pub enum FrontState {
    /// Waits for `start`.
    Idle,
    /// Asks for a record, or waits for commands.
    Fetch,
    /// Receives it.
    Record,
    /// Checks it.
    Decode,
    /// Gathers what is wrong.
    Check,
    /// Starts the command.
    Begin,
    /// Reads its run list.
    Runs,
    /// Waits for the last commands to end.
    Drain,
    /// Waits for the commands before the failing one.
    Fail,
    /// Waits for quiet buses after an error.
    Abort,
    /// Empties everything after an error.
    Clear,
    /// Reports.
    Finish,
}

/// The front end of a kernel with a bus of `W` bits.
#[derive(LogicBlock)]
pub struct FrontEnd<const W: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Back to idle.
    pub reset: Signal<In, Bit>,
    /// Begin; only while `idle`.
    pub start: Signal<In, Bit>,
    /// Commands come through a ring, not a list.
    pub ring: Signal<In, Bit>,
    /// The first command comes through `command_word`.
    pub immediate: Signal<In, Bit>,
    /// Base address of the weight memory.
    pub weights_base: Signal<In, Bits<64>>,
    /// Base address of the data memory.
    pub data_base: Signal<In, Bits<64>>,
    /// Offset of the list or ring from the data base.
    pub list: Signal<In, Bits<64>>,
    /// Address of the completion word.
    pub completion_address: Signal<In, Bits<64>>,
    /// Commands in the list, records of the ring.
    pub count: Signal<In, Bits<32>>,
    /// Commands of the list; those submitted to the ring.
    pub limit: Signal<In, Bits<32>>,
    /// A word of the first command.
    pub command_write: Signal<In, Bit>,
    /// Its place in the record.
    pub command_place: Signal<In, Bits<4>>,
    /// The word.
    pub command_word: Signal<In, Bits<32>>,
    /// Nothing is being run.
    pub idle: Signal<Out, Bit>,
    /// The list or ring has ended, in this cycle.
    pub done: Signal<Out, Bit>,
    /// Commands are under way.
    pub busy: Signal<Out, Bit>,
    /// Code of the error that ended it, or 0.
    pub error: Signal<Out, Bits<8>>,
    /// Command that failed.
    pub error_index: Signal<Out, Bits<32>>,
    /// Data reads: a run is offered.
    pub read_run: Signal<Out, Bit>,
    /// Data reads: its address.
    pub read_address: Signal<Out, Bits<48>>,
    /// Data reads: its beats.
    pub read_beats: Signal<Out, Bits<32>>,
    /// Data reads: it can be taken.
    pub read_ready: Signal<In, Bit>,
    /// Data reads: nothing asked for, nothing outstanding.
    pub read_idle: Signal<In, Bit>,
    /// Data reads: a beat.
    pub read_beat: Signal<In, Bits<W>>,
    /// Data reads: `read_beat` is there, in this cycle only.
    pub read_valid: Signal<In, Bit>,
    /// Data reads: it came with a bus error.
    pub read_error: Signal<In, Bit>,
    /// Data reads: take no beat.
    pub read_hold: Signal<Out, Bit>,
    /// Activations: a load begins.
    pub load_begin: Signal<Out, Bit>,
    /// Activations: beats of a vector.
    pub load_vector_beats: Signal<Out, Bits<12>>,
    /// Activations: vectors.
    pub load_vectors: Signal<Out, Bits<3>>,
    /// Activations: buffer to load into.
    pub load_buffer: Signal<Out, Bit>,
    /// Activations: the next beat is one.
    pub loading: Signal<In, Bit>,
    /// Weight reads: a run is offered.
    pub weight_run: Signal<Out, Bit>,
    /// Weight reads: its address.
    pub weight_address: Signal<Out, Bits<48>>,
    /// Weight reads: its beats.
    pub weight_run_beats: Signal<Out, Bits<32>>,
    /// Weight reads: it can be taken.
    pub weight_ready: Signal<In, Bit>,
    /// Weight reads: nothing asked for, nothing outstanding.
    pub weight_idle: Signal<In, Bit>,
    /// Queues: a command for the writer.
    pub push: Signal<Out, Bit>,
    /// Queues: the same command for the stream.
    pub push_stream: Signal<Out, Bit>,
    /// Queues: the command as the stream wants it.
    pub stream_entry: Signal<Out, Bits<72>>,
    /// Queues: the command as the writer wants it.
    pub write_entry: Signal<Out, Bits<80>>,
    /// Stream: the command that was loaded last begins.
    pub load_taken: Signal<In, Bit>,
    /// Stream: a command has been streamed.
    pub stream_ended: Signal<In, Bit>,
    /// Stream: why it stopped, or 0.
    pub stream_failed: Signal<In, Bits<8>>,
    /// Writer: a command is complete.
    pub settled: Signal<In, Bit>,
    /// Writer: an answer was a bus error.
    pub write_failed: Signal<In, Bit>,
    /// Writer: nothing under way.
    pub write_idle: Signal<In, Bit>,
    /// Writer: commands completed.
    pub commands_done: Signal<In, Bits<32>>,
    /// Writer: completions are written.
    pub write_completes: Signal<Out, Bit>,
    /// Writer: to this address.
    pub completion: Signal<Out, Bits<48>>,
    /// Data path: beats are on their way.
    pub pipe_busy: Signal<In, Bit>,
    /// Every unit: a start.
    pub rewind: Signal<Out, Bit>,
    /// Every unit: ask for nothing more.
    pub abort: Signal<Out, Bit>,
    /// Queues, FIFOs, stream, data path: forget everything.
    pub clear: Signal<Out, Bit>,

    command: CommandDecode,
    run_list: RunList<W>,
    record: Vec<DFF<Bits<32>>>,
    state: DFF<FrontState>,
    index: DFF<Bits<32>>,
    // Whether there is a command of this index, whether it is the last, and whether the ring overflows: worked
    // out a cycle ahead.
    more: DFF<Bit>,
    last: DFF<Bit>,
    overrun: DFF<Bit>,
    // What the decoder found.
    fault: DFF<Bits<8>>,
    slot: DFF<Bits<32>>,
    // It is the last of the ring; worked out a cycle ahead too.
    wraps: DFF<Bit>,
    // Offset of the next record.
    record_offset: DFF<Bits<48>>,
    bad_base: DFF<Bit>,
    weights_at: DFF<Bits<48>>,
    loaded_k: DFF<Bits<16>>,
    loaded_vectors: DFF<Bits<8>>,
    buffer: DFF<Bit>,
    load_pending: DFF<Bit>,
    // Cycles until the late stages of the lanes have read the last word of the buffer.
    load_cooldown: DFF<Bits<5>>,
    // Looked at a cycle later: it comes late.
    load_was_taken: DFF<Bit>,
    record_error: DFF<Bit>,
    record_beat: DFF<Bits<3>>,
    // The complement: counting up costs no tables.
    beats_to_go: DFF<Bits<32>>,
    none_to_go: DFF<Bit>,
    list_asked: DFF<Bit>,
    was_too_long: DFF<Bit>,
    in_flight: DFF<Bits<4>>,
    unsettled: DFF<Bits<4>>,
    fail_register: DFF<Bits<8>>,
    fails_own: DFF<Bit>,
    error_register: DFF<Bits<8>>,
    error_index_register: DFF<Bits<32>>,

    read_offset: Signal<Local, Bits<48>>,
    submitted: Signal<Local, Bits<32>>,
    record_moves: Signal<Local, Bit>,
    record_before: Signal<Local, Bits<48>>,
    record_step: Signal<Local, Bits<48>>,
    to_go_moves: Signal<Local, Bit>,
    to_go_before: Signal<Local, Bits<32>>,
    to_go_step: Signal<Local, Bits<32>>,
    to_go: Signal<Local, Bits<32>>,
    data_at: Signal<Local, Bits<48>>,
    bases: Signal<Local, Bits<64>>,
    low: Signal<Local, Bits<64>>,
    vectors3: Signal<Local, Bits<3>>,
    vector_beats: Signal<Local, Bits<14>>,
    load_beats: Signal<Local, Bits<14>>,
    list_bytes: Signal<Local, Bits<36>>,
    list_beats: Signal<Local, Bits<36>>,
    entry_offset: Signal<Local, Bits<48>>,
    list_takes: Signal<Local, Bit>,
    list_run: Signal<Local, Bit>,
    too_long: Signal<Local, Bit>,
    go: Signal<Local, Bit>,
    fail: Signal<Local, Bits<8>>,
    stop_now: Signal<Local, Bits<8>>,
    results_at: Signal<Local, Bits<48>>,
    words: Signal<Local, Bits<24>>,
    pushed: Signal<Local, Bits<4>>,
    retired: Signal<Local, Bits<4>>,
    streamed: Signal<Local, Bits<4>>,
    stream_rows: Signal<Local, Bits<72>>,
    is_last_beat: Signal<Local, Bit>,
    capture: Signal<Local, Bit>,
    waits: Signal<Local, Bit>,

    record_word_beat: Vec<Constant<Bits<3>>>,
    record_word_at: Vec<Constant<Bits<16>>>,
    record_place: Vec<Constant<Bits<4>>>,
    _words: usize,
    cooldown_cycles: Constant<Bits<5>>,
    several: Constant<Bit>,
    can_three: Constant<Bit>,
    record_beats: Constant<Bits<32>>,
    last_record_beat: Constant<Bits<3>>,
    record_bytes: Constant<Bits<48>>,
    misaligned: Constant<Bits<64>>,
    // Whatever is aligned is known to be: adders need not add these bits.
    aligned: Constant<Bits<48>>,
    too_high: Constant<Bits<64>>,
    max_in_flight: Constant<Bits<4>>,
    batch_shift: Constant<Bits<4>>,
    beat_shift: Constant<Bits<4>>,
    list_mask: Constant<Bits<36>>,
    rows_at: Constant<Bits<8>>,
    row_beats_at: Constant<Bits<8>>,
    digits_at: Constant<Bits<8>>,
    loads_bit: Constant<Bits<72>>,
    buffer_bit: Constant<Bits<72>>,
    words_at: Constant<Bits<8>>,
    vectors_at: Constant<Bits<8>>,
    bad_address: Constant<Bits<8>>,
    bad_length: Constant<Bits<8>>,
    bad_ring: Constant<Bits<8>>,
    command_read: Constant<Bits<8>>,
    result_write: Constant<Bits<8>>,
}

/// Cycles from the one after a command opened to the first in which the other buffer counts as free, less one.
fn cooldown_cycles(geometry: &Geometry) -> u64 {
    let stages = QUARTERS * geometry.encoding().trits_per_byte();
    stages as u64 - 7
}

fn bit<const N: usize>(at: usize) -> Constant<Bits<N>> {
    Constant::new(Bits::<N>::default().replace_bit(at, true))
}

impl<const W: usize> FrontEnd<W> {
    /// The front end of a kernel.
    pub fn new(geometry: &Geometry) -> Self {
        assert_eq!(W, geometry.bus_bits(), "bus of the geometry");
        let beat_words = geometry.beat_words();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            ring: Default::default(),
            immediate: Default::default(),
            weights_base: Default::default(),
            data_base: Default::default(),
            list: Default::default(),
            completion_address: Default::default(),
            count: Default::default(),
            limit: Default::default(),
            command_write: Default::default(),
            command_place: Default::default(),
            command_word: Default::default(),
            idle: Default::default(),
            done: Default::default(),
            busy: Default::default(),
            error: Default::default(),
            error_index: Default::default(),
            read_run: Default::default(),
            read_address: Default::default(),
            read_beats: Default::default(),
            read_ready: Default::default(),
            read_idle: Default::default(),
            read_beat: Default::default(),
            read_valid: Default::default(),
            read_error: Default::default(),
            read_hold: Default::default(),
            load_begin: Default::default(),
            load_vector_beats: Default::default(),
            load_vectors: Default::default(),
            load_buffer: Default::default(),
            loading: Default::default(),
            weight_run: Default::default(),
            weight_address: Default::default(),
            weight_run_beats: Default::default(),
            weight_ready: Default::default(),
            weight_idle: Default::default(),
            push: Default::default(),
            push_stream: Default::default(),
            stream_entry: Default::default(),
            write_entry: Default::default(),
            load_taken: Default::default(),
            stream_ended: Default::default(),
            stream_failed: Default::default(),
            settled: Default::default(),
            write_failed: Default::default(),
            write_idle: Default::default(),
            commands_done: Default::default(),
            write_completes: Default::default(),
            completion: Default::default(),
            pipe_busy: Default::default(),
            rewind: Default::default(),
            abort: Default::default(),
            clear: Default::default(),
            command: CommandDecode::new(geometry),
            run_list: Default::default(),
            record: crate::many(RECORD_WORDS),
            state: Default::default(),
            index: Default::default(),
            more: Default::default(),
            last: Default::default(),
            overrun: Default::default(),
            fault: Default::default(),
            slot: Default::default(),
            wraps: Default::default(),
            record_offset: Default::default(),
            bad_base: Default::default(),
            weights_at: Default::default(),
            loaded_k: Default::default(),
            loaded_vectors: Default::default(),
            buffer: Default::default(),
            load_pending: Default::default(),
            load_cooldown: Default::default(),
            load_was_taken: Default::default(),
            record_error: Default::default(),
            record_beat: Default::default(),
            beats_to_go: Default::default(),
            none_to_go: Default::default(),
            list_asked: Default::default(),
            was_too_long: Default::default(),
            in_flight: Default::default(),
            unsettled: Default::default(),
            fail_register: Default::default(),
            fails_own: Default::default(),
            error_register: Default::default(),
            error_index_register: Default::default(),
            read_offset: Default::default(),
            submitted: Default::default(),
            record_moves: Default::default(),
            record_before: Default::default(),
            record_step: Default::default(),
            to_go_moves: Default::default(),
            to_go_before: Default::default(),
            to_go_step: Default::default(),
            to_go: Default::default(),
            data_at: Default::default(),
            bases: Default::default(),
            low: Default::default(),
            vectors3: Default::default(),
            vector_beats: Default::default(),
            load_beats: Default::default(),
            list_bytes: Default::default(),
            list_beats: Default::default(),
            entry_offset: Default::default(),
            list_takes: Default::default(),
            list_run: Default::default(),
            too_long: Default::default(),
            go: Default::default(),
            fail: Default::default(),
            stop_now: Default::default(),
            results_at: Default::default(),
            words: Default::default(),
            pushed: Default::default(),
            retired: Default::default(),
            streamed: Default::default(),
            stream_rows: Default::default(),
            is_last_beat: Default::default(),
            capture: Default::default(),
            waits: Default::default(),
            record_word_beat: (0..RECORD_WORDS)
                .map(|i| crate::constant((i / beat_words) as u64))
                .collect(),
            record_word_at: (0..RECORD_WORDS)
                .map(|i| crate::constant((i % beat_words * 32) as u64))
                .collect(),
            record_place: (0..RECORD_WORDS as u64).map(crate::constant).collect(),
            _words: RECORD_WORDS,
            cooldown_cycles: crate::constant(cooldown_cycles(geometry)),
            several: Constant::new(geometry.batch() > 1),
            can_three: Constant::new(geometry.batch() > 2),
            record_beats: crate::constant((COMMAND_BYTES / geometry.beat_bytes()) as u64),
            last_record_beat: crate::constant((COMMAND_BYTES / geometry.beat_bytes()) as u64 - 1),
            record_bytes: crate::constant(COMMAND_BYTES as u64),
            misaligned: crate::constant(ALIGNMENT as u64 - 1),
            aligned: crate::constant(u64::MAX << ALIGNMENT.trailing_zeros() & ((1 << 48) - 1)),
            too_high: crate::constant(u64::MAX << BYTE_ADDRESS_BITS),
            max_in_flight: crate::constant(MAX_IN_FLIGHT as u64),
            batch_shift: crate::constant(u64::from(geometry.batch().trailing_zeros())),
            beat_shift: crate::constant(u64::from(geometry.beat_bytes().trailing_zeros())),
            list_mask: crate::constant(geometry.beat_bytes() as u64 - 1),
            rows_at: crate::constant(stream_entry::ROWS as u64),
            row_beats_at: crate::constant(stream_entry::ROW_BEATS as u64),
            digits_at: crate::constant(stream_entry::DIGITS as u64),
            loads_bit: bit(stream_entry::LOADS),
            buffer_bit: bit(stream_entry::BUFFER),
            words_at: crate::constant(write_entry::WORDS as u64),
            vectors_at: crate::constant(write_entry::VECTORS as u64),
            bad_address: crate::constant(ErrorCode::BadAddress as u64),
            bad_length: crate::constant(ErrorCode::BadLength as u64),
            bad_ring: crate::constant(ErrorCode::BadRing as u64),
            command_read: crate::constant(ErrorCode::CommandRead as u64),
            result_write: crate::constant(ErrorCode::ResultWrite as u64),
        }
    }
}

impl<const W: usize> Logic for FrontEnd<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            index,
            more,
            last,
            overrun,
            fault,
            slot,
            wraps,
            record_offset,
            bad_base,
            weights_at,
            loaded_k,
            loaded_vectors,
            buffer,
            load_pending,
            load_cooldown,
            load_was_taken,
            record_error,
            record_beat,
            beats_to_go,
            none_to_go,
            list_asked,
            was_too_long,
            in_flight,
            unsettled,
            fail_register,
            fails_own,
            error_register,
            error_index_register
        );
        self.run_list.clock.next = self.clock.val();
        self.run_list.reset.next = self.reset.val() | (self.state.q.val() == FrontState::Clear);

        // The record: from the registers or from memory.
        self.capture.next = (self.state.q.val() == FrontState::Record)
            & (self.read_valid.val() & !self.loading.val());
        for i in 0..self._words {
            self.record[i].clock.next = self.clock.val();
            self.record[i].d.next = self.record[i].q.val();
            if self.capture.val() & (self.record_beat.q.val() == self.record_word_beat[i].val()) {
                self.record[i].d.next = self
                    .read_beat
                    .val()
                    .get_bits::<32>(self.record_word_at[i].val().index());
            }
            if self.command_write.val() & (self.command_place.val() == self.record_place[i].val()) {
                self.record[i].d.next = self.command_word.val();
            }
            self.command.record[i].next = self.record[i].q.val();
        }
        self.command.clock.next = self.clock.val();
        self.command.loaded_k.next = self.loaded_k.q.val();
        self.command.loaded_vectors.next = self.loaded_vectors.q.val();

        // Whether there is another command.
        self.submitted.next = self.limit.val() - self.index.q.val();
        self.more.d.next = self.submitted.val() != 0;
        self.last.d.next = self.submitted.val() == 1;
        self.overrun.d.next = self.ring.val() & (self.submitted.val() > self.count.val());
        self.waits.next = (self.state.q.val() == FrontState::Fetch)
            & self.ring.val()
            & !self.more.q.val()
            & (self.in_flight.q.val() == 0)
            & self.write_idle.val();

        // The record after this one. Choices stand before the adders: behind them they would be a table a bit more.
        self.wraps.d.next = self.ring.val() & ((self.slot.q.val() + 1) == self.count.val());
        self.record_before.next = self.record_offset.q.val();
        self.record_step.next = self.record_bytes.val();
        if self.wraps.q.val() | (self.state.q.val() == FrontState::Idle) {
            self.record_before.next = self.list.val().get_bits::<48>(0) & self.aligned.val();
            self.record_step.next = 0.into();
        }
        self.record_moves.next = false;
        self.to_go_before.next = self.beats_to_go.q.val();
        self.to_go_step.next = self.run_list.beats.val();
        if self.state.q.val() == FrontState::Check {
            self.to_go_before.next = !self.command.weight_beats.val();
            self.to_go_step.next = 0.into();
        }
        self.to_go_moves.next = false;
        self.to_go.next = !self.beats_to_go.q.val();

        // A bit that is set in any base is set in their union.
        self.bases.next = self.weights_base.val() | self.data_base.val();
        self.low.next = self.bases.val() | self.list.val();
        if self.ring.val() {
            self.low.next = self.bases.val() | (self.list.val() | self.completion_address.val());
        }

        // The load: vectors one behind the other.
        self.vectors3.next = 1.into();
        if self.several.val() {
            self.vectors3.next = self.command.vectors.val().get_bits::<3>(0);
        }
        self.vector_beats.next = bit_cast::<14, 12>(self.command.activation_beats.val());
        self.load_beats.next = self.vector_beats.val();
        if self.vectors3.val() == 2 {
            self.load_beats.next = self.vector_beats.val() << 1;
        }
        if self.can_three.val() & (self.vectors3.val() == 3) {
            self.load_beats.next = (self.vector_beats.val() << 1) + self.vector_beats.val();
        }
        if self.can_three.val() & (self.vectors3.val() == 4) {
            self.load_beats.next = self.vector_beats.val() << 2;
        }
        self.load_begin.next = false;
        self.load_vector_beats.next = self.command.activation_beats.val();
        self.load_vectors.next = self.vectors3.val();
        self.load_buffer.next = self.buffer.q.val();

        // The run list.
        self.list_bytes.next =
            (bit_cast::<36, 32>(self.command.runs.val()) << 3) + self.list_mask.val();
        self.list_beats.next = self.list_bytes.val() >> self.beat_shift.val();
        self.run_list.open.next = false;
        self.run_list.entries.next = self.command.runs.val();
        self.run_list.beat.next = self.read_beat.val();
        self.run_list.beat_valid.next = (self.state.q.val() == FrontState::Runs)
            & (self.read_valid.val() & !self.loading.val());
        self.read_hold.next = (self.state.q.val() == FrontState::Runs)
            & (self.run_list.full.val() & !self.loading.val());
        self.too_long.next = self.run_list.valid.val()
            & (self.run_list.beats.val() > self.to_go.val())
            & !self.none_to_go.q.val();
        // Empty runs, and those behind the last beat of the matrix, are passed over.
        self.list_run.next = (self.state.q.val() == FrontState::Runs)
            & self.run_list.valid.val()
            & (self.run_list.reads.val() & !self.none_to_go.q.val())
            & !(self.too_long.val() | self.was_too_long.q.val());
        self.list_takes.next = (self.state.q.val() == FrontState::Runs)
            & (self.weight_ready.val() | !self.list_run.val());
        self.run_list.take.next = self.list_takes.val();
        self.entry_offset.next = 0.into();
        if self.state.q.val() == FrontState::Runs {
            self.entry_offset.next =
                bit_cast::<48, 32>(self.run_list.first_beat.val()) << self.beat_shift.val();
        }

        // What the queues get.
        self.stream_rows.next = bit_cast::<72, 32>(self.command.weight_beats.val())
            | (bit_cast::<72, 20>(self.command.rows.val()) << self.rows_at.val())
            | (bit_cast::<72, 11>(self.command.row_beats.val()) << self.row_beats_at.val())
            | (bit_cast::<72, 3>(self.command.digits.val()) << self.digits_at.val());
        self.stream_entry.next = self.stream_rows.val();
        if !self.command.keep.val() {
            self.stream_entry.next = self.stream_rows.val() | self.loads_bit.val();
        }
        if self.buffer.q.val() {
            self.stream_entry.next = self.stream_rows.val() | self.buffer_bit.val();
            if !self.command.keep.val() {
                self.stream_entry.next =
                    self.stream_rows.val() | (self.buffer_bit.val() | self.loads_bit.val());
            }
        }
        self.words.next = 0.into();
        if !self.command.stop.val() {
            self.words.next = bit_cast::<24, 20>(self.command.rows.val()) << self.batch_shift.val();
        }
        self.data_at.next = self.data_base.val().get_bits::<48>(0) & self.aligned.val();
        self.results_at.next =
            self.data_at.val() + (self.command.results.val() & self.aligned.val());
        self.write_entry.next = bit_cast::<80, 48>(self.results_at.val())
            | (bit_cast::<80, 24>(self.words.val()) << self.words_at.val())
            | (bit_cast::<80, 3>(self.vectors3.val()) << self.vectors_at.val());
        self.push.next = false;
        self.push_stream.next = false;
        self.pushed.next = 0.into();

        self.read_run.next = false;
        self.read_offset.next = self.record_offset.q.val();
        self.read_beats.next = self.record_beats.val();
        self.weight_run.next = false;
        self.weight_address.next = self.weights_at.q.val() + self.entry_offset.val();
        self.weight_run_beats.next = self.command.weight_beats.val();
        self.rewind.next = false;
        self.abort.next = false;
        self.clear.next = false;
        self.was_too_long.d.next = false;
        self.done.next = false;
        self.idle.next = false;
        self.fail.next = 0.into();
        self.stop_now.next = 0.into();
        self.go.next = false;
        self.is_last_beat.next = self.record_beat.q.val() == self.last_record_beat.val();

        match self.state.q.val() {
            FrontState::Idle => {
                self.idle.next = true;
                if self.start.val() {
                    self.rewind.next = true;
                    self.index.d.next = 0.into();
                    // A ring is looked at in the next cycle, against the index of this start.
                    self.more.d.next = !self.ring.val() & (self.limit.val() != 0);
                    self.slot.d.next = 0.into();
                    self.error_register.d.next = 0.into();
                    self.error_index_register.d.next = 0.into();
                    self.fails_own.d.next = false;
                    self.load_pending.d.next = false;
                    self.load_cooldown.d.next = 0.into();
                    self.load_was_taken.d.next = false;
                    self.in_flight.d.next = 0.into();
                    self.unsettled.d.next = 0.into();
                    self.record_moves.next = true;
                    self.bad_base.d.next =
                        (self.low.val() & (self.misaligned.val() | self.too_high.val())) != 0;
                    self.state.d.next = FrontState::Fetch;
                    if self.immediate.val() & !self.ring.val() & (self.count.val() != 0) {
                        self.state.d.next = FrontState::Check;
                    }
                }
            }
            FrontState::Fetch => {
                self.record_beat.d.next = 0.into();
                self.record_error.d.next = false;
                if !self.more.q.val() {
                    if !self.ring.val() {
                        self.state.d.next = FrontState::Drain;
                    }
                } else if self.bad_base.q.val() {
                    self.fail.next = self.bad_address.val();
                } else if self.overrun.q.val() {
                    self.fail.next = self.bad_ring.val();
                } else {
                    self.read_run.next = true;
                    if self.read_ready.val() {
                        self.state.d.next = FrontState::Record;
                    }
                }
            }
            FrontState::Record => {
                if self.capture.val() {
                    self.record_beat.d.next = self.record_beat.q.val() + 1;
                    self.record_error.d.next = self.record_error.q.val() | self.read_error.val();
                    if self.is_last_beat.val() {
                        self.state.d.next = FrontState::Decode;
                        if self.record_error.q.val() | self.read_error.val() {
                            self.fail.next = self.command_read.val();
                        }
                    }
                }
            }
            FrontState::Decode => {
                self.state.d.next = FrontState::Check;
            }
            FrontState::Check => {
                self.weights_at.d.next = (self.weights_base.val().get_bits::<48>(0)
                    & self.aligned.val())
                    + (self.command.weights.val() & self.aligned.val());
                self.to_go_moves.next = true;
                self.none_to_go.d.next = false;
                self.list_asked.d.next = false;
                self.fault.d.next = self.command.fault.val();
                if self.bad_base.q.val() {
                    self.fault.d.next = self.bad_address.val();
                }
                self.state.d.next = FrontState::Begin;
                // The first loads fill buffer 0, then 1, and so on.
                if !self.command.keep.val() & !self.command.stop.val() {
                    self.buffer.d.next = !self.buffer.q.val();
                }
            }
            FrontState::Begin => {
                self.read_offset.next = self.command.activations.val() & self.aligned.val();
                self.read_beats.next = bit_cast::<32, 14>(self.load_beats.val());
                if self.fault.q.val() != 0 {
                    self.fail.next = self.fault.q.val();
                } else if self.in_flight.q.val() != self.max_in_flight.val() {
                    if self.command.stop.val() {
                        self.push.next = true;
                        self.pushed.next = 1.into();
                        self.state.d.next = FrontState::Drain;
                    } else if (self.weight_ready.val() | self.command.has_runs.val())
                        & (self.command.keep.val()
                            | (self.read_ready.val() & !self.load_pending.q.val()))
                    {
                        self.go.next = true;
                    }
                }
                if self.go.val() {
                    self.push.next = true;
                    self.push_stream.next = true;
                    self.pushed.next = 1.into();
                    self.weight_run.next = !self.command.has_runs.val();
                    if !self.command.keep.val() {
                        self.read_run.next = true;
                        self.load_begin.next = true;
                        self.load_pending.d.next = true;
                        self.loaded_k.d.next = self.command.k.val();
                        self.loaded_vectors.d.next = self.command.vectors.val();
                    }
                    self.index.d.next = self.index.q.val() + 1;
                    self.more.d.next = !self.last.q.val();
                    self.slot.d.next = self.slot.q.val() + 1;
                    self.record_moves.next = true;
                    if self.wraps.q.val() {
                        self.slot.d.next = 0.into();
                    }
                    self.state.d.next = FrontState::Fetch;
                    if self.command.has_runs.val() {
                        self.run_list.open.next = true;
                        self.state.d.next = FrontState::Runs;
                    }
                }
            }
            FrontState::Runs => {
                self.read_offset.next = self.command.run_list.val() & self.aligned.val();
                self.read_beats.next = self.list_beats.val().get_bits::<32>(0);
                self.weight_run_beats.next = self.run_list.beats.val();
                self.weight_run.next = self.list_run.val();
                if !self.list_asked.q.val() {
                    self.read_run.next = true;
                    if self.read_ready.val() {
                        self.list_asked.d.next = true;
                    }
                }
                // What stands behind the last beat of the matrix does not matter.
                if self.run_list.beat_valid.val() & self.read_error.val() & !self.none_to_go.q.val()
                {
                    self.fail.next = self.command_read.val();
                    self.fails_own.d.next = true;
                }
                if self.list_run.val() & self.weight_ready.val() {
                    self.to_go_moves.next = true;
                    self.none_to_go.d.next = self.run_list.beats.val() == self.to_go.val();
                }
                if !self.run_list.active.val() {
                    self.state.d.next = FrontState::Fetch;
                }
                self.was_too_long.d.next = self.too_long.val();
                if !self.run_list.active.val() & !self.none_to_go.q.val() {
                    self.fail.next = self.bad_length.val();
                    self.fails_own.d.next = true;
                }
            }
            FrontState::Drain => {
                if (self.in_flight.q.val() == 0) & self.write_idle.val() {
                    self.state.d.next = FrontState::Finish;
                }
            }
            FrontState::Fail => {
                if (self.in_flight.q.val() == 0)
                    | (self.fails_own.q.val() & (self.in_flight.q.val() == 1))
                {
                    self.stop_now.next = self.fail_register.q.val();
                }
            }
            FrontState::Abort => {
                self.abort.next = true;
                if self.read_idle.val()
                    & self.weight_idle.val()
                    & self.write_idle.val()
                    & !self.pipe_busy.val()
                {
                    self.state.d.next = FrontState::Clear;
                }
            }
            FrontState::Clear => {
                // Still: the queues show their entries until the end of this cycle.
                self.abort.next = true;
                self.clear.next = true;
                self.state.d.next = FrontState::Finish;
            }
            FrontState::Finish => {
                self.done.next = true;
                // Nothing is kept from start to start; an immediate command is decoded before its own.
                self.loaded_k.d.next = 0.into();
                self.loaded_vectors.d.next = 0.into();
                self.state.d.next = FrontState::Idle;
            }
        }

        // Told a cycle later, since the comparison comes late; nothing of the list is read after it. An abort that
        // began meanwhile stands.
        if self.was_too_long.q.val() & (self.state.q.val() != FrontState::Abort) {
            self.fail.next = self.bad_length.val();
            self.fails_own.d.next = true;
        }

        // All reads of the data port are relative to one base.
        self.read_address.next = self.data_at.val() + self.read_offset.val();
        if self.record_moves.val() {
            self.record_offset.d.next = self.record_before.val() + self.record_step.val();
        }
        if self.to_go_moves.val() {
            self.beats_to_go.d.next = self.to_go_before.val() + self.to_go_step.val();
        }
        // S stages of lanes read a word in the S cycles from the one in which its beat was taken, so the buffer
        // before is free S cycles after the command that loaded the other one opened. The first beat of a load
        // comes 5 cycles or more after its Begin, which may stand that much earlier.
        if self.load_cooldown.q.val() != 0 {
            self.load_cooldown.d.next = self.load_cooldown.q.val() - 1;
        }
        if self.load_cooldown.q.val() == 1 {
            self.load_pending.d.next = false;
        }
        self.load_was_taken.d.next = self.load_taken.val();
        if self.load_was_taken.q.val() {
            self.load_cooldown.d.next = self.cooldown_cycles.val();
        }
        self.retired.next = 0.into();
        if self.settled.val() {
            self.retired.next = 1.into();
        }
        self.streamed.next = 0.into();
        if self.stream_ended.val() {
            self.streamed.next = 1.into();
        }
        if !self.rewind.val() {
            self.in_flight.d.next = self.in_flight.q.val() + self.pushed.val() - self.retired.val();
            self.unsettled.d.next =
                self.unsettled.q.val() + self.streamed.val() - self.retired.val();
        }

        // This block's own errors wait for their turn; the others stop everything when it has come.
        if self.fail.val() != 0 {
            self.fail_register.d.next = self.fail.val();
            self.state.d.next = FrontState::Fail;
        }
        // A command that ends in this cycle is not among the unsettled yet.
        if (self.stream_failed.val() != 0)
            & (!self.stream_ended.val() & (self.unsettled.q.val() == 0))
        {
            self.stop_now.next = self.stream_failed.val();
        }
        if self.write_failed.val() {
            self.stop_now.next = self.result_write.val();
        }
        if (self.stop_now.val() != 0) & (self.error_register.q.val() == 0) {
            self.error_register.d.next = self.stop_now.val();
            self.error_index_register.d.next = self.commands_done.val();
            self.state.d.next = FrontState::Abort;
        }
        self.error.next = self.error_register.q.val();
        self.error_index.next = self.error_index_register.q.val();
        self.write_completes.next = self.ring.val();
        self.completion.next = self.completion_address.val().get_bits::<48>(0);
        self.busy.next = (self.state.q.val() != FrontState::Idle) & !self.waits.val();

        if self.reset.val() {
            self.state.d.next = FrontState::Idle;
            self.buffer.d.next = false;
            self.loaded_k.d.next = 0.into();
            self.loaded_vectors.d.next = 0.into();
            self.error_register.d.next = 0.into();
            self.error_index_register.d.next = 0.into();
            self.in_flight.d.next = 0.into();
            self.unsettled.d.next = 0.into();
            self.was_too_long.d.next = false;
        }
    }
}
