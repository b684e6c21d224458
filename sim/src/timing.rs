//! How fast the simulated memories answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::SimError;
use crate::memory::stall::MAX_STALL_PERCENT;
use crate::memory::{MemoryModel, StallPercent};

/// Timing of the memories behind both AXI ports. Cycles are kernel clock cycles.
///
/// A read burst accepted in cycle `t` offers its first beat when the memory has it
/// ([`MemoryModel`]): in cycle `t + latency_cycles` at the earliest behind [`MemoryModel::Fixed`], and
/// one beat a cycle from then on. Bursts of a port are answered in order, and any number may be
/// outstanding. The response to a write burst comes a latency after the later of its address and its
/// last beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryTiming {
    /// Which memory.
    #[serde(default)]
    pub model: MemoryModel,
    /// Of [`MemoryModel::Fixed`]: from the address handshake to the first read beat, and from the last
    /// write beat to the response. 0 counts as 1: the model's outputs are registered. At most
    /// [`MAX_LATENCY_CYCLES`].
    pub latency_cycles: u32,
    /// Seed of random back-pressure; `None` for memories that never stall.
    pub stall_seed: Option<u64>,
    /// Chance in percent, per channel and cycle, that a seeded memory holds back. What has been offered
    /// is never withdrawn. The host's side of AXI4-Lite is slowed in the same way.
    pub stall_percent: StallPercent,
    /// Every READY of the memories and of the host waits for its VALID and rises in the cycle after it
    /// (AXI4 A3.2.1 allows that); otherwise READY stands unless stalled.
    #[serde(default)]
    pub ready_after_valid: bool,
}

/// Highest [`MemoryTiming::latency_cycles`]: 4 ms at 250 MHz, and still simulated in seconds.
pub const MAX_LATENCY_CYCLES: u32 = 1_000_000;

impl Default for MemoryTiming {
    fn default() -> Self {
        MemoryTiming::fixed(128)
    }
}

impl MemoryTiming {
    /// A fixed latency in cycles. With a seed, every channel would stall in 25 % of the cycles.
    pub const fn fixed(latency_cycles: u32) -> Self {
        MemoryTiming {
            model: MemoryModel::Fixed,
            latency_cycles,
            stall_seed: None,
            stall_percent: StallPercent::all(25),
            ready_after_valid: false,
        }
    }

    /// The default latency, with random back-pressure.
    pub fn stalling(seed: u64) -> Self {
        MemoryTiming {
            stall_seed: Some(seed),
            ..MemoryTiming::default()
        }
    }

    /// Checks that a simulation behind such memories ends.
    pub fn validate(&self) -> Result<(), SimError> {
        if self.latency_cycles > MAX_LATENCY_CYCLES {
            return Err(SimError::Latency {
                found: self.latency_cycles,
                max: MAX_LATENCY_CYCLES,
            });
        }
        if self.stall_percent.highest() > MAX_STALL_PERCENT {
            return Err(SimError::StallPercent {
                found: self.stall_percent.highest(),
                max: MAX_STALL_PERCENT,
            });
        }
        Ok(self.model.validate()?)
    }

    /// Latency in effect, at least one cycle: of [`MemoryModel::Fixed`] the latency; of the others the
    /// longest that a lone read may take, through a row miss and a refresh.
    pub fn latency(&self) -> u64 {
        match self.model.dram() {
            None => u64::from(self.latency_cycles.max(1)),
            Some(dram) => dram.longest_read_cycles(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{DramParameters, HbmParameters};

    #[test]
    fn endless_latencies_are_refused() {
        let timing = MemoryTiming::fixed;
        assert!(timing(0).validate().is_ok());
        assert!(timing(MAX_LATENCY_CYCLES).validate().is_ok());
        let text = timing(4_000_000_000).validate().unwrap_err().to_string();
        assert!(
            text.contains("4000000000") && text.contains("1000000"),
            "{text}"
        );
    }

    #[test]
    fn stalls_that_hardly_end_are_refused() {
        let timing = |percent| MemoryTiming {
            stall_percent: StallPercent::all(percent),
            ..MemoryTiming::default()
        };
        assert!(timing(95).validate().is_ok());
        let text = timing(96).validate().unwrap_err().to_string();
        assert!(text.contains("96 %") && text.contains("95 %"), "{text}");
    }

    #[test]
    fn nonsense_of_a_model_is_refused() {
        let hbm = HbmParameters::at(300);
        let timing = MemoryTiming {
            model: MemoryModel::Hbm(HbmParameters(DramParameters { banks: 0, ..hbm.0 })),
            ..MemoryTiming::default()
        };
        let text = timing.validate().unwrap_err().to_string();
        assert!(text.contains("0 banks"), "{text}");
    }
}
