//! Kernels for 64-bit Arm, each behind a type that exists only where the CPU has its instructions.
//!
//! Unpacking and the loops over rows, blocks and tokens are the same for both.

mod neon;
mod neondot;
mod registers;
mod rows;
mod tile;

pub use neon::Neon;
pub use neondot::NeonDot;
