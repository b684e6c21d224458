//! Ternary products without intrinsics: plain loops over packed weights, which the compiler
//! vectorises for its baseline target.

use super::activations::Activations;
use super::matrix::Order;
use super::packed::{Chunk, View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::{Lines, TILE_ROWS};

/// `acc[i] = W[n_i, ..] . x` for the listed rows n_i; `x` is padded and `sum` is the sum of its codes.
pub fn rows(w: View, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
    for (i, acc) in acc.iter_mut().enumerate() {
        *acc = code_sum(w.row(rows.at(i)), x) - sum;
    }
}

/// `acc[n] = sum over the listed columns k of W[n, k] * x[k]`; `sum` is the sum of those codes, and
/// `acc` has room for whole chunks of rows.
pub fn columns(w: View, columns: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
    acc.fill(-sum);
    for &k in columns {
        let code = i32::from(x[k as usize]);
        for (chunk, acc) in w
            .row(k as usize)
            .iter()
            .zip(acc.chunks_exact_mut(CHUNK_WEIGHTS))
        {
            for (q, acc) in acc.chunks_exact_mut(CHUNK_BYTES).enumerate() {
                for (acc, byte) in acc.iter_mut().zip(chunk.0) {
                    *acc += i32::from(byte >> (2 * q) & 3) * code;
                }
            }
        }
    }
}

/// `acc[t * 64 + i] = sum_k W[64 tile + i, k] * x[t, k]` for the 64 rows of a tile.
pub fn tile(order: Order, w: View, tile: usize, x: &Activations, acc: &mut [i32]) {
    let first = tile * TILE_ROWS;
    for (t, acc) in acc.chunks_exact_mut(TILE_ROWS).enumerate() {
        match order {
            Order::Rows => {
                let height = acc.len().min(w.n() - first);
                rows(
                    w,
                    Lines::From(first),
                    x.padded(t),
                    x.sum(t),
                    &mut acc[..height],
                );
            }
            Order::Columns => {
                acc.fill(-x.sum(t));
                let (chunk, q) = (first / CHUNK_WEIGHTS, first % CHUNK_WEIGHTS / CHUNK_BYTES);
                for (k, &code) in x.codes(t).iter().enumerate() {
                    for (acc, byte) in acc.iter_mut().zip(w.row(k)[chunk].0) {
                        *acc += i32::from(byte >> (2 * q) & 3) * i32::from(code);
                    }
                }
            }
        }
    }
}

/// `sum (W[n, k] + 1) * x[k]`, x padded with zeros to whole chunks.
fn code_sum(row: &[Chunk], x: &[i8]) -> i32 {
    let mut sum = 0;
    for (chunk, x) in row.iter().zip(x.chunks_exact(CHUNK_WEIGHTS)) {
        for (q, x) in x.chunks_exact(CHUNK_BYTES).enumerate() {
            for (byte, &x) in chunk.0.iter().zip(x) {
                sum += i32::from(byte >> (2 * q) & 3) * i32::from(x);
            }
        }
    }
    sum
}
