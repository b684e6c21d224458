//! AVX2: 32 codes at a time by `maddubs`.
//!
//! A product of `maddubs` is two codes times two activations: at most 2 * 2 * 128 = 512. A chunk
//! adds eight of them to each int16 lane, 4096, so seven chunks fit into int16 before they are widened.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::activations::Activations;
use super::super::packed::{Chunk, PackedTrits, CHUNK_WEIGHTS};
use super::super::Loop;

/// Chunks whose products stay within int16.
const NARROW_CHUNKS: usize = 7;
const _: () = assert!(NARROW_CHUNKS * 8 * 512 <= i16::MAX as usize);

/// Proof that this CPU has AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// None on a CPU without AVX2.
    pub fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// `acc[(n - rows.start) * T + t] = sum_k W[n, k] * x[t, k]`.
    pub fn ternary(self, w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { ternary(w, rows, x, acc) }
    }

    /// Runs a loop compiled for AVX2.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "avx2")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// Tiles of 4 rows x 1 token while decoding, 2 x 4 otherwise: as many sums as registers hold.
#[target_feature(enable = "avx2")]
fn ternary(w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
    let tokens = x.tokens();
    let mut t = 0;
    while t < tokens {
        let wide = tokens - t >= 4;
        let mut n = rows.start;
        while n < rows.end {
            let left = rows.end - n;
            let at = (n - rows.start) * tokens + t;
            let acc = &mut acc[at..];
            n += match (wide, left) {
                (true, 2..) => tile::<2, 4>(w, n, x, t, acc),
                (true, _) => tile::<1, 4>(w, n, x, t, acc),
                (false, 4..) => tile::<4, 1>(w, n, x, t, acc),
                (false, _) => tile::<1, 1>(w, n, x, t, acc),
            };
        }
        t += if wide { 4 } else { 1 };
    }
}

/// Sums of R rows from `n` and T tokens from `t`, written to `acc[r * tokens + t]`; returns R.
#[target_feature(enable = "avx2")]
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
    let mask = _mm256_set1_epi8(3);
    let ones = _mm256_set1_epi16(1);
    let mut wide = [[_mm256_setzero_si256(); T]; R];
    for first in (0..chunks).step_by(NARROW_CHUNKS) {
        let mut narrow = [[_mm256_setzero_si256(); T]; R];
        for c in first..chunks.min(first + NARROW_CHUNKS) {
            for half in 0..2 {
                let mut raw: [__m256i; R] = std::array::from_fn(|r| {
                    // SAFETY: bytes 32 half.. of a 64-byte chunk, c within the row (asserted).
                    unsafe { load(rows[r].as_ptr().add(c).cast::<u8>().add(32 * half)) }
                });
                for q in 0..4 {
                    let at = c * CHUNK_WEIGHTS + 64 * q + 32 * half;
                    let trits = raw.map(|v| _mm256_and_si256(v, mask));
                    raw = raw.map(|v| _mm256_srli_epi16::<2>(v));
                    for i in 0..T {
                        // SAFETY: at + 32 <= 256 chunks, the length of `codes[i]` (asserted).
                        let x = unsafe { load(codes[i].as_ptr().add(at).cast()) };
                        for r in 0..R {
                            let products = _mm256_maddubs_epi16(trits[r], x);
                            narrow[r][i] = _mm256_add_epi16(narrow[r][i], products);
                        }
                    }
                }
            }
        }
        for r in 0..R {
            for i in 0..T {
                let sums = _mm256_madd_epi16(narrow[r][i], ones);
                wide[r][i] = _mm256_add_epi32(wide[r][i], sums);
            }
        }
    }
    for r in 0..R {
        for i in 0..T {
            acc[r * x.tokens() + i] = sum(wide[r][i]) - x.sum(t + i);
        }
    }
    R
}

/// 32 bytes, unaligned.
///
/// # Safety
/// `p` must be readable for 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(p: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_loadu_si256(p.cast()) }
}

/// Sum of eight int32.
#[inline]
#[target_feature(enable = "avx2")]
fn sum(v: __m256i) -> i32 {
    let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b01_00_11_10>(v));
    let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b10_11_00_01>(v));
    _mm_cvtsi128_si32(v)
}
