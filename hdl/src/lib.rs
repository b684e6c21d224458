//! The `ternary_gemv` accelerator in rust-hdl, and its Verilog.

use tercet_contract::Geometry;

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
