//! bf16 rows times f32, in the order of additions that [`dense`](super::super::super::dense) fixes: two
//! registers hold the 32 partial sums of a row. One row after the other, as memory delivers them best.
//! There is no fused multiply-add: the same bits on every ISA.

use std::arch::x86_64::*;

use super::super::super::dense::{fold, LANES};

/// f32 in a register.
const WIDTH: usize = 16;

/// Bytes of a bf16.
const BYTES: usize = 2;

/// How far ahead of what is read memory is prefetched.
const AHEAD_BYTES: usize = 8 << 10;

/// `y[i] = row(i) . x`, the rows being `[K]` of little-endian bf16.
///
/// # Panics
/// If a row is not 2 K bytes long.
#[target_feature(enable = "avx512f,avx512bw")]
pub fn bf16_rows<'w>(row: impl Fn(usize) -> &'w [u8], x: &[f32], y: &mut [f32]) {
    for (i, y) in y.iter_mut().enumerate() {
        let row = row(i);
        assert_eq!(row.len(), BYTES * x.len(), "bytes of a row");
        *y = fold(sums(row, x));
    }
}

/// Partial sums of a row of as many elements as `x`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sums(row: &[u8], x: &[f32]) -> [f32; LANES] {
    let whole = x.len() / LANES * LANES;
    let (mut low, mut high) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for k in (0..whole).step_by(LANES) {
        // SAFETY: k + 32 <= K, the length of `x` and, times two, of the row (the caller's check). What is
        // prefetched need not be there.
        unsafe {
            let (w, x) = (row.as_ptr().add(BYTES * k), x.as_ptr().add(k));
            _mm_prefetch::<_MM_HINT_T0>(w.wrapping_add(AHEAD_BYTES).cast());
            let first = widen(_mm256_loadu_si256(w.cast()));
            let second = widen(_mm256_loadu_si256(w.add(BYTES * WIDTH).cast()));
            low = _mm512_add_ps(low, _mm512_mul_ps(first, _mm512_loadu_ps(x)));
            high = _mm512_add_ps(high, _mm512_mul_ps(second, _mm512_loadu_ps(x.add(WIDTH))));
        }
    }
    let mut sums = [0.0; LANES];
    // SAFETY: 32 f32 are two registers.
    unsafe {
        _mm512_storeu_ps(sums.as_mut_ptr(), low);
        _mm512_storeu_ps(sums.as_mut_ptr().add(WIDTH), high);
    }
    let (bytes, _) = row[BYTES * whole..].as_chunks::<BYTES>();
    for (sum, (w, x)) in sums.iter_mut().zip(bytes.iter().zip(&x[whole..])) {
        *sum += f32::from_bits(u32::from(u16::from_le_bytes(*w)) << 16) * x;
    }
    sums
}

/// Sixteen bf16 as f32.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen(bf16: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bf16)))
}
