//! The program as people and scripts use it: exit codes, streams, JSON keys, files left behind.
//!
//! Everything runs on the embedded model and the device model, so no simulator is needed; the RTL
//! has its own test in `rtl.rs`, and in `serial.rs` the board around it.

mod analyze;
mod analyze_checkpoints;
mod bad_input;
mod bench;
mod bitstream;
mod boards;
mod chat;
mod devices;
mod explore;
mod flow;
mod perplexity;
mod polish;
mod profile;
mod report;
mod row_split;
mod rtl;
mod schemas;
mod serial;
mod stages;
mod support;
mod synth;
#[cfg(unix)]
mod vivado;
#[cfg(unix)]
mod weight_cache;
mod xclbin;
#[cfg(unix)]
mod xrt;
