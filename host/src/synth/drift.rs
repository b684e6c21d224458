//! How a random model gets a given share of closed gates.
//!
//! With random rows a gate is open or closed like a coin. To move that, every token's residual stream
//! carries the same *drift*, and gate rows lean against it:
//!
//! - Some channels come in **pairs** `(c, c + 1)`. The embedding of every token is `drift + e` in the first
//!   and `drift - e` in the second, `e` random.
//! - `o` and `down` write `+y` to the first and `-y` to the second: row `c + 1` is minus row `c`. So the
//!   sum of a pair is `2 drift` in every block, whatever the text.
//! - `q`, `k`, `v` and `up` read only the difference of a pair: column `c + 1` is minus column `c`. The drift
//!   cancels; they see a random model without drift.
//! - `gate` reads pairs with weights that are more often negative than positive: `lean` is the mean sign,
//!   from -1 to 1. The zero share is that of all other weights.
//! - The last norm has gain 0 there, so logits do not see it either.
//!
//! **Calibration.** Let `H` be the hidden size, `C` the channels in pairs, `z` the zero share, `v` the variance
//! of the residual stream without drift, `d` the drift. Over gate rows and tokens, the gate before its
//! activation, in units of `weight_scale / rms`, has
//!
//! ```text
//! mean     = -lean d C (1 - z)
//! variance = (1 - z) ((H - C) v + C (v + d^2) k),   k = 1 - lean^2 (1 - z)
//! ```
//!
//! and is normal enough (a sum of many terms), so the closed share is `Phi(-mean / sqrt(variance))`. Blocks add
//! variance 1 twice each, see [`super::tensors`], so `v` is known: [`Drift::new`] takes the smallest drift
//! that reaches the share in the last block with a lean of [`MAX_LEAN`], and [`Drift::lean`] solves for
//! the lean of each block. What is reached on a real forward pass is for the caller to measure.

use half::bf16;

use super::shape::Shape;
use super::SynthError;

/// Mean sign of gate weights that read the drift, at most: some of them always disagree.
const MAX_LEAN: f64 = 0.9;

/// The pairs of the residual stream, how far they are shifted, and what gates should do.
#[derive(Clone, Debug)]
pub(super) struct Drift {
    hidden: usize,
    /// A pair starts at every multiple of this.
    stride: usize,
    /// Value added to every token, exact in bf16.
    pub(super) value: f32,
    /// 1 if gates lean towards closed, -1 towards open.
    side: f64,
    /// Share of closed gates on that side, at least one half.
    share: f64,
    zero_share: f64,
}

impl Drift {
    /// The smallest drift for `closed` gates in a residual stream of variance up to `variance`.
    pub(super) fn new(
        shape: &Shape,
        closed: f64,
        zero_share: f64,
        variance: f64,
    ) -> Result<Self, SynthError> {
        let mut drift = Drift {
            hidden: shape.hidden,
            stride: (shape.hidden / 8).clamp(4, 32),
            value: 0.0,
            side: if closed < 0.5 { -1.0 } else { 1.0 },
            share: if closed < 0.5 { 1.0 - closed } else { closed },
            zero_share,
        };
        let channels = drift.channels();
        let keep = 1.0 - zero_share;
        let k = 1.0 - MAX_LEAN * MAX_LEAN * keep;
        // Drift far above everything else: what more of it cannot exceed.
        let limit = MAX_LEAN * (channels * keep / k).sqrt();
        let deviations = inverse_phi(drift.share);
        // Nine tenths of that, where the drift is still a few times the rest.
        if deviations > 0.9 * limit {
            let most = phi(0.9 * limit);
            let expected = format!(
                "{:.2} to {:.2} with hidden {} and zero-share {zero_share}",
                1.0 - most,
                most,
                shape.hidden
            );
            return Err(SynthError::option("closed-gates", closed, expected));
        }
        let d2 = deviations.powi(2);
        let rest = variance * (drift.hidden as f64 - channels + channels * k);
        let square = d2 * rest / (channels.powi(2) * MAX_LEAN.powi(2) * keep - d2 * channels * k);
        drift.value = bf16::from_f64(square.sqrt()).to_f32();
        Ok(drift)
    }

