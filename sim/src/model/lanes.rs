//! Rows of packed trits times the activations: `y[n] = sum_l w[n, l] * x[l]`, exact in int32.
//!
//! With `x` in two's complement, -x = !x + 1. So a group of 64 lanes sums to
//!
//! ```text
//! sum_b weight(b) * popcount(nz & (plane_b ^ neg)) + popcount(neg)     weight(b) = 2^b, -2^7 for b = 7
//! ```
//!
//! which is eight popcounts of 64 lanes for a trit plane. The counts of a row are added per bit and
//! weighted once. `|y| <= lanes of a row * 128 < 2^31` for every geometry. Several vectors share the
//! decoding of the weights.

use tercet_contract::{Encoding, Geometry};

use super::activations::{ActivationRam, Group, GROUP_BYTES};
use super::decode::{CodePlanes, Decoder, B2, B3};

/// Vectors that are multiplied where `vectors` are asked for: the next size that there is code for.
pub fn vectors_of(vectors: usize) -> usize {
    vectors.next_power_of_two()
}

/// Multiplies rows of `row_bytes` bytes with the first vectors of the activations. `sums: [rows, vectors]`
/// says with how many, 1, 2 or 4; the weights are decoded once for all of them.
///
/// # Panics
/// If `sums` does not fit the weights, or a row is longer than the activations.
pub fn multiply(
    geometry: &Geometry,
    weights: &[u8],
    row_bytes: usize,
    activations: &ActivationRam,
    sums: &mut [i32],
) {
    assert!(
        row_bytes <= activations.groups(0).len() * GROUP_BYTES,
        "beats of a row"
    );
    let rows = weights.len() / row_bytes;
    assert_eq!(weights.len(), rows * row_bytes, "bytes of W");
    let multiply = match (geometry.encoding(), geometry.beat_bytes()) {
        (Encoding::B2, 16) => of_vectors::<B2, 16>,
        (Encoding::B2, 32) => of_vectors::<B2, 32>,
        (Encoding::B2, 64) => of_vectors::<B2, 64>,
        (Encoding::B3, 16) => of_vectors::<B3, 16>,
        (Encoding::B3, 32) => of_vectors::<B3, 32>,
        (Encoding::B3, 64) => of_vectors::<B3, 64>,
        (_, bytes) => unreachable!("no geometry has beats of {bytes} bytes"),
    };
    multiply(weights, row_bytes, rows, activations, sums);
}

fn of_vectors<D: Decoder, const COLUMNS: usize>(
    weights: &[u8],
    row_bytes: usize,
    rows: usize,
    activations: &ActivationRam,
    sums: &mut [i32],
) {
    match sums.len() / rows.max(1) {
        1 => dispatch::<D, COLUMNS, 1>(weights, row_bytes, activations, sums),
        2 => dispatch::<D, COLUMNS, 2>(weights, row_bytes, activations, sums),
        4 => dispatch::<D, COLUMNS, 4>(weights, row_bytes, activations, sums),
        vectors => panic!("{vectors} vectors, expected 1, 2 or 4"),
    }
}

/// Chooses the code for this CPU. The arithmetic is the same; only the instructions differ.
fn dispatch<D: Decoder, const COLUMNS: usize, const V: usize>(
    weights: &[u8],
    row_bytes: usize,
    activations: &ActivationRam,
    sums: &mut [i32],
) {
    let groups: [&[Group]; V] = std::array::from_fn(|v| activations.groups(v));
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
    {
        // SAFETY: the CPU has the features that the function is compiled for.
        unsafe { rows_avx512::<D, COLUMNS, V>(weights, row_bytes, groups, sums) };
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the CPU has the features that the function is compiled for.
        unsafe { rows_avx2::<D, COLUMNS, V>(weights, row_bytes, groups, sums) };
        return;
    }
    rows::<D, COLUMNS, V>(weights, row_bytes, groups, sums);
}

/// [`rows`], compiled for CPUs that count the ones of eight planes in one instruction.
///
/// # Safety
/// The CPU must have AVX-512 F, VL and VPOPCNTDQ, BMI1 and POPCNT.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512vpopcntdq,bmi1,popcnt")]
unsafe fn rows_avx512<D: Decoder, const COLUMNS: usize, const V: usize>(
    weights: &[u8],
    row_bytes: usize,
    groups: [&[Group]; V],
    sums: &mut [i32],
) {
    rows::<D, COLUMNS, V>(weights, row_bytes, groups, sums);
}

/// [`rows`], compiled for CPUs with AVX2 and POPCNT.
///
/// # Safety
/// The CPU must have both.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
unsafe fn rows_avx2<D: Decoder, const COLUMNS: usize, const V: usize>(
    weights: &[u8],
    row_bytes: usize,
    groups: [&[Group]; V],
    sums: &mut [i32],
) {
    rows::<D, COLUMNS, V>(weights, row_bytes, groups, sums);
}

