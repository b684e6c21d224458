//! One token, lines are columns: any two columns become the two bytes that `maddubs` adds up.

use std::arch::x86_64::*;

use super::super::super::packed::{View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::{fields, load, NARROW_SUMS};

/// Columns that one `maddubs` takes.
const PAIR: usize = 2;

/// Columns whose sums stay within int16.
const GROUP: usize = PAIR * NARROW_SUMS;

/// Bytes of a register.
const BYTES: usize = 32;

/// Rows whose int16 sums a register holds.
const LANES: usize = 16;

/// `acc[n] = sum over the listed columns k of W[n, k] * x[k]`; `sum` is the sum of those codes, and
/// `acc` has room for whole chunks of rows.
#[target_feature(enable = "avx2")]
pub fn columns(w: View, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
    acc.fill(-sum);
    for group in list.chunks(GROUP) {
        for (c, acc) in acc.chunks_exact_mut(CHUNK_WEIGHTS).enumerate() {
            for half in 0..CHUNK_BYTES / BYTES {
                let narrow = narrow_sums(w, group, x, c, half);
                for (q, registers) in narrow.into_iter().enumerate() {
                    widen(
                        registers,
                        &mut acc[q * CHUNK_BYTES + half * BYTES..][..BYTES],
                    );
                }
            }
        }
    }
}

/// Sums over a group of the rows of half a chunk: `[field][low, high]`, int16 each.
#[inline]
#[target_feature(enable = "avx2")]
fn narrow_sums(w: View, group: &[u32], x: &[i8], chunk: usize, half: usize) -> [[__m256i; 2]; 4] {
    let mut sums = [[_mm256_setzero_si256(); 2]; 4];
    for pair in group.chunks(PAIR) {
        // A last single column is paired with itself, at code zero.
        let (a, b) = (pair[0] as usize, pair[pair.len() - 1] as usize);
        let codes = [x[a], if pair.len() == PAIR { x[b] } else { 0 }];
        let codes = i16::from_le_bytes([codes[0] as u8, codes[1] as u8]);
        let codes = _mm256_set1_epi16(codes);
        let (a, b) = (&w.row(a)[chunk].0, &w.row(b)[chunk].0);
        let (a, b) = (&a[half * BYTES..][..BYTES], &b[half * BYTES..][..BYTES]);
        // SAFETY: both slices are 32 bytes long.
        let (a, b) = unsafe { (load(a.as_ptr()), load(b.as_ptr())) };
        let bytes = [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
        for (i, bytes) in bytes.into_iter().enumerate() {
            for (sums, field) in sums.iter_mut().zip(fields(bytes)) {
                sums[i] = _mm256_add_epi16(sums[i], _mm256_maddubs_epi16(field, codes));
            }
        }
    }
    sums
}

/// Adds int16 sums to those of 32 rows. Interleaving bytes leaves rows 0 to 7 and 16 to 23 in the low
/// register, the others in the high one.
#[inline]
#[target_feature(enable = "avx2")]
fn widen([low, high]: [__m256i; 2], acc: &mut [i32]) {
    let eights = [
        _mm256_castsi256_si128(low),
        _mm256_castsi256_si128(high),
        _mm256_extracti128_si256::<1>(low),
        _mm256_extracti128_si256::<1>(high),
    ];
    let (acc, _) = acc.as_chunks_mut::<{ LANES / 2 }>();
    for (acc, sums) in acc.iter_mut().zip(eights) {
        // SAFETY: an array of eight int32 is 32 bytes, to be read and written.
        unsafe {
            let sums = _mm256_add_epi32(load(acc.as_ptr().cast()), _mm256_cvtepi16_epi32(sums));
            _mm256_storeu_si256(acc.as_mut_ptr().cast(), sums);
        }
    }
}
