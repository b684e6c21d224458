//! The ternary product without intrinsics: plain loops over packed weights, which the compiler
//! vectorises for its baseline target.

use std::ops::Range;

use super::activations::Activations;
use super::packed::{PackedTrits, CHUNK_BYTES, CHUNK_WEIGHTS};

/// `acc[(n - rows.start) * T + t] = sum_k W[n, k] * x[t, k]`.
pub fn ternary(w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
    let tokens = x.tokens();
    for (n, acc) in rows.zip(acc.chunks_exact_mut(tokens)) {
        for (t, acc) in acc.iter_mut().enumerate() {
            *acc = code_sum(w, n, x.padded(t)) - x.sum(t);
        }
    }
}

/// `sum (W[n, k] + 1) * x[k]`, x padded with zeros to whole chunks.
fn code_sum(w: &PackedTrits, n: usize, x: &[i8]) -> i32 {
    let mut sum = 0;
    for (chunk, x) in w.row(n).iter().zip(x.chunks_exact(CHUNK_WEIGHTS)) {
        for (q, x) in x.chunks_exact(CHUNK_BYTES).enumerate() {
            for (byte, &x) in chunk.0.iter().zip(x) {
                sum += i32::from(byte >> (2 * q) & 3) * i32::from(x);
            }
        }
    }
    sum
}
