//! AVX-512 with VNNI: 64 codes at a time by `vpdpbusd`, which multiplies unsigned codes by signed
//! activations and adds four products to each int32 lane.
//!
//! | file | product |
//! |---|---|
//! | `rows.rs` | one token, lines are rows |
//! | `columns.rs` | one token, lines are columns |
//! | `tile.rs` | many tokens |
//! | `dense.rs` | bf16 rows, one token |
//! | `vectors.rs` | f32 rows: keys and values |
//!
//! The four codes of a byte are not shifted down but masked: code q then counts 4^q times, and its
//! sums, which have accumulators of their own, are divided once at the end. With trits the largest such
//! sum of a lane grows by `64 * 2 * 128 * 4 = 2^16` with every chunk, so
//! [`MAX_K`](super::super::packed::MAX_K) stays within int32.

//!
//! The inner loops have no closures: a closure that the compiler does not inline is a call for every
//! instruction.

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

/// Codes in a byte.
const FIELDS: usize = 4;

/// Bytes with only the code of a field left.
const FIELD_MASKS: [i8; FIELDS] = [0x03, 0x0c, 0x30, 0xc0_u8 as i8];

/// Proof that this CPU has AVX-512 F, BW and VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Avx512Vnni(());

impl Avx512Vnni {
    /// None on a CPU without these instructions.
    pub fn new() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        has.then_some(Avx512Vnni(()))
    }

    /// [`scalar::rows`](super::super::scalar::rows).
    pub fn rows(self, w: View, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { rows::rows(w, rows, x, sum, acc) }
    }

    /// [`scalar::columns`](super::super::scalar::columns).
    pub fn columns(self, w: View, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { columns::columns(w, list, x, sum, acc) }
    }

    /// [`scalar::tile`](super::super::scalar::tile).
    pub fn tile(self, order: Order, w: View, i: usize, x: &Activations, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { tile::tile(order, w, i, x, acc) }
    }

    /// `y[i] = row(i) . x` for rows of bf16, as [`dense::Rows`](super::super::dense::Rows) computes it.
    pub fn bf16_rows<'w>(self, row: impl Fn(usize) -> &'w [u8], x: &[f32], y: &mut [f32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { dense::bf16_rows(row, x, y) }
    }

    /// `y[i] = rows[i, ..] . x`.
    pub fn dots(self, x: &[f32], rows: &[f32], y: &mut [f32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { vectors::dots(x, rows, y) }
    }

    /// `y[k] += weights[i] * rows[i, k]`, one i after the other.
    pub fn add_mix(self, weights: &[f32], rows: &[f32], y: &mut [f32]) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { vectors::add_mix(weights, rows, y) }
    }

    /// Runs a loop compiled for AVX-512.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// The masks of [`FIELD_MASKS`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn masks() -> [__m512i; FIELDS] {
    let [a, b, c, d] = FIELD_MASKS;
    [
        _mm512_set1_epi8(a),
        _mm512_set1_epi8(b),
        _mm512_set1_epi8(c),
        _mm512_set1_epi8(d),
    ]
}

/// Transposes a 4 x 4 matrix of 128-bit lanes: lane j of register i goes to lane i of register j.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_lanes(v: [__m512i; 4]) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let low = _mm512_shuffle_i32x4::<0b01_00_01_00>(v[0], v[1]);
    let high = _mm512_shuffle_i32x4::<0b11_10_11_10>(v[0], v[1]);
    let low2 = _mm512_shuffle_i32x4::<0b01_00_01_00>(v[2], v[3]);
    let high2 = _mm512_shuffle_i32x4::<0b11_10_11_10>(v[2], v[3]);
    [
        _mm512_shuffle_i32x4::<EVEN>(low, low2),
        _mm512_shuffle_i32x4::<ODD>(low, low2),
        _mm512_shuffle_i32x4::<EVEN>(high, high2),
        _mm512_shuffle_i32x4::<ODD>(high, high2),
    ]
}
