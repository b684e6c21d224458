//! Random numbers by position: element `i` of a tensor is a function of seed, tensor name and `i`.
//!
//! So neither threads nor the order of writing change a byte, and nothing but integers decides
//! a value: the same seed gives the same file on every machine. The mixing function is the finaliser of
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).

/// Increment of SplitMix64: odd, 2^64 / golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Standard deviation of the sum of eight uniform bytes: sqrt(8 (256^2 - 1) / 12).
const BYTE_SUM_STD: f32 = 209.022_33;

/// Mean of that sum.
const BYTE_SUM_MEAN: i32 = 1020;

/// The random numbers of one tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of a tensor.
    pub(super) fn new(seed: u64, tensor: &str) -> Self {
        let key = tensor
            .bytes()
            .fold(mix(seed.wrapping_add(STEP)), |key, byte| {
                mix(key ^ u64::from(byte))
            });
        Stream { key }
    }

    /// 64 random bits of position `index`.
    #[inline(always)]
    pub(super) fn bits(self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_mul(STEP)))
    }

    /// A nearly normal number of position `index`, mean 0 and variance 1: a sum of eight uniform
    /// bytes, within +-4.9.
    #[inline(always)]
    pub(super) fn normal(self, index: u64) -> f32 {
        const PAIRS: u64 = 0x00ff_00ff_00ff_00ff;
        const ONES: u64 = 0x0001_0001_0001_0001;
        let bits = self.bits(index);
        let sums = (bits & PAIRS) + (bits >> 8 & PAIRS);
        let sum = (sums.wrapping_mul(ONES) >> 48) as i32;
        (sum - BYTE_SUM_MEAN) as f32 / BYTE_SUM_STD
    }
}

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_their_moments() {
        let stream = Stream::new(7, "t");
        let n = 200_000;
        let values: Vec<f64> = (0..n).map(|i| f64::from(stream.normal(i))).collect();
        let moment = |p: i32| values.iter().map(|v| v.powi(p)).sum::<f64>() / n as f64;
        assert!(moment(1).abs() < 0.01, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.02, "{}", moment(2));
        // A normal distribution has 3; eight bytes come to 2.85.
        assert!((moment(4) - 2.85).abs() < 0.1, "{}", moment(4));
    }

    #[test]
    fn seeds_tensors_and_positions_differ() {
        let first = Stream::new(0, "a");
        assert_ne!(first.bits(0), first.bits(1));
        assert_ne!(first.bits(0), Stream::new(1, "a").bits(0));
        assert_ne!(first.bits(0), Stream::new(0, "b").bits(0));
    }

    #[test]
    fn numbers_stay_what_they_are() {
        // The first number of SplitMix64 with seed 0, as published; what checkpoints are made of.
        assert_eq!(mix(STEP), 0xe220_a839_7b1d_cdaf);
        let stream = Stream::new(0, "a");
        assert_eq!(stream.bits(0), 0x4abd_e845_d35a_475a);
        assert_eq!(stream.bits(1), 0xe9fc_4ef0_2d60_1d17);
    }
}
