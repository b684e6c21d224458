//! One token, lines are rows: tiles of four rows share each load of activations.

use std::arch::x86_64::*;

use super::super::super::packed::{Chunk, PackedTrits, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::super::Lines;
use super::{masks, FIELDS};

/// Rows of a tile: with four sums each, half of the registers.
const TILE: usize = 4;

/// `acc[i] = W[n_i, ..] . x` for the listed rows n_i; `x` is padded and `sum` is the sum of its codes.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn rows(w: &PackedTrits, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
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
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn products<const R: usize>(rows: [&[Chunk]; R], ahead: [&[Chunk]; R], x: &[i8]) -> [i32; R] {
    let chunks = rows[0].len();
    // The loops below read chunk c of every row and 256 codes of `x` from 256 c, for every c.
    assert!(rows.iter().chain(&ahead).all(|r| r.len() == chunks));
    assert_eq!(x.len(), chunks * CHUNK_WEIGHTS);
    let masks = masks();
    let mut sums = [[_mm512_setzero_si512(); FIELDS]; R];
    for c in 0..chunks {
        let codes: [__m512i; FIELDS] = std::array::from_fn(|q| {
            let at = c * CHUNK_WEIGHTS + q * CHUNK_BYTES;
            // SAFETY: at + 64 <= 256 chunks, the length of `x` (asserted).
            unsafe { _mm512_loadu_si512(x.as_ptr().add(at).cast()) }
        });
        for r in 0..R {
            // SAFETY: c lies within both rows (asserted), and a chunk is 64 bytes.
            let raw = unsafe {
                _mm_prefetch::<_MM_HINT_T0>(ahead[r].as_ptr().add(c).cast());
                _mm512_loadu_si512(rows[r].as_ptr().add(c).cast())
            };
            for q in 0..FIELDS {
                let field = _mm512_and_si512(raw, masks[q]);
                sums[r][q] = _mm512_dpbusd_epi32(sums[r][q], field, codes[q]);
            }
        }
    }
    sums.map(|[a, b, c, d]| {
        let low = _mm512_add_epi32(a, _mm512_srai_epi32::<2>(b));
        let high = _mm512_add_epi32(_mm512_srai_epi32::<4>(c), _mm512_srai_epi32::<6>(d));
        _mm512_reduce_add_epi32(_mm512_add_epi32(low, high))
    })
}
