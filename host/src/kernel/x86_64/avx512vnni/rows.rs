//! One token, lines are rows: one row after the other, as memory delivers them best.
//!
//! A row is a hundred instructions or so, so what is done besides its products is kept short: rows are
//! checked when they are looked up, and the sums of four of them are reduced together.

use std::arch::x86_64::*;

use super::super::super::packed::{Chunk, View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::super::Lines;
use super::{masks, FIELDS};

/// Rows whose sums are reduced together.
const TILE: usize = 4;

/// How far ahead rows are prefetched: what one core reads in the time that memory takes to answer, twice.
const AHEAD_BYTES: usize = 8 << 10;

/// `acc[i] = W[n_i, ..] . x` for the listed rows n_i; `x` is padded and `sum` is the sum of its codes.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn rows(w: View, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
    let chunks = w.row_chunks();
    // `products` reads 256 codes of x with every chunk of a row.
    assert_eq!(x.len(), chunks * CHUNK_WEIGHTS, "padded activations");
    let count = acc.len();
    let ahead = AHEAD_BYTES
        .div_ceil(chunks * CHUNK_BYTES)
        .next_multiple_of(TILE);
    let row = |i: usize| w.row(rows.at(i.min(count - 1))).as_ptr();
    let later = |i: usize| match rows {
        // What follows the rows of this call is likely to be next.
        Lines::From(first) => w.row((first + i).min(w.n() - 1)).as_ptr(),
        Lines::Listed(list) => w.row(list[i.min(list.len() - 1)] as usize).as_ptr(),
    };
    let mut i = 0;
    while i < count {
        let tile = [row(i), row(i + 1), row(i + 2), row(i + 3)];
        let j = i + ahead;
        let ahead = [later(j), later(j + 1), later(j + 2), later(j + 3)];
        // SAFETY: `row` gives whole rows of `chunks` chunks, and x has 256 codes for each (asserted).
        let sums = unsafe { products(tile, ahead, chunks, x.as_ptr(), sum) };
        match acc[i..].first_chunk_mut::<TILE>() {
            Some(acc) => *acc = sums,
            None => acc[i..].copy_from_slice(&sums[..count - i]),
        }
        i += TILE;
    }
}

/// `sum (W[n, k] + 1) * x[k] - sum` of four rows; the rows `ahead` are prefetched, since listed rows do
/// not follow each other.
///
/// # Safety
/// Every row must have `chunks` chunks, and `x` 256 codes for each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn products(
    rows: [*const Chunk; TILE],
    ahead: [*const Chunk; TILE],
    chunks: usize,
    x: *const i8,
    sum: i32,
) -> [i32; TILE] {
    let masks = masks();
    let mut halves = [_mm256_setzero_si256(); TILE];
    for r in 0..TILE {
        let mut sums = [_mm512_setzero_si512(); FIELDS];
        for c in 0..chunks {
            // SAFETY: the caller's promise: chunk c of both rows is there, and it is 64 bytes.
            let raw = unsafe {
                _mm_prefetch::<_MM_HINT_T0>(ahead[r].add(c).cast());
                _mm512_loadu_si512(rows[r].add(c).cast())
            };
            for q in 0..FIELDS {
                // SAFETY: the caller's promise: codes 256 c + 64 q .. + 64 are there.
                let codes = unsafe {
                    _mm512_loadu_si512(x.add(c * CHUNK_WEIGHTS + q * CHUNK_BYTES).cast())
                };
                let field = _mm512_and_si512(raw, masks[q]);
                sums[q] = _mm512_dpbusd_epi32(sums[q], field, codes);
            }
        }
        let [a, b, c, d] = sums;
        let low = _mm512_add_epi32(a, _mm512_srai_epi32::<2>(b));
        let high = _mm512_add_epi32(_mm512_srai_epi32::<4>(c), _mm512_srai_epi32::<6>(d));
        let v = _mm512_add_epi32(low, high);
        let upper = _mm512_extracti64x4_epi64::<1>(v);
        halves[r] = _mm256_add_epi32(_mm512_castsi512_si256(v), upper);
    }
    let [a, b, c, d] = halves;
    let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let (low, high) = (
        _mm256_castsi256_si128(pairs),
        _mm256_extracti128_si256::<1>(pairs),
    );
    let totals = _mm_sub_epi32(_mm_add_epi32(low, high), _mm_set1_epi32(sum));
    let mut out = [0; TILE];
    // SAFETY: four int32 are 16 bytes.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), totals) }
    out
}
