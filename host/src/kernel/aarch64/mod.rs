//! Kernels for 64-bit Arm, each behind a type that exists only where the CPU has its instructions.

mod neon;
mod neondot;

pub use neon::Neon;
pub use neondot::NeonDot;
