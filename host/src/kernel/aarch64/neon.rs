//! NEON, which nearly every 64-bit Arm CPU has: 8 codes at a time by `smlal`.
//!
//! `smlal` adds a product of two int8 to an int16 lane. A code times an activation is at least
//! 2 * -128 = -256 and at most 2 * 127. A chunk adds 32 of them to each lane, so four chunks reach
//! -32768 and no further before they are widened.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;
use std::ops::Range;

use super::super::activations::Activations;
use super::super::packed::{Chunk, PackedTrits, CHUNK_WEIGHTS};
use super::super::Loop;

/// Chunks whose products stay within int16.
const NARROW_CHUNKS: usize = 4;
const _: () = assert!(-256 * 32 * NARROW_CHUNKS as i32 >= i16::MIN as i32);

/// Proof that this CPU has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// None on a CPU without NEON.
    pub fn new() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }

    /// `acc[(n - rows.start) * T + t] = sum_k W[n, k] * x[t, k]`.
    pub fn ternary(self, w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { ternary(w, rows, x, acc) }
    }

    /// Runs a loop compiled for NEON.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "neon")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// Tiles of 4 rows x 1 token while decoding, 2 x 4 otherwise: as many sums, each of them narrow and
/// wide, as registers hold.
#[target_feature(enable = "neon")]
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
#[target_feature(enable = "neon")]
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
    let mut wide = [[vdupq_n_s32(0); T]; R];
    for first in (0..chunks).step_by(NARROW_CHUNKS) {
        let mut narrow = [[vdupq_n_s16(0); T]; R];
        for c in first..chunks.min(first + NARROW_CHUNKS) {
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
                            let (trits_low, x_low) = (vget_low_s8(trits[r]), vget_low_s8(x));
                            narrow[r][i] = vmlal_s8(narrow[r][i], trits_low, x_low);
                            narrow[r][i] = vmlal_high_s8(narrow[r][i], trits[r], x);
                        }
                    }
                }
            }
        }
        for r in 0..R {
            for i in 0..T {
                wide[r][i] = vpadalq_s16(wide[r][i], narrow[r][i]);
            }
        }
    }
    for r in 0..R {
        for i in 0..T {
            acc[r * x.tokens() + i] = vaddvq_s32(wide[r][i]) - x.sum(t + i);
        }
    }
    R
}
