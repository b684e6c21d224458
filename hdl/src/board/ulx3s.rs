//! Top for the ULX3S with an ECP5-85F: the kernel, its memories in block RAM, and a serial line to the host.
//!
//! ```text
//!  rx --> UartRx --> FrameReceiver --> request buffer --> Bridge --> s_axi_control ------> TernaryGemv
//!  tx <-- UartTx <-- FrameSender  <--- reply buffer  <-----+--> weights Memory --> m_axi_weights --^
//!                                                          +--> data Memory ---> m_axi_data -------^
//! ```
//!
//! | port | use |
//! |---|---|
//! | `clock` | the board's oscillator, 25 MHz: the one clock of everything |
//! | `reset` | a button, high when pressed: forgets everything but the memories' bytes |
//! | `rx`, `tx` | serial line, from and to the USB bridge |
//! | `led` | 0: a request is under way, 1: reset, 2: the kernel's interrupt, 7: beats about once a second |
//! | `wifi_gpio0` | high, or the board's radio may reset the board |
//!
//! Cycle contract: reset lasts 256 cycles after configuration and after the button is released.

use rust_hdl::prelude::*;
use tercet_contract::Geometry;

use super::bridge::Bridge;
use super::frame_receiver::FrameReceiver;
use super::frame_sender::FrameSender;
use super::memory::Memory;
use super::uart_rx::UartRx;
use super::uart_tx::UartTx;
use crate::hold_ram::HoldRam;
use crate::kernel::TernaryGemv;

/// The board with `2^W` beats of weights and `2^D` beats of data, around the 128-b2 kernel.
#[derive(LogicBlock)]
pub struct Ulx3s<const W: usize, const D: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Reset, high.
    pub reset: Signal<In, Bit>,
    /// Serial line from the host.
    pub rx: Signal<In, Bit>,
    /// Serial line to the host.
    pub tx: Signal<Out, Bit>,
    /// Lights.
    pub led: Signal<Out, Bits<8>>,
    /// Keeps the radio from resetting the board.
    pub wifi_gpio0: Signal<Out, Bit>,
    receiver: UartRx,
    sender: UartTx,
    frames_in: FrameReceiver,
    frames_out: FrameSender,
    requests: HoldRam<8, 11>,
    replies: HoldRam<8, 11>,
    bridge: Bridge,
    weights: Memory<W>,
    data: Memory<D>,
    kernel: TernaryGemv<128, 16, 32, 4, 8, 9, 7, 8, 129>,
    button: DFF<Bit>,
    pressed: DFF<Bit>,
    // Counts up to 256 from configuration on.
    reset_count: DFF<Bits<9>>,
    seconds: DFF<Bits<24>>,
    in_reset: Signal<Local, Bit>,
    kernel_reset: Signal<Local, Bit>,
    to_data: Signal<Local, Bit>,
    lights: Signal<Local, Bits<8>>,
}

impl<const W: usize, const D: usize> Ulx3s<W, D> {
    /// With a line whose bits are `bit_cycles` clock cycles long.
    pub fn new(geometry: &Geometry, bit_cycles: u16) -> Self {
        Ulx3s {
            clock: Default::default(),
            reset: Default::default(),
            rx: Default::default(),
            tx: Default::default(),
            led: Default::default(),
            wifi_gpio0: Default::default(),
            receiver: UartRx::new(bit_cycles.into()),
            sender: UartTx::new(bit_cycles.into()),
            frames_in: Default::default(),
            frames_out: Default::default(),
            requests: Default::default(),
            replies: Default::default(),
            bridge: Bridge::new(16 << W, 16 << D, bit_cycles),
            weights: Default::default(),
            data: Default::default(),
            kernel: TernaryGemv::new(geometry),
            button: Default::default(),
            pressed: Default::default(),
            reset_count: Default::default(),
            seconds: Default::default(),
            in_reset: Default::default(),
            kernel_reset: Default::default(),
            to_data: Default::default(),
            lights: Default::default(),
        }
    }
}