    /// Whether channel `c` is the second of a pair.
    pub(super) fn is_second(&self, c: usize) -> bool {
        c % self.stride == 1
    }

    /// First channels of all pairs.
    pub(super) fn firsts(&self) -> impl Iterator<Item = usize> {
        (0..self.hidden - 1).step_by(self.stride)
    }

    /// Mean square of the residual stream, drift and the rest of variance `variance`.
    pub(super) fn mean_square(&self, variance: f64) -> f64 {
        variance + self.channels() / self.hidden as f64 * f64::from(self.value).powi(2)
    }

    /// Mean sign, negated, of gate weights on pairs: -1 to 1, where `variance` is that of the residual
    /// stream without drift.
    pub(super) fn lean(&self, variance: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        // Halving: the share rises with the lean.
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            match self.closed(middle, variance) < self.share {
                true => low = middle,
                false => high = middle,
            }
        }
        self.side * low
    }

    /// Share of closed gates with a lean of 0 to 1.
    fn closed(&self, lean: f64, variance: f64) -> f64 {
        let (channels, hidden) = (self.channels(), self.hidden as f64);
        let (drift, keep) = (f64::from(self.value), 1.0 - self.zero_share);
        let k = 1.0 - lean * lean * keep;
        let rest = (hidden - channels) * variance + channels * (variance + drift * drift) * k;
        phi(lean * drift * channels * keep / (keep * rest).sqrt())
    }

    fn channels(&self) -> f64 {
        2.0 * self.firsts().count() as f64
    }
}

/// Share of a standard normal distribution below `x`, to 1e-7 (Abramowitz and Stegun 7.1.26).
fn phi(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let polynomial = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ]
    .iter()
    .rev()
    .fold(0.0, |sum, c| (sum + c) * t);
    let beyond = 0.5 * polynomial * (-z * z).exp();
    if x < 0.0 {
        beyond
    } else {
        1.0 - beyond
    }
}

/// The x with `phi(x) = share`, for shares from one half to 1.
fn inverse_phi(share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match phi(middle) < share {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_shares_are_those_of_tables() {
        for (x, share) in [(0.0, 0.5), (0.2533, 0.6), (1.2816, 0.9), (2.3263, 0.99)] {
            assert!((phi(x) - share).abs() < 1e-4, "{x}");
            assert!((phi(-x) - (1.0 - share)).abs() < 1e-4, "{x}");
            assert!((inverse_phi(share) - x).abs() < 1e-3, "{share}");
        }
    }

    #[test]
    fn every_block_has_a_lean_for_the_share() {
        let shape = Shape::bitnet_2b_4t();
        for closed in [0.1, 0.4, 0.5, 0.6, 0.9] {
            let drift = Drift::new(&shape, closed, 0.3, 60.0).unwrap();
            for variance in [1.0, 10.0, 60.0] {
                let lean = drift.lean(variance);
                assert!(lean.abs() <= MAX_LEAN + 0.01, "{lean}");
                assert!(lean * (closed - 0.5) >= 0.0, "{lean}");
                let got = drift.closed(lean.abs(), variance);
                assert!((got - drift.share).abs() < 1e-3, "{got}");
            }
        }
    }

    #[test]
    fn a_share_beyond_reach_says_what_is_within() {
        let shape = Shape {
            hidden: 8,
            heads: 1,
            kv_heads: 1,
            ..Shape::tiny()
        };
        let e = Drift::new(&shape, 0.999, 0.3, 3.0).unwrap_err().to_string();
        assert!(e.starts_with("closed-gates is 0.999: expected 0.0"), "{e}");
    }

    #[test]
    fn pairs_lie_within_the_stream() {
        for hidden in [4, 8, 12, 20, 36, 52, 148, 2560] {
            let shape = Shape {
                hidden,
                ..Shape::tiny()
            };
            let drift = Drift::new(&shape, 0.5, 0.3, 3.0).unwrap();
            let firsts: Vec<usize> = drift.firsts().collect();
            assert!(!firsts.is_empty() && firsts.iter().all(|c| c + 1 < hidden));
            let seconds: Vec<usize> = (0..hidden).filter(|&c| drift.is_second(c)).collect();
            assert!(firsts.iter().map(|c| c + 1).eq(seconds), "{hidden}");
        }
    }
}
