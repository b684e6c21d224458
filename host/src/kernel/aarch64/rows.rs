//! One token, lines are rows: tiles of four rows share each load of activations.

use std::arch::aarch64::int8x16_t;

use super::super::packed::{Chunk, View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::Lines;
use super::registers::{load_codes, BYTES, QUARTERS};

/// Rows of a tile.
pub const TILE: usize = 4;

/// Chunks of every row of a tile.
pub type Tile<'w> = [&'w [Chunk]; TILE];

/// `acc[i] = W[n_i, ..] . x` for the listed rows n_i. `products(tile, ahead)` gives the code sums of a
/// tile; the rows `ahead` are those of the next one, to be prefetched, since listed rows do not follow
/// each other. `sum` is the sum of the codes of x.
#[inline]
pub fn rows(
    w: View,
    rows: Lines,
    sum: i32,
    acc: &mut [i32],
    products: impl Fn(Tile, Tile) -> [i32; TILE],
) {
    let count = acc.len();
    for (i, acc) in acc.chunks_mut(TILE).enumerate() {
        // The last tile is filled up with the last row.
        let row = |place: usize| w.row(rows.at(place.min(count - 1)));
        let tile = std::array::from_fn(|r| row(i * TILE + r));
        let ahead = std::array::from_fn(|r| row((i + 1) * TILE + r));
        for (acc, codes) in acc.iter_mut().zip(products(tile, ahead)) {
            *acc = codes - sum;
        }
    }
}

/// Activations that meet the four fields of a quarter of a chunk, out of those of the whole chunk.
#[inline]
#[target_feature(enable = "neon")]
pub fn codes_of_fields(x: &[i8; CHUNK_WEIGHTS], quarter: usize) -> [int8x16_t; 4] {
    const _: () = assert!(QUARTERS * BYTES == CHUNK_BYTES);
    let (codes, _) = x.as_chunks::<BYTES>();
    std::array::from_fn(|q| load_codes(&codes[q * QUARTERS + quarter]))
}
