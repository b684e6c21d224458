//! A ternary linear layer: `y[t, n] = (sum_k W[n, k] * q[t, k])`, rescaled by weight and activation.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::activations::Activations;
use crate::kernel::matrix::TernaryMatrix;

/// How a weight scale enters the result. `acc` is the exact int32 sum, `s` the activation scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScaleRule {
    /// AutoBitLinear: `acc / s * scale`, scale = mean |W|.
    Multiply,
    /// BitLinear, the older class: `acc / (s * scale)`, scale = 1 / mean |W|.
    Divide,
}

/// How many weights of a matrix have each value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TritCounts {
    /// Weights that are -1.
    pub minus: u64,
    /// Weights that are 0.
    pub zero: u64,
    /// Weights that are +1.
    pub plus: u64,
}

impl TritCounts {
    /// Counts trits.
    pub fn of(trits: impl IntoIterator<Item = i8>) -> Self {
        let mut counts = TritCounts::default();
        for trit in trits {
            match trit {
                0 => counts.zero += 1,
                1.. => counts.plus += 1,
                _ => counts.minus += 1,
            }
        }
        counts
    }

    /// All weights.
    pub fn total(&self) -> u64 {
        self.minus + self.zero + self.plus
    }

    /// Shares of -1, 0 and +1, which sum to 1; zeros for an empty matrix.
    pub fn shares(&self) -> [f64; 3] {
        let total = self.total().max(1) as f64;
        [self.minus, self.zero, self.plus].map(|c| c as f64 / total)
    }

    /// Entropy in bits a weight: 0 to log2(3) = 1.585.
    pub fn entropy_bits(&self) -> f64 {
        self.shares()
            .into_iter()
            .filter(|&p| p > 0.0)
            .map(|p| -p * p.log2())
            .sum()
    }
}

impl std::ops::AddAssign for TritCounts {
    fn add_assign(&mut self, other: Self) {
        self.minus += other.minus;
        self.zero += other.zero;
        self.plus += other.plus;
    }
}

/// Ternary `W: [N, K]` with one scale.
pub struct TernaryLinear {
    weights: TernaryMatrix,
    scale: f32,
    rule: ScaleRule,
}

impl TernaryLinear {
    /// A linear of packed weights; `scale` as in the checkpoint.
    pub fn new(weights: TernaryMatrix, scale: f32, rule: ScaleRule) -> Self {
        TernaryLinear {
            weights,
            scale,
            rule,
        }
    }

    /// Rows: out_features.
    pub fn n(&self) -> usize {
        self.weights.n()
    }

    /// Columns: in_features.
    pub fn k(&self) -> usize {
        self.weights.k()
    }

    /// Weight scale as stored; [`TernaryLinear::rule`] says how it is applied.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// How the scale is applied.
    pub fn rule(&self) -> ScaleRule {
        self.rule
    }

    /// The packed weights, as the CPU kernels take them.
    pub fn weights(&self) -> &TernaryMatrix {
        &self.weights
    }

    /// The weights of some rows, `[rows, K]`, each -1, 0 or 1; see [`TernaryMatrix::unpack_rows`].
    pub fn trits(&self, rows: Range<usize>) -> Vec<i8> {
        let mut trits = vec![0; rows.len() * self.k()];
        self.weights.unpack_rows(rows, &mut trits);
        trits
    }

    /// How many weights have each value.
    pub fn counts(&self) -> TritCounts {
        let lines = self.weights.lines();
        let mut counts = TritCounts::default();
        let mut trits = vec![0; lines.k()];
        for line in 0..lines.n() {
            lines.unpack_row(line, &mut trits);
            counts += TritCounts::of(trits.iter().copied());
        }
        counts
    }
}

impl TernaryLinear {
    /// Turns exact sums of some rows of one token into results; `s` is the token's activation scale.
    ///
    /// The one place where sums become floats, so that tokens do not depend on who summed.
    #[inline]
    pub fn rescale(&self, acc: &[i32], s: f32, y: &mut [f32]) {
        match self.rule {
            ScaleRule::Multiply => {
                for (y, &a) in y.iter_mut().zip(acc) {
                    *y = a as f32 / s * self.scale;
                }
            }
            ScaleRule::Divide => {
                let divisor = s * self.scale;
                for (y, &a) in y.iter_mut().zip(acc) {
                    *y = a as f32 / divisor;
                }
            }
        }
    }
}

/// Turns exact sums `acc: [T, N]` of the tokens of `x` into results `y: [T, N]`.
///
/// # Panics
/// If the lengths do not agree.
pub fn rescale(w: &TernaryLinear, acc: &[i32], x: &Activations, y: &mut [f32]) {
    assert_eq!(acc.len(), y.len(), "sums and results");
    assert_eq!(acc.len(), x.tokens() * w.n(), "sums of T tokens and N rows");
    let rows = acc.chunks_exact(w.n()).zip(y.chunks_exact_mut(w.n()));
    for (t, (acc, y)) in rows.enumerate() {
        w.rescale(acc, x.scale(t), y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::matrix::Order;

    #[test]
    fn both_rules_scale_as_documented() {
        let weights = || TernaryMatrix::from_trits(Order::Rows, 2, 1, &[1, -1]);
        let linear = |rule| TernaryLinear::new(weights(), 0.3, rule);
        let mut y = [0.0; 2];
        linear(ScaleRule::Multiply).rescale(&[100, 3], 11.0, &mut y);
        assert_eq!(y[1], 3.0 / 11.0 * 0.3);
        linear(ScaleRule::Divide).rescale(&[7, -7], 0.7, &mut y);
        assert_eq!(y[0], 7.0 / (0.7 * 0.3));
    }

    #[test]
    fn counts_and_entropy() {
        let c = TritCounts::of([-1, 0, 1, 0]);
        assert_eq!((c.minus, c.zero, c.plus), (1, 2, 1));
        assert_eq!(c.entropy_bits(), 1.5);
        assert_eq!(TritCounts::default().entropy_bits(), 0.0);
    }
}
