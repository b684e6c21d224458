//! What an image says.
//!
//! Memories and connections are those that XRT goes by: the sections with groups where an image has them, else the
//! plain ones.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use tercet_contract::Geometry;

use crate::GEOMETRY_KEY;

/// Everything that is read from an image, and written into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Contents {
    /// Platform that the image is for, as its maker names it.
    pub platform: String,
    /// What loads it.
    pub mode: Mode,
    /// When it was made, in seconds since 1970.
    pub timestamp: u64,
    /// Clocks.
    pub clocks: Vec<Clock>,
    /// Memories and groups of memories; connections name them by their place.
    pub memories: Vec<Memory>,
    /// Kernel instances.
    pub compute_units: Vec<ComputeUnit>,
    /// Key-values, by key.
    pub key_values: BTreeMap<String, String>,
}

/// What loads an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A card; the whole of it is configured.
    Flat,
    /// A card; its shell stays.
    Partial,
    /// Hardware emulation.
    HardwareEmulation,
    /// Software emulation.
    SoftwareEmulation,
    /// Another number of the header.
    Other(u16),
}

/// A clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Clock {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: ClockKind,
    /// Its frequency.
    pub mhz: u16,
}

/// What a clock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockKind {
    /// `ap_clk` of the kernels.
    Data,
    /// `ap_clk_2` of the kernels, which `ternary_gemv` does not have.
    Kernel,
    /// The system.
    System,
    /// Another number.
    Other(u8),
}

/// A memory bank, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Memory {
    /// Its name.
    pub tag: String,
    /// What it is.
    pub kind: MemoryKind,
    /// Whether the image uses it.
    pub used: bool,
    /// Where it begins.
    pub base: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// What a memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryKind {
    /// DDR4.
    Ddr4,
    /// HBM.
    Hbm,
    /// DRAM of any kind.
    Dram,
    /// Block RAM, `PLRAM` in names.
    BlockRam,
    /// Memory of the host.
    Host,
    /// Another number of the section.
    Other(u8),
}

/// A kernel instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComputeUnit {
    /// Name of the kernel.
    pub kernel: String,
    /// Name of the instance.
    pub instance: String,
    /// Address of its registers.
    pub base: u64,
    /// How it is started.
    pub control: Control,
    /// AXI ports of the kernel.
    pub ports: Vec<Port>,
    /// Arguments of the kernel, by id.
    pub arguments: Vec<Argument>,
    /// What its buffers may lie in.
    pub connections: Vec<Connection>,
}

/// How a kernel is started and says that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// `ap_ctrl_hs`.
    Handshake,
    /// `ap_ctrl_chain`.
    Chain,
    /// `ap_ctrl_none`.
    None,
    /// Another number.
    Other(u8),
}

/// An AXI port of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Whether the kernel is the master.
    pub master: bool,
    /// Bytes of its address range.
    pub range: u64,
    /// Width of its data in bits; 0 if the image does not say.
    pub data_bits: u32,
}

/// An argument of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Argument {
    /// Its place in the signature.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Offset of its register.
    pub offset: u64,
    /// Its bytes in the registers.
    pub bytes: u64,
    /// Its C type.
    pub c_type: String,
    /// Port that it belongs to.
    pub port: String,
    /// Whether it is the address of a buffer.
    pub buffer: bool,
}

/// An argument of a compute unit and a memory that its buffer may lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Connection {
    /// Id of the argument.
    pub argument: u32,
    /// Place of the memory among [`Contents::memories`].
    pub memory: usize,
}

impl Contents {
    /// The geometry that the image names, if it names one that there is.
    pub fn geometry(&self) -> Option<Geometry> {
        self.key_values.get(GEOMETRY_KEY)?.parse().ok()
    }

    /// Clock of the kernels in MHz, if the image says it.
    pub fn clock_mhz(&self) -> Option<u16> {
        let data = self.clocks.iter().find(|c| c.kind == ClockKind::Data);
        data.map(|c| c.mhz)
    }
}

impl ComputeUnit {
    /// Its name for `xrtPLKernelOpen`, which takes one instance of a kernel so.
    pub fn open_name(&self) -> String {
        format!("{}:{{{}}}", self.kernel, self.instance)
    }
}

impl Mode {
    /// From the header.
    pub fn from_code(code: u16) -> Self {
        match code {
            0 => Mode::Flat,
            1 => Mode::Partial,
            4 => Mode::HardwareEmulation,
            5 => Mode::SoftwareEmulation,
            other => Mode::Other(other),
        }
    }

    /// For the header.
    pub fn code(self) -> u16 {
        match self {
            Mode::Flat => 0,
            Mode::Partial => 1,
            Mode::HardwareEmulation => 4,
            Mode::SoftwareEmulation => 5,
            Mode::Other(code) => code,
        }
    }
}

impl ClockKind {
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => ClockKind::Data,
            2 => ClockKind::Kernel,
            3 => ClockKind::System,
            other => ClockKind::Other(other),
        }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            ClockKind::Data => 1,
            ClockKind::Kernel => 2,
            ClockKind::System => 3,
            ClockKind::Other(code) => code,
        }
    }
}

impl MemoryKind {
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => MemoryKind::Ddr4,
            2 => MemoryKind::Dram,
            6 => MemoryKind::Hbm,
            7 => MemoryKind::BlockRam,
            10 => MemoryKind::Host,
            other => MemoryKind::Other(other),
        }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            MemoryKind::Ddr4 => 1,
            MemoryKind::Dram => 2,
            MemoryKind::Hbm => 6,
            MemoryKind::BlockRam => 7,
            MemoryKind::Host => 10,
            MemoryKind::Other(code) => code,
        }
    }
}

impl Control {
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Control::Handshake,
            1 => Control::Chain,
            2 => Control::None,
            other => Control::Other(other),
        }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Control::Handshake => 0,
            Control::Chain => 1,
            Control::None => 2,
            Control::Other(code) => code,
        }
    }
}
