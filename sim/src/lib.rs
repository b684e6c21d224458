//! The `ternary_gemv` kernel in simulation.
//!
//! Two implementations of one small trait, [`Kernel`]: a host writes weights, activations and
//! commands into two memories, launches, and reads results and counters.
//!
//! | implementation | what it is | cycles |
//! |---|---|---|
//! | [`RtlKernel`] | the emitted Verilog, Verilated, behind simulated AXI memories | counted by the kernel |
//! | [`ModelKernel`] | the contract as a Rust program | from [`cycles`] |
//!
//! | module | concern |
//! |---|---|
//! | [`kernel`] | the trait, memories and counters |
//! | [`rtl`] | open, reset, drive and watch a Verilated kernel |
//! | [`model`] | the Rust device model |
//! | [`cycles`] | how long commands take, without running them |
//! | [`axi`] | memories and the host behind the AXI ports, protocol rules |
//! | [`memory`] | when a memory answers: timers, HBM and DDR, stalls, faults by cycle |
//! | [`bank`] | bytes, base addresses and injected faults of a memory |
//! | [`timing`] | which memory, its latency and back-pressure |
//! | [`pins`], [`library`] | the pins of a kernel, exchanged once a cycle |
//! | [`board`] | a whole board, and its serial line as a terminal |
//! | [`build`] | Verilog to shared library, and its cache; lint |
//! | [`simulate`] | random products, checked |
//! | [`card`] | compute units and memories by absolute address, as XRT sees a card |
//! | [`server`] | such a card as the device process of XRT's hardware emulation |
//! | [`error`] | why there is no result |

pub mod axi;
pub mod bank;
pub mod board;
pub mod build;
pub mod card;
pub mod cycles;
pub mod error;
pub mod kernel;
pub mod library;
pub mod memory;
pub mod model;
pub mod pins;
pub mod rtl;
#[cfg(unix)]
pub mod server;
pub mod simulate;
pub mod timing;

pub use bank::{Fault, Response};
pub use build::{is_built, lint, user_cache};
pub use card::{Card, CardConfig, CardError, CardFaults};
pub use error::SimError;
pub use kernel::{Counters, Kernel, Memory, Ring, Timeline};
pub use memory::{DdrParameters, FaultKind, HbmParameters, MemoryModel, StallPercent, TimedFault};
pub use model::ModelKernel;
pub use rtl::{RtlKernel, TraceWindow};
pub use simulate::{run_gemv, simulate_gemv, GemvData, GemvJob, GemvRun, Submission};
pub use timing::MemoryTiming;
