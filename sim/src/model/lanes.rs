//! Rows of packed trits times the activations: `y[n] = sum_l w[n, l] * x[l]`, exact in int32.
//!
//! With `x` in two's complement, -x = !x + 1. So a group of 64 lanes sums to
//!
//! ```text
//! sum_b weight(b) * popcount(nz & (plane_b ^ neg)) + popcount(neg)     weight(b) = 2^b, -2^7 for b = 7
//! ```
//!
//! which is eight popcounts of 64 lanes for a trit plane. The counts of a row are added per bit and
//! weighted once. `|y| <= lanes of a row * 128 < 2^31` for every geometry.

use tercet_contract::{Encoding, Geometry};

use super::activations::{Group, GROUP_BYTES};
use super::decode::{CodePlanes, Decoder, B2, B3};

/// Multiplies `sums.len()` rows of `row_bytes` bytes each.
///
/// # Panics
/// If the weights are not that long, or a row is longer than the activations.
pub fn multiply(
    geometry: &Geometry,
    weights: &[u8],
    row_bytes: usize,
    groups: &[Group],
    sums: &mut [i32],
) {
    assert_eq!(weights.len(), row_bytes * sums.len(), "bytes of W");
    assert!(row_bytes <= groups.len() * GROUP_BYTES, "beats of a row");
    let rows = match (geometry.encoding(), geometry.beat_bytes()) {
        (Encoding::B2, 16) => dispatch::<B2, 16>,
        (Encoding::B2, 32) => dispatch::<B2, 32>,
        (Encoding::B2, 64) => dispatch::<B2, 64>,
        (Encoding::B3, 16) => dispatch::<B3, 16>,
        (Encoding::B3, 32) => dispatch::<B3, 32>,
        (Encoding::B3, 64) => dispatch::<B3, 64>,
        (_, bytes) => unreachable!("no geometry has beats of {bytes} bytes"),
    };
    rows(weights, row_bytes, groups, sums);
}

/// Chooses the code for this CPU. The arithmetic is the same; only the instructions differ.
fn dispatch<D: Decoder, const COLUMNS: usize>(
    weights: &[u8],
    row_bytes: usize,
    groups: &[Group],
    sums: &mut [i32],
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the CPU has the features that the function is compiled for.
        unsafe { rows_avx2::<D, COLUMNS>(weights, row_bytes, groups, sums) };
        return;
    }
    rows::<D, COLUMNS>(weights, row_bytes, groups, sums);
}

/// [`rows`], compiled for CPUs with AVX2 and POPCNT.
///
/// # Safety
/// The CPU must have both.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
unsafe fn rows_avx2<D: Decoder, const COLUMNS: usize>(
    weights: &[u8],
    row_bytes: usize,
    groups: &[Group],
    sums: &mut [i32],
) {
    rows::<D, COLUMNS>(weights, row_bytes, groups, sums);
}

#[inline(always)]
fn rows<D: Decoder, const COLUMNS: usize>(
    weights: &[u8],
    row_bytes: usize,
    groups: &[Group],
    sums: &mut [i32],
) {
    for (row, sum) in weights.chunks_exact(row_bytes).zip(sums) {
        let mut counts = Counts::default();
        let whole = row.chunks_exact(GROUP_BYTES);
        let rest = whole.remainder();
        for (codes, group) in whole.zip(groups) {
            let codes: &[u8; GROUP_BYTES] = codes.try_into().expect("a group's bytes");
            counts.add::<D>(&planes::<COLUMNS>(codes), group);
        }
        if !rest.is_empty() {
            // Code 0 is all zero trits, so the beats that a last group lacks add nothing.
            let mut codes = [0; GROUP_BYTES];
            codes[..rest.len()].copy_from_slice(rest);
            counts.add::<D>(&planes::<COLUMNS>(&codes), &groups[row.len() / GROUP_BYTES]);
        }
        *sum = counts.total();
    }
}

/// Code planes of a group: the planes of its 64 / COLUMNS beats side by side.
#[inline(always)]
fn planes<const COLUMNS: usize>(codes: &[u8; GROUP_BYTES]) -> CodePlanes {
    let mut planes = [0; 8];
    let plane_bytes = COLUMNS / 8;
    for (t, beat) in codes.chunks_exact(COLUMNS).enumerate() {
        for (p, bytes) in beat.chunks_exact(plane_bytes).enumerate() {
            let mut word = [0; 8];
            word[..plane_bytes].copy_from_slice(bytes);
            planes[p] |= u64::from_le_bytes(word) << (t * COLUMNS);
        }
    }
    planes
}

/// Popcounts of one row so far.
#[derive(Default)]
struct Counts {
    /// Bit by bit of the (for -1 inverted) activations.
    bits: [u64; 8],
    /// Weights that are -1.
    negative: u64,
}

impl Counts {
    #[inline(always)]
    fn add<D: Decoder>(&mut self, codes: &CodePlanes, activations: &Group) {
        let trits = D::decode(codes);
        for (trit, planes) in trits.iter().zip(activations).take(D::TRITS) {
            for (count, plane) in self.bits.iter_mut().zip(planes) {
                *count += u64::from((trit.nz & (plane ^ trit.neg)).count_ones());
            }
            self.negative += u64::from(trit.neg.count_ones());
        }
    }

    fn total(&self) -> i32 {
        let low: u64 = (0..7).map(|b| self.bits[b] << b).sum();
        (low + self.negative) as i32 - (self.bits[7] << 7) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::activations::ActivationRam;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tercet_contract::layout;

    #[test]
    fn both_instruction_sets_give_the_scalar_sum() {
        let mut rng = StdRng::seed_from_u64(7);
        for g in Geometry::all() {
            for k in [1, g.lanes(), g.lanes() + 1, 5 * g.lanes() - 3, g.max_k()] {
                let (n, row_bytes) = (3, g.row_bytes(k));
                let trits: Vec<i8> = (0..n * k).map(|_| rng.random_range(-1..=1)).collect();
                let mut x: Vec<i8> = (0..k).map(|_| rng.random()).collect();
                x[k / 2] = -128;
                let want: Vec<i32> = trits
                    .chunks(k)
                    .map(|w| {
                        w.iter()
                            .zip(&x)
                            .map(|(w, x)| i32::from(*w) * i32::from(*x))
                            .sum()
                    })
                    .collect();

                let weights = layout::pack_matrix(&g, n, k, &trits);
                let mut ram = ActivationRam::new(&g);
                ram.load(&x.iter().map(|x| *x as u8).collect::<Vec<_>>());
                let mut sums = vec![0; n];
                multiply(&g, &weights, row_bytes, ram.groups(), &mut sums);
                assert_eq!(sums, want, "{g} k {k}");

                let mut portable = vec![0; n];
                let groups = ram.groups();
                match (g.encoding(), g.beat_bytes()) {
                    (Encoding::B2, 16) => {
                        rows::<B2, 16>(&weights, row_bytes, groups, &mut portable)
                    }
                    (Encoding::B3, 64) => {
                        rows::<B3, 64>(&weights, row_bytes, groups, &mut portable)
                    }
                    _ => continue,
                }
                assert_eq!(portable, want, "{g} k {k}, portable");
            }
        }
    }
}
