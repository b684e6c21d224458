//! Sequencer: runs a list of commands, one after the other.
//!
//! ```text
//! Idle -> Fetch -> FetchWait -> Check -> Begin -> Load -> Stream -> Drain -> Settle -+-> Finish -> Idle
//!          ^                                                                       |
//!          +---------------------------- next command -----------------------------+
//! any check or bus error -> Abort -> Clear -> Finish
//! ```
//!
//! | state | what happens | leaves when |
//! |---|---|---|
//! | Fetch, FetchWait | bases and list are checked for alignment, the 64-byte record is read | all its beats are there |
//! | Check | fields are checked against the contract | next cycle |
//! | Begin | weight prefetch, activation load and the result run start together | next cycle |
//! | Load | activations fill the RAM while weights gather in their FIFO | the load has ended |
//! | Stream | weight beats flow through the lanes, results through the writer | the last beat is taken |
//! | Drain | the pipeline runs empty, the last result beat is filled up | nothing is on its way |
//! | Settle | memory answers to the result bursts | all answers are in |
//! | Abort | nothing new is asked for, outstanding transfers come in | every bus is quiet |
//! | Clear | FIFOs and pipeline are emptied | next cycle |
//!
//! An error keeps what was written, records code and index of the command, and ends with `done` like any
//! list; the buses are quiet by then, so the next `start` finds a clean kernel.

use rust_hdl::prelude::*;
use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::Geometry;

use crate::command_decode::CommandDecode;

/// What the kernel is doing.
#[derive(Copy, Clone, Debug, PartialEq, LogicState)]
pub enum KernelState {
    /// Waits for `start`.
    Idle,
    /// Asks for a command record.
    Fetch,
    /// Receives it.
    FetchWait,
    /// Checks it.
    Check,
    /// Starts prefetch, load and result run.
    Begin,
    /// Loads activations.
    Load,
    /// Multiplies.
    Stream,
    /// Empties the pipeline.
    Drain,
    /// Waits for write answers.
    Settle,
    /// Waits for quiet buses after an error.
    Abort,
    /// Empties the FIFOs after an error.
    Clear,
    /// Reports.
    Finish,
}

