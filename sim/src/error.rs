//! Why a simulation gave no result.

use std::path::PathBuf;

use tercet_contract::command::CommandError;

use crate::axi::ProtocolError;
use crate::kernel::Memory;
use crate::memory::MemoryModelError;

/// Why a kernel could not be built, opened or run.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The kernel's Verilog could not be emitted.
    #[error(transparent)]
    Emit(#[from] tercet_hdl::EmitError),

    /// A program that the RTL simulation needs is not installed.
    #[error("RTL simulation needs `{tool}`, which was not found: install it with `{install}`, or use the device model")]
    MissingTool {
        /// Program or header.
        tool: &'static str,
        /// Command that installs it on Debian and Ubuntu.
        install: &'static str,
    },

    /// A tool could not be run at all.
    #[error("running `{tool}`: {source}")]
    Tool {
        /// Program.
        tool: &'static str,
        /// What the system said.
        source: std::io::Error,
    },

    /// A tool is there, but does not do what it must.
    #[error("`{tool} {argument}` {end}: {last}; `{tool}` is installed but does not work here: repair the installation (and VERILATOR_ROOT, if that is set), or use the device model")]
    ToolFails {
        /// Program.
        tool: &'static str,
        /// What it was asked.
        argument: &'static str,
        /// How it ended.
        end: String,
        /// Its last line.
        last: String,
    },

    /// A tool is too old, or does not say how old it is.
    #[error("`{tool}` is `{found}`, expected version {oldest} or later: install a later one, or use the device model")]
    OldTool {
        /// Program.
        tool: &'static str,
        /// What it says of itself.
        found: String,
        /// Oldest version that will do.
        oldest: String,
    },

    /// Neither `XDG_CACHE_HOME` nor a home folder.
    #[error("no folder for built kernels: there is no home folder; set XDG_CACHE_HOME to an absolute path")]
    NoCacheFolder,

    /// No folder to build in.
    #[error("cannot build a kernel in {}: {source}; set TMPDIR to a writable folder whose path has no spaces", path.display())]
    BuildFolder {
        /// The folder that was tried last.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },

    /// The cache folder cannot be written.
    #[error("cannot write built kernels to {}: {source}; set XDG_CACHE_HOME to a writable folder", path.display())]
    Cache {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// Verilator or the C++ compiler refused the kernel.
    #[error("building the {what} failed: verilator {end}; log in {}; it ends:\n{tail}", log.display())]
    Build {
        /// What was built.
        what: String,
        /// How Verilator ended.
        end: String,
        /// The whole log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// The built library does not load. Removing it makes the next run build it again.
    #[error("loading {}: {reason}; remove its folder to have it built again", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },

    /// No pseudo-terminal, or it fails.
    #[error("pseudo-terminal of the simulated board: {source}")]
    Terminal {
        /// What the system said.
        source: std::io::Error,
    },

    /// The waveform file cannot be written.
    #[error("waveform {}: {reason}", path.display())]
    Trace {
        /// The file asked for.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },

    /// The Verilated model stopped itself.
    #[error("Verilator stopped the simulation in cycle {cycle}: {message}")]
    Stopped {
        /// Clock cycle.
        cycle: u64,
        /// Verilator's message.
        message: String,
    },

    /// An identification register does not hold what it must.
    #[error("register {register} of the kernel reads {found:#010x}, expected {expected:#010x}: this is another kernel")]
    WrongKernel {
        /// Name of the register.
        register: &'static str,
        /// Value read.
        found: u32,
        /// Value of this contract and geometry.
        expected: u32,
    },

    /// The kernel broke a rule of AXI.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),

    /// The kernel does not end.
    #[error("the kernel hangs: {what} in cycle {cycle}\n{state}")]
    Hang {
        /// What was waited for.
        what: String,
        /// Clock cycle.
        cycle: u64,
        /// Pins and ports at that time.
        state: String,
    },

    /// An `ERROR` register value outside the contract.
    #[error("register ERROR reads {value:#x}, which is no error code of the contract")]
    UnknownErrorCode {
        /// Value read.
        value: u32,
    },

    /// A host access outside a memory.
    #[error("bytes {offset}..{} of the {memory:?} memory, which has {size}", u128::from(*offset) + *bytes as u128)]
    Range {
        /// Which memory.
        memory: Memory,
        /// First byte.
        offset: u64,
        /// Bytes.
        bytes: usize,
        /// Size of the memory.
        size: usize,
    },

    /// A memory that this machine cannot hold.
    #[error("{memory:?} memory of {bytes} bytes does not fit into this machine's memory")]
    TooLarge {
        /// Which memory.
        memory: Memory,
        /// Bytes asked for.
        bytes: usize,
    },

    /// A command list that does not start at a multiple of 64 bytes.
    #[error("command list at byte {list} of the data memory: expected a multiple of 64")]
    ListAlignment {
        /// Offset asked for.
        list: u64,
    },

    /// A dispatch without a ring that runs.
    #[error("no ring has been started, or it has ended")]
    NoRing,

    /// Memories so slow that a simulation would not end in useful time.
    #[error("memory latency of {found} cycles: expected at most {max}")]
    Latency {
        /// Cycles asked for.
        found: u32,
        /// Most cycles.
        max: u32,
    },

    /// Stalls so frequent that a simulation would not end in useful time.
    #[error("memory stalls in {found} % of the cycles: expected at most {max} %")]
    StallPercent {
        /// Percent asked for.
        found: u8,
        /// Highest.
        max: u8,
    },

    /// A memory that cannot be.
    #[error(transparent)]
    MemoryModel(#[from] MemoryModelError),

    /// A command that the contract does not allow.
    #[error(transparent)]
    Command(#[from] CommandError),
}
