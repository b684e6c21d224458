//! Many tokens: 64 rows are unpacked into a panel, which then multiplies the tokens four at a time,
//! sixteen rows each.

use std::arch::x86_64::*;

use super::super::super::activations::Activations;
use super::super::super::matrix::Order;
use super::super::super::packed::{View, CHUNK_WEIGHTS};
use super::super::super::panel::{Panel, PANEL_QUADS, QUAD, TILE_ROWS};
use super::{load, NARROW_SUMS};

/// Rows in a register.
const LANES: usize = 8;

/// Registers of rows at once.
const REGISTERS: usize = 2;

/// Tokens at once: eight sums, two registers of codes and the broadcast fit the register file.
const TOKENS: usize = 4;

/// Quads whose sums stay within int16.
const NARROW_QUADS: usize = 32;
const _: () = assert!(NARROW_QUADS <= NARROW_SUMS && PANEL_QUADS.is_multiple_of(NARROW_QUADS));

/// `acc[t * 64 + i] = sum_k W[64 tile + i, k] * x[t, k]` for the 64 rows of a tile.
#[target_feature(enable = "avx2")]
pub fn tile(order: Order, w: View, tile: usize, x: &Activations, acc: &mut [i32]) {
    let (acc, _) = acc.as_chunks_mut::<TILE_ROWS>();
    assert_eq!(acc.len(), x.tokens(), "tokens");
    for (t, acc) in acc.iter_mut().enumerate() {
        acc.fill(-x.sum(t));
    }
    let mut panel = Panel::new();
    for block in 0..x.k().div_ceil(CHUNK_WEIGHTS) {
        panel.fill(order, w, tile, block);
        for first in (0..PANEL_QUADS).step_by(NARROW_QUADS) {
            let quads = &panel.0[first..first + NARROW_QUADS];
            let from = block * CHUNK_WEIGHTS + QUAD * first;
            for (i, acc) in acc.chunks_mut(TOKENS).enumerate() {
                let t = i * TOKENS;
                match acc {
                    [a, b, c, d] => multiply(quads, x, from, t, [a, b, c, d]),
                    [a, b, c] => multiply(quads, x, from, t, [a, b, c]),
                    [a, b] => multiply(quads, x, from, t, [a, b]),
                    [a] => multiply(quads, x, from, t, [a]),
                    _ => unreachable!("chunks of 1 to {TOKENS}"),
                }
            }
        }
    }
}

/// Adds the products of some quads, whose first column is `from`, and T tokens from `t` to `acc`.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply<const T: usize>(
    quads: &[[u32; TILE_ROWS]],
    x: &Activations,
    from: usize,
    t: usize,
    acc: [&mut [i32; TILE_ROWS]; T],
) {
    let codes: [&[[i8; QUAD]]; T] = std::array::from_fn(|i| {
        let codes = &x.padded(t + i)[from..][..NARROW_QUADS * QUAD];
        codes.as_chunks::<QUAD>().0
    });
    let ones = _mm256_set1_epi16(1);
    for rows in (0..TILE_ROWS).step_by(REGISTERS * LANES) {
        let mut narrow = [[_mm256_setzero_si256(); REGISTERS]; T];
        for (j, quad) in quads.iter().enumerate() {
            let mut weights = [_mm256_setzero_si256(); REGISTERS];
            for r in 0..REGISTERS {
                let dwords = &quad[rows + r * LANES..][..LANES];
                // SAFETY: eight dwords are 32 bytes.
                weights[r] = unsafe { load(dwords.as_ptr().cast()) };
            }
            for i in 0..T {
                let [a, b, c, d] = codes[i][j];
                let x = i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]);
                let x = _mm256_set1_epi32(x);
                for r in 0..REGISTERS {
                    let products = _mm256_maddubs_epi16(weights[r], x);
                    narrow[i][r] = _mm256_add_epi16(narrow[i][r], products);
                }
            }
        }
        for i in 0..T {
            for r in 0..REGISTERS {
                let acc = &mut acc[i][rows + r * LANES..][..LANES];
                let sums = _mm256_madd_epi16(narrow[i][r], ones);
                // SAFETY: eight int32 are 32 bytes, to be read and written.
                unsafe {
                    let sums = _mm256_add_epi32(load(acc.as_ptr().cast()), sums);
                    _mm256_storeu_si256(acc.as_mut_ptr().cast(), sums);
                }
            }
        }
    }
}
