//! One token, lines are rows.

use std::arch::aarch64::*;

use super::super::super::packed::{View, CHUNK_WEIGHTS};
use super::super::super::Lines;
use super::super::registers::{fields, load_quarter, prefetch, QUARTERS};
use super::super::rows::{self, codes_of_fields, Tile, TILE};
use super::{multiply_add, NARROW_SUMS};

/// Chunks whose products stay within int16: each adds sixteen to every lane.
const NARROW_CHUNKS: usize = NARROW_SUMS / 16;

/// `acc[i] = W[n_i, ..] . x` for the listed rows n_i; `x` is padded and `sum` is the sum of its codes.
#[target_feature(enable = "neon")]
pub fn rows(w: View, lines: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
    rows::rows(w, lines, sum, acc, |tile, ahead| products(tile, ahead, x));
}

/// `sum (W[n, k] + 1) * x[k]` of a tile; the rows `ahead` are prefetched.
#[inline]
#[target_feature(enable = "neon")]
fn products(tile: Tile, ahead: Tile, x: &[i8]) -> [i32; TILE] {
    let (x, _) = x.as_chunks::<CHUNK_WEIGHTS>();
    let mut wide = [vdupq_n_s32(0); TILE];
    for (i, x) in x.chunks(NARROW_CHUNKS).enumerate() {
        let mut narrow = [[vdupq_n_s16(0); 2]; TILE];
        for (c, x) in (i * NARROW_CHUNKS..).zip(x) {
            for row in ahead {
                prefetch(row, c);
            }
            for quarter in 0..QUARTERS {
                let codes = codes_of_fields(x, quarter);
                for r in 0..TILE {
                    let raw = load_quarter(&tile[r][c], quarter);
                    for (field, codes) in fields(raw).into_iter().zip(codes) {
                        narrow[r] = multiply_add(narrow[r], field, codes);
                    }
                }
            }
        }
        for (wide, [low, high]) in wide.iter_mut().zip(narrow) {
            *wide = vpadalq_s16(vpadalq_s16(*wide, low), high);
        }
    }
    wide.map(|v| vaddvq_s32(v))
}
