//! Top of the kernel: `ternary_gemv`, one compute unit.
//!
//! ```text
//!  s_axi_control --> ControlRegisters <--> Sequencer ---------------------------+ starts, watches
//!                                                                              v
//!  m_axi_weights --> AxiReadMaster --> BeatFifo --(StreamControl)--> DataPath --> BeatFifo --> AxiWriteMaster --> m_axi_data
//!  m_axi_data ----> AxiReadMaster ---------- activations ------------^
//! ```
//!
//! | port | protocol | use |
//! |---|---|---|
//! | `ap_clk`, `ap_rst_n` | clock, reset (active low, synchronous) | all ports |
//! | `interrupt` | level, high | end of a list |
//! | `s_axi_control` | AXI4-Lite | `tercet_contract::registers` |
//! | `m_axi_weights` | AXI4, read only | weight beats |
//! | `m_axi_data` | AXI4 | command records and activations in, results out |
//!
//! Both masters use ID 0, INCR bursts of whole beats inside 1 KiB blocks, modifiable bufferable
//! normal memory (`CACHE` 3), unprivileged secure data (`PROT` 0). Every master output comes from a
//! register or straight from a FIFO, never from an input of the same channel.

use rust_hdl::prelude::*;
use tercet_contract::geometry::WEIGHT_FIFO_BEATS;
use tercet_contract::Geometry;

use crate::axi::{AxiLite, AxiPort, AxiReadPort, BURST_INCR, CACHE_NORMAL};
use crate::axi_read_master::AxiReadMaster;
use crate::axi_write_master::AxiWriteMaster;
use crate::beat_fifo::BeatFifo;
use crate::control_registers::ControlRegisters;
use crate::data_path::{self, DataPath};
use crate::sequencer::Sequencer;
use crate::stream_control::StreamControl;

/// Result beats for which the writer keeps room beyond the level at which the stream is held:
/// more than the rows that can be between the entrance of the lanes and the FIFO.
const RESULT_MARGIN: usize = 8;

/// One compute unit with a bus of `W = 8 C` bits, an activation RAM of `2^A` words and a result FIFO
/// of `2^R` beats (`P = R + 1`).
#[derive(LogicBlock)]
pub struct TernaryGemv<
    const W: usize,
    const C: usize,
    const A: usize,
    const R: usize,
    const P: usize,
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
    sequencer: Sequencer<W>,
    stream: StreamControl<A>,
    weight_reader: AxiReadMaster<W>,
    weight_fifo: BeatFifo<W, 8, 9>,
    data_reader: AxiReadMaster<W>,
    data_path: DataPath<W, C, A>,
    result_fifo: BeatFifo<W, R, P>,
    writer: AxiWriteMaster<W, C, P>,
    reset: DFF<Bit>,
    hold: DFF<Bit>,
    discard: Signal<Local, Bit>,
    hold_level: Constant<Bits<P>>,
    size: Constant<Bits<3>>,
    incr: Constant<Bits<2>>,
    cache: Constant<Bits<4>>,
}

impl<const W: usize, const C: usize, const A: usize, const R: usize, const P: usize>
    TernaryGemv<W, C, A, R, P>
{
    /// The kernel of `geometry`.
    pub fn new(geometry: &Geometry) -> Self {
        let result_beats = 1 << R;
        let in_flight_results = data_path::latency(geometry) + 4;
        assert!(
            in_flight_results / (W / 32) + 2 <= RESULT_MARGIN,
            "room for results in flight"
        );
        assert!(
            geometry.burst_beats() <= result_beats - RESULT_MARGIN,
            "a full burst gathers before the stream is held"
        );
        assert_eq!(1 << 8, WEIGHT_FIFO_BEATS, "depth of the weight FIFO");
        Self {
            ap_clk: Default::default(),
            ap_rst_n: Default::default(),
            interrupt: Default::default(),
            s_axi_control: Default::default(),
            m_axi_weights: Default::default(),
            m_axi_data: Default::default(),
            registers: ControlRegisters::new(geometry),
            sequencer: Sequencer::new(geometry),
            stream: Default::default(),
            weight_reader: AxiReadMaster::new(WEIGHT_FIFO_BEATS),
            weight_fifo: Default::default(),
            // Commands and activations are consumed as they come; the bound only limits the
            // bursts outstanding.
            data_reader: AxiReadMaster::new(WEIGHT_FIFO_BEATS),
            data_path: DataPath::new(geometry),
            result_fifo: Default::default(),
            writer: Default::default(),
            reset: Default::default(),
            hold: Default::default(),
            discard: Default::default(),
            hold_level: Constant::new(((result_beats - RESULT_MARGIN) as u64).into()),
            size: Constant::new(u64::from(C.trailing_zeros()).into()),
            incr: Constant::new(BURST_INCR.into()),
            cache: Constant::new(CACHE_NORMAL.into()),
        }
    }
}

