//! When a memory answers: timers that know cycles and no pins.
//!
//! The same timers stand behind the AXI ports of a simulation that goes from clock cycle to clock cycle
//! ([`crate::axi`]) and behind a model that goes from transfer to transfer. A timer's answer depends on
//! the bursts it was given, in their order, and on the bounds that its caller names, and not on when
//! it is asked, so both meet the same handshakes in the same cycles.
//!
//! Cycles are kernel clock cycles, counted from the start of a launch
//! ([`Memories::launch_begins`](crate::axi::Memories::launch_begins)); before the first launch, from the
//! first cycle.
//!
//! | module | concern |
//! |---|---|
//! | [`timers`] | READY of a request; the cycles of read beats and of write responses |
//! | [`model`] | which memory: fixed latency, HBM or DDR, and their figures |
//! | [`dram`] | rows, banks, refresh and data rate of one channel |
//! | [`stall`] | seeded back-pressure, as a function of channel and cycle |
//! | [`fault`] | errors and silence from a cycle on |

pub mod dram;
pub mod fault;
pub mod model;
pub mod stall;
pub mod timers;

pub use fault::{FaultKind, TimedFault};
pub use model::{DdrParameters, DramParameters, HbmParameters, MemoryModel, MemoryModelError};
pub use stall::{StallPercent, Stalls};
pub use timers::{ReadTimer, RequestTimer, WriteTimer};
