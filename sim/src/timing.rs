//! How fast the simulated memories answer.

use serde::{Deserialize, Serialize};

/// Timing of the memories behind both AXI ports. Cycles are kernel clock cycles.
///
/// A read burst accepted in cycle `t` offers its first beat in cycle `t + latency_cycles` at the
/// earliest, and one beat a cycle from then on; bursts of a port are answered in order, and any
/// number may be outstanding. The response to a write burst comes `latency_cycles` after the later
/// of its address and its last beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryTiming {
    /// From the address handshake to the first read beat, and from the last write beat to the
    /// response. 0 counts as 1: the model's outputs are registered.
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

    /// Latency in effect: at least one cycle.
    pub fn latency(&self) -> u64 {
        u64::from(self.latency_cycles.max(1))
    }
}