/// The command sequencer of a kernel with a bus of `W` bits.
#[derive(LogicBlock)]
pub struct Sequencer<const W: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Back to idle.
    pub reset: Signal<In, Bit>,
    /// Runs the list; only while `idle`.
    pub start: Signal<In, Bit>,
    /// Base address of the weight memory.
    pub weights_base: Signal<In, Bits<64>>,
    /// Base address of the data memory.
    pub data_base: Signal<In, Bits<64>>,
    /// Offset of the list from the data base.
    pub list: Signal<In, Bits<64>>,
    /// Commands in the list.
    pub count: Signal<In, Bits<32>>,
    /// No list is being run.
    pub idle: Signal<Out, Bit>,
    /// The list has ended, in this cycle.
    pub done: Signal<Out, Bit>,
    /// Code of the error that ended the list, or 0.
    pub error: Signal<Out, Bits<8>>,
    /// Command that failed.
    pub error_index: Signal<Out, Bits<32>>,
    /// Commands completed.
    pub commands_done: Signal<Out, Bits<32>>,

    /// Data reads: begin a run.
    pub read_start: Signal<Out, Bit>,
    /// Data reads: address.
    pub read_address: Signal<Out, Bits<64>>,
    /// Data reads: beats.
    pub read_beats: Signal<Out, Bits<32>>,
    /// Data reads: no run.
    pub read_idle: Signal<In, Bit>,
    /// Data reads: bus error.
    pub read_error: Signal<In, Bit>,
    /// Data reads: a beat.
    pub read_beat: Signal<In, Bits<W>>,
    /// Data reads: `read_beat` is there.
    pub read_valid: Signal<In, Bit>,

    /// Weight reads: begin a run.
    pub weights_start: Signal<Out, Bit>,
    /// Weight reads: address.
    pub weights_address: Signal<Out, Bits<64>>,
    /// Weight reads: no run.
    pub weights_idle: Signal<In, Bit>,
    /// Weight reads: bus error.
    pub weights_error: Signal<In, Bit>,

    /// Results: begin a run.
    pub write_start: Signal<Out, Bit>,
    /// Results: address.
    pub write_address: Signal<Out, Bits<64>>,
    /// Results: no run.
    pub write_idle: Signal<In, Bit>,
    /// Results: bus error.
    pub write_error: Signal<In, Bit>,

    /// Activation RAM: the next beat is number 0.
    pub load_rewind: Signal<Out, Bit>,
    /// Activation RAM: beats that arrive are activations.
    pub loading: Signal<Out, Bit>,
    /// Activation RAM: words that were written, which must be the beats of a row.
    pub loaded_words: Signal<In, Bits<32>>,

    /// Stream: begin.
    pub stream_start: Signal<Out, Bit>,
    /// Stream: a command is being streamed.
    pub stream_active: Signal<In, Bit>,
    /// Stream: ended at odds with `weight_beats`.
    pub stream_bad_length: Signal<In, Bit>,
    /// N of the command.
    pub rows: Signal<Out, Bits<32>>,
    /// Beats of a row.
    pub row_beats: Signal<Out, Bits<32>>,
    /// Beats of the matrix.
    pub weight_beats: Signal<Out, Bits<32>>,

    /// Pipeline: something is between the lanes and the packer.
    pub pipe_busy: Signal<In, Bit>,
    /// Pipeline: the packer holds no part of a beat.
    pub pipe_aligned: Signal<In, Bit>,
    /// Pipeline: fill up the last beat.
    pub flush: Signal<Out, Bit>,
    /// Every unit: ask for nothing more.
    pub abort: Signal<Out, Bit>,
    /// FIFOs and pipeline: forget everything.
    pub clear: Signal<Out, Bit>,

    command: CommandDecode,
    state: DFF<KernelState>,
    record: DFF<Bits<512>>,
    index: DFF<Bits<32>>,
    command_address: DFF<Bits<64>>,
    weights_at: DFF<Bits<64>>,
    activations_at: DFF<Bits<64>>,
    results_at: DFF<Bits<64>>,
    // K of the activations in the RAM, 0 if this list has loaded none.
    loaded_k: DFF<Bits<32>>,
    error_register: DFF<Bits<8>>,
    error_index_register: DFF<Bits<32>>,
    done_count: DFF<Bits<32>>,

    fail: Signal<Local, Bits<8>>,
    bases: Signal<Local, Bits<64>>,

    record_beats: Constant<Bits<32>>,
    record_bytes: Constant<Bits<64>>,
    record_down: Constant<Bits<10>>,
    record_up: Constant<Bits<10>>,

    misaligned: Constant<Bits<64>>,
    bad_alignment: Constant<Bits<8>>,
    bad_k: Constant<Bits<8>>,
    bad_length: Constant<Bits<8>>,
    command_read: Constant<Bits<8>>,
    activation_read: Constant<Bits<8>>,
    weight_read: Constant<Bits<8>>,
    result_write: Constant<Bits<8>>,
}

fn code(code: ErrorCode) -> Constant<Bits<8>> {
    crate::constant(code as u64)
}

