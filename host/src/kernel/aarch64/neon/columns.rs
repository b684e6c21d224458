//! One token, lines are columns: lanes are rows, and the activation of a column multiplies all of them.

use std::arch::aarch64::*;

use super::super::super::packed::{View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::registers::{
    fields, load_quarter, load_sums, prefetch, store_sums, BYTES, LANES, QUARTERS,
};
use super::{multiply_add, NARROW_SUMS};

/// Quarters of a chunk at once: sixteen registers of sums.
const REGISTERS: usize = 2;

/// int16 sums of sixteen rows each: `[field][register][low, high]`.
type Narrow = [[[int16x8_t; 2]; REGISTERS]; 4];

/// `acc[n] = sum over the listed columns k of W[n, k] * x[k]`; `sum` is the sum of those codes, and
/// `acc` has room for whole chunks of rows.
#[target_feature(enable = "neon")]
pub fn columns(w: View, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
    acc.fill(-sum);
    for group in list.chunks(NARROW_SUMS) {
        for (c, acc) in acc.chunks_exact_mut(CHUNK_WEIGHTS).enumerate() {
            for first in (0..QUARTERS).step_by(REGISTERS) {
                let narrow = narrow_sums(w, group, x, c, first);
                for (q, registers) in narrow.into_iter().enumerate() {
                    let acc = &mut acc[q * CHUNK_BYTES + first * BYTES..][..REGISTERS * BYTES];
                    widen(registers, acc);
                }
            }
        }
    }
}

/// Sums over at most [`NARROW_SUMS`] columns of the rows of some quarters of a chunk.
#[inline]
#[target_feature(enable = "neon")]
fn narrow_sums(w: View, group: &[u32], x: &[i8], c: usize, first: usize) -> Narrow {
    let mut sums = [[[vdupq_n_s16(0); 2]; REGISTERS]; 4];
    for &k in group {
        let line = w.row(k as usize);
        let code = vdupq_n_s8(x[k as usize]);
        // Lines are too many for the prefetcher of a CPU to follow.
        prefetch(line, c + 1);
        for i in 0..REGISTERS {
            let raw = load_quarter(&line[c], first + i);
            for (sums, field) in sums.iter_mut().zip(fields(raw)) {
                sums[i] = multiply_add(sums[i], field, code);
            }
        }
    }
    sums
}

/// Adds int16 sums to those of as many rows.
#[inline]
#[target_feature(enable = "neon")]
fn widen(registers: [[int16x8_t; 2]; REGISTERS], acc: &mut [i32]) {
    let (acc, _) = acc.as_chunks_mut::<LANES>();
    let (acc, _) = acc.as_chunks_mut::<2>();
    for ([low, high], eight) in acc.iter_mut().zip(registers.into_iter().flatten()) {
        store_sums(low, vaddw_s16(load_sums(low), vget_low_s16(eight)));
        store_sums(high, vaddw_high_s16(load_sums(high), eight));
    }
}
