//! One token, lines are columns: any four columns become the four bytes that `vpdpbusd` adds up.
//!
//! Interleaving the bytes of four columns leaves each 128-bit lane with its own rows: register p of the
//! four holds, in dword i of lane l, row `16 l + 4 p + i` of the 64 rows of a field. The sums keep that
//! order until the end.

use std::arch::x86_64::*;

use super::super::super::packed::{Chunk, View, CHUNK_WEIGHTS};
use super::{masks, transpose_lanes, FIELDS};

/// Columns that one `vpdpbusd` takes.
const QUAD: usize = 4;

/// Columns between two visits of the sums, which stay in the L1 cache.
const GROUP: usize = 4 * QUAD;

/// Sums in a register.
const LANES: usize = 16;

/// Registers that hold the sums of a chunk: `[field][p]`.
type Sums = [[__m512i; QUAD]; FIELDS];

/// `acc[n] = sum over the listed columns k of W[n, k] * x[k]`; `sum` is the sum of those codes, and
/// `acc` has room for whole chunks of rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn columns(w: View, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
    acc.fill(0);
    let chunks = acc.len() / CHUNK_WEIGHTS;
    for (i, group) in list.chunks(GROUP).enumerate() {
        let ahead = list.chunks(GROUP).nth(i + 1).unwrap_or(group);
        let (lines, _) = lines(w, ahead, x, chunks);
        let ahead = lines.map(|line| line.as_ptr());
        add_group(w, group, x, ahead, chunks, acc);
    }
    for acc in acc.chunks_exact_mut(CHUNK_WEIGHTS) {
        finish(acc, sum);
    }
}

/// The columns of a group and their codes; past the end of the list any column, with code zero.
#[inline]
fn lines<'w>(
    w: View<'w>,
    group: &[u32],
    x: &[i8],
    chunks: usize,
) -> ([&'w [Chunk]; GROUP], [i8; GROUP]) {
    let mut codes = [0; GROUP];
    let lines = std::array::from_fn(|i| {
        let column = group.get(i).map(|&k| k as usize);
        if let Some(k) = column {
            codes[i] = x[k];
        }
        let line = w.row(column.unwrap_or(group[0] as usize));
        assert_eq!(line.len(), chunks, "chunks of a column");
        line
    });
    (lines, codes)
}

/// Adds the products of at most [`GROUP`] columns; the lines `ahead`, of as many chunks, are prefetched.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add_group(
    w: View,
    group: &[u32],
    x: &[i8],
    ahead: [*const Chunk; GROUP],
    chunks: usize,
    acc: &mut [i32],
) {
    let (lines, codes) = lines(w, group, x, chunks);
    let masks = masks();
    let (quads, _) = codes.as_chunks::<QUAD>();
    let mut quad_codes = [_mm512_setzero_si512(); GROUP / QUAD];
    for (broadcast, &[a, b, c, d]) in quad_codes.iter_mut().zip(quads) {
        let dword = i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]);
        *broadcast = _mm512_set1_epi32(dword);
    }
    for (c, acc) in acc.chunks_exact_mut(CHUNK_WEIGHTS).enumerate() {
        for line in ahead {
            _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(c).cast());
        }
        let mut sums = load(acc);
        for (i, &codes) in quad_codes.iter().enumerate() {
            let mut raw = [_mm512_setzero_si512(); QUAD];
            for j in 0..QUAD {
                let line = lines[QUAD * i + j].as_ptr();
                // SAFETY: every line has `chunks` chunks of 64 bytes (asserted), and `acc` no more.
                raw[j] = unsafe { _mm512_loadu_si512(line.add(c).cast()) };
            }
            let bytes = interleave(raw);
            for q in 0..FIELDS {
                for p in 0..QUAD {
                    let field = _mm512_and_si512(bytes[p], masks[q]);
                    sums[q][p] = _mm512_dpbusd_epi32(sums[q][p], field, codes);
                }
            }
        }
        store(acc, sums);
    }
}

/// Bytes j of four registers side by side; the order of the rows is that of the module.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub fn interleave([a, b, c, d]: [__m512i; QUAD]) -> [__m512i; QUAD] {
    let (ab_low, ab_high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
    [
        _mm512_unpacklo_epi16(ab_low, cd_low),
        _mm512_unpackhi_epi16(ab_low, cd_low),
        _mm512_unpacklo_epi16(ab_high, cd_high),
        _mm512_unpackhi_epi16(ab_high, cd_high),
    ]
}

/// Puts the sums of a chunk into the order of its rows, undoes the factors of the fields, and subtracts
/// `sum`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn finish(acc: &mut [i32], sum: i32) {
    let sum = _mm512_set1_epi32(sum);
    let shifts = [0, 2, 4, 6];
    let mut sums = load(acc);
    for (field, shift) in sums.iter_mut().zip(shifts) {
        let shift = _mm_cvtsi32_si128(shift);
        let mut rows = transpose_lanes(*field);
        for row in rows.iter_mut() {
            *row = _mm512_sub_epi32(_mm512_sra_epi32(*row, shift), sum);
        }
        *field = rows;
    }
    store(acc, sums);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(acc: &[i32]) -> Sums {
    let (registers, _) = acc.as_chunks::<LANES>();
    assert_eq!(registers.len(), FIELDS * QUAD);
    let mut sums = [[_mm512_setzero_si512(); QUAD]; FIELDS];
    for q in 0..FIELDS {
        for p in 0..QUAD {
            // SAFETY: an array of sixteen int32 is 64 bytes.
            sums[q][p] = unsafe { _mm512_loadu_si512(registers[q * QUAD + p].as_ptr().cast()) };
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(acc: &mut [i32], sums: Sums) {
    let (registers, _) = acc.as_chunks_mut::<LANES>();
    assert_eq!(registers.len(), FIELDS * QUAD);
    for q in 0..FIELDS {
        for p in 0..QUAD {
            let register = registers[q * QUAD + p].as_mut_ptr();
            // SAFETY: an array of sixteen int32 is 64 bytes.
            unsafe { _mm512_storeu_si512(register.cast(), sums[q][p]) }
        }
    }
}
