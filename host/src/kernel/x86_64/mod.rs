//! Kernels for x86-64, each behind a type that exists only where the CPU has its instructions.

// Registers are arrays that constants index; an iterator over them would be a closure too many.
#![allow(clippy::needless_range_loop)]

mod avx2;
mod avx512vnni;

pub use avx2::Avx2;
pub use avx512vnni::Avx512Vnni;