impl<const W: usize, const C: usize, const A: usize, const R: usize, const P: usize> Logic
    for TernaryGemv<W, C, A, R, P>
{
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, ap_clk, reset, hold);
        clock!(
            self,
            ap_clk,
            registers,
            sequencer,
            stream,
            weight_reader,
            weight_fifo,
            data_reader,
            data_path,
            result_fifo,
            writer
        );
        self.reset.d.next = !self.ap_rst_n.val();
        self.discard.next = self.reset.q.val() | self.sequencer.clear.val();
        self.registers.reset.next = self.reset.q.val();
        self.sequencer.reset.next = self.reset.q.val();
        self.stream.reset.next = self.reset.q.val();
        self.weight_reader.reset.next = self.reset.q.val();
        self.data_reader.reset.next = self.reset.q.val();
        self.writer.reset.next = self.reset.q.val();
        self.weight_fifo.reset.next = self.discard.val();
        self.result_fifo.reset.next = self.discard.val();
        self.data_path.reset.next = self.discard.val();

        // Registers and sequencer.
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
        self.sequencer.start.next = self.registers.start.val();
        self.sequencer.weights_base.next = self.registers.weights_base.val();
        self.sequencer.data_base.next = self.registers.data_base.val();
        self.sequencer.list.next = self.registers.list.val();
        self.sequencer.count.next = self.registers.count.val();
        self.registers.idle.next = self.sequencer.idle.val();
        self.registers.done.next = self.sequencer.done.val();
        self.registers.error.next = self.sequencer.error.val();
        self.registers.error_index.next = self.sequencer.error_index.val();
        self.registers.commands_done.next = self.sequencer.commands_done.val();
        self.registers.beat_taken.next = self.stream.take.val();
        self.registers.starved.next = self.stream.starved.val();
        self.registers.blocked.next = self.stream.blocked.val();

        // Weights: memory, FIFO, lanes.
        self.m_axi_weights.araddr.next = self.weight_reader.araddr.val();
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
        self.weight_reader.start.next = self.sequencer.weights_start.val();
        self.weight_reader.address.next = self.sequencer.weights_address.val();
        self.weight_reader.beats.next = self.sequencer.weight_beats.val();
        self.weight_reader.abort.next = self.sequencer.abort.val();
        self.weight_reader.freed.next = self.stream.take.val();
        self.weight_reader.free_all.next = self.sequencer.clear.val();
        self.sequencer.weights_idle.next = self.weight_reader.idle.val();
        self.sequencer.weights_error.next = self.weight_reader.error.val();
        self.weight_fifo.write.next = self.weight_reader.beat_valid.val();
        self.weight_fifo.data_in.next = self.weight_reader.beat.val();
        self.weight_fifo.read.next = self.stream.take.val();

        // Commands and activations.
        self.m_axi_data.araddr.next = self.data_reader.araddr.val();
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
        self.data_reader.start.next = self.sequencer.read_start.val();
        self.data_reader.address.next = self.sequencer.read_address.val();
        self.data_reader.beats.next = self.sequencer.read_beats.val();
        self.data_reader.abort.next = false;
        self.data_reader.freed.next = self.data_reader.beat_valid.val();
        self.data_reader.free_all.next = false;
        self.sequencer.read_idle.next = self.data_reader.idle.val();
        self.sequencer.read_error.next = self.data_reader.error.val();
        self.sequencer.read_beat.next = self.data_reader.beat.val();
        self.sequencer.read_valid.next = self.data_reader.beat_valid.val();

        // Stream through the data path.
        self.stream.start.next = self.sequencer.stream_start.val();
        self.stream.abort.next = self.sequencer.abort.val();
        self.stream.rows.next = self.sequencer.rows.val();
        self.stream.row_beats.next = self.sequencer.row_beats.val();
        self.stream.weight_beats.next = self.sequencer.weight_beats.val();
        self.stream.beat_valid.next = self.weight_fifo.valid.val();
        self.stream.hold.next = self.hold.q.val();
        self.sequencer.stream_active.next = self.stream.active.val();
        self.sequencer.stream_bad_length.next = self.stream.bad_length.val();
        self.data_path.load_rewind.next = self.sequencer.load_rewind.val();
        self.data_path.load_write.next =
            self.sequencer.loading.val() & self.data_reader.beat_valid.val();
        self.data_path.load_beat.next = self.data_reader.beat.val();
        self.sequencer.loaded_words.next = self.data_path.loaded_words.val();
        self.data_path.take.next = self.stream.take.val();
        self.data_path.row_end.next = self.stream.row_end.val();
        self.data_path.word.next = self.stream.word.val();
        self.data_path.beat.next = self.weight_fifo.data_out.val();
        self.data_path.flush.next = self.sequencer.flush.val();
        self.sequencer.pipe_busy.next = self.data_path.busy.val();
        self.sequencer.pipe_aligned.next = self.data_path.aligned.val();

        // Results: FIFO, memory. The hold is registered; the margin covers the cycle it costs.
        self.result_fifo.write.next = self.data_path.result_valid.val();
        self.result_fifo.data_in.next = self.data_path.result_beat.val();
        self.result_fifo.read.next = self.writer.beat_read.val();
        self.hold.d.next = self.result_fifo.level.val() >= self.hold_level.val();
        self.writer.beat.next = self.result_fifo.data_out.val();
        self.writer.beat_valid.next = self.result_fifo.valid.val();
        self.writer.level.next = self.result_fifo.level.val();
        self.writer.start.next = self.sequencer.write_start.val();
        self.writer.address.next = self.sequencer.write_address.val();
        self.writer.words.next = self.sequencer.rows.val();
        self.writer.abort.next = self.sequencer.abort.val();
        self.sequencer.write_idle.next = self.writer.idle.val();
        self.sequencer.write_error.next = self.writer.error.val();
        self.m_axi_data.awaddr.next = self.writer.awaddr.val();
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
