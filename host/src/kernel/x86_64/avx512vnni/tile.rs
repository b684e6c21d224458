//! Many tokens: 64 rows are unpacked into a panel, which then multiplies the tokens six at a time.
//!
//! Lanes are rows, so sums need no reduction: a dword of four activations is broadcast to all of them.

use std::arch::x86_64::*;

use super::super::super::activations::Activations;
use super::super::super::matrix::Order;
use super::super::super::packed::{View, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::super::super::panel::{Panel, PANEL_QUADS, QUAD, TILE_ROWS};
use super::columns::interleave;
use super::transpose_lanes;

/// Registers that hold a value of every row.
const REGISTERS: usize = 4;

/// Rows in a register.
const LANES: usize = TILE_ROWS / REGISTERS;

/// Tokens at once: 24 sums, four registers of codes and the broadcast fit the register file.
const TOKENS: usize = 6;

/// A value of every row of a tile.
type Rows = [[i32; LANES]; REGISTERS];

/// `acc[t * 64 + i] = sum_k W[64 tile + i, k] * x[t, k]` for the 64 rows of a tile.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn tile(order: Order, w: View, tile: usize, x: &Activations, acc: &mut [i32]) {
    let (acc, _) = acc.as_chunks_mut::<LANES>();
    let (acc, _) = acc.as_chunks_mut::<REGISTERS>();
    assert_eq!(acc.len(), x.tokens(), "tokens");
    acc.fill([[0; LANES]; REGISTERS]);
    let mut panel = Panel::new();
    for block in 0..x.k().div_ceil(CHUNK_WEIGHTS) {
        match order {
            Order::Rows => fill_from_rows(&mut panel, w, tile, block),
            Order::Columns => fill_from_columns(&mut panel, w, tile, block),
        }
        for (i, acc) in acc.chunks_mut(TOKENS).enumerate() {
            let (x, t) = ((x, block), i * TOKENS);
            match acc {
                [a, b, c, d, e, f] => multiply(&panel, x, t, [a, b, c, d, e, f]),
                [a, b, c, d, e] => multiply(&panel, x, t, [a, b, c, d, e]),
                [a, b, c, d] => multiply(&panel, x, t, [a, b, c, d]),
                [a, b, c] => multiply(&panel, x, t, [a, b, c]),
                [a, b] => multiply(&panel, x, t, [a, b]),
                [a] => multiply(&panel, x, t, [a]),
                _ => unreachable!("chunks of 1 to {TOKENS}"),
            }
        }
    }
    for (t, acc) in acc.iter_mut().enumerate() {
        let mut sums = load(acc);
        if order == Order::Columns {
            sums = transpose_lanes(sums);
        }
        let sum = _mm512_set1_epi32(x.sum(t));
        for r in 0..REGISTERS {
            sums[r] = _mm512_sub_epi32(sums[r], sum);
        }
        store(acc, sums);
    }
}

/// Adds the products of a panel and T tokens from `t` to `acc`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn multiply<const T: usize>(
    panel: &Panel,
    (x, block): (&Activations, usize),
    t: usize,
    acc: [&mut Rows; T],
) {
    let mut codes = [[].as_slice(); T];
    let mut sums = [[_mm512_setzero_si512(); REGISTERS]; T];
    for i in 0..T {
        codes[i] = &x.padded(t + i)[block * CHUNK_WEIGHTS..][..CHUNK_WEIGHTS];
        sums[i] = load(acc[i]);
    }
    for (j, rows) in panel.0.iter().enumerate() {
        let (rows, _) = rows.as_chunks::<LANES>();
        let mut weights = [_mm512_setzero_si512(); REGISTERS];
        for r in 0..REGISTERS {
            // SAFETY: sixteen dwords are 64 bytes.
            weights[r] = unsafe { _mm512_loadu_si512(rows[r].as_ptr().cast()) };
        }
        for i in 0..T {
            // SAFETY: quad j of the 64 of a chunk, each four codes; the slice holds them all.
            let x = unsafe {
                codes[i]
                    .as_ptr()
                    .add(QUAD * j)
                    .cast::<i32>()
                    .read_unaligned()
            };
            let x = _mm512_set1_epi32(x);
            for r in 0..REGISTERS {
                sums[i][r] = _mm512_dpbusd_epi32(sums[i][r], weights[r], x);
            }
        }
    }
    for i in 0..T {
        store(acc[i], sums[i]);
    }
}

