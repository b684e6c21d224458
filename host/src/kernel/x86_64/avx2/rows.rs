//! One token, lines are rows: tiles of four rows share each load of activations.

use std::arch::x86_64::*;

use super::super::super::packed::{Chunk, View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::super::Lines;
use super::{fields, load, NARROW_SUMS};

/// Rows of a tile.
const TILE: usize = 4;

/// Bytes of a register.
const BYTES: usize = 32;

/// Chunks whose products stay within int16: each adds eight results of `maddubs`.
const NARROW_CHUNKS: usize = NARROW_SUMS / 8;

/// `acc[i] = W[n_i, ..] . x` for the listed rows n_i; `x` is padded and `sum` is the sum of its codes.
#[target_feature(enable = "avx2")]
pub fn rows(w: View, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
    let (tiles, rest) = acc.as_chunks_mut::<TILE>();
    let (tiled, last) = (TILE * tiles.len(), TILE * tiles.len() + rest.len());
    for (i, acc) in tiles.iter_mut().enumerate() {
        let at = |r| rows.at(TILE * i + r);
        let next = |r: usize| rows.at((TILE * (i + 1) + r).min(last - 1));
        let tile: [&[Chunk]; TILE] = std::array::from_fn(|r| w.row(at(r)));
        let ahead: [&[Chunk]; TILE] = std::array::from_fn(|r| w.row(next(r)));
        *acc = products(tile, ahead, x).map(|codes| codes - sum);
    }
    for (i, acc) in rest.iter_mut().enumerate() {
        let row = w.row(rows.at(tiled + i));
        let [codes] = products([row], [row], x);
        *acc = codes - sum;
    }
}

/// `sum (W[n, k] + 1) * x[k]` of R rows; the rows `ahead` are prefetched, since listed rows do not
/// follow each other.
#[inline]
#[target_feature(enable = "avx2")]
fn products<const R: usize>(rows: [&[Chunk]; R], ahead: [&[Chunk]; R], x: &[i8]) -> [i32; R] {
    let chunks = rows[0].len();
    // The loops below read chunk c of every row and 256 codes of `x` from 256 c, for every c.
    assert!(rows.iter().chain(&ahead).all(|r| r.len() == chunks));
    assert_eq!(x.len(), chunks * CHUNK_WEIGHTS);
    let ones = _mm256_set1_epi16(1);
    let mut wide = [_mm256_setzero_si256(); R];
    for first in (0..chunks).step_by(NARROW_CHUNKS) {
        let mut narrow = [_mm256_setzero_si256(); R];
        for c in first..chunks.min(first + NARROW_CHUNKS) {
            for row in ahead {
                _mm_prefetch::<_MM_HINT_T0>(row.as_ptr().wrapping_add(c).cast());
            }
            for half in 0..CHUNK_BYTES / BYTES {
                let mut codes = [_mm256_setzero_si256(); 4];
                for q in 0..4 {
                    let at = c * CHUNK_WEIGHTS + q * CHUNK_BYTES + half * BYTES;
                    // SAFETY: at + 32 <= 256 chunks, the length of `x` (asserted).
                    codes[q] = unsafe { load(x.as_ptr().add(at).cast()) };
                }
                for r in 0..R {
                    // SAFETY: bytes 32 half.. of a 64-byte chunk, c within the row (asserted).
                    let raw =
                        unsafe { load(rows[r].as_ptr().add(c).cast::<u8>().add(half * BYTES)) };
                    for (field, codes) in fields(raw).into_iter().zip(codes) {
                        let products = _mm256_maddubs_epi16(field, codes);
                        narrow[r] = _mm256_add_epi16(narrow[r], products);
                    }
                }
            }
        }
        for r in 0..R {
            wide[r] = _mm256_add_epi32(wide[r], _mm256_madd_epi16(narrow[r], ones));
        }
    }
    let mut totals = [0; R];
    for r in 0..R {
        totals[r] = sum_of(wide[r]);
    }
    totals
}

/// Sum of eight int32.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_of(v: __m256i) -> i32 {
    let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b01_00_11_10>(v));
    let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b10_11_00_01>(v));
    _mm_cvtsi128_si32(v)
}