#[inline(always)]
fn rows<D: Decoder, const COLUMNS: usize, const V: usize>(
    weights: &[u8],
    row_bytes: usize,
    groups: [&[Group]; V],
    sums: &mut [i32],
) {
    // Cut to what a row needs, so that the compiler need not check each access.
    let needed = row_bytes.div_ceil(GROUP_BYTES);
    let groups = groups.map(|g| &g[..needed]);
    for (row, sums) in weights
        .chunks_exact(row_bytes)
        .zip(sums.chunks_exact_mut(V))
    {
        let mut counts = Counts::<V>::default();
        let whole = row.chunks_exact(GROUP_BYTES);
        let rest = whole.remainder();
        for (i, codes) in whole.enumerate() {
            let codes: &[u8; GROUP_BYTES] = codes.try_into().expect("a group's bytes");
            let groups = std::array::from_fn(|v| &groups[v][i]);
            counts.add::<D>(&planes::<COLUMNS>(codes), groups);
        }
        if !rest.is_empty() {
            // Code 0 is all zero trits, so the beats that a last group lacks add nothing.
            let mut codes = [0; GROUP_BYTES];
            codes[..rest.len()].copy_from_slice(rest);
            let groups = groups.map(|g| &g[needed - 1]);
            counts.add::<D>(&planes::<COLUMNS>(&codes), groups);
        }
        sums.copy_from_slice(&counts.totals());
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
struct Counts<const V: usize> {
    /// Of each vector, bit by bit of the (for -1 inverted) activations.
    bits: [[u64; 8]; V],
    /// Weights that are -1.
    negative: u64,
}

impl<const V: usize> Default for Counts<V> {
    fn default() -> Self {
        Counts {
            bits: [[0; 8]; V],
            negative: 0,
        }
    }
}

impl<const V: usize> Counts<V> {
    #[inline(always)]
    fn add<D: Decoder>(&mut self, codes: &CodePlanes, activations: [&Group; V]) {
        let trits = D::decode(codes);
        for (i, trit) in trits.iter().enumerate().take(D::TRITS) {
            for (bits, group) in self.bits.iter_mut().zip(activations) {
                for (count, plane) in bits.iter_mut().zip(&group[i]) {
                    *count += u64::from((trit.nz & (plane ^ trit.neg)).count_ones());
                }
            }
            self.negative += u64::from(trit.neg.count_ones());
        }
    }

    fn totals(&self) -> [i32; V] {
        self.bits.map(|bits| {
            let low: u64 = (0..7).map(|b| bits[b] << b).sum();
            (low + self.negative) as i32 - (bits[7] << 7) as i32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tercet_contract::layout;

    /// `W: [n, k]` times each vector, as `[n, vectors]`.
    fn scalar(trits: &[i8], k: usize, x: &[Vec<i8>]) -> Vec<i32> {
        let sum = |w: &[i8], x: &[i8]| {
            let products = w.iter().zip(x).map(|(w, x)| i32::from(*w) * i32::from(*x));
            products.sum()
        };
        trits
            .chunks(k)
            .flat_map(|w| x.iter().map(move |x| sum(w, x)))
            .collect()
    }

    #[test]
    fn both_instruction_sets_give_the_scalar_sum() {
        let mut rng = StdRng::seed_from_u64(7);
        for g in Geometry::all() {
            for k in [1, g.lanes(), g.lanes() + 1, 5 * g.lanes() - 3, g.max_k()] {
                let (n, row_bytes) = (3, g.row_bytes(k));
                let trits: Vec<i8> = (0..n * k).map(|_| rng.random_range(-1..=1)).collect();
                let mut x: Vec<Vec<i8>> = (0..g.batch())
                    .map(|_| (0..k).map(|_| rng.random()).collect())
                    .collect();
                x[0][k / 2] = -128;
                let weights = layout::pack_matrix(&g, n, k, &trits);
                let mut ram = ActivationRam::new(&g);
                for (v, x) in x.iter().enumerate() {
                    ram.load(v, &x.iter().map(|x| *x as u8).collect::<Vec<_>>());
                }
                for vectors in [1, 2, 4] {
                    if vectors > g.batch() {
                        continue;
                    }
                    let want = scalar(&trits, k, &x[..vectors]);
                    let mut sums = vec![0; n * vectors];
                    multiply(&g, &weights, row_bytes, &ram, &mut sums);
                    assert_eq!(sums, want, "{g} k {k}");
                }
                let want = scalar(&trits, k, &x[..1]);
                let mut portable = vec![0; n];
                let groups = [ram.groups(0)];
                match (g.encoding(), g.beat_bytes()) {
                    (Encoding::B2, 16) => {
                        rows::<B2, 16, 1>(&weights, row_bytes, groups, &mut portable)
                    }
                    (Encoding::B3, 64) => {
                        rows::<B3, 64, 1>(&weights, row_bytes, groups, &mut portable)
                    }
                    _ => continue,
                }
                assert_eq!(portable, want, "{g} k {k}, portable");
            }
        }
    }
}
