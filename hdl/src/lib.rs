//! The `ternary_gemv` accelerator in rust-hdl, and its Verilog.

mod activation_ram;
mod axi_read_master;
mod axi_write_master;
mod beat_fifo;
mod dot_product;
mod result_packer;
mod row_accumulator;
mod stream_control;
#[cfg(test)]
mod testing;
mod trit_decode;

use tercet_contract::Geometry;

/// `n` fresh parts of a block: a run-time sized field in one word.
fn many<T: Default>(n: usize) -> Vec<T> {
    (0..n).map(|_| T::default()).collect()
}

/// Why a kernel could not be emitted.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// rust-hdl refused the design.
    #[error("rust-hdl could not emit the {geometry} kernel: {reason}")]
    Generator {
        /// The kernel asked for.
        geometry: Geometry,
        /// What rust-hdl said.
        reason: String,
    },
}

/// Verilog of one kernel: one text with the top module `ternary_gemv`.
pub fn emit(_geometry: &Geometry) -> Result<String, EmitError> {
    unreachable!("the kernel is not in this commit")
}
