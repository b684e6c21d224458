//! AVX2: 32 codes at a time by `maddubs`, which multiplies unsigned codes by signed activations and
//! adds two products to an int16.
//!
//! | file | product |
//! |---|---|
//! | `rows.rs` | one token, lines are rows |
//! | `columns.rs` | one token, lines are columns |
//! | `tile.rs` | many tokens |
//! | `dense.rs` | bf16 rows, one token |
//! | `vectors.rs` | f32 rows: keys and values |
//!
//! Codes are at most 3 (2 for trits), so two products are at most `2 * 3 * 128 = 768`, and int16 sums hold
//! 42 of them before they are widened.

mod columns;
mod dense;
mod rows;
mod tile;
mod vectors;

use std::arch::x86_64::*;

use super::super::activations::Activations;
use super::super::matrix::Order;
use super::super::packed::View;
use super::super::{Lines, Loop};

/// Results of `maddubs` that an int16 can add up.
const NARROW_SUMS: usize = i16::MAX as usize / 768;

/// Proof that this CPU has AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// None on a CPU without AVX2.
    pub fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// [`scalar::rows`](super::super::scalar::rows).
    pub fn rows(self, w: View, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { rows::rows(w, rows, x, sum, acc) }
    }

    /// [`scalar::columns`](super::super::scalar::columns).
    pub fn columns(self, w: View, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { columns::columns(w, list, x, sum, acc) }
    }

    /// [`scalar::tile`](super::super::scalar::tile).
    pub fn tile(self, order: Order, w: View, i: usize, x: &Activations, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { tile::tile(order, w, i, x, acc) }
    }

    /// `y[i] = row(i) . x` for rows of bf16, as [`dense::Rows`](super::super::dense::Rows) computes it.
    pub fn bf16_rows<'w>(self, row: impl Fn(usize) -> &'w [u8], x: &[f32], y: &mut [f32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { dense::bf16_rows(row, x, y) }
    }

    /// `y[i] = rows[i, ..] . x`.
    pub fn dots(self, x: &[f32], rows: &[f32], y: &mut [f32]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { vectors::dots(x, rows, y) }
    }

    /// `y[k] += weights[i] * rows[i, k]`, one i after the other.
    pub fn add_mix(self, weights: &[f32], rows: &[f32], y: &mut [f32]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { vectors::add_mix(weights, rows, y) }
    }

    /// Runs a loop compiled for AVX2.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "avx2")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// 32 bytes, unaligned.
///
/// # Safety
/// `p` must be readable for 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(p: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_loadu_si256(p.cast()) }
}

/// The four codes of every byte.
#[inline]
#[target_feature(enable = "avx2")]
fn fields(raw: __m256i) -> [__m256i; 4] {
    let mask = _mm256_set1_epi8(3);
    [
        _mm256_and_si256(raw, mask),
        _mm256_and_si256(_mm256_srli_epi16::<2>(raw), mask),
        _mm256_and_si256(_mm256_srli_epi16::<4>(raw), mask),
        _mm256_and_si256(_mm256_srli_epi16::<6>(raw), mask),
    ]
}