impl<const W: usize> Sequencer<W> {
    /// The sequencer of a kernel whose activation RAM has `geometry.activation_words()` words.
    pub fn new(geometry: &Geometry) -> Self {
        assert_eq!(W, geometry.bus_bits(), "bus of the geometry");
        assert_eq!(8 * COMMAND_BYTES, 512, "bits of the record register");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            weights_base: Default::default(),
            data_base: Default::default(),
            list: Default::default(),
            count: Default::default(),
            idle: Default::default(),
            done: Default::default(),
            error: Default::default(),
            error_index: Default::default(),
            commands_done: Default::default(),
            read_start: Default::default(),
            read_address: Default::default(),
            read_beats: Default::default(),
            read_idle: Default::default(),
            read_error: Default::default(),
            read_beat: Default::default(),
            read_valid: Default::default(),
            weights_start: Default::default(),
            weights_address: Default::default(),
            weights_idle: Default::default(),
            weights_error: Default::default(),
            write_start: Default::default(),
            write_address: Default::default(),
            write_idle: Default::default(),
            write_error: Default::default(),
            load_rewind: Default::default(),
            loading: Default::default(),
            loaded_words: Default::default(),
            stream_start: Default::default(),
            stream_active: Default::default(),
            stream_bad_length: Default::default(),
            rows: Default::default(),
            row_beats: Default::default(),
            weight_beats: Default::default(),
            pipe_busy: Default::default(),
            pipe_aligned: Default::default(),
            flush: Default::default(),
            abort: Default::default(),
            clear: Default::default(),
            command: CommandDecode::new(geometry),
            state: Default::default(),
            record: Default::default(),
            index: Default::default(),
            command_address: Default::default(),
            weights_at: Default::default(),
            activations_at: Default::default(),
            results_at: Default::default(),
            loaded_k: Default::default(),
            error_register: Default::default(),
            error_index_register: Default::default(),
            done_count: Default::default(),
            fail: Default::default(),
            bases: Default::default(),
            record_beats: crate::constant((COMMAND_BYTES / geometry.beat_bytes()) as u64),
            record_bytes: crate::constant(COMMAND_BYTES as u64),
            record_down: crate::constant(W as u64),
            record_up: crate::constant(512 - W as u64),
            misaligned: crate::constant(ALIGNMENT as u64 - 1),
            bad_alignment: code(ErrorCode::BadAlignment),
            bad_k: code(ErrorCode::BadK),
            bad_length: code(ErrorCode::BadLength),
            command_read: code(ErrorCode::CommandRead),
            activation_read: code(ErrorCode::ActivationRead),
            weight_read: code(ErrorCode::WeightRead),
            result_write: code(ErrorCode::ResultWrite),
        }
    }
}