/// [`Panel::fill`] from rows: dwords are transposed while still packed.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn fill_from_rows(panel: &mut Panel, w: View, tile: usize, block: usize) {
    const DWORDS: usize = CHUNK_BYTES / QUAD;
    for r in 0..REGISTERS {
        let first = tile * TILE_ROWS + r * LANES;
        let mut rows = [_mm512_setzero_si512(); LANES];
        for i in 0..LANES {
            let chunk = &w.row((first + i).min(w.n() - 1))[block];
            // SAFETY: a chunk is 64 bytes.
            rows[i] = unsafe { _mm512_loadu_si512(chunk.0.as_ptr().cast()) };
        }
        for (j, raw) in transpose_dwords(rows).into_iter().enumerate() {
            for (q, field) in fields(raw).into_iter().enumerate() {
                put(panel, q * DWORDS + j, r, field);
            }
        }
    }
}

/// [`Panel::fill`] from columns, but the rows in the order that [`interleave`] leaves.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn fill_from_columns(panel: &mut Panel, w: View, tile: usize, block: usize) {
    let first = tile * TILE_ROWS;
    let (chunk, q) = (first / CHUNK_WEIGHTS, first % CHUNK_WEIGHTS / CHUNK_BYTES);
    for j in 0..PANEL_QUADS {
        let mut raw = [_mm512_setzero_si512(); QUAD];
        for i in 0..QUAD {
            let column = block * CHUNK_WEIGHTS + QUAD * j + i;
            let chunk = &w.row(column.min(w.n() - 1))[chunk];
            // SAFETY: a chunk is 64 bytes.
            raw[i] = unsafe { _mm512_loadu_si512(chunk.0.as_ptr().cast()) };
        }
        for (r, raw) in interleave(raw).into_iter().enumerate() {
            put(panel, j, r, fields(raw)[q]);
        }
    }
}

/// The four codes of every byte.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn fields(raw: __m512i) -> [__m512i; 4] {
    let mask = _mm512_set1_epi8(3);
    [
        _mm512_and_si512(raw, mask),
        _mm512_and_si512(_mm512_srli_epi16::<2>(raw), mask),
        _mm512_and_si512(_mm512_srli_epi16::<4>(raw), mask),
        _mm512_and_si512(_mm512_srli_epi16::<6>(raw), mask),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn put(panel: &mut Panel, quad: usize, register: usize, codes: __m512i) {
    let (rows, _) = panel.0[quad].as_chunks_mut::<LANES>();
    // SAFETY: sixteen dwords are 64 bytes.
    unsafe { _mm512_storeu_si512(rows[register].as_mut_ptr().cast(), codes) }
}

/// Transposes a 16 x 16 matrix of dwords: within lanes first, then the lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose_dwords(v: [__m512i; 16]) -> [__m512i; 16] {
    let mut out = v;
    for i in 0..4 {
        let [a, b, c, d] = [v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]];
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        // Column j of these four rows, one dword of every lane: dwords 4 l + j of rows 4 i ..
        out[4 * i] = _mm512_unpacklo_epi64(ab_low, cd_low);
        out[4 * i + 1] = _mm512_unpackhi_epi64(ab_low, cd_low);
        out[4 * i + 2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        out[4 * i + 3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    let mut columns = out;
    for j in 0..4 {
        let lanes = transpose_lanes([out[j], out[4 + j], out[8 + j], out[12 + j]]);
        for (l, column) in lanes.into_iter().enumerate() {
            columns[4 * l + j] = column;
        }
    }
    columns
}

// Each register by name: a loop would put them into memory on its way.

#[inline]
#[target_feature(enable = "avx512f")]
fn load([a, b, c, d]: &Rows) -> [__m512i; REGISTERS] {
    // SAFETY: an array of sixteen int32 is 64 bytes.
    unsafe {
        [
            _mm512_loadu_si512(a.as_ptr().cast()),
            _mm512_loadu_si512(b.as_ptr().cast()),
            _mm512_loadu_si512(c.as_ptr().cast()),
            _mm512_loadu_si512(d.as_ptr().cast()),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store([a, b, c, d]: &mut Rows, values: [__m512i; REGISTERS]) {
    // SAFETY: an array of sixteen int32 is 64 bytes.
    unsafe {
        _mm512_storeu_si512(a.as_mut_ptr().cast(), values[0]);
        _mm512_storeu_si512(b.as_mut_ptr().cast(), values[1]);
        _mm512_storeu_si512(c.as_mut_ptr().cast(), values[2]);
        _mm512_storeu_si512(d.as_mut_ptr().cast(), values[3]);
    }
}
