//! The `ternary_gemv` kernel in simulation.
//!
//! Two implementations of one small trait, [`Kernel`]: a host writes weights, activations and
//! commands into two memories, launches, and reads results and counters.
//!
//! | implementation | what it is | cycles |
//! |---|---|---|
//! | [`RtlKernel`] | the emitted Verilog, Verilated, behind simulated AXI memories | counted by the kernel |
//! | [`ModelKernel`] | the contract as a Rust program | from [`tercet_contract::cycles`] |
//!
//! | module | concern |
//! |---|---|
//! | [`kernel`] | the trait, memories and counters |
//! | [`rtl`] | open, reset, drive and watch a Verilated kernel |
//! | [`model`] | the Rust device model |
//! | [`axi`] | memories and the host behind the AXI ports, protocol rules |
//! | [`bank`] | bytes, base addresses and injected faults of a memory |
//! | [`timing`] | latency and back-pressure of the memories |
//! | [`pins`], [`library`] | the pins of a kernel, exchanged once a cycle |
//! | [`build`] | Verilog to shared library, and its cache; lint |
//! | [`simulate`] | one random product, checked |
//! | [`error`] | why there is no result |

pub mod axi;
pub mod bank;
pub mod build;
pub mod error;
pub mod kernel;
pub mod library;
pub mod model;
pub mod pins;
pub mod rtl;
pub mod simulate;
pub mod timing;

pub use bank::{Fault, Response};
pub use build::{is_built, lint};
pub use error::SimError;
pub use kernel::{Counters, Kernel, Memory};
pub use model::ModelKernel;
pub use rtl::RtlKernel;
pub use simulate::{simulate_gemv, GemvRun};
pub use timing::MemoryTiming;