impl<const W: usize, const D: usize> Logic for Ulx3s<W, D> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, button, pressed, reset_count, seconds);
        clock!(
            self, clock, receiver, sender, frames_in, frames_out, requests, replies, bridge,
            weights, data
        );
        self.kernel.ap_clk.next = self.clock.val();
        self.button.d.next = self.reset.val();
        self.pressed.d.next = self.button.q.val();
        self.seconds.d.next = self.seconds.q.val() + 1;
        self.in_reset.next = !self.reset_count.q.val().get_bit(8);
        if self.in_reset.val() {
            self.reset_count.d.next = self.reset_count.q.val() + 1;
        }
        if self.pressed.q.val() {
            self.reset_count.d.next = 0.into();
        }
        self.kernel_reset.next = self.bridge.kernel_reset.val();
        self.wifi_gpio0.next = true;
        self.lights.next = bit_cast::<8, 1>(self.seconds.q.val().get_bits::<1>(23)) << 7;
        if self.bridge.busy.val() {
            self.lights.next = self.lights.val() | 1;
        }
        if self.in_reset.val() {
            self.lights.next = self.lights.val() | 2;
        }
        if self.kernel.interrupt.val() {
            self.lights.next = self.lights.val() | 4;
        }
        self.led.next = self.lights.val();

        // The line.
        self.receiver.reset.next = self.in_reset.val();
        self.receiver.line.next = self.rx.val();
        self.sender.reset.next = self.in_reset.val();
        self.tx.next = self.sender.line.val();
        self.frames_in.reset.next = self.in_reset.val();
        self.frames_in.octet.next = self.receiver.octet.val();
        self.frames_in.valid.next = self.receiver.valid.val();
        self.frames_in.busy.next = self.bridge.busy.val();
        self.frames_out.reset.next = self.in_reset.val();
        self.frames_out.ready.next = self.sender.ready.val();
        self.sender.octet.next = self.frames_out.octet.val();
        self.sender.valid.next = self.frames_out.valid.val();

        // Buffers.
        self.requests.hold.next = false;
        self.requests.read_address.next = self.bridge.request_address.val();
        self.requests.write_address.next = self.frames_in.write_address.val();
        self.requests.write_data.next = self.frames_in.write_data.val();
        self.requests.write_enable.next = self.frames_in.write_enable.val();
        self.replies.hold.next = false;
        self.replies.read_address.next = self.bridge.reply_address.val();
        self.replies.write_address.next = self.bridge.reply_address.val();
        self.replies.write_data.next = self.bridge.reply_byte.val();
        self.replies.write_enable.next = self.bridge.reply_write.val();

        // The bridge.
        self.bridge.reset.next = self.in_reset.val();
        self.bridge.frame.next = self.frames_in.frame.val();
        self.bridge.length.next = self.frames_in.length.val();
        self.bridge.check.next = self.frames_in.check.val();
        self.bridge.request_byte.next = self.requests.read_data.val();
        self.bridge.body_taken.next = self.frames_out.taken.val();
        self.bridge.sender_idle.next = self.frames_out.idle.val();
        self.frames_out.start.next = self.bridge.send.val();
        self.frames_out.body.next = self.replies.read_data.val();
        self.frames_out.body_end.next = self.bridge.body_end.val();

        // Memories beside the bridge.
        self.to_data.next = self.bridge.memory_address.val().get_bit(31);
        self.weights.address.next = self.bridge.memory_address.val();
        self.weights.data.next = self.bridge.memory_data.val();
        self.weights.write.next = self.bridge.memory_write.val() & !self.to_data.val();
        self.weights.read.next = self.bridge.memory_read.val() & !self.to_data.val();
        self.data.address.next = self.bridge.memory_address.val();
        self.data.data.next = self.bridge.memory_data.val();
        self.data.write.next = self.bridge.memory_write.val() & self.to_data.val();
        self.data.read.next = self.bridge.memory_read.val() & self.to_data.val();
        self.bridge.memory_granted.next = self.weights.granted.val() | self.data.granted.val();
        self.bridge.memory_beat.next = self.weights.beat.val();
        if self.to_data.val() {
            self.bridge.memory_beat.next = self.data.beat.val();
        }

        // Registers of the kernel.
        self.kernel.ap_rst_n.next = !self.kernel_reset.val();
        self.kernel.s_axi_control.awaddr.next = self.bridge.register_address.val();
        self.kernel.s_axi_control.awvalid.next = self.bridge.awvalid.val();
        self.kernel.s_axi_control.wdata.next = self.bridge.wdata.val();
        self.kernel.s_axi_control.wstrb.next = 15.into();
        self.kernel.s_axi_control.wvalid.next = self.bridge.wvalid.val();
        self.kernel.s_axi_control.bready.next = self.bridge.bready.val();
        self.kernel.s_axi_control.araddr.next = self.bridge.register_address.val();
        self.kernel.s_axi_control.arvalid.next = self.bridge.arvalid.val();
        self.kernel.s_axi_control.rready.next = self.bridge.rready.val();
        self.bridge.awready.next = self.kernel.s_axi_control.awready.val();
        self.bridge.wready.next = self.kernel.s_axi_control.wready.val();
        self.bridge.bvalid.next = self.kernel.s_axi_control.bvalid.val();
        self.bridge.arready.next = self.kernel.s_axi_control.arready.val();
        self.bridge.rdata.next = self.kernel.s_axi_control.rdata.val();
        self.bridge.rvalid.next = self.kernel.s_axi_control.rvalid.val();

        // Weights of the kernel, which are not written.
        self.weights.reset.next = self.kernel_reset.val();
        self.weights.araddr.next = self.kernel.m_axi_weights.araddr.val();
        self.weights.arlen.next = self.kernel.m_axi_weights.arlen.val();
        self.weights.arvalid.next = self.kernel.m_axi_weights.arvalid.val();
        self.weights.rready.next = self.kernel.m_axi_weights.rready.val();
        self.kernel.m_axi_weights.arready.next = self.weights.arready.val();
        self.kernel.m_axi_weights.rid.next = 0.into();
        self.kernel.m_axi_weights.rdata.next = self.weights.beat.val();
        self.kernel.m_axi_weights.rresp.next = self.weights.rresp.val();
        self.kernel.m_axi_weights.rlast.next = self.weights.rlast.val();
        self.kernel.m_axi_weights.rvalid.next = self.weights.rvalid.val();
        self.weights.awaddr.next = 0.into();
        self.weights.awvalid.next = false;
        self.weights.wdata.next = 0.into();
        self.weights.wstrb.next = 0.into();
        self.weights.wlast.next = false;
        self.weights.wvalid.next = false;
        self.weights.bready.next = true;

        // Data of the kernel.
        self.data.reset.next = self.kernel_reset.val();
        self.data.araddr.next = self.kernel.m_axi_data.araddr.val();
        self.data.arlen.next = self.kernel.m_axi_data.arlen.val();
        self.data.arvalid.next = self.kernel.m_axi_data.arvalid.val();
        self.data.rready.next = self.kernel.m_axi_data.rready.val();
        self.kernel.m_axi_data.arready.next = self.data.arready.val();
        self.kernel.m_axi_data.rid.next = 0.into();
        self.kernel.m_axi_data.rdata.next = self.data.beat.val();
        self.kernel.m_axi_data.rresp.next = self.data.rresp.val();
        self.kernel.m_axi_data.rlast.next = self.data.rlast.val();
        self.kernel.m_axi_data.rvalid.next = self.data.rvalid.val();
        self.data.awaddr.next = self.kernel.m_axi_data.awaddr.val();
        self.data.awvalid.next = self.kernel.m_axi_data.awvalid.val();
        self.data.wdata.next = self.kernel.m_axi_data.wdata.val();
        self.data.wstrb.next = self.kernel.m_axi_data.wstrb.val();
        self.data.wlast.next = self.kernel.m_axi_data.wlast.val();
        self.data.wvalid.next = self.kernel.m_axi_data.wvalid.val();
        self.data.bready.next = self.kernel.m_axi_data.bready.val();
        self.kernel.m_axi_data.awready.next = self.data.awready.val();
        self.kernel.m_axi_data.wready.next = self.data.wready.val();
        self.kernel.m_axi_data.bid.next = 0.into();
        self.kernel.m_axi_data.bresp.next = self.data.bresp.val();
        self.kernel.m_axi_data.bvalid.next = self.data.bvalid.val();
    }
}
