//! One token, lines are columns: any four columns become the four bytes that `sdot` adds up.

use std::arch::aarch64::*;

use super::super::super::packed::{Chunk, View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::registers::{
    broadcast, interleave, load_quarter, load_sums, prefetch, store_sums, BYTES, LANES, QUARTERS,
};
use super::{dot, scaled_fields, FIELDS, FIELD_SHIFTS};

/// Columns that one `sdot` takes.
const COLUMNS: usize = 4;

/// Quads of columns between two visits of the sums; the chunks they read stay in the L1 cache.
const QUADS: usize = 8;

/// Registers that hold the sums of a field of a quarter.
const REGISTERS: usize = BYTES / LANES;

/// Sums of a quarter: `[field][p]`, rows `4 p ..` of its sixteen.
type Sums = [[int32x4_t; REGISTERS]; FIELDS];

/// Four columns and their activations.
struct Quad<'w> {
    lines: [&'w [Chunk]; COLUMNS],
    codes: [i8; COLUMNS],
}

/// `acc[n] = sum over the listed columns k of W[n, k] * x[k]`; `sum` is the sum of those codes, and
/// `acc` has room for whole chunks of rows.
#[target_feature(enable = "neon,dotprod")]
pub fn columns(w: View, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
    acc.fill(0);
    for group in list.chunks(QUADS * COLUMNS) {
        let quads: [Quad; QUADS] =
            std::array::from_fn(|i| quad(w, group, group.chunks(COLUMNS).nth(i), x));
        let quads = &quads[..group.len().div_ceil(COLUMNS)];
        for (c, acc) in acc.chunks_exact_mut(CHUNK_WEIGHTS).enumerate() {
            add_chunk(quads, c, acc);
        }
    }
    for acc in acc.chunks_exact_mut(CHUNK_WEIGHTS) {
        for (acc, shift) in acc.chunks_exact_mut(CHUNK_BYTES).zip(FIELD_SHIFTS) {
            for acc in acc {
                *acc = (*acc >> shift) - sum;
            }
        }
    }
}

/// The columns of a list that has at most four; past its end any column, with code zero.
#[inline]
fn quad<'w>(w: View<'w>, any: &[u32], list: Option<&[u32]>, x: &[i8]) -> Quad<'w> {
    let list = list.unwrap_or_default();
    Quad {
        lines: std::array::from_fn(|i| w.row(*list.get(i).unwrap_or(&any[0]) as usize)),
        codes: std::array::from_fn(|i| list.get(i).map_or(0, |&k| x[k as usize])),
    }
}

/// Adds the products of chunk c of some columns to the sums of its rows.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_chunk(quads: &[Quad], c: usize, acc: &mut [i32]) {
    for line in quads.iter().flat_map(|quad| quad.lines) {
        // Lines are too many for the prefetcher of a CPU to follow.
        prefetch(line, c + 1);
    }
    let (registers, _) = acc.as_chunks_mut::<LANES>();
    let (fields, _) = registers.as_chunks_mut::<{ CHUNK_BYTES / LANES }>();
    for quarter in 0..QUARTERS {
        let first = quarter * REGISTERS;
        let mut sums: Sums = [[vdupq_n_s32(0); REGISTERS]; FIELDS];
        for (acc, sums) in fields.iter().zip(&mut sums) {
            for (acc, sums) in acc[first..].iter().zip(sums) {
                *sums = load_sums(acc);
            }
        }
        for quad in quads {
            let codes = broadcast(quad.codes);
            let [i, j, k, l] = quad.lines;
            let bytes = interleave([
                load_quarter(&i[c], quarter),
                load_quarter(&j[c], quarter),
                load_quarter(&k[c], quarter),
                load_quarter(&l[c], quarter),
            ]);
            for (p, bytes) in bytes.into_iter().enumerate() {
                for (sums, field) in sums.iter_mut().zip(scaled_fields(bytes)) {
                    sums[p] = dot(sums[p], field, codes);
                }
            }
        }
        for (acc, sums) in fields.iter_mut().zip(sums) {
            for (acc, sums) in acc[first..].iter_mut().zip(sums) {
                store_sums(acc, sums);
            }
        }
    }
}
