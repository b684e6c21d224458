//! The bus ports of the kernel, with every signal that Vitis expects of an RTL kernel.
//!
//! Directions are the kernel's: a master's `arvalid` is an output. The rules of each channel are
//! written where it is driven (`axi_read_master`, `axi_write_master`, `control_registers`).

use rust_hdl::prelude::*;

/// Value of `ARBURST`/`AWBURST`: addresses count up (AXI4 A3.4.1).
pub const BURST_INCR: u64 = 1;

/// Value of `ARCACHE`/`AWCACHE`: normal, non-cacheable, bufferable, modifiable (AXI4 A4.4).
pub const CACHE_NORMAL: u64 = 3;

/// The AXI4-Lite port, as seen from the kernel.
#[derive(Clone, Debug, Default, LogicInterface)]
pub struct AxiLite {
    /// AW: address.
    pub awaddr: Signal<In, Bits<12>>,
    /// AW: valid.
    pub awvalid: Signal<In, Bit>,
    /// AW: ready.
    pub awready: Signal<Out, Bit>,
    /// W: data.
    pub wdata: Signal<In, Bits<32>>,
    /// W: strobes.
    pub wstrb: Signal<In, Bits<4>>,
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
    /// AR: address.
    pub araddr: Signal<In, Bits<12>>,
    /// AR: valid.
    pub arvalid: Signal<In, Bit>,
    /// AR: ready.
    pub arready: Signal<Out, Bit>,
    /// R: data.
    pub rdata: Signal<Out, Bits<32>>,
    /// R: response.
    pub rresp: Signal<Out, Bits<2>>,
    /// R: valid.
    pub rvalid: Signal<Out, Bit>,
    /// R: ready.
    pub rready: Signal<In, Bit>,
}

/// An AXI4 read master port with `W` data bits.
#[derive(Clone, Debug, Default, LogicInterface)]
pub struct AxiReadPort<const W: usize> {
    /// AR: transaction, always 0.
    pub arid: Signal<Out, Bits<1>>,
    /// AR: byte address.
    pub araddr: Signal<Out, Bits<64>>,
    /// AR: beats of the burst less one.
    pub arlen: Signal<Out, Bits<8>>,
    /// AR: log2 of the bytes of a beat.
    pub arsize: Signal<Out, Bits<3>>,
    /// AR: always INCR.
    pub arburst: Signal<Out, Bits<2>>,
    /// AR: never exclusive.
    pub arlock: Signal<Out, Bit>,
    /// AR: modifiable, bufferable.
    pub arcache: Signal<Out, Bits<4>>,
    /// AR: unprivileged, secure, data.
    pub arprot: Signal<Out, Bits<3>>,
    /// AR: quality of service, 0.
    pub arqos: Signal<Out, Bits<4>>,
    /// AR: valid.
    pub arvalid: Signal<Out, Bit>,
    /// AR: ready.
    pub arready: Signal<In, Bit>,
    /// R: transaction; not looked at, there is only one.
    pub rid: Signal<In, Bits<1>>,
    /// R: data.
    pub rdata: Signal<In, Bits<W>>,
    /// R: response.
    pub rresp: Signal<In, Bits<2>>,
    /// R: last beat of the burst; not looked at, beats are counted.
    pub rlast: Signal<In, Bit>,
    /// R: valid.
    pub rvalid: Signal<In, Bit>,
    /// R: ready.
    pub rready: Signal<Out, Bit>,
}

/// An AXI4 read and write master port with `W` data bits and `C = W / 8` strobes.
#[derive(Clone, Debug, Default, LogicInterface)]
pub struct AxiPort<const W: usize, const C: usize> {
    /// AR: transaction, always 0.
    pub arid: Signal<Out, Bits<1>>,
    /// AR: byte address.
    pub araddr: Signal<Out, Bits<64>>,
    /// AR: beats of the burst less one.
    pub arlen: Signal<Out, Bits<8>>,
    /// AR: log2 of the bytes of a beat.
    pub arsize: Signal<Out, Bits<3>>,
    /// AR: always INCR.
    pub arburst: Signal<Out, Bits<2>>,
    /// AR: never exclusive.
    pub arlock: Signal<Out, Bit>,
    /// AR: modifiable, bufferable.
    pub arcache: Signal<Out, Bits<4>>,
    /// AR: unprivileged, secure, data.
    pub arprot: Signal<Out, Bits<3>>,
    /// AR: quality of service, 0.
    pub arqos: Signal<Out, Bits<4>>,
    /// AR: valid.
    pub arvalid: Signal<Out, Bit>,
    /// AR: ready.
    pub arready: Signal<In, Bit>,
    /// R: transaction; not looked at, there is only one.
    pub rid: Signal<In, Bits<1>>,
    /// R: data.
    pub rdata: Signal<In, Bits<W>>,
    /// R: response.
    pub rresp: Signal<In, Bits<2>>,
    /// R: last beat of the burst; not looked at, beats are counted.
    pub rlast: Signal<In, Bit>,
    /// R: valid.
    pub rvalid: Signal<In, Bit>,
    /// R: ready.
    pub rready: Signal<Out, Bit>,
    /// AW: transaction, always 0.
    pub awid: Signal<Out, Bits<1>>,
    /// AW: byte address.
    pub awaddr: Signal<Out, Bits<64>>,
    /// AW: beats of the burst less one.
    pub awlen: Signal<Out, Bits<8>>,
    /// AW: log2 of the bytes of a beat.
    pub awsize: Signal<Out, Bits<3>>,
    /// AW: always INCR.
    pub awburst: Signal<Out, Bits<2>>,
    /// AW: never exclusive.
    pub awlock: Signal<Out, Bit>,
    /// AW: modifiable, bufferable.
    pub awcache: Signal<Out, Bits<4>>,
    /// AW: unprivileged, secure, data.
    pub awprot: Signal<Out, Bits<3>>,
    /// AW: quality of service, 0.
    pub awqos: Signal<Out, Bits<4>>,
    /// AW: valid.
    pub awvalid: Signal<Out, Bit>,
    /// AW: ready.
    pub awready: Signal<In, Bit>,
    /// W: data.
    pub wdata: Signal<Out, Bits<W>>,
    /// W: byte strobes.
    pub wstrb: Signal<Out, Bits<C>>,
    /// W: last beat of the burst.
    pub wlast: Signal<Out, Bit>,
    /// W: valid.
    pub wvalid: Signal<Out, Bit>,
    /// W: ready.
    pub wready: Signal<In, Bit>,
    /// B: transaction; not looked at.
    pub bid: Signal<In, Bits<1>>,
    /// B: response.
    pub bresp: Signal<In, Bits<2>>,
    /// B: valid.
    pub bvalid: Signal<In, Bit>,
    /// B: ready.
    pub bready: Signal<Out, Bit>,
}
