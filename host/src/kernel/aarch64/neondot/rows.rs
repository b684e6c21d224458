//! One token, lines are rows.

use std::arch::aarch64::*;

use super::super::super::packed::{View, CHUNK_WEIGHTS};
use super::super::super::Lines;
use super::super::registers::{load_quarter, prefetch, QUARTERS};
use super::super::rows::{self, codes_of_fields, Tile, TILE};
use super::{dot, scaled_fields, FIELDS, FIELD_SHIFTS};

/// `acc[i] = W[n_i, ..] . x` for the listed rows n_i; `x` is padded and `sum` is the sum of its codes.
#[target_feature(enable = "neon,dotprod")]
pub fn rows(w: View, lines: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
    rows::rows(w, lines, sum, acc, |tile, ahead| products(tile, ahead, x));
}

/// `sum (W[n, k] + 1) * x[k]` of a tile; the rows `ahead` are prefetched.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn products(tile: Tile, ahead: Tile, x: &[i8]) -> [i32; TILE] {
    let (x, _) = x.as_chunks::<CHUNK_WEIGHTS>();
    let mut sums = [[vdupq_n_s32(0); FIELDS]; TILE];
    for (c, x) in x.iter().enumerate() {
        for row in ahead {
            prefetch(row, c);
        }
        for quarter in 0..QUARTERS {
            let codes = codes_of_fields(x, quarter);
            for r in 0..TILE {
                let fields = scaled_fields(load_quarter(&tile[r][c], quarter));
                for q in 0..FIELDS {
                    sums[r][q] = dot(sums[r][q], fields[q], codes[q]);
                }
            }
        }
    }
    sums.map(|fields| {
        let sums = fields.into_iter().zip(FIELD_SHIFTS);
        sums.map(|(v, shift)| vaddvq_s32(v) >> shift).sum()
    })
}
