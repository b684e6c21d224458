//! The pins of the kernel as one C struct, exchanged once a clock cycle.
//!
//! `shim.cpp` declares the same struct; [`crate::library`] compares the sizes when it loads a
//! library. Everything is grouped by who drives it. Data buses are 32-bit words, lowest first, and
//! as wide as the widest geometry; a narrower kernel uses the first words.

/// 32-bit words of the widest data bus.
pub const BUS_WORDS: usize = 16;

/// Driven by the host on `s_axi_control`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the AXI4-Lite signals of the same names
pub struct HostLite {
    pub awaddr: u32,
    pub wdata: u32,
    pub araddr: u32,
    pub wstrb: u8,
    pub awvalid: bool,
    pub wvalid: bool,
    pub bready: bool,
    pub arvalid: bool,
    pub rready: bool,
}

/// Driven by the kernel on `s_axi_control`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the AXI4-Lite signals of the same names
pub struct KernelLite {
    pub rdata: u32,
    pub bresp: u8,
    pub rresp: u8,
    pub awready: bool,
    pub wready: bool,
    pub bvalid: bool,
    pub arready: bool,
    pub rvalid: bool,
}

/// An AXI4 address, of reads or writes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the AXI4 signals of the same names, without `ar` or `aw`
pub struct Address {
    pub addr: u64,
    pub id: u8,
    pub len: u8,
    pub size: u8,
    pub burst: u8,
    pub lock: u8,
    pub cache: u8,
    pub prot: u8,
    pub qos: u8,
}

/// Driven by the kernel on the read channels of a memory port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the AXI4 signals of the same names
pub struct ReadMaster {
    pub ar: Address,
    pub arvalid: bool,
    pub rready: bool,
}

/// Driven by the memory on the read channels of a port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the AXI4 signals of the same names
pub struct ReadSlave {
    pub rdata: [u32; BUS_WORDS],
    pub rid: u8,
    pub rresp: u8,
    pub arready: bool,
    pub rvalid: bool,
    pub rlast: bool,
}

/// Payload of the write data channel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the AXI4 signals, without `w`
pub struct WriteData {
    pub strb: u64,
    pub data: [u32; BUS_WORDS],
    pub last: bool,
}

/// Driven by the kernel on the write channels of a memory port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the AXI4 signals of the same names
pub struct WriteMaster {
    pub aw: Address,
    pub w: WriteData,
    pub awvalid: bool,
    pub wvalid: bool,
    pub bready: bool,
}

/// Driven by the memory on the write channels of a port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the AXI4 signals of the same names
pub struct WriteSlave {
    pub bid: u8,
    pub bresp: u8,
    pub awready: bool,
    pub wready: bool,
    pub bvalid: bool,
}

/// Pins that the world drives.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs {
    /// `m_axi_weights`.
    pub weights: ReadSlave,
    /// `m_axi_data`, reads.
    pub data_reads: ReadSlave,
    /// `m_axi_data`, writes.
    pub data_writes: WriteSlave,
    /// `s_axi_control`.
    pub control: HostLite,
    /// `ap_rst_n`: false holds the kernel in reset.
    pub ap_rst_n: bool,
}

/// Pins that the kernel drives.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Outputs {
    /// `m_axi_weights`.
    pub weights: ReadMaster,
    /// `m_axi_data`, reads.
    pub data_reads: ReadMaster,
    /// `m_axi_data`, writes.
    pub data_writes: WriteMaster,
    /// `s_axi_control`.
    pub control: KernelLite,
    /// `interrupt`.
    pub interrupt: bool,
}

/// All pins but the clock.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Pins {
    /// Applied before the clock edge.
    pub inputs: Inputs,
    /// Sampled before the clock edge.
    pub outputs: Outputs,
}
