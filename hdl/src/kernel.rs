//! Top of the kernel: `ternary_gemv`, one compute unit.
//!
//! ```text
//!  s_axi_control --> ControlRegisters <--> FrontEnd ----------------- queues -----------------+
//!                                             |                          |                   |
//!  m_axi_weights --> AxiReadMaster --> BeatFifo --(StreamControl)--> DataPath --> BeatFifo --> AxiWriteMaster --> m_axi_data
//!  m_axi_data ----> AxiReadMaster ---- commands, activations, run lists --^
//! ```
//!
//! | port | protocol | use |
//! |---|---|---|
//! | `ap_clk`, `ap_rst_n` | clock, reset (active low, synchronous) | all ports |
//! | `interrupt` | level, high | end of a list or ring |
//! | `s_axi_control` | AXI4-Lite | `tercet_contract::registers` |
//! | `m_axi_weights` | AXI4, read only | weight beats |
//! | `m_axi_data` | AXI4 | command records, activations and run lists in, results and completions out |
//!
//! Both masters use ID 0, INCR bursts of whole beats inside 1 KiB blocks, modifiable bufferable
//! normal memory (`CACHE` 3), unprivileged secure data (`PROT` 0). Every master output comes from a
//! register or straight from a FIFO, never from an input of the same channel.
//!
//! **Order of memory accesses in ring mode.** The host writes a record and what it points to, makes
//! sure that they are visible in the memory behind `m_axi_data` (a DMA has ended; a posted write has been
//! read back), and only then writes `TAIL`. The kernel reads no record at or past `TAIL`. It writes the completion
//! count after the answers (B) to all results of the command, so a host that reads a count of n finds
//! the results of the first n commands. A record's place in the ring may be written again once the count
//! has passed it; more records in flight than `COUNT` are an error (`BadRing`), not an overwrite.
//!
//! **Between commands.** Commands under way overlap, in a list as in a ring: the activations of one are read while the one
//! before still writes its results. So a command must not read what another of the same list or dispatch
//! writes; it is submitted once the count says that the other is complete.

use rust_hdl::prelude::*;
use tercet_contract::geometry::WEIGHT_FIFO_BEATS;
use tercet_contract::Geometry;

use crate::axi::{AxiLite, AxiPort, AxiReadPort, BURST_INCR, CACHE_NORMAL};
use crate::axi_read_master::AxiReadMaster;
use crate::axi_write_master::AxiWriteMaster;
use crate::beat_fifo::BeatFifo;
use crate::command_queue::CommandQueue;
use crate::control_registers::ControlRegisters;
use crate::data_path::DataPath;
use crate::front_end::{FrontEnd, MAX_IN_FLIGHT};
use crate::stream_control::StreamControl;

/// One compute unit with a bus of `W = 8 C` bits, quarters of `Q = W / 4` bits and `D = C / 4` codes, activation
/// buffers of `2^A` words (`N = A + 1`) and a result FIFO of `2^R` beats (`P = R + 1`). `X = W + 1`: a beat with its error.
#[derive(LogicBlock)]
pub struct TernaryGemv<
    const W: usize,
    const C: usize,
    const Q: usize,
    const D: usize,
    const A: usize,
    const N: usize,
    const R: usize,
    const P: usize,
    const X: usize,
> {
    /// Clock of every port.
    pub ap_clk: Signal<In, Clock>,
    /// Reset, active low, synchronous.
    pub ap_rst_n: Signal<In, Bit>,
    /// Interrupt to the host.
    pub interrupt: Signal<Out, Bit>,
    /// Registers.
    pub s_axi_control: AxiLite,
    /// Weights.
    pub m_axi_weights: AxiReadPort<W>,
    /// Commands, activations, results.
    pub m_axi_data: AxiPort<W, C>,
    registers: ControlRegisters,
    front_end: FrontEnd<W>,
    stream_queue: CommandQueue<72>,
    write_queue: CommandQueue<80>,
    stream: StreamControl<A, N>,
    weight_reader: AxiReadMaster<W>,
    weight_fifo: BeatFifo<X, 8, 9>,
    data_reader: AxiReadMaster<W>,
    data_path: DataPath<W, C, Q, D, A, N>,
    result_fifo: BeatFifo<W, R, P>,
    writer: AxiWriteMaster<W, C, P>,
    reset: DFF<Bit>,
    discard: Signal<Local, Bit>,
    weight_in: Signal<Local, Bits<X>>,
    error_bit: Constant<Bits<X>>,
    error_at: Constant<Bits<16>>,
    size: Constant<Bits<3>>,
    incr: Constant<Bits<2>>,
    cache: Constant<Bits<4>>,
}

