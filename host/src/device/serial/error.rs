//! Why a board behind a serial port did not do what was asked.

use std::path::PathBuf;

use tercet_contract::serial::message::PROTOCOL_VERSION;
use tercet_contract::serial::Status;
use tercet_contract::Geometry;

fn hint(source: &std::io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(code) if code == rustix::io::Errno::NOTTY.raw_os_error() => "; it is no serial port",
        _ if source.kind() == std::io::ErrorKind::PermissionDenied => {
            "; on Debian and Ubuntu, members of the group dialout may use it"
        }
        _ => "",
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// The port cannot be opened or set.
    #[error("serial port {}: {source}{}", path.display(), hint(source))]
    Open {
        /// The port.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process of this program has the port.
    #[error("serial port {}: another process uses it", path.display())]
    InUse {
        /// The port.
        path: PathBuf,
    },
    /// The port failed while it was open, as when a cable is pulled.
    #[error("serial port {}: {source}; is the board still there?", path.display())]
    Io {
        /// The port.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing came back, however often it was asked.
    #[error("no answer from the board within {seconds:.1} s to {attempts} attempts of {what}, {damaged} damaged frames came; is the bitstream loaded, and is this its port?")]
    Silent {
        /// What was asked.
        what: &'static str,
        /// How often.
        attempts: u32,
        /// How long.
        seconds: f64,
        /// Frames that came and were none.
        damaged: u64,
    },
    /// The board has no session any more. Handled by telling it again, a few times.
    #[error("the board was reset, or another host took it, time and again; see to its reset button, its power and who else uses the port")]
    Reset,
    /// The board refuses what should be right.
    #[error("the board refuses {what}: {status:?}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its reason.
        status: Status,
    },
    /// A reply that is not as the contract says.
    #[error("the board answers {what} with {found} bytes, expected {expected}")]
    Reply {
        /// What was asked.
        what: &'static str,
        /// Bytes of the payload.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Another protocol.
    #[error("the board speaks version {found} of the serial protocol with beats of {beat_bytes} bytes, expected version {PROTOCOL_VERSION} and 16 bytes")]
    Protocol {
        /// Its version.
        found: u8,
        /// Bytes of its beats.
        beat_bytes: u8,
    },
    /// The registers are not those of a kernel of this version.
    #[error("the board's kernel is not one of this version: its registers from MAGIC on read {words:#x?}")]
    Kernel {
        /// What they read.
        words: Vec<u32>,
    },
    /// Another kernel.
    #[error("the board has the {found} kernel, expected {expected}: use --geometry {found}")]
    Geometry {
        /// The board's.
        found: String,
        /// The one asked for.
        expected: Geometry,
    },
    /// The weights do not fit.
    #[error("{bytes} bytes of weights, but the board has room for {room}: {} bytes too many; put fewer layers on it, with --offload PLAN.toml", bytes - room)]
    Weights {
        /// Bytes of the image.
        bytes: usize,
        /// Bytes of the board's memory.
        room: usize,
    },
    /// The activations and results of one command do not fit.
    #[error("one command needs {bytes} bytes for activations and results, but the board has room for {room}; give it fewer rows of that layer, with --offload PLAN.toml")]
    Data {
        /// Bytes of the command.
        bytes: usize,
        /// Bytes of the board's memory.
        room: usize,
    },
    /// An access outside of the image.
    #[error("bytes {offset}..+{bytes} of a data memory of {size}")]
    Range {
        /// First byte.
        offset: u64,
        /// How many.
        bytes: usize,
        /// Bytes that there are.
        size: usize,
    },
    /// The kernel does not end.
    #[error("the kernel is not done after {seconds:.1} s; it has been reset")]
    Hang {
        /// How long.
        seconds: f64,
    },
    /// An error code that the contract does not have.
    #[error("the kernel reports the unknown error code {0:#x}")]
    UnknownErrorCode(u32),
    /// Something that boards behind a serial port do not do.
    #[error("a board behind a serial port has no {0}")]
    Unsupported(&'static str),
}
