//! Many tokens. A register of a panel holds four codes each of four rows; the four products of a row
//! have int16 sums of their own, which are added up once a panel.

use std::arch::aarch64::*;

use super::super::super::activations::Activations;
use super::super::super::matrix::Order;
use super::super::super::packed::{View, CHUNK_WEIGHTS};
use super::super::super::panel::{Panel, PANEL_QUADS, QUAD, TILE_ROWS};
use super::super::registers::{broadcast, load_rows, load_sums, store_sums, LANES};
use super::super::tile::{self, Sums, TOKENS};
use super::{multiply_add, NARROW_SUMS};

/// Registers of rows at once: with four tokens sixteen registers of sums.
const REGISTERS: usize = 2;

const _: () = assert!(PANEL_QUADS <= NARROW_SUMS, "products of a panel in int16");

/// `acc[t * 64 + i] = sum_k W[64 tile + i, k] * x[t, k]` for the 64 rows of a tile.
#[target_feature(enable = "neon")]
pub fn tile(order: Order, w: View, tile: usize, x: &Activations, acc: &mut [i32]) {
    tile::tile(order, w, tile, x, acc, |panel, block, t, acc| match acc {
        [a, b, c, d] => multiply(panel, (x, block), t, [a, b, c, d]),
        [a, b, c] => multiply(panel, (x, block), t, [a, b, c]),
        [a, b] => multiply(panel, (x, block), t, [a, b]),
        [a] => multiply(panel, (x, block), t, [a]),
        _ => unreachable!("1 to {TOKENS} tokens"),
    });
}

/// Adds the products of a panel and T tokens from `t` to `acc`.
#[target_feature(enable = "neon")]
fn multiply<const T: usize>(
    panel: &Panel,
    (x, block): (&Activations, usize),
    t: usize,
    mut acc: [&mut Sums; T],
) {
    let codes: [&[[i8; QUAD]; PANEL_QUADS]; T] = std::array::from_fn(|i| {
        let codes = &x.padded(t + i)[block * CHUNK_WEIGHTS..][..CHUNK_WEIGHTS];
        let (quads, _) = codes.as_chunks();
        quads.try_into().expect("quads of a chunk")
    });
    for first in (0..TILE_ROWS / LANES).step_by(REGISTERS) {
        let mut narrow = [[[vdupq_n_s16(0); 2]; REGISTERS]; T];
        for (j, quad) in panel.0.iter().enumerate() {
            let (quad, _) = quad.as_chunks();
            let rows: [int8x16_t; REGISTERS] = std::array::from_fn(|r| load_rows(&quad[first + r]));
            for i in 0..T {
                let x = broadcast(codes[i][j]);
                for r in 0..REGISTERS {
                    narrow[i][r] = multiply_add(narrow[i][r], rows[r], x);
                }
            }
        }
        for (acc, narrow) in acc.iter_mut().zip(narrow) {
            let (acc, _) = acc.as_chunks_mut();
            for (acc, [low, high]) in acc[first..].iter_mut().zip(narrow) {
                let sums = vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
                store_sums(acc, vaddq_s32(load_sums(acc), sums));
            }
        }
    }
}
