//! bf16 rows times f32, in the order of additions that [`dense`](super::super::super::dense) fixes: two
//! registers hold the 32 partial sums of a row. Four rows at a time share each load of `x` and hide the
//! latency of the additions. There is no fused multiply-add: the same bits on every ISA.

use std::arch::x86_64::*;

use super::super::super::dense::{fold, LANES};

/// Rows of a tile.
const TILE: usize = 4;

/// f32 in a register.
const WIDTH: usize = 16;

/// Bytes of a bf16.
const BYTES: usize = 2;

/// How far ahead of the rows being read memory is prefetched.
const AHEAD_BYTES: usize = 1 << 10;

/// `y[i] = row(i) . x`, the rows being `[K]` of little-endian bf16.
///
/// # Panics
/// If a row is not 2 K bytes long.
#[target_feature(enable = "avx512f,avx512bw")]
pub fn bf16_rows<'w>(row: impl Fn(usize) -> &'w [u8], x: &[f32], y: &mut [f32]) {
    let count = y.len();
    let mut i = 0;
    while i < count {
        let mut rows = [row(i); TILE];
        for (j, place) in rows.iter_mut().enumerate() {
            // A short last tile takes its last row several times.
            *place = row((i + j).min(count - 1));
            assert_eq!(place.len(), BYTES * x.len(), "bytes of a row");
        }
        let sums = dots(rows, x);
        for (y, sums) in y[i..].iter_mut().zip(sums) {
            *y = fold(sums);
        }
        i += TILE;
    }
}

/// Partial sums of four rows as long as `x`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn dots(rows: [&[u8]; TILE], x: &[f32]) -> [[f32; LANES]; TILE] {
    let whole = x.len() / LANES * LANES;
    let mut sums = [[_mm512_setzero_ps(); 2]; TILE];
    for k in (0..whole).step_by(LANES) {
        for half in 0..2 {
            let at = k + half * WIDTH;
            // SAFETY: at + 16 <= K, the length of `x` and, times two, of every row (the caller's check).
            unsafe {
                let x = _mm512_loadu_ps(x.as_ptr().add(at));
                for r in 0..TILE {
                    let row = rows[r].as_ptr().add(BYTES * at);
                    if half == 0 {
                        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(AHEAD_BYTES).cast());
                    }
                    let products = _mm512_mul_ps(widen(_mm256_loadu_si256(row.cast())), x);
                    sums[r][half] = _mm512_add_ps(sums[r][half], products);
                }
            }
        }
    }
    let mut out = [[0.0; LANES]; TILE];
    for r in 0..TILE {
        let (low, high) = out[r].split_at_mut(WIDTH);
        // SAFETY: sixteen f32 are 64 bytes.
        unsafe {
            _mm512_storeu_ps(low.as_mut_ptr(), sums[r][0]);
            _mm512_storeu_ps(high.as_mut_ptr(), sums[r][1]);
        }
        let (bytes, _) = rows[r][BYTES * whole..].as_chunks::<BYTES>();
        for (sum, (w, x)) in out[r].iter_mut().zip(bytes.iter().zip(&x[whole..])) {
            *sum += f32::from_bits(u32::from(u16::from_le_bytes(*w)) << 16) * x;
        }
    }
    out
}

/// Sixteen bf16 as f32.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen(bf16: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bf16)))
}
