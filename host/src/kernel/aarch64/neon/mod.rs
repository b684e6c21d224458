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
use std::arch::is_aarch64_feature_detected;

use super::super::activations::Activations;
use super::super::matrix::Order;
use super::super::packed::PackedTrits;
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
    pub fn rows(self, w: &PackedTrits, rows: Lines, x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { rows::rows(w, rows, x, sum, acc) }
    }

    /// [`scalar::columns`](super::super::scalar::columns).
    pub fn columns(self, w: &PackedTrits, list: &[u32], x: &[i8], sum: i32, acc: &mut [i32]) {
        // SAFETY: `self` proves that the CPU has NEON.
        unsafe { columns::columns(w, list, x, sum, acc) }
    }

    /// [`scalar::tile`](super::super::scalar::tile).
    pub fn tile(self, order: Order, w: &PackedTrits, i: usize, x: &Activations, acc: &mut [i32]) {
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

/// Adds sixteen products, those of the low and of the high eight bytes.
#[inline]
#[target_feature(enable = "neon")]
fn multiply_add([low, high]: [int16x8_t; 2], a: int8x16_t, b: int8x16_t) -> [int16x8_t; 2] {
    [
        vmlal_s8(low, vget_low_s8(a), vget_low_s8(b)),
        vmlal_high_s8(high, a, b),
    ]
}
