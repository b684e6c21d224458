//! Seeded back-pressure: when a channel holds back.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::timing::{MemoryTiming, MAX_STALL_PERCENT};

/// A stream of stall decisions of one half-port.
#[derive(Debug)]
pub struct Stalls {
    rng: Option<StdRng>,
    percent: u8,
}

impl Stalls {
    /// Decisions of the half-port with number `stream`; streams of one seed are independent.
    pub fn new(timing: &MemoryTiming, stream: u64) -> Self {
        let mix = |seed: u64| seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Stalls {
            rng: timing
                .stall_seed
                .map(|seed| StdRng::seed_from_u64(mix(seed))),
            percent: timing.stall_percent.min(MAX_STALL_PERCENT),
        }
    }

    /// Whether to hold back now. Never without a seed.
    pub fn hold(&mut self) -> bool {
        match &mut self.rng {
            Some(rng) => rng.random_range(0..100) < self.percent,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_stalls_is_as_asked() {
        let mut stalls = Stalls::new(&MemoryTiming::stalling(3), 0);
        let held = (0..10_000).filter(|_| stalls.hold()).count();
        assert!((2300..2700).contains(&held), "{held}");
        assert!(!Stalls::new(&MemoryTiming::default(), 0).hold());
    }
}