impl<const W: usize> Logic for Sequencer<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            record,
            index,
            command_address,
            weights_at,
            activations_at,
            results_at,
            loaded_k,
            error_register,
            error_index_register,
            done_count
        );

        // A low bit that is set in any of these is set in their union.
        self.bases.next =
            self.weights_base.val() | self.data_base.val() | self.command_address.q.val();
        self.command.record.next = self.record.q.val();
        self.command.loaded_k.next = self.loaded_k.q.val();
        self.rows.next = self.command.rows.val();
        self.row_beats.next = self.command.row_beats.val();
        self.weight_beats.next = self.command.weight_beats.val();

        self.read_start.next = false;
        self.read_address.next = self.command_address.q.val();
        self.read_beats.next = self.record_beats.val();
        self.weights_start.next = false;
        self.weights_address.next = self.weights_at.q.val();
        self.write_start.next = false;
        self.write_address.next = self.results_at.q.val();
        self.load_rewind.next = false;
        self.loading.next = false;
        self.stream_start.next = false;
        self.flush.next = false;
        self.abort.next = false;
        self.clear.next = false;
        self.done.next = false;
        self.idle.next = false;
        self.fail.next = 0.into();

        match self.state.q.val() {
            KernelState::Idle => {
                self.idle.next = true;
                if self.start.val() {
                    self.index.d.next = 0.into();
                    self.done_count.d.next = 0.into();
                    self.error_register.d.next = 0.into();
                    self.error_index_register.d.next = 0.into();
                    self.loaded_k.d.next = 0.into();
                    self.command_address.d.next = self.data_base.val() + self.list.val();
                    self.state.d.next = KernelState::Fetch;
                    if self.count.val() == 0 {
                        self.state.d.next = KernelState::Finish;
                    }
                }
            }
            KernelState::Fetch => {
                self.state.d.next = KernelState::FetchWait;
                if (self.bases.val() & self.misaligned.val()) == 0 {
                    self.read_start.next = true;
                } else {
                    self.fail.next = self.bad_alignment.val();
                }
            }
            KernelState::FetchWait => {
                if self.read_valid.val() {
                    self.record.d.next = (self.record.q.val() >> self.record_down.val())
                        | (bit_cast::<512, W>(self.read_beat.val()) << self.record_up.val());
                }
                if self.read_idle.val() {
                    self.state.d.next = KernelState::Check;
                    if self.read_error.val() {
                        self.fail.next = self.command_read.val();
                    }
                }
            }
            KernelState::Check => {
                self.weights_at.d.next = self.weights_base.val() + self.command.weights.val();
                self.activations_at.d.next = self.data_base.val() + self.command.activations.val();
                self.results_at.d.next = self.data_base.val() + self.command.results.val();
                self.fail.next = self.command.fault.val();
                self.state.d.next = KernelState::Begin;
            }
            KernelState::Begin => {
                self.weights_start.next = true;
                self.write_start.next = true;
                self.read_address.next = self.activations_at.q.val();
                self.read_beats.next = self.command.activation_beats.val();
                self.state.d.next = KernelState::Load;
                if !self.command.keep.val() {
                    self.load_rewind.next = true;
                    self.read_start.next = true;
                    self.loaded_k.d.next = 0.into();
                }
            }
            KernelState::Load => {
                self.loading.next = true;
                if self.read_idle.val() {
                    self.loaded_k.d.next = self.command.k.val();
                    self.stream_start.next = true;
                    self.state.d.next = KernelState::Stream;
                    if self.read_error.val() {
                        self.stream_start.next = false;
                        self.fail.next = self.activation_read.val();
                    } else if self.command.row_beats.val() != self.loaded_words.val() {
                        self.stream_start.next = false;
                        self.fail.next = self.bad_k.val();
                    }
                }
            }
            KernelState::Stream => {
                // A bus error waits for the end, so that which error is reported does not depend
                // on how far ahead the memory was.
                if !self.stream_active.val() {
                    self.state.d.next = KernelState::Drain;
                    if self.stream_bad_length.val() {
                        self.fail.next = self.bad_length.val();
                    } else if self.weights_error.val() {
                        self.fail.next = self.weight_read.val();
                    }
                }
            }
            KernelState::Drain => {
                self.flush.next = !self.pipe_busy.val();
                if !self.pipe_busy.val() & self.pipe_aligned.val() {
                    self.state.d.next = KernelState::Settle;
                }
            }
            KernelState::Settle => {
                if self.write_idle.val() {
                    self.done_count.d.next = self.done_count.q.val() + 1;
                    self.index.d.next = self.index.q.val() + 1;
                    self.command_address.d.next =
                        self.command_address.q.val() + self.record_bytes.val();
                    self.state.d.next = KernelState::Fetch;
                    if (self.index.q.val() + 1) == self.count.val() {
                        self.state.d.next = KernelState::Finish;
                    }
                    if self.write_error.val() {
                        self.fail.next = self.result_write.val();
                        self.done_count.d.next = self.done_count.q.val();
                    }
                }
            }
            KernelState::Abort => {
                self.abort.next = true;
                if self.read_idle.val()
                    & self.weights_idle.val()
                    & self.write_idle.val()
                    & !self.pipe_busy.val()
                {
                    self.state.d.next = KernelState::Clear;
                }
            }
            KernelState::Clear => {
                self.clear.next = true;
                self.state.d.next = KernelState::Finish;
            }
            KernelState::Finish => {
                self.done.next = true;
                self.state.d.next = KernelState::Idle;
            }
        }

        if self.fail.val() != 0 {
            self.error_register.d.next = self.fail.val();
            self.error_index_register.d.next = self.index.q.val();
            self.state.d.next = KernelState::Abort;
        }
        self.error.next = self.error_register.q.val();
        self.error_index.next = self.error_index_register.q.val();
        self.commands_done.next = self.done_count.q.val();

        if self.reset.val() {
            self.state.d.next = KernelState::Idle;
            self.error_register.d.next = 0.into();
            self.error_index_register.d.next = 0.into();
            self.done_count.d.next = 0.into();
        }
    }
}
