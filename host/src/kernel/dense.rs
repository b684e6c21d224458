//! Dense products: bf16, f16 or f32 rows times f32 vectors, in one fixed order of additions.
//!
//! Element `k` goes to partial sum `k % 32`; the partial sums are then added pairwise. The order does
//! not depend on ISA, threads or rows, so neither does the result.

use half::f16;

use super::activations::ROUND;
use super::{Lines, Loop};
use crate::checkpoint::weights::{DenseMatrix, DenseType};

/// Partial sums of a dot product: enough for four AVX2 registers, which hides the latency of an add.
pub const LANES: usize = 32;

/// `y[i] = W[row_i] . x` for the rows at places 0.. of `rows`.
pub struct Rows<'a> {
    /// `[N, K]`.
    pub w: &'a DenseMatrix,
    /// Which rows.
    pub rows: Lines<'a>,
    /// `[K]`.
    pub x: &'a [f32],
    /// One result per row.
    pub y: &'a mut [f32],
}

impl Loop for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (i, y) in self.y.iter_mut().enumerate() {
            let row = self.w.row(self.rows.at(i));
            *y = match self.w.dtype() {
                DenseType::Bf16 => dot_bytes::<2>(row, self.x, |b| {
                    f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)
                }),
                DenseType::F16 => dot_bytes::<2>(row, self.x, |b| f16::from_le_bytes(b).to_f32()),
                DenseType::F32 => dot_bytes::<4>(row, self.x, f32::from_le_bytes),
            };
        }
    }
}

/// Dot product of elements of B bytes with `x`.
#[inline(always)]
fn dot_bytes<const B: usize>(row: &[u8], x: &[f32], widen: impl Fn([u8; B]) -> f32) -> f32 {
    let (row, _) = row.as_chunks::<B>();
    let (row_lanes, row_rest) = row.as_chunks::<LANES>();
    let (x_lanes, x_rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (w, x) in row_lanes.iter().zip(x_lanes) {
        for lane in 0..LANES {
            sums[lane] += widen(w[lane]) * x[lane];
        }
    }
    for (lane, (w, x)) in row_rest.iter().zip(x_rest).enumerate() {
        sums[lane] += widen(*w) * x;
    }
    fold(sums)
}

/// Dot product of two vectors of the same length.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += a * b;
    }
    fold(sums)
}

/// `y[i] = rows[i, ..] . x` for `rows: [N, K]` of f32.
pub(super) struct Dots<'a> {
    /// `[K]`.
    pub x: &'a [f32],
    /// `[N, K]`.
    pub rows: &'a [f32],
    /// `[N]`.
    pub y: &'a mut [f32],
}

impl Loop for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let k = self.x.len();
        for (i, y) in self.y.iter_mut().enumerate() {
            *y = dot(self.x, &self.rows[i * k..][..k]);
        }
    }
}

/// `y[k] += weights[i] * rows[i, k]`, one i after the other, for `rows: [N, K]` of f32.
pub(super) struct AddMix<'a> {
    /// `[N]`.
    pub weights: &'a [f32],
    /// `[N, K]`.
    pub rows: &'a [f32],
    /// `[K]`.
    pub y: &'a mut [f32],
}

impl Loop for AddMix<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        add_mix(self.weights, self.rows, self.y.len(), 0, self.y);
    }
}

/// Elements `at ..` of such a sum over rows of `k` elements.
#[inline(always)]
pub(super) fn add_mix(weights: &[f32], rows: &[f32], k: usize, at: usize, y: &mut [f32]) {
    if y.is_empty() {
        return;
    }
    for (weight, row) in weights.iter().zip(rows.chunks_exact(k)) {
        for (y, value) in y.iter_mut().zip(&row[at..]) {
            *y += weight * value;
        }
    }
}

/// Sum of a vector.
#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    let (lanes, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for x in lanes {
        for lane in 0..LANES {
            sums[lane] += x[lane];
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        sums[lane] += x;
    }
    fold(sums)
}

/// `e^x` for x <= 0 within two units in the last place, the same bits on every ISA and without a call, so
/// that loops over it are vectorised. Below -87 it is that of -87; NaN stays NaN.
///
/// `x = n ln 2 + r`, `|r| <= ln 2 / 2`; the Taylor polynomial of degree 7 leaves less than `r^8 / 8!`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    // The lowest bits of `shifted` are those of n. (A cast would keep loops from being vectorised.) NaN
    // has other bits there, but the polynomial keeps it.
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.0 / 5040.0;
    for c in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + c;
    }
    p * f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits() - 127) << 23)
}

/// Adds lanes pairwise: i and i + 16, then i and i + 8, .. Each step has a length of its own: a loop over
/// the lengths would keep the sums in memory instead of registers.
#[inline(always)]
pub(super) fn fold(sums: [f32; LANES]) -> f32 {
    let sums: [f32; 16] = halve(&sums);
    let sums: [f32; 8] = halve(&sums);
    let sums: [f32; 4] = halve(&sums);
    let sums: [f32; 2] = halve(&sums);
    sums[0] + sums[1]
}

#[inline(always)]
fn halve<const N: usize>(sums: &[f32]) -> [f32; N] {
    let mut halves = [0.0; N];
    for i in 0..N {
        halves[i] = sums[i] + sums[i + N];
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    struct Dot<'a>(&'a [f32], &'a [f32]);

    impl Loop for Dot<'_> {
        type Output = f32;

        #[inline(always)]
        fn run(self) -> f32 {
            dot(self.0, self.1)
        }
    }

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place() {
        for i in 0..=870_000 {
            let x = -(i as f32) * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error <= 2.0 * f64::from(f32::EPSILON), "{x}: {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), exp(-87.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn every_isa_gives_the_same_bits() {
        for k in [0, 1, 31, 32, 33, 100, 2560] {
            let a: Vec<f32> = (0..k).map(|i| (i as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..k).map(|i| (i as f32 * 1.3).cos()).collect();
            let exact: f64 = a
                .iter()
                .zip(&b)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum();
            let plain = dot(&a, &b);
            assert!((f64::from(plain) - exact).abs() < 1e-4);
            for kernel in Kernel::available() {
                assert_eq!(kernel.vectorize(Dot(&a, &b)).to_bits(), plain.to_bits());
            }
        }
    }
}
