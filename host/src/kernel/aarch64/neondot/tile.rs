//! Many tokens. A register of a panel holds four codes each of four rows; `sdot` by element multiplies
//! them by four activations.

use std::arch::aarch64::*;

use super::super::super::activations::Activations;
use super::super::super::matrix::Order;
use super::super::super::packed::{View, CHUNK_WEIGHTS};
use super::super::super::panel::{Panel, TILE_ROWS};
use super::super::registers::{load_codes, load_rows, load_sums, store_sums, BYTES, LANES};
use super::super::tile::{self, Sums, TOKENS};
use super::dot_lane;

/// Registers of rows at once: with four tokens sixteen registers of sums.
const REGISTERS: usize = 4;

/// Sums of T tokens.
type Registers<const T: usize> = [[int32x4_t; REGISTERS]; T];

/// `acc[t * 64 + i] = sum_k W[64 tile + i, k] * x[t, k]` for the 64 rows of a tile.
#[target_feature(enable = "neon,dotprod")]
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
#[target_feature(enable = "neon,dotprod")]
fn multiply<const T: usize>(
    panel: &Panel,
    (x, block): (&Activations, usize),
    t: usize,
    mut acc: [&mut Sums; T],
) {
    let codes: [&[[i8; BYTES]; CHUNK_WEIGHTS / BYTES]; T] = std::array::from_fn(|i| {
        let codes = &x.padded(t + i)[block * CHUNK_WEIGHTS..][..CHUNK_WEIGHTS];
        let (codes, _) = codes.as_chunks();
        codes.try_into().expect("registers of a chunk")
    });
    let (quads, _) = panel.0.as_chunks::<LANES>();
    for first in (0..TILE_ROWS / LANES).step_by(REGISTERS) {
        let mut sums: Registers<T> = [[vdupq_n_s32(0); REGISTERS]; T];
        for (acc, sums) in acc.iter().zip(&mut sums) {
            let (acc, _) = acc.as_chunks();
            for (acc, sums) in acc[first..].iter().zip(sums) {
                *sums = load_sums(acc);
            }
        }
        for (j, [a, b, c, d]) in quads.iter().enumerate() {
            let mut x = [vdupq_n_s8(0); T];
            for (x, codes) in x.iter_mut().zip(codes) {
                *x = load_codes(&codes[j]);
            }
            sums = add_quad::<0, T>(sums, a, first, x);
            sums = add_quad::<1, T>(sums, b, first, x);
            sums = add_quad::<2, T>(sums, c, first, x);
            sums = add_quad::<3, T>(sums, d, first, x);
        }
        for (acc, sums) in acc.iter_mut().zip(sums) {
            let (acc, _) = acc.as_chunks_mut();
            for (acc, sums) in acc[first..].iter_mut().zip(sums) {
                store_sums(acc, sums);
            }
        }
    }
}

/// Adds the products of a quad of columns, whose activations are dword LANE of `x`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_quad<const LANE: usize, const T: usize>(
    mut sums: Registers<T>,
    quad: &[u32; TILE_ROWS],
    first: usize,
    x: [int8x16_t; T],
) -> Registers<T> {
    let (quad, _) = quad.as_chunks();
    for r in 0..REGISTERS {
        let rows = load_rows(&quad[first + r]);
        for (sums, x) in sums.iter_mut().zip(x) {
            sums[r] = dot_lane::<LANE>(sums[r], rows, x);
        }
    }
    sums
}
