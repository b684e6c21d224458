//! NEON, which nearly every 64-bit Arm CPU has: 8 codes at a time by `smlal`, which adds the product of
//! two int8 to an int16.
//!
//! | file | product |
//! |---|---|
//! | `rows.rs` | one token, lines are rows |
//! | `columns.rs` | one token, lines are columns |
//! | `tile.rs` | many tokens |

mod columns;
mod rows;
mod tile;

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use super::super::activations::Activations;
use super::super::matrix::Order;
use super::super::packed::View;
use super::super::{Lines, Loop};

/// Products that an int16 can add up: codes are at most 3 (2 for trits), activations at least -128.
const NARROW_SUMS: usize = i16::MAX as usize / (3 * 128);

/// Proof that this CPU has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// None on a CPU without NEON.
    pub fn new() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }

    /// [`scalar::rows`](super::super::scalar::rows).
    pub fn rows(self, w: View, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { rows::rows(w, rows, x, sum, acc) }
    }

    /// [`scalar::columns`](super::super::scalar::columns).
    pub fn columns(self, w: View, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { columns::columns(w, list, x, sum, acc) }
    }

    /// [`scalar::tile`](super::super::scalar::tile).
    pub fn tile(self, order: Order, w: View, i: usize, x: &Activations, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { tile::tile(order, w, i, x, acc) }
    }

    /// Runs a loop compiled for NEON.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { run(task) }
    }
}

#[target_feature(enable = "neon")]
fn run<L: Loop>(task: L) -> L::Output {
    task.run()
}

/// Adds sixteen products, those of the low and of the high eight bytes, as `vmlal_s8` and
/// `vmlal_high_s8`: where the compiler knows codes to be positive, it makes two instructions of one.
#[inline]
#[target_feature(enable = "neon")]
fn multiply_add([mut low, mut high]: [int16x8_t; 2], a: int8x16_t, b: int8x16_t) -> [int16x8_t; 2] {
    // SAFETY: the CPU has the instructions (target feature), which touch nothing but their operands.
    unsafe {
        asm!(
            "smlal {low:v}.8h, {a:v}.8b, {b:v}.8b",
            "smlal2 {high:v}.8h, {a:v}.16b, {b:v}.16b",
            low = inout(vreg) low,
            high = inout(vreg) high,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [low, high]
}
