//! The `ternary_gemv` accelerator in rust-hdl, and its Verilog.

mod activation_ram;
mod axi;
mod axi_read_master;
mod axi_write_master;
mod beat_fifo;
mod control_registers;
mod data_path;
mod dot_product;
mod emit;
mod kernel;
mod result_packer;
mod row_accumulator;
mod sequencer;
mod stream_control;
#[cfg(test)]
mod testing;
mod trit_decode;

pub use emit::{emit, EmitError};

/// `n` fresh parts of a block: a run-time sized field in one word.
fn many<T: Default>(n: usize) -> Vec<T> {
    (0..n).map(|_| T::default()).collect()
}
