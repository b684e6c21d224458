//! How fast the simulated memories answer.

use serde::{Deserialize, Serialize};

use crate::error::SimError;

/// Timing of the memories behind both AXI ports. Cycles are kernel clock cycles.
///
/// A read burst accepted in cycle `t` offers its first beat in cycle `t + latency_cycles` at the
/// earliest, and one beat a cycle from then on; bursts of a port are answered in order, and any
/// number may be outstanding. The response to a write burst comes `latency_cycles` after the later
/// of its address and its last beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryTiming {
    /// From the address handshake to the first read beat, and from the last write beat to the
    /// response. 0 counts as 1: the model's outputs are registered. At most
    /// [`MAX_LATENCY_CYCLES`].
    pub latency_cycles: u32,
    /// Seed of random back-pressure; `None` for memories that never stall.
    pub stall_seed: Option<u64>,
    /// Chance in percent, drawn per channel and cycle, that a seeded memory holds back ARREADY,
    /// RVALID, AWREADY, WREADY or BVALID. What has been offered is never withdrawn. The host's
    /// side of AXI4-Lite is slowed in the same way. At most 95, so that runs end.
    pub stall_percent: u8,
}

/// Highest [`MemoryTiming::stall_percent`] in effect.
pub const MAX_STALL_PERCENT: u8 = 95;

/// Highest [`MemoryTiming::latency_cycles`]: 4 ms at 250 MHz, and still simulated in seconds.
pub const MAX_LATENCY_CYCLES: u32 = 1_000_000;

impl Default for MemoryTiming {
    fn default() -> Self {
        MemoryTiming {
            latency_cycles: 128,
            stall_seed: None,
            stall_percent: 25,
        }
    }
}

impl MemoryTiming {
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
        Ok(())
    }

    /// Checks that the device model can tell the cycles: it knows no back-pressure.
    pub fn require_no_stalls(&self) -> Result<(), SimError> {
        match self.stall_seed {
            Some(_) => Err(SimError::StallsNotModelled),
            None => Ok(()),
        }
    }

    /// Latency in effect: at least one cycle.
    pub fn latency(&self) -> u64 {
        u64::from(self.latency_cycles.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_latencies_are_refused() {
        let timing = |latency_cycles| MemoryTiming {
            latency_cycles,
            ..MemoryTiming::default()
        };
        assert!(timing(0).validate().is_ok());
        assert!(timing(MAX_LATENCY_CYCLES).validate().is_ok());
        let text = timing(4_000_000_000).validate().unwrap_err().to_string();
        assert!(
            text.contains("4000000000") && text.contains("1000000"),
            "{text}"
        );
    }
}
