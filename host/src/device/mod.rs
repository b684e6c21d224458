//! Devices: who computes ternary sums instead of the CPU.
//!
//! A device has two memories and runs lists of commands (contract crate). The host packs weights
//! and command lists once into a [`DeviceImage`], loads it, and then, for each group of linears,
//! writes activation codes, launches a list and reads sums ([`DeviceSession`]).

mod image;
mod session;
mod simulated;

pub use image::{DeviceImage, GroupSlots, LinearSlot, TOKENS_PER_LAUNCH};
pub use session::DeviceSession;
pub use simulated::SimulatedDevice;

use std::error::Error;

use serde::{Deserialize, Serialize};
use tercet_contract::command::CommandError;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::Geometry;

use crate::model::LinearId;
use crate::tier::Tier;

/// What a device counted during a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Clock cycles from start to done.
    pub cycles: u64,
    /// Weight beats that went through the lanes.
    pub weight_beats: u64,
    /// Cycles in which a command was streaming and no weight beat was there.
    pub starved_cycles: u64,
    /// Cycles in which a weight beat was there and results could not leave.
    pub blocked_cycles: u64,
}

/// One kernel with its memories.
pub trait Device: Send {
    /// Name for reports: `model`, `rtl`.
    fn name(&self) -> &'static str;

    /// Evidence behind the cycles that this device counts.
    fn tier(&self) -> Tier;

    /// Compile-time parameters of the kernel.
    fn geometry(&self) -> Geometry;

    /// Replaces the content of both memories; they are as long as the slices.
    fn load(&mut self, weights: &[u8], data: &[u8]) -> Result<(), DeviceError>;

    /// Writes into the data memory.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Reads from the data memory.
    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DeviceError>;

    /// Runs `count` command records that stand at byte `list` of the data memory, and returns when
    /// the last one is done. A launch that the kernel ended early is an error.
    fn launch(&mut self, list: u64, count: u32) -> Result<Counters, DeviceError>;

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
    /// The kernel stopped with an error.
    #[error("the {device} kernel stopped at command {index} of {count}: {code}")]
    Kernel {
        /// The device.
        device: &'static str,
        /// What the kernel says.
        code: ErrorCode,
        /// Index of the command that failed.
        index: u32,
        /// Commands in the list.
        count: u32,
    },
    /// The kernel said it was done, but not with every command.
    #[error("the {device} kernel completed {done} of {count} commands without reporting an error")]
    Incomplete {
        /// The device.
        device: &'static str,
        /// Commands completed.
        done: u32,
        /// Commands in the list.
        count: u32,
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
