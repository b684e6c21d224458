//! A block RAM that the kernel reaches over AXI4 and the bridge beside it.
//!
//! Cycle contract: that of [`ReadSlave`] and [`WriteSlave`]; the bridge writes at once, and what it reads is on `beat` in
//! the cycle after `granted`.

use rust_hdl::prelude::*;

use super::lane_ram::LaneRam;
use super::read_slave::ReadSlave;
use super::write_slave::WriteSlave;

/// `2^A` beats of 16 bytes.
#[derive(LogicBlock, Default)]
pub struct Memory<const A: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets bursts, keeps bytes.
    pub reset: Signal<In, Bit>,
    /// AR: byte address.
    pub araddr: Signal<In, Bits<64>>,
    /// AR: beats less one.
    pub arlen: Signal<In, Bits<8>>,
    /// AR: valid.
    pub arvalid: Signal<In, Bit>,
    /// AR: ready.
    pub arready: Signal<Out, Bit>,
    /// R: response.
    pub rresp: Signal<Out, Bits<2>>,
    /// R: last beat.
    pub rlast: Signal<Out, Bit>,
    /// R: valid.
    pub rvalid: Signal<Out, Bit>,
    /// R: ready.
    pub rready: Signal<In, Bit>,
    /// AW: byte address.
    pub awaddr: Signal<In, Bits<64>>,
    /// AW: valid.
    pub awvalid: Signal<In, Bit>,
    /// AW: ready.
    pub awready: Signal<Out, Bit>,
    /// W: data.
    pub wdata: Signal<In, Bits<128>>,
    /// W: strobes.
    pub wstrb: Signal<In, Bits<16>>,
    /// W: last beat.
    pub wlast: Signal<In, Bit>,
    /// W: valid.
    pub wvalid: Signal<In, Bit>,
    /// W: ready.
    pub wready: Signal<Out, Bit>,
    /// B: response.
    pub bresp: Signal<Out, Bits<2>>,
    /// B: valid.
    pub bvalid: Signal<Out, Bit>,
    /// B: ready.
    pub bready: Signal<In, Bit>,
    /// Bridge: byte address of a beat.
    pub address: Signal<In, Bits<32>>,
    /// Bridge: writes it.
    pub write: Signal<In, Bit>,
    /// Bridge: its new value.
    pub data: Signal<In, Bits<128>>,
    /// Bridge: asks for it.
    pub read: Signal<In, Bit>,
    /// Bridge: it comes in the next cycle.
    pub granted: Signal<Out, Bit>,
    /// What the RAM reads, for the bridge and R.
    pub beat: Signal<Out, Bits<128>>,
    ram: LaneRam<A>,
    reader: ReadSlave<A>,
    writer: WriteSlave<A>,
}

impl<const A: usize> Logic for Memory<A> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, ram, reader, writer);
        self.reader.reset.next = self.reset.val();
        self.reader.araddr.next = self.araddr.val();
        self.reader.arlen.next = self.arlen.val();
        self.reader.arvalid.next = self.arvalid.val();
        self.reader.rready.next = self.rready.val();
        self.reader.other_read.next = self.read.val();
        self.reader.other_address.next = self.address.val().get_bits::<A>(4);
        self.arready.next = self.reader.arready.val();
        self.rresp.next = self.reader.rresp.val();
        self.rlast.next = self.reader.rlast.val();
        self.rvalid.next = self.reader.rvalid.val();
        self.granted.next = self.reader.granted.val();
        self.writer.reset.next = self.reset.val();
        self.writer.awaddr.next = self.awaddr.val();
        self.writer.awvalid.next = self.awvalid.val();
        self.writer.wdata.next = self.wdata.val();
        self.writer.wstrb.next = self.wstrb.val();
        self.writer.wlast.next = self.wlast.val();
        self.writer.wvalid.next = self.wvalid.val();
        self.writer.bready.next = self.bready.val();
        self.writer.other_write.next = self.write.val();
        self.writer.other_address.next = self.address.val().get_bits::<A>(4);
        self.writer.other_data.next = self.data.val();
        self.awready.next = self.writer.awready.val();
        self.wready.next = self.writer.wready.val();
        self.bresp.next = self.writer.bresp.val();
        self.bvalid.next = self.writer.bvalid.val();
        self.ram.read_address.next = self.reader.ram_address.val();
        self.ram.write_address.next = self.writer.ram_address.val();
        self.ram.write_data.next = self.writer.ram_data.val();
        self.ram.write_strobe.next = self.writer.ram_strobe.val();
        self.beat.next = self.ram.read_data.val();
    }
}
