//! A card behind XRT, or what stands in for one.
//!
//! | target | library | who computes |
//! |---|---|---|
//! | `xrt[:card]` | XRT | a card with the user's xclbin |
//! | `xrt-emu` | XRT, in hardware emulation | `tercet device-server`: the Verilated kernel behind XRT's socket |
//! | `xrt-sim` | ours, with XRT's functions | the Verilated kernel in the process of the library |
//!
//! The calls are the same in all three. They are made by a process of their own ([`worker`]): XRT ends the
//! process or hangs in it when its device fails, and a run must neither lose its tokens nor wait for ever.
//!
//! ```text
//! run -- socket, a connection for each unit --> xrt-worker -- XRT --> card
//!                                                           \-- XRT, socket --> device-server
//! ```
//!
//! | module | concern |
//! |---|---|
//! | [`library`] | XRT's functions as handles and errors; the only unsafe code |
//! | `card_id` | which card of a machine |
//! | `device` | a compute unit as a device of a run |
//! | `open` | from an image to its compute units |
//! | `link` | requests to the process that makes the calls, and its answers |
//! | [`error`] | why a card did not do what was asked |
//! | `unit` | a compute unit: buffers, launches, rings, counters |
//! | [`message`] | requests and answers between the processes |
//! | [`worker`] | the process that makes the calls |
//! | `process` | starting, watching and ending it and the emulated card |
//! | [`places`] | libraries, and the folder with the emulation's settings |

mod card_id;
mod device;
pub mod error;
pub mod library;
mod link;
pub mod message;
mod open;
pub mod places;
mod process;
mod unit;
pub mod worker;

use std::path::PathBuf;
use std::time::Duration;

pub use card_id::CardId;
pub use device::XrtDevice;
pub use error::HostError;
pub use open::check_identity;

/// Who stands behind XRT's functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A card.
    Card(CardId),
    /// The Verilated kernel, through XRT's hardware emulation.
    Emulated,
    /// The Verilated kernel, through our own library.
    InProcess,
}

impl Target {
    /// Name for options and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Target::Card(_) => "xrt",
            Target::Emulated => "xrt-emu",
            Target::InProcess => "xrt-sim",
        }
    }
}

/// How a card is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XrtOptions {
    /// Who stands behind the functions.
    pub target: Target,
    /// Image for the card; none for one made for an emulated card.
    pub xclbin: Option<PathBuf>,
    /// The library; none for where it usually is.
    pub library: Option<PathBuf>,
    /// Time that a launch or dispatch may take.
    pub timeout: Duration,
    /// Further arguments of `tercet device-server`.
    pub card_arguments: Vec<String>,
}

impl XrtOptions {
    /// Time that a dispatch may take if nothing else is said: a card needs milliseconds, a simulation of a
    /// large layer minutes.
    pub fn default_timeout(target: &Target) -> Duration {
        match target {
            Target::Card(_) => Duration::from_secs(10),
            Target::Emulated | Target::InProcess => Duration::from_secs(600),
        }
    }
}
