//! f32 vectors: keys times a query, values mixed by their weights. The order of additions is that of
//! [`dense`], without fused multiply-add: the same bits on every ISA.

use std::arch::x86_64::*;

use super::super::super::dense::{self, LANES};

/// f32 in a register.
const WIDTH: usize = 16;

/// Rows whose partial sums are folded together.
const TILE: usize = 4;

/// Registers of the widest part of a row that is mixed at once.
const WIDE: usize = 8;

/// `y[i] = rows[i, ..] . x` for `rows: [N, K]`, K being the length of `x`.
///
/// # Panics
/// If `rows` is not N * K long.
#[target_feature(enable = "avx512f,avx512bw")]
pub fn dots(x: &[f32], rows: &[f32], y: &mut [f32]) {
    let k = x.len();
    assert_eq!(rows.len(), y.len() * k, "rows");
    if !k.is_multiple_of(LANES) {
        for (i, y) in y.iter_mut().enumerate() {
            *y = dense::dot(x, &rows[i * k..][..k]);
        }
        return;
    }
    let count = y.len();
    let mut i = 0;
    while i < count {
        let mut quarters = [_mm_setzero_ps(); TILE];
        for r in 0..TILE {
            // A short last tile takes its last row several times.
            let row = &rows[(i + r).min(count - 1) * k..][..k];
            quarters[r] = quarter_sums(x, row);
        }
        let [mut a, mut b, mut c, mut d] = quarters;
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        let mut sums = [0.0; TILE];
        // SAFETY: four f32 are 16 bytes.
        unsafe {
            _mm_storeu_ps(
                sums.as_mut_ptr(),
                _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d)),
            );
        }
        for (y, sum) in y[i..].iter_mut().zip(sums) {
            *y = sum;
        }
        i += TILE;
    }
}

/// The partial sums of `row . x`, whole groups of 32, folded down to four.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quarter_sums(x: &[f32], row: &[f32]) -> __m128 {
    assert_eq!(x.len(), row.len(), "K");
    let (mut low, mut high) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for k in (0..x.len() / LANES * LANES).step_by(LANES) {
        // SAFETY: k + 32 is within both (asserted).
        unsafe {
            let (x, w) = (x.as_ptr().add(k), row.as_ptr().add(k));
            let first = _mm512_mul_ps(_mm512_loadu_ps(w), _mm512_loadu_ps(x));
            let (x, w) = (x.add(WIDTH), w.add(WIDTH));
            let second = _mm512_mul_ps(_mm512_loadu_ps(w), _mm512_loadu_ps(x));
            low = _mm512_add_ps(low, first);
            high = _mm512_add_ps(high, second);
        }
    }
    let sixteen = _mm512_castps_pd(_mm512_add_ps(low, high));
    let eight = _mm256_add_ps(
        _mm256_castpd_ps(_mm512_castpd512_pd256(sixteen)),
        _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(sixteen)),
    );
    _mm_add_ps(
        _mm256_castps256_ps128(eight),
        _mm256_extractf128_ps::<1>(eight),
    )
}

/// `y[k] += weights[i] * rows[i, k]`, one i after the other, for `rows: [N, K]`, K being the length of `y`.
///
/// # Panics
/// If `rows` is not N * K long.
#[target_feature(enable = "avx512f,avx512bw")]
pub fn add_mix(weights: &[f32], rows: &[f32], y: &mut [f32]) {
    let k = y.len();
    assert_eq!(rows.len(), weights.len() * k, "rows");
    let mut at = 0;
    while at + WIDE * WIDTH <= k {
        add_part::<WIDE>(weights, rows, at, y);
        at += WIDE * WIDTH;
    }
    while at + WIDTH <= k {
        add_part::<1>(weights, rows, at, y);
        at += WIDTH;
    }
    dense::add_mix(weights, rows, k, at, &mut y[at..]);
}

/// Elements `at ..` of the result, R registers of them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add_part<const R: usize>(weights: &[f32], rows: &[f32], at: usize, y: &mut [f32]) {
    let k = y.len();
    assert!(at + R * WIDTH <= k && rows.len() == weights.len() * k);
    let mut sums = [_mm512_setzero_ps(); R];
    for r in 0..R {
        // SAFETY: the part is within `y` (asserted).
        sums[r] = unsafe { _mm512_loadu_ps(y.as_ptr().add(at + r * WIDTH)) };
    }
    for (i, &weight) in weights.iter().enumerate() {
        let weight = _mm512_set1_ps(weight);
        for r in 0..R {
            // SAFETY: the part is within the row, and the row within `rows` (asserted).
            let values = unsafe { _mm512_loadu_ps(rows.as_ptr().add(i * k + at + r * WIDTH)) };
            sums[r] = _mm512_add_ps(sums[r], _mm512_mul_ps(weight, values));
        }
    }
    for r in 0..R {
        // SAFETY: the part is within `y` (asserted).
        unsafe { _mm512_storeu_ps(y.as_mut_ptr().add(at + r * WIDTH), sums[r]) }
    }
}
