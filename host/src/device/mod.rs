//! Devices: who computes ternary sums instead of the CPU.
//!
//! A compute unit is a kernel with two memories; it runs lists of commands, or commands from a ring
//! (contract crate). The host splits the rows of each layer over the units, packs each unit's share of the
//! weights once into a [`DeviceImage`], loads it, and then, for each group of linears, writes activation
//! codes, has the commands run and reads sums ([`DeviceSession`]).
//!
//! | module | concern |
//! |---|---|
//! | [`part`] | how much of a layer a device has |
//! | [`image`] | what stands where in the memories of a unit |
//! | `unit` | one unit: codes in, commands, sums out |
//! | [`session`] | all units: shares, threads, what was counted |
//! | [`simulated`] | the device model and the RTL as units |
//! | [`xrt`] | a card, or an emulated one, as units |
//! | [`serial`] | a board behind a serial port as a unit |

pub mod image;
pub mod part;
#[cfg(unix)]
pub mod serial;
pub mod session;
pub mod simulated;
mod unit;
#[cfg(unix)]
pub mod xrt;

pub use image::{DeviceImage, GroupSlots, LinearSlot, Share, TOKENS_PER_LAUNCH};
pub use part::{DeviceLayers, Part};
pub(crate) use session::in_parallel;
pub use session::DeviceSession;
pub use simulated::SimulatedDevice;

use std::error::Error;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::command::CommandError;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::{Command, Geometry};
use tercet_sim::Ring;

use crate::model::LinearId;
use crate::tier::Tier;

/// Most compute units of a device.
pub const MAX_CUS: usize = 64;

/// How commands reach a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A launch for each list of commands; the first command goes through the registers.
    #[default]
    Launch,
    /// The kernel runs on and takes commands from a ring.
    Ring,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::Launch => "launch",
            Mode::Ring => "ring",
        })
    }
}

/// How commands reach the compute units of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Dispatching {
    /// By launches or through rings.
    pub mode: Mode,
    /// Compute units.
    pub cus: usize,
}

impl Dispatching {
    /// Launches of one compute unit.
    pub const SINGLE: Dispatching = Dispatching {
        mode: Mode::Launch,
        cus: 1,
    };
}

impl Default for Dispatching {
    fn default() -> Self {
        Dispatching::SINGLE
    }
}

impl fmt::Display for Dispatching {
    /// `one compute unit`, `4 compute units through rings`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cus {
            1 => f.write_str("one compute unit")?,
            cus => write!(f, "{cus} compute units")?,
        }
        match self.mode {
            Mode::Launch => Ok(()),
            Mode::Ring if self.cus == 1 => f.write_str(" through a ring"),
            Mode::Ring => f.write_str(" through rings"),
        }
    }
}

/// What a device counted during a launch or a dispatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Clock cycles from start to done; of several units, those of the slowest.
    pub cycles: u64,
    /// Weight beats that went through the lanes.
    pub weight_beats: u64,
    /// Cycles in which a command was streaming and no weight beat was there.
    pub starved_cycles: u64,
    /// Cycles in which a weight beat was there and results could not leave.
    pub blocked_cycles: u64,
}

impl Counters {
    /// What units that ran at the same time counted together.
    pub fn beside(self, other: Counters) -> Counters {
        Counters {
            cycles: self.cycles.max(other.cycles),
            weight_beats: self.weight_beats + other.weight_beats,
            starved_cycles: self.starved_cycles + other.starved_cycles,
            blocked_cycles: self.blocked_cycles + other.blocked_cycles,
        }
    }

    /// What was counted one after the other.
    pub fn then(self, other: Counters) -> Counters {
        Counters {
            cycles: self.cycles + other.cycles,
            weight_beats: self.weight_beats + other.weight_beats,
            starved_cycles: self.starved_cycles + other.starved_cycles,
            blocked_cycles: self.blocked_cycles + other.blocked_cycles,
        }
    }

    /// What was counted after `before`.
    pub fn since(self, before: Counters) -> Counters {
        Counters {
            cycles: self.cycles.wrapping_sub(before.cycles),
            weight_beats: self.weight_beats.wrapping_sub(before.weight_beats),
            starved_cycles: self.starved_cycles.wrapping_sub(before.starved_cycles),
            blocked_cycles: self.blocked_cycles.wrapping_sub(before.blocked_cycles),
        }
    }

    /// Weight beats per cycle of `cus` units, 0 to 1; 0 if nothing ran.
    pub fn efficiency(&self, cus: usize) -> f64 {
        efficiency(self.weight_beats, self.cycles, cus)
    }
}

