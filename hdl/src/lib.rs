//! The `ternary_gemv` accelerator in rust-hdl, and its Verilog.
//!
//! What the kernel computes and how it is driven stands in `tercet_contract`. Here is how it is
//! built: one block a file, each with its purpose, ports, cycle contract and tests. In the order of
//! the data:
//!
//! | block | does |
//! |---|---|
//! | `kernel` | top: ports and wiring |
//! | `axi_lite_slave` | AXI4-Lite transfers to register reads and writes |
//! | `control_registers` | the registers, `ap_ctrl_hs` |
//! | `performance_counters` | cycles, beats, starved, blocked |
//! | `front_end` | fetches commands, starts the units, keeps the order of ends and errors |
//! | `command_decode` | fields of a command and what is wrong with them |
//! | `run_list` | rows of a command that reads not all |
//! | `axi_read_master` | bursts of weights, commands, activations |
//! | `command_queue` | commands under way, for stream and writer |
//! | `beat_fifo` | beats between a bus and the lanes |
//! | `hold_ram` | the memory of these |
//! | `stream_control` | lets beats in, counts them into rows |
//! | `data_path` | the blocks below in a row |
//! | `activation_loader` | where activations go |
//! | `trit_decode` | weight codes to trits |
//! | `lane_skew` | each trit when its stage needs it |
//! | `vector_lanes` | the three blocks below, for one vector |
//! | `activation_ram` | one int8 for every lane in every cycle |
//! | `dot_product` | ternary lanes in chains |
//! | `row_accumulator` | beats to rows, digits to weights |
//! | `result_packer` | int32 to beats |
//! | `axi_write_master` | bursts of results, completions |
//!
//! [`emit()`] turns the whole into Verilog. [`board`] is one kernel with its memories behind a serial line.

mod activation_loader;
mod activation_ram;
mod axi;
mod axi_lite_slave;
mod axi_read_master;
mod axi_write_master;
mod beat_fifo;
pub mod board;
mod command_decode;
mod command_queue;
mod control_registers;
mod data_path;
mod dot_product;
mod emit;
mod front_end;
mod hold_ram;
mod kernel;
mod lane_skew;
mod performance_counters;
mod popcount;
mod result_packer;
mod row_accumulator;
mod run_list;
mod stream_control;
#[cfg(test)]
mod testing;
mod trit_decode;
mod vector_lanes;

pub use emit::{emit, EmitError};

/// A constant wire of `N` bits.
fn constant<const N: usize>(value: u64) -> rust_hdl::prelude::Constant<rust_hdl::prelude::Bits<N>> {
    rust_hdl::prelude::Constant::new(value.into())
}

/// `n` fresh parts of a block, for fields whose number is known when the kernel is built.
fn many<T: Default>(n: usize) -> Vec<T> {
    (0..n).map(|_| T::default()).collect()
}
