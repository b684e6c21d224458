//! What noise does to the bytes of a line.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Damage on a line, in both directions.
#[derive(Clone, Debug, Default)]
pub struct LineFaults {
    /// Seed of the damage.
    pub seed: u64,
    /// Of a million bytes, how many have a bit flipped.
    pub flipped_per_million: u32,
    /// Of a million bytes, how many are lost.
    pub lost_per_million: u32,
    /// Of a million bytes, how many have a random one put before them.
    pub inserted_per_million: u32,
    /// The board is reset when so many bytes have gone to it; each once, in this order.
    pub resets_at: Vec<u64>,
}

/// One direction of a line.
pub struct Noise {
    faults: LineFaults,
    rng: StdRng,
    damaged: u64,
}

impl Noise {
    /// Damage of one direction; `direction` makes the two differ.
    pub fn new(faults: &LineFaults, direction: u64) -> Self {
        Noise {
            faults: faults.clone(),
            rng: StdRng::seed_from_u64(faults.seed.wrapping_mul(2).wrapping_add(direction)),
            damaged: 0,
        }
    }

    /// The bytes as they arrive.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.happens(self.faults.inserted_per_million) {
                out.push(self.rng.random());
            }
            if self.happens(self.faults.lost_per_million) {
                continue;
            }
            let flip = match self.happens(self.faults.flipped_per_million) {
                true => 1u8 << self.rng.random_range(0..8),
                false => 0,
            };
            out.push(byte ^ flip);
        }
        out
    }

    /// Faults so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn happens(&mut self, per_million: u32) -> bool {
        let happens = per_million > 0 && self.rng.random_range(0..1_000_000) < per_million;
        self.damaged += u64::from(happens);
        happens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_as_often_as_asked_and_repeats() {
        let faults = LineFaults {
            seed: 1,
            flipped_per_million: 10_000,
            lost_per_million: 20_000,
            ..LineFaults::default()
        };
        let bytes = vec![0x55; 100_000];
        let mut noise = Noise::new(&faults, 0);
        let out = noise.pass(&bytes);
        assert!((97_000..99_000).contains(&out.len()), "{}", out.len());
        assert!((2_000..4_000).contains(&noise.damaged()));
        assert_eq!(Noise::new(&faults, 0).pass(&bytes), out);
        assert_ne!(Noise::new(&faults, 1).pass(&bytes), out);
        assert_eq!(Noise::new(&LineFaults::default(), 0).pass(&bytes), bytes);
    }
}
