//! Kernels for x86-64, each behind a type that exists only where the CPU has its instructions.

mod avx2;
mod avx512vnni;

pub use avx2::Avx2;
pub use avx512vnni::Avx512Vnni;
