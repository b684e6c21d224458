//! What a host sees of a kernel: two memories and a launch.
//!
//! Offsets are in bytes from the start of a memory; at which bus address a memory begins is the
//! kernel's own affair ([`crate::bank`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::{Command, Geometry};

use crate::bank::Fault;
use crate::error::SimError;

/// Which of the two memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// Packed weights, read over `m_axi_weights`.
    Weights,
    /// Commands, activations and results, over `m_axi_data`.
    Data,
}

/// What the kernel counted between start and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Clock cycles from `ap_start` to `ap_done`.
    pub cycles: u64,
    /// Weight beats that went through the lanes.
    pub weight_beats: u64,
    /// Cycles in which a command was streaming and no weight beat was there.
    pub starved_cycles: u64,
    /// Cycles in which a weight beat was there and results could not leave.
    pub blocked_cycles: u64,
    /// Commands completed.
    pub commands_done: u32,
    /// Why the kernel stopped early, and the index of the command that failed.
    #[serde(with = "error_record")]
    #[schemars(with = "Option<error_record::Record>")]
    pub error: Option<(ErrorCode, u32)>,
}

impl Counters {
    /// Weight beats per cycle, 0 to 1; 0 if nothing ran.
    pub fn efficiency(&self) -> f64 {
        if self.cycles == 0 {
            0.0
        } else {
            self.weight_beats as f64 / self.cycles as f64
        }
    }
}

/// Where the commands of a persistent kernel come from and go to. Offsets are in the data memory and multiples of 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Byte offset of record 0.
    pub records: u64,
    /// Records that the ring holds.
    pub entries: u32,
    /// Byte offset of the word that receives the number of completed commands.
    pub completion: u64,
}

/// When what happened in a launch or dispatch, in cycles from the one in which the kernel was told.
///
/// Cycles are those of handshakes on the memory ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// First weight beat.
    pub first_weight_beat: Option<u64>,
    /// Last weight beat.
    pub last_weight_beat: Option<u64>,
    /// Last answer to a write of results, or of the completion count in ring mode.
    pub last_answer: Option<u64>,
}

/// A device with the `ternary_gemv` contract.
///
/// Commands of a launch run in list order. An error *of the kernel* (bad command, bus error) is a
/// result, found in [`Counters::error`]; [`SimError`] means that there is no result.
pub trait Kernel: Send {
    /// Compile-time parameters of the kernel.
    fn geometry(&self) -> Geometry;

    /// Gives a memory `bytes` bytes, rounded up to whole 64-byte lines. What was within both sizes
    /// stays, the rest is zero.
    fn resize(&mut self, memory: Memory, bytes: usize) -> Result<(), SimError>;

    /// Writes `bytes` at `offset`.
    fn write(&mut self, memory: Memory, offset: u64, bytes: &[u8]) -> Result<(), SimError>;

    /// Reads `bytes.len()` bytes at `offset`.
    fn read(&mut self, memory: Memory, offset: u64, bytes: &mut [u8]) -> Result<(), SimError>;

    /// Runs the `count` command records that lie at byte `list` of the data memory, and returns
    /// when the kernel is done.
    fn launch(&mut self, list: u64, count: u32) -> Result<Counters, SimError>;

    /// [`Kernel::launch`] with the first command in the registers: its record in the list is not read.
    fn launch_immediate(
        &mut self,
        first: &Command,
        list: u64,
        count: u32,
    ) -> Result<Counters, SimError>;

    /// Starts the kernel in ring mode. It runs until a STOP command or an error ends it, or
    /// [`Kernel::launch`] or another start takes its place.
    fn ring_start(&mut self, ring: Ring) -> Result<(), SimError>;

    /// Rings the doorbell: `tail` commands have been submitted since the start. Returns when all are complete, or
    /// the ring has ended. Counters are those since the last dispatch; `commands_done` counts from the start.
    fn ring_dispatch(&mut self, tail: u32) -> Result<Counters, SimError>;

    /// When things happened in the last launch or dispatch.
    fn timeline(&self) -> Timeline;

    /// Ends the waveform, if one was asked for, and puts it into its place. An error says that it is
    /// not whole. The kernel goes on without. Where this is not called, dropping the kernel ends the
    /// waveform too, and nobody learns of an error.
    fn finish(&mut self) -> Result<(), SimError>;

    /// Makes a range of a memory answer with an error from now on.
    fn inject(&mut self, memory: Memory, fault: Fault);

    /// Removes every injected fault of both memories.
    fn clear_faults(&mut self);
}

/// `error` as `{"code": 18, "index": 3}` or null.
mod error_record {
    use super::ErrorCode;
    use schemars::JsonSchema;
    use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Record {
        code: u32,
        index: u32,
    }

    pub fn serialize<S: Serializer>(
        error: &Option<(ErrorCode, u32)>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        error
            .map(|(code, index)| Record {
                code: code as u32,
                index,
            })
            .serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<(ErrorCode, u32)>, D::Error> {
        let Some(record) = Option::<Record>::deserialize(d)? else {
            return Ok(None);
        };
        let code = ErrorCode::from_register(record.code).ok_or_else(|| {
            D::Error::custom(format!("unknown kernel error code {}", record.code))
        })?;
        Ok(Some((code, record.index)))
    }
}
