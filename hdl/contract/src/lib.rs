//! What hardware and software must agree on.
//!
//! The kernel `ternary_gemv` computes `y[n] = sum_k W[n, k] * x[k]` with ternary
//! `W: [N, K]`, int8 `x: [K]` and exact int32 `y: [N]`. This crate is the one place that says
//! how those arrays lie in memory and how the kernel is driven:
//!
//! | module | contract |
//! |---|---|
//! | [`geometry`] | compile-time parameters of a kernel, and the sizes that follow from them |
//! | [`trit`] | the one-byte codes of four (B2) or five (B3) trits |
//! | [`digits`] | weights of more than one trit |
//! | [`layout`] | weight beats, rows and padding; activations; results |
//! | [`command`] | the 64-byte record the kernel reads from memory |
//! | [`registers`] | the AXI4-Lite register map, from which `registers.md` is generated |
//! | [`arguments`] | the registers as arguments of an XRT kernel |
//! | [`error_code`] | what the kernel reports when it stops early |
//! | [`serial`] | frames and messages on the serial line of a board |
//!
//! It knows nothing of files, models or Verilog.

pub mod arguments;
pub mod command;
pub mod digits;
pub mod error_code;
pub mod geometry;
pub mod layout;
pub mod registers;
pub mod serial;
pub mod trit;

pub use command::Command;
pub use geometry::{Encoding, Geometry};

/// Version of this contract, readable in the kernel's `VERSION` register. A host refuses a
/// kernel whose version differs.
pub const CONTRACT_VERSION: u32 = 3;

/// Name of the Verilog top module and of the kernel inside an xclbin.
pub const KERNEL_NAME: &str = "ternary_gemv";