/// `beats / (cus * cycles)`, 0 to 1; 0 if nothing ran.
pub fn efficiency(beats: u64, cycles: u64, cus: usize) -> f64 {
    match cus as u64 * cycles {
        0 => 0.0,
        all => beats as f64 / all as f64,
    }
}

/// Cycles that no counter names: command fetch, activation load, pipeline fill and drain, and of several
/// units the waiting for the slowest.
pub fn other_cycles(cycles: u64, cus: usize, beats: u64, starved: u64, blocked: u64) -> u64 {
    (cus as u64 * cycles).saturating_sub(beats + starved + blocked)
}

/// One kernel with its memories: a compute unit.
pub trait Device: Send {
    /// Name for reports: `model`, `rtl`.
    fn name(&self) -> &'static str;

    /// Evidence behind the cycles that this device counts.
    fn tier(&self) -> Tier;

    /// Compile-time parameters of the kernel.
    fn geometry(&self) -> Geometry;

    /// Whether its wall time says nothing of a device's time.
    fn is_simulated(&self) -> bool {
        true
    }

    /// Replaces the content of both memories; they are as long as the slices.
    fn load(&mut self, weights: &[u8], data: &[u8]) -> Result<(), DeviceError>;

    /// Writes into the data memory.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Reads from the data memory.
    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DeviceError>;

    /// Runs `count` commands, and returns when the last one is done: `first` through the registers, the
    /// others from the records behind the first of the list at byte `list` of the data memory. A launch
    /// that the kernel ended early is an error.
    fn launch(&mut self, first: &Command, list: u64, count: u32) -> Result<Counters, DeviceError>;

    /// Starts the kernel with a ring in the data memory; it runs until a STOP command.
    fn ring_start(&mut self, ring: Ring) -> Result<(), DeviceError>;

    /// Says that `tail` commands, modulo 2^32, have been submitted since the start of the ring, and
    /// returns when all are complete. A ring that the kernel ended with an error is an error.
    fn ring_dispatch(&mut self, tail: u32) -> Result<Counters, DeviceError>;

    /// Says that a STOP command has been submitted as command `tail - 1`, and returns when the ring has ended.
    fn ring_stop(&mut self, tail: u32) -> Result<(), DeviceError>;

    /// Ends what the device writes beside its results, such as a waveform; an error says that it
    /// is not whole.
    fn finish(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// Why a device did not compute.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// A layer does not fit the kernel's commands.
    #[error("{layer} cannot run on the device: {source}")]
    Layer {
        /// The layer.
        layer: LinearId,
        /// Which limit it breaks.
        source: CommandError,
    },
    /// A number of compute units that no device has.
    #[error("{found} compute units: expected 1 to {MAX_CUS}")]
    Cus {
        /// Units asked for.
        found: usize,
    },
    /// The kernel stopped with an error.
    #[error("the {device} kernel stopped at command {index} of {count}: {code}")]
    Kernel {
        /// The device.
        device: &'static str,
        /// What the kernel says.
        code: ErrorCode,
        /// Index of the command that failed.
        index: u32,
        /// Commands in the list, or submitted to the ring.
        count: u32,
    },
    /// The kernel said it was done, but not with every command.
    #[error("the {device} kernel completed {done} of {count} commands without reporting an error")]
    Incomplete {
        /// The device.
        device: &'static str,
        /// Commands completed.
        done: u32,
        /// Commands in the list, or submitted to the ring.
        count: u32,
    },
    /// A sum that the CPU has otherwise.
    #[error(
        "the {device} kernel computed {found} for row {row} of {layer}: the CPU has {expected}"
    )]
    WrongResult {
        /// The device.
        device: &'static str,
        /// The layer.
        layer: LinearId,
        /// Its row.
        row: usize,
        /// The device's sum.
        found: i32,
        /// The exact sum.
        expected: i32,
    },
    /// The runtime behind the device failed.
    #[error("device {device}: {source}")]
    Runtime {
        /// The device.
        device: &'static str,
        /// Its reason.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DeviceError {
    /// Whether a card failed that was there: neither what was asked, nor what this machine lacks.
    pub fn is_of_a_card(&self) -> bool {
        match self {
            DeviceError::Runtime { source, .. } => source
                .downcast_ref::<xrt::HostError>()
                .is_some_and(xrt::HostError::is_of_the_card),
            other => other.is_of_the_device(),
        }
    }

    /// Whether the device failed, rather than what was asked of it.
    pub fn is_of_the_device(&self) -> bool {
        !matches!(self, DeviceError::Layer { .. } | DeviceError::Cus { .. })
    }
}

/// Whether a device can have that many compute units.
pub fn check_cus(cus: usize) -> Result<(), DeviceError> {
    match (1..=MAX_CUS).contains(&cus) {
        true => Ok(()),
        false => Err(DeviceError::Cus { found: cus }),
    }
}
