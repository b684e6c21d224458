//! NEON with dot products: 16 codes at a time by `sdot`, which multiplies int8 by int8 and adds four
//! products to each int32 lane.
//!
//! | file | product |
//! |---|---|
//! | `rows.rs` | one token, lines are rows |
//! | `columns.rs` | one token, lines are columns |
//! | `tile.rs` | many tokens |
//!
//! With one token, three of the four codes of a byte are not shifted down but masked: code q then
//! counts 4^q times, and its sums, which have accumulators of their own, are divided once at the end.
//! The last, which int8 could not hold, is shifted.

mod columns;
mod rows;
mod tile;

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use super::super::activations::Activations;
use super::super::matrix::{Order, MAX_COLUMNS};
use super::super::packed::{View, CHUNK_WEIGHTS, MAX_K};
use super::super::{Lines, Loop};
use super::registers::{LANES, QUARTERS};

/// Codes in a byte.
const FIELDS: usize = 4;

/// What the sums of a field are shifted down by.
const FIELD_SHIFTS: [u32; FIELDS] = [0, 2, 4, 0];

/// Largest product of a trit's code, times 16, and an activation.
const LARGEST: usize = 16 * 2 * 128;
// A lane of a row adds sixteen products a chunk, a lane of columns one a column.
const _: () = assert!(MAX_K / CHUNK_WEIGHTS * QUARTERS * LANES * LARGEST <= i32::MAX as usize);
const _: () = assert!(MAX_COLUMNS * LARGEST <= i32::MAX as usize);

/// Proof that this CPU has NEON and its dot products.
#[derive(Clone, Copy, Debug)]
pub struct NeonDot(());

impl NeonDot {
    /// None on a CPU without these instructions.
    pub fn new() -> Option<Self> {
        let has = is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod");
        has.then_some(NeonDot(()))
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

    /// Runs a loop compiled for NEON; dot products of bytes are of no use to it.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "neon")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// The four codes of every byte, each times two to the power of its [`FIELD_SHIFTS`].
#[inline]
#[target_feature(enable = "neon")]
fn scaled_fields(raw: uint8x16_t) -> [int8x16_t; FIELDS] {
    [
        vreinterpretq_s8_u8(vandq_u8(raw, vdupq_n_u8(0x03))),
        vreinterpretq_s8_u8(vandq_u8(raw, vdupq_n_u8(0x0c))),
        vreinterpretq_s8_u8(vandq_u8(raw, vdupq_n_u8(0x30))),
        vreinterpretq_s8_u8(vshrq_n_u8::<6>(raw)),
    ]
}

/// `sums[i] + a[4 i..4 i + 4] . b[4 i..4 i + 4]`, as `vdotq_s32`, which is not stable in the oldest
/// compiler supported.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the CPU has the instruction (target feature), which touches nothing but its operands.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// `sums[i] + a[4 i..4 i + 4] . b[4 LANE..4 LANE + 4]`, as `vdotq_laneq_s32`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_lane<const LANE: usize>(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the CPU has the instruction (target feature), which touches nothing but its operands.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.4b[{lane}]",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