impl<
        const W: usize,
        const C: usize,
        const Q: usize,
        const D: usize,
        const A: usize,
        const N: usize,
        const R: usize,
        const P: usize,
        const X: usize,
    > TernaryGemv<W, C, Q, D, A, N, R, P, X>
{
    /// The kernel of `geometry`.
    pub fn new(geometry: &Geometry) -> Self {
        assert_eq!(
            1 << R,
            geometry.result_fifo_beats(),
            "depth of the result FIFO"
        );
        assert_eq!(1 << 8, WEIGHT_FIFO_BEATS, "depth of the weight FIFO");
        assert_eq!(1 << 3, MAX_IN_FLIGHT, "depth of the queues");
        assert_eq!(X, W + 1, "a beat and its error");
        Self {
            ap_clk: Default::default(),
            ap_rst_n: Default::default(),
            interrupt: Default::default(),
            s_axi_control: Default::default(),
            m_axi_weights: Default::default(),
            m_axi_data: Default::default(),
            registers: ControlRegisters::new(geometry),
            front_end: FrontEnd::new(geometry),
            stream_queue: Default::default(),
            write_queue: Default::default(),
            stream: StreamControl::new(geometry),
            weight_reader: AxiReadMaster::new(WEIGHT_FIFO_BEATS),
            weight_fifo: Default::default(),
            // What comes over the data port is consumed as it comes; the bound only limits the
            // bursts outstanding.
            data_reader: AxiReadMaster::passing_on(WEIGHT_FIFO_BEATS),
            data_path: DataPath::new(geometry),
            result_fifo: Default::default(),
            writer: AxiWriteMaster::new(geometry.batch()),
            reset: Default::default(),
            discard: Default::default(),
            weight_in: Default::default(),
            error_bit: Constant::new(Bits::<X>::default().replace_bit(W, true)),
            error_at: Constant::new((W as u64).into()),
            size: Constant::new(u64::from(C.trailing_zeros()).into()),
            incr: Constant::new(BURST_INCR.into()),
            cache: Constant::new(CACHE_NORMAL.into()),
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
        const R: usize,
        const P: usize,
        const X: usize,
    > Logic for TernaryGemv<W, C, Q, D, A, N, R, P, X>
{
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, ap_clk, reset);
        clock!(
            self,
            ap_clk,
            registers,
            front_end,
            stream_queue,
            write_queue,
            stream,
            weight_reader,
            weight_fifo,
            data_reader,
            data_path,
            result_fifo,
            writer
        );
        self.reset.d.next = !self.ap_rst_n.val();
        self.discard.next = self.reset.q.val() | self.front_end.clear.val();
        self.registers.reset.next = self.reset.q.val();
        self.front_end.reset.next = self.reset.q.val();
        self.weight_reader.reset.next = self.reset.q.val();
        self.data_reader.reset.next = self.reset.q.val();
        self.writer.reset.next = self.reset.q.val();
        self.stream_queue.reset.next = self.discard.val();
        self.write_queue.reset.next = self.discard.val();
        self.stream.reset.next = self.discard.val();
        self.weight_fifo.reset.next = self.discard.val();
        self.weight_fifo.hold.next = false;
        self.result_fifo.reset.next = self.discard.val();
        self.data_path.reset.next = self.discard.val();

        // Registers and front end.
        self.s_axi_control.awready.next = self.registers.awready.val();
        self.s_axi_control.wready.next = self.registers.wready.val();
        self.s_axi_control.bresp.next = self.registers.bresp.val();
        self.s_axi_control.bvalid.next = self.registers.bvalid.val();
        self.s_axi_control.arready.next = self.registers.arready.val();
        self.s_axi_control.rdata.next = self.registers.rdata.val();
        self.s_axi_control.rresp.next = self.registers.rresp.val();
        self.s_axi_control.rvalid.next = self.registers.rvalid.val();
        self.registers.awaddr.next = self.s_axi_control.awaddr.val();
        self.registers.awvalid.next = self.s_axi_control.awvalid.val();
        self.registers.wdata.next = self.s_axi_control.wdata.val();
        self.registers.wstrb.next = self.s_axi_control.wstrb.val();
        self.registers.wvalid.next = self.s_axi_control.wvalid.val();
        self.registers.bready.next = self.s_axi_control.bready.val();
        self.registers.araddr.next = self.s_axi_control.araddr.val();
        self.registers.arvalid.next = self.s_axi_control.arvalid.val();
        self.registers.rready.next = self.s_axi_control.rready.val();
        self.interrupt.next = self.registers.interrupt.val();
        self.front_end.start.next = self.registers.start.val();
        self.front_end.ring.next = self.registers.ring.val();
        self.front_end.immediate.next = self.registers.immediate.val();
        self.front_end.weights_base.next = self.registers.weights_base.val();
        self.front_end.data_base.next = self.registers.data_base.val();
        self.front_end.list.next = self.registers.list.val();
        self.front_end.completion_address.next = self.registers.completion.val();
        self.front_end.count.next = self.registers.count.val();
        self.front_end.limit.next = self.registers.limit.val();
        self.front_end.command_write.next = self.registers.command_write.val();
        self.front_end.command_place.next = self.registers.command_place.val();
        self.front_end.command_word.next = self.registers.command_word.val();
        self.registers.idle.next = self.front_end.idle.val();
        self.registers.done.next = self.front_end.done.val();
        self.registers.busy.next = self.front_end.busy.val();
        self.registers.error.next = self.front_end.error.val();
        self.registers.error_index.next = self.front_end.error_index.val();
        self.registers.commands_done.next = self.writer.count.val();
        self.registers.beat_taken.next = self.stream.take.val();
        self.registers.starved.next = self.stream.starved.val();
        self.registers.blocked.next = self.stream.blocked.val();

        // Queues.
        self.stream_queue.write.next = self.front_end.push_stream.val();
        self.stream_queue.data_in.next = self.front_end.stream_entry.val();
        self.stream_queue.take.next = self.stream.entry_taken.val();
        self.stream.entry.next = self.stream_queue.entry.val();
        self.stream.entry_valid.next = self.stream_queue.valid.val();
        self.write_queue.write.next = self.front_end.push.val();
        self.write_queue.data_in.next = self.front_end.write_entry.val();
        self.write_queue.take.next = self.writer.entry_taken.val();
        self.writer.entry.next = self.write_queue.entry.val();
        self.writer.entry_valid.next = self.write_queue.valid.val();

        // Weights: memory, FIFO, lanes.
        self.m_axi_weights.araddr.next = bit_cast::<64, 48>(self.weight_reader.araddr.val());
        self.m_axi_weights.arlen.next = self.weight_reader.arlen.val();
        self.m_axi_weights.arvalid.next = self.weight_reader.arvalid.val();
        self.m_axi_weights.rready.next = self.weight_reader.rready.val();
        self.m_axi_weights.arid.next = 0.into();
        self.m_axi_weights.arsize.next = self.size.val();
        self.m_axi_weights.arburst.next = self.incr.val();
        self.m_axi_weights.arlock.next = false;
        self.m_axi_weights.arcache.next = self.cache.val();
        self.m_axi_weights.arprot.next = 0.into();
        self.m_axi_weights.arqos.next = 0.into();
        self.weight_reader.arready.next = self.m_axi_weights.arready.val();
        self.weight_reader.rdata.next = self.m_axi_weights.rdata.val();
        self.weight_reader.rresp.next = self.m_axi_weights.rresp.val();
        self.weight_reader.rvalid.next = self.m_axi_weights.rvalid.val();
        self.weight_reader.run.next = self.front_end.weight_run.val();
        self.weight_reader.address.next = self.front_end.weight_address.val();
        self.weight_reader.beats.next = self.front_end.weight_run_beats.val();
        self.weight_reader.abort.next = self.front_end.abort.val();
        self.weight_reader.hold.next = false;
        self.weight_reader.freed.next = self.stream.take.val();
        self.weight_reader.free_all.next = self.front_end.clear.val();
        self.front_end.weight_ready.next = self.weight_reader.ready.val();
        self.front_end.weight_idle.next = self.weight_reader.idle.val();
        self.weight_in.next = bit_cast::<X, W>(self.weight_reader.beat.val());
        if self.weight_reader.beat_error.val() {
            self.weight_in.next =
                bit_cast::<X, W>(self.weight_reader.beat.val()) | self.error_bit.val();
        }
        self.weight_fifo.write.next = self.weight_reader.beat_valid.val();
        self.weight_fifo.data_in.next = self.weight_in.val();
        self.weight_fifo.read.next = self.stream.take.val();

        // Commands and activations.
        self.m_axi_data.araddr.next = bit_cast::<64, 48>(self.data_reader.araddr.val());
        self.m_axi_data.arlen.next = self.data_reader.arlen.val();
        self.m_axi_data.arvalid.next = self.data_reader.arvalid.val();
        self.m_axi_data.rready.next = self.data_reader.rready.val();
        self.m_axi_data.arid.next = 0.into();
        self.m_axi_data.arsize.next = self.size.val();
        self.m_axi_data.arburst.next = self.incr.val();
        self.m_axi_data.arlock.next = false;
        self.m_axi_data.arcache.next = self.cache.val();
        self.m_axi_data.arprot.next = 0.into();
        self.m_axi_data.arqos.next = 0.into();
        self.data_reader.arready.next = self.m_axi_data.arready.val();
        self.data_reader.rdata.next = self.m_axi_data.rdata.val();
        self.data_reader.rresp.next = self.m_axi_data.rresp.val();
        self.data_reader.rvalid.next = self.m_axi_data.rvalid.val();
        self.data_reader.run.next = self.front_end.read_run.val();
        self.data_reader.address.next = self.front_end.read_address.val();
        self.data_reader.beats.next = self.front_end.read_beats.val();
        self.data_reader.abort.next = self.front_end.abort.val();
        self.data_reader.hold.next = self.front_end.read_hold.val();
        self.data_reader.freed.next = false;
        self.data_reader.free_all.next = false;
        self.front_end.read_ready.next = self.data_reader.ready.val();
        self.front_end.read_idle.next = self.data_reader.idle.val();
        self.front_end.read_beat.next = self.data_reader.beat.val();
        self.front_end.read_valid.next = self.data_reader.beat_valid.val();
        self.front_end.read_error.next = self.data_reader.beat_error.val();
        self.front_end.loading.next = self.data_path.loading.val();
        self.data_path.load_begin.next = self.front_end.load_begin.val();
        self.data_path.load_vector_beats.next = self.front_end.load_vector_beats.val();
        self.data_path.load_vectors.next = self.front_end.load_vectors.val();
        self.data_path.load_buffer.next = self.front_end.load_buffer.val();
        self.data_path.load_beat.next = self.data_reader.beat.val();
        // Nothing is held back while activations come, so the bus itself says when one is there.
        self.data_path.load_valid.next = self.m_axi_data.rvalid.val();
        self.data_path.load_error.next = self.data_reader.beat_error.val();

        // Stream through the data path.
        self.stream.loaded.next = self.data_path.loaded.val();
        self.stream.load_failed.next = self.data_path.load_failed.val();
        self.stream.beat_valid.next = self.weight_fifo.valid.val();
        self.stream.beat_error.next = self
            .weight_fifo
            .data_out
            .val()
            .get_bit(self.error_at.val().index());
        self.stream.credit_back.next = self.writer.beat_read.val();
        self.stream.halt.next = self.front_end.abort.val();
        self.front_end.load_taken.next = self.stream.load_taken.val();
        self.front_end.stream_ended.next = self.stream.ended.val();
        self.front_end.stream_failed.next = self.stream.failed.val();
        self.data_path.take.next = self.stream.take.val();
        self.data_path.row_end.next = self.stream.row_end.val();
        self.data_path.last_digit.next = self.stream.last_digit.val();
        self.data_path.beat_end.next = self.stream.beat_end.val();
        self.data_path.word.next = self.stream.word.val();
        self.data_path.beat.next = self.weight_fifo.data_out.val().get_bits::<W>(0);
        self.front_end.pipe_busy.next = self.data_path.busy.val();

        // Results: FIFO, memory.
        self.result_fifo.write.next = self.data_path.result_valid.val();
        self.result_fifo.data_in.next = self.data_path.result_beat.val();
        self.result_fifo.read.next = self.writer.beat_read.val();
        self.result_fifo.hold.next = self.writer.beat_hold.val();
        self.writer.beat.next = self.result_fifo.data_out.val();
        self.writer.beat_valid.next = self.result_fifo.valid.val();
        self.writer.level.next = self.result_fifo.level.val();
        self.writer.rewind.next = self.front_end.rewind.val();
        self.writer.completes.next = self.front_end.write_completes.val();
        self.writer.completion.next = self.front_end.completion.val();
        self.writer.abort.next = self.front_end.abort.val();
        self.front_end.settled.next = self.writer.settled.val();
        self.front_end.write_failed.next = self.writer.failed.val();
        self.front_end.write_idle.next = self.writer.idle.val();
        self.front_end.commands_done.next = self.writer.count.val();
        self.m_axi_data.awaddr.next = bit_cast::<64, 48>(self.writer.awaddr.val());
        self.m_axi_data.awlen.next = self.writer.awlen.val();
        self.m_axi_data.awvalid.next = self.writer.awvalid.val();
        self.m_axi_data.wdata.next = self.writer.wdata.val();
        self.m_axi_data.wstrb.next = self.writer.wstrb.val();
        self.m_axi_data.wlast.next = self.writer.wlast.val();
        self.m_axi_data.wvalid.next = self.writer.wvalid.val();
        self.m_axi_data.bready.next = self.writer.bready.val();
        self.m_axi_data.awid.next = 0.into();
        self.m_axi_data.awsize.next = self.size.val();
        self.m_axi_data.awburst.next = self.incr.val();
        self.m_axi_data.awlock.next = false;
        self.m_axi_data.awcache.next = self.cache.val();
        self.m_axi_data.awprot.next = 0.into();
        self.m_axi_data.awqos.next = 0.into();
        self.writer.awready.next = self.m_axi_data.awready.val();
        self.writer.wready.next = self.m_axi_data.wready.val();
        self.writer.bresp.next = self.m_axi_data.bresp.val();
        self.writer.bvalid.next = self.m_axi_data.bvalid.val();
    }
}
