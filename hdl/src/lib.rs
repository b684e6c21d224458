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
//! | `sequencer` | fetches commands, starts the units, handles errors |
//! | `command_decode` | fields of a command and what is wrong with them |
//! | `axi_read_master` | bursts of weights, commands, activations |
//! | `beat_fifo` | beats between a bus and the lanes |
//! | `stream_control` | lets beats in, counts them into rows |
//! | `data_path` | the blocks below in a row |
//! | `activation_ram` | one int8 for every lane in every cycle |
//! | `trit_decode` | weight codes to trits |
//! | `dot_product` | ternary lanes and adder tree |
//! | `row_accumulator` | beats to rows |
//! | `result_packer` | int32 to beats |
//! | `axi_write_master` | bursts of results |
//!
//! [`emit()`] turns the whole into Verilog.

mod activation_ram;
mod axi;
mod axi_lite_slave;
mod axi_read_master;
mod axi_write_master;
mod beat_fifo;
mod command_decode;
mod control_registers;
mod data_path;
mod dot_product;
mod emit;
mod kernel;
mod performance_counters;
mod result_packer;
mod row_accumulator;
mod sequencer;
mod stream_control;
#[cfg(test)]
mod testing;
mod trit_decode;

pub use emit::{emit, EmitError};

/// A constant wire of `N` bits.
fn constant<const N: usize>(value: u64) -> rust_hdl::prelude::Constant<rust_hdl::prelude::Bits<N>> {
    rust_hdl::prelude::Constant::new(value.into())
}

/// `n` fresh parts of a block, for fields whose number is known when the kernel is built.
fn many<T: Default>(n: usize) -> Vec<T> {
    (0..n).map(|_| T::default()).collect()
}
