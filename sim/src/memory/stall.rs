//! Seeded back-pressure: in which cycles a channel holds back.
//!
//! Whether it does is a function of the seed, the channel and the cycle alone. So it can be asked for any
//! cycle, in any order, and whoever asks gets the same answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::axi::{Channel, Port};
use crate::timing::MemoryTiming;

/// Highest share of cycles in which a channel may hold back, in percent: so that runs end.
pub const MAX_STALL_PERCENT: u8 = 95;

/// Every port that can be stalled, in the order of [`StallPercent`].
pub const PORTS: [Port; 3] = [Port::Weights, Port::Data, Port::Control];

/// Every channel of a port, in the order of [`StallPercent`].
pub const CHANNELS: [Channel; 5] = [Channel::Ar, Channel::R, Channel::Aw, Channel::W, Channel::B];

/// Chance in percent, of each channel and cycle, that a seeded memory or host holds back: the memories
/// ARREADY, RVALID, AWREADY, WREADY and BVALID; the host, on the control port, ARVALID, RREADY,
/// AWVALID, WVALID and BREADY. At most [`MAX_STALL_PERCENT`] each.
///
/// Indexed by port and channel in the order of [`PORTS`] and [`CHANNELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StallPercent([[u8; 5]; 3]);

impl StallPercent {
    /// The same chance on all channels.
    pub const fn all(percent: u8) -> Self {
        StallPercent([[percent; 5]; 3])
    }

    /// Chances of the channels named; the others never stall.
    pub fn only(channels: &[(Port, Channel, u8)]) -> Self {
        channels.iter().fold(
            StallPercent::all(0),
            |percent, &(port, channel, of_channel)| percent.with(port, channel, of_channel),
        )
    }

    /// These chances, but for one channel.
    pub fn with(mut self, port: Port, channel: Channel, percent: u8) -> Self {
        self.0[port as usize][channel as usize] = percent;
        self
    }

    /// Chance of one channel.
    pub fn of(&self, port: Port, channel: Channel) -> u8 {
        self.0[port as usize][channel as usize]
    }

    /// The highest of all.
    pub fn highest(&self) -> u8 {
        self.0.iter().flatten().copied().max().unwrap_or(0)
    }
}

/// The stalled cycles of one channel.
#[derive(Clone, Copy, Debug)]
pub struct Stalls {
    key: u64,
    /// Of 2^32 cycles, how many are stalled; 0 for a channel that never is.
    threshold: u64,
}

impl Stalls {
    /// The stalled cycles of a channel. Channels of one seed are independent.
    pub fn new(timing: &MemoryTiming, port: Port, channel: Channel) -> Self {
        let percent = timing.stall_percent.of(port, channel);
        let percent = u64::from(percent.min(MAX_STALL_PERCENT));
        let id = 1 + 8 * port as u64 + channel as u64;
        Stalls {
            key: mix(timing
                .stall_seed
                .unwrap_or(0)
                .wrapping_add(id.wrapping_mul(0xd1b5_4a32_d192_ed03))),
            threshold: match timing.stall_seed {
                Some(_) => (percent << 32) / 100,
                None => 0,
            },
        }
    }

    /// Whether the channel holds back in `cycle`. Never without a seed.
    #[inline]
    pub fn stalled(&self, cycle: u64) -> bool {
        self.threshold != 0 && mix(self.key ^ cycle) >> 32 < self.threshold
    }

    /// The first cycle from `from` on in which the channel does not hold back.
    #[inline]
    pub fn first_free(&self, from: u64) -> u64 {
        let mut cycle = from;
        while self.stalled(cycle) {
            cycle += 1;
        }
        cycle
    }
}

/// A bijection of 64-bit words that looks random: multiply and fold twice (the constants are those of
/// the SplitMix64 finaliser).
#[inline]
fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalls(seed: u64, percent: u8, port: Port, channel: Channel) -> Stalls {
        let timing = MemoryTiming {
            stall_percent: StallPercent::all(percent),
            ..MemoryTiming::stalling(seed)
        };
        Stalls::new(&timing, port, channel)
    }

    #[test]
    fn the_share_of_stalls_is_as_asked() {
        for (percent, expected) in [
            (0, 0),
            (25, 25_000),
            (70, 70_000),
            (95, 95_000),
            (99, 95_000),
        ] {
            let stalls = stalls(3, percent, Port::Data, Channel::W);
            let held = (0..100_000).filter(|c| stalls.stalled(*c)).count() as i64;
            assert!((held - expected).abs() < 700, "{percent} %: {held}");
        }
        let calm = Stalls::new(&MemoryTiming::default(), Port::Data, Channel::W);
        assert!((0..1000).all(|c| !calm.stalled(c)));
        assert_eq!(calm.first_free(77), 77);
    }

    #[test]
    fn neighbours_seeds_and_channels_are_independent() {
        let one = stalls(3, 50, Port::Data, Channel::W);
        let same_in_next = (0..100_000)
            .filter(|c| one.stalled(*c) == one.stalled(c + 1))
            .count();
        assert!((49_000..51_000).contains(&same_in_next), "{same_in_next}");
        for other in [
            stalls(4, 50, Port::Data, Channel::W),
            stalls(3, 50, Port::Data, Channel::R),
            stalls(3, 50, Port::Weights, Channel::W),
        ] {
            let same = (0..100_000)
                .filter(|c| one.stalled(*c) == other.stalled(*c))
                .count();
            assert!((49_000..51_000).contains(&same), "{same}");
        }
    }

    #[test]
    fn the_first_free_cycle_is_the_one_that_a_walk_finds() {
        let stalls = stalls(9, 80, Port::Weights, Channel::R);
        for from in (0..5000).rev() {
            let walked = (from..).find(|c| !stalls.stalled(*c)).unwrap();
            assert_eq!(stalls.first_free(from), walked);
        }
    }

    #[test]
    fn only_the_channels_named_stall() {
        let percent = StallPercent::only(&[(Port::Data, Channel::W, 90)]);
        for (p, port) in PORTS.into_iter().enumerate() {
            for (c, channel) in CHANNELS.into_iter().enumerate() {
                assert_eq!((port as usize, channel as usize), (p, c));
                let expected = if (port, channel) == (Port::Data, Channel::W) {
                    90
                } else {
                    0
                };
                assert_eq!(percent.of(port, channel), expected);
            }
        }
        assert_eq!(percent.highest(), 90);
    }
}
