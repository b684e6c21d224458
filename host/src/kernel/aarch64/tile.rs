//! Many tokens: 64 rows are unpacked into a panel, which then multiplies the tokens four at a time.

use std::arch::aarch64::*;

use super::super::activations::Activations;
use super::super::matrix::Order;
use super::super::packed::{View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::panel::{Panel, QUAD, TILE_ROWS};
use super::registers::{
    fields, interleave, load_quarter, store_rows, transpose_dwords, LANES, QUARTERS,
};

/// Tokens at once.
pub const TOKENS: usize = 4;

/// Sums of a token: one for every row of a tile.
pub type Sums = [i32; TILE_ROWS];

/// `acc[t * 64 + i] = sum_k W[64 tile + i, k] * x[t, k]` for the 64 rows of a tile.
/// `multiply(panel, block, t, acc)` adds the products of a panel, which holds columns `256 block ..`, to
/// the sums of at most [`TOKENS`] tokens from `t`.
#[inline]
#[target_feature(enable = "neon")]
pub fn tile(
    order: Order,
    w: View,
    tile: usize,
    x: &Activations,
    acc: &mut [i32],
    multiply: impl Fn(&Panel, usize, usize, &mut [Sums]),
) {
    let (acc, _) = acc.as_chunks_mut::<TILE_ROWS>();
    assert_eq!(acc.len(), x.tokens(), "tokens");
    for (t, acc) in acc.iter_mut().enumerate() {
        acc.fill(-x.sum(t));
    }
    let mut panel = Panel::new();
    for block in 0..x.k().div_ceil(CHUNK_WEIGHTS) {
        match order {
            Order::Rows => fill_from_rows(&mut panel, w, tile, block),
            Order::Columns => fill_from_columns(&mut panel, w, tile, block),
        }
        for (i, acc) in acc.chunks_mut(TOKENS).enumerate() {
            multiply(&panel, block, i * TOKENS, acc);
        }
    }
}

/// [`Panel::fill`] from rows: dwords are transposed while still packed.
#[target_feature(enable = "neon")]
fn fill_from_rows(panel: &mut Panel, w: View, tile: usize, block: usize) {
    const DWORDS: usize = CHUNK_BYTES / QUAD;
    for r in 0..TILE_ROWS / LANES {
        let first = tile * TILE_ROWS + r * LANES;
        let chunks: [_; LANES] = std::array::from_fn(|i| &w.row((first + i).min(w.n() - 1))[block]);
        for quarter in 0..QUARTERS {
            let raw = transpose_dwords(chunks.map(|chunk| load_quarter(chunk, quarter)));
            for (j, raw) in raw.into_iter().enumerate() {
                for (q, field) in fields(raw).into_iter().enumerate() {
                    let quad = &mut panel.0[q * DWORDS + quarter * LANES + j];
                    store_rows(&mut quad.as_chunks_mut().0[r], field);
                }
            }
        }
    }
}

/// [`Panel::fill`] from columns.
#[target_feature(enable = "neon")]
fn fill_from_columns(panel: &mut Panel, w: View, tile: usize, block: usize) {
    let first = tile * TILE_ROWS;
    let (chunk, q) = (first / CHUNK_WEIGHTS, first % CHUNK_WEIGHTS / CHUNK_BYTES);
    let shift = vdupq_n_s8(-2 * q as i8);
    for (j, rows) in panel.0.iter_mut().enumerate() {
        let column = block * CHUNK_WEIGHTS + QUAD * j;
        let chunks: [_; QUAD] = std::array::from_fn(|i| &w.row((column + i).min(w.n() - 1))[chunk]);
        let (rows, _) = rows.as_chunks_mut::<LANES>();
        let (rows, _) = rows.as_chunks_mut::<QUAD>();
        for (quarter, rows) in rows.iter_mut().enumerate() {
            let raw = interleave(chunks.map(|chunk| load_quarter(chunk, quarter)));
            for (rows, raw) in rows.iter_mut().zip(raw) {
                let codes = vandq_u8(vshlq_u8(raw, shift), vdupq_n_u8(3));
                store_rows(rows, vreinterpretq_s8_u8(codes));
            }
        }
    }
}
