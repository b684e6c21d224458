//! NEON with dot products: 16 codes at a time by `sdot`, which multiplies int8 by int8 and adds four
//! products to each int32 lane, without overflow up to [`MAX_K`].
//!
//! [`MAX_K`]: super::super::packed::MAX_K

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};
use std::ops::Range;

use super::super::activations::Activations;
use super::super::packed::{Chunk, PackedTrits, CHUNK_WEIGHTS};
use super::super::Loop;

/// Proof that this CPU has NEON and its dot products.
#[derive(Clone, Copy, Debug)]
pub struct NeonDot(());

impl NeonDot {
    /// None on a CPU without these instructions.
    pub fn new() -> Option<Self> {
        let has = is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod");
        has.then_some(NeonDot(()))
    }

    /// `acc[(n - rows.start) * T + t] = sum_k W[n, k] * x[t, k]`.
    pub fn ternary(self, w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { ternary(w, rows, x, acc) }
    }

    /// Runs a loop compiled for NEON; dot products of bytes are of no use to it.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "neon")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// Tiles of 8 rows x 1 token while decoding, 4 x 4 otherwise: enough independent sums to hide the
/// latency of `sdot`, and no more than registers hold.
#[target_feature(enable = "neon,dotprod")]
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
#[target_feature(enable = "neon,dotprod")]
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
    let mask = vdupq_n_u8(3);
    let mut sums = [[vdupq_n_s32(0); T]; R];
    for c in 0..chunks {
        for quarter in 0..4 {
            let mut raw: [uint8x16_t; R] = std::array::from_fn(|r| {
                // SAFETY: bytes 16 quarter.. of a 64-byte chunk, c within the row (asserted).
                unsafe { vld1q_u8(rows[r].as_ptr().add(c).cast::<u8>().add(16 * quarter)) }
            });
            for q in 0..4 {
                let at = c * CHUNK_WEIGHTS + 64 * q + 16 * quarter;
                let trits = raw.map(|v| vreinterpretq_s8_u8(vandq_u8(v, mask)));
                raw = raw.map(|v| vshrq_n_u8::<2>(v));
                for i in 0..T {
                    // SAFETY: at + 16 <= 256 chunks, the length of `codes[i]` (asserted).
                    let x = unsafe { vld1q_s8(codes[i].as_ptr().add(at)) };
                    for r in 0..R {
                        sums[r][i] = dot(sums[r][i], trits[r], x);
                    }
                }
            }
        }
    }
    for r in 0..R {
        for i in 0..T {
            acc[r * x.tokens() + i] = vaddvq_s32(sums[r][i]) - x.sum(t + i);
        }
    }
    T
}

/// `sums[i] + a[4 i..4 i + 4] . b[4 i..4 i + 4]`, as `vdotq_s32`, which is not stable in the oldest
/// compiler supported.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the CPU has the instruction (target feature), which touches nothing but its operands.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
