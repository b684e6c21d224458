//! AVX-512 with VNNI: 64 codes at a time by `vpdpbusd`, which multiplies unsigned codes by signed
//! activations and adds four products to each int32 lane, without overflow up to [`MAX_K`].
//!
//! [`MAX_K`]: super::super::packed::MAX_K

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::activations::Activations;
use super::super::packed::{Chunk, PackedTrits, CHUNK_WEIGHTS};
use super::super::Loop;

/// Proof that this CPU has AVX-512 F, BW and VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Avx512Vnni(());

impl Avx512Vnni {
    /// None on a CPU without these instructions.
    pub fn new() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        has.then_some(Avx512Vnni(()))
    }

    /// `acc[(n - rows.start) * T + t] = sum_k W[n, k] * x[t, k]`.
    pub fn ternary(self, w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { ternary(w, rows, x, acc) }
    }

    /// Runs a loop compiled for AVX-512.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// Tiles of 8 rows x 1 token while decoding, 4 x 4 otherwise: enough independent sums to hide the
/// latency of `vpdpbusd`, and eight weight streams.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn ternary(w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
    let tokens = x.tokens();
    let mut n = rows.start;
    while n < rows.end {
        let left = rows.end - n;
        let height = match (tokens, left) {
            (..4, 8..) => 8,
            (4.., 4..) => 4,
            _ => 1,
        };
        let mut t = 0;
        while t < tokens {
            let at = (n - rows.start) * tokens + t;
            let acc = &mut acc[at..];
            t += match (height, tokens - t) {
                (8, _) => tile::<8, 1>(w, n, x, t, acc),
                (4, 4..) => tile::<4, 4>(w, n, x, t, acc),
                (4, _) => tile::<4, 1>(w, n, x, t, acc),
                (_, 4..) => tile::<1, 4>(w, n, x, t, acc),
                _ => tile::<1, 1>(w, n, x, t, acc),
            };
        }
        n += height;
    }
}

/// Sums of R rows from `n` and T tokens from `t`, written to `acc[r * tokens + t]`; returns T.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn tile<const R: usize, const T: usize>(
    w: &PackedTrits,
    n: usize,
    x: &Activations,
    t: usize,
    acc: &mut [i32],
) -> usize {
    let rows: [&[Chunk]; R] = std::array::from_fn(|r| w.row(n + r));
    let codes: [&[i8]; T] = std::array::from_fn(|i| x.padded(t + i));
    let chunks = rows[0].len();
    // The loops below read 64 bytes of `rows[r][c]` and 256 of `codes[i][256 c..]` for every c.
    assert!(rows.iter().all(|r| r.len() == chunks));
    assert!(codes.iter().all(|c| c.len() == chunks * CHUNK_WEIGHTS));
    let mask = _mm512_set1_epi8(3);
    let mut sums = [[_mm512_setzero_si512(); T]; R];
    for c in 0..chunks {
        let mut raw: [__m512i; R] = std::array::from_fn(|r| {
            // SAFETY: a chunk is 64 bytes, and c lies within the row (asserted).
            unsafe { _mm512_loadu_si512(rows[r].as_ptr().add(c).cast()) }
        });
        for q in 0..4 {
            let at = c * CHUNK_WEIGHTS + 64 * q;
            let trits = raw.map(|v| _mm512_and_si512(v, mask));
            raw = raw.map(|v| _mm512_srli_epi16::<2>(v));
            for i in 0..T {
                // SAFETY: at + 64 <= 256 chunks, the length of `codes[i]` (asserted).
                let x = unsafe { _mm512_loadu_si512(codes[i].as_ptr().add(at).cast()) };
                for r in 0..R {
                    sums[r][i] = _mm512_dpbusd_epi32(sums[r][i], trits[r], x);
                }
            }
        }
    }
    for r in 0..R {
        for i in 0..T {
            acc[r * x.tokens() + i] = _mm512_reduce_add_epi32(sums[r][i]) - x.sum(t + i);
        }
    }
    T
}
