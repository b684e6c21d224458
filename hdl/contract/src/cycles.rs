//! How many clock cycles a command takes.
//!
//! With a memory that answers after a fixed latency and accepts every cycle, a command takes
//!
//! ```text
//! cycles = fetch + load + stream + drain
//! ```
//!
//! and only `stream` grows with the matrix: one cycle a weight beat.
