//! The world around the kernel's AXI ports: memories, the host's AXI4-Lite side, and the rules.
//!
//! Every part works in two half-steps a cycle. `drive` sets the pins it owns from its own registers
//! only; then the kernel's outputs settle; `sample` sees both sides as they stand at the clock edge,
//! checks the rules and registers what was handed over. So nothing here answers a kernel output
//! within the same cycle, and the parts serve an RTL kernel and a model of one alike.
//!
//! Who may wait on whom: a VALID never waits for its READY. The memories may hold READY until they
//! see VALID or drop it while they stall; the kernel must not depend on either (AXI4 A3.3.1).
//!
//! | module | concern |
//! |---|---|
//! | [`read`] | AR and R of one port: bursts out of a memory |
//! | [`write`](mod@write) | AW, W and B of one port: bursts into a memory |
//! | [`memories`] | the two memories and their three half-ports |
//! | [`lite`] | the host's side of `s_axi_control` |
//! | [`rules`] | what the kernel must keep to, and the errors that name a breach |
//!
//! When something is answered is the affair of [`crate::memory`].

#[cfg(test)]
mod agreement;
pub mod lite;
pub mod memories;
pub mod read;
pub mod rules;
pub mod write;

pub use memories::Memories;
pub use rules::{Breach, Channel, Port, ProtocolError};
