//! bf16 rows times f32, in the order of additions that [`dense`](super::super::super::dense) fixes: four
//! registers hold the 32 partial sums of a row. Two rows at a time share each load of `x`. There is no
//! fused multiply-add: the same bits on every ISA.

use std::arch::x86_64::*;

use super::super::super::dense::{fold, LANES};

/// Rows of a tile.
const TILE: usize = 2;

/// f32 in a register.
const WIDTH: usize = 8;

/// Registers of partial sums.
const REGISTERS: usize = LANES / WIDTH;

/// Bytes of a bf16.
const BYTES: usize = 2;

/// How far ahead of the rows being read memory is prefetched.
const AHEAD_BYTES: usize = 1 << 10;

/// `y[i] = row(i) . x`, the rows being `[K]` of little-endian bf16.
///
/// # Panics
/// If a row is not 2 K bytes long.
#[target_feature(enable = "avx2")]
pub fn bf16_rows<'w>(row: impl Fn(usize) -> &'w [u8], x: &[f32], y: &mut [f32]) {
    let count = y.len();
    let mut i = 0;
    while i < count {
        // A short last tile takes its last row twice.
        let rows = [row(i), row((i + 1).min(count - 1))];
        for row in rows {
            assert_eq!(row.len(), BYTES * x.len(), "bytes of a row");
        }
        let sums = dots(rows, x);
        for (y, sums) in y[i..].iter_mut().zip(sums) {
            *y = fold(sums);
        }
        i += TILE;
    }
}

/// Partial sums of two rows as long as `x`.
#[inline]
#[target_feature(enable = "avx2")]
fn dots(rows: [&[u8]; TILE], x: &[f32]) -> [[f32; LANES]; TILE] {
    let whole = x.len() / LANES * LANES;
    let mut sums = [[_mm256_setzero_ps(); REGISTERS]; TILE];
    for k in (0..whole).step_by(LANES) {
        for q in 0..REGISTERS {
            let at = k + q * WIDTH;
            // SAFETY: at + 8 <= K, the length of `x` and, times two, of every row (the caller's check).
            unsafe {
                let x = _mm256_loadu_ps(x.as_ptr().add(at));
                for r in 0..TILE {
                    let row = rows[r].as_ptr().add(BYTES * at);
                    if q == 0 {
                        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(AHEAD_BYTES).cast());
                    }
                    let products = _mm256_mul_ps(widen(_mm_loadu_si128(row.cast())), x);
                    sums[r][q] = _mm256_add_ps(sums[r][q], products);
                }
            }
        }
    }
    let mut out = [[0.0; LANES]; TILE];
    for r in 0..TILE {
        let (registers, _) = out[r].as_chunks_mut::<WIDTH>();
        for q in 0..REGISTERS {
            // SAFETY: eight f32 are 32 bytes.
            unsafe { _mm256_storeu_ps(registers[q].as_mut_ptr(), sums[r][q]) }
        }
        let (bytes, _) = rows[r][BYTES * whole..].as_chunks::<BYTES>();
        for (sum, (w, x)) in out[r].iter_mut().zip(bytes.iter().zip(&x[whole..])) {
            *sum += f32::from_bits(u32::from(u16::from_le_bytes(*w)) << 16) * x;
        }
    }
    out
}

/// Eight bf16 as f32.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(bf16: __m128i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bf16)))
}
