//! Bytes of weights in several formats.
//!
//! Linears of the blocks are what a format is for. Embedding, output head, norms and biases stay in 16 bits where the
//! format is smaller: BitNet's head is not ternary, and no other is made so either.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{fits, AnalyzeError};
use super::tensors::TensorSpec;
use crate::profile::Format;

/// In which formats the weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightPlan {
    /// Linears of the blocks.
    pub linears: Format,
    /// Everything else.
    pub others: Format,
}

impl WeightPlan {
    /// Linears in `format`; the rest as well, but not below 16 bits.
    pub fn of(format: Format) -> Self {
        let others = match format {
            Format::F32 => Format::F32,
            _ => Format::Bf16,
        };
        WeightPlan {
            linears: format,
            others,
        }
    }
}

/// Bytes of K weights, the last byte filled up.
pub fn row_bytes(format: Format, k: u128) -> u128 {
    match format {
        Format::F32 => 4 * k,
        Format::Bf16 => 2 * k,
        Format::Int8 => k,
        Format::TwoBit => k.div_ceil(4),
        Format::FiveInAByte => k.div_ceil(5),
    }
}

/// Bits of a weight, as `--bits` has it.
pub fn bits(format: Format) -> f64 {
    match format {
        Format::F32 => 32.0,
        Format::Bf16 => 16.0,
        Format::Int8 => 8.0,
        Format::TwoBit => 2.0,
        Format::FiveInAByte => 1.6,
    }
}

/// Bytes of all weights in one format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormatBytes {
    /// Bits of a weight of the linears.
    pub bits: f64,
    /// Linears of the blocks.
    pub linear_bytes: u64,
    /// Embedding, head, norms, biases, and what is unclassified.
    pub other_bytes: u64,
    /// Both.
    pub bytes: u64,
}

/// Bytes of `tensors` and of `unclassified` parameters in one format.
pub fn bytes_in(
    tensors: &[TensorSpec],
    unclassified: u64,
    format: Format,
) -> Result<FormatBytes, AnalyzeError> {
    let plan = WeightPlan::of(format);
    let mut linears = 0;
    let mut others = row_bytes(plan.others, u128::from(unclassified));
    for t in tensors {
        let of = |format| {
            let columns = u128::from(t.columns.unwrap_or(1));
            u128::from(t.count) * u128::from(t.rows) * row_bytes(format, columns)
        };
        match t.linear {
            true => linears += of(plan.linears),
            false => others += of(plan.others),
        }
    }
    Ok(FormatBytes {
        bits: bits(format),
        linear_bytes: fits("bytes of the linears", linears)?,
        other_bytes: fits("bytes of the other weights", others)?,
        bytes: fits("bytes of all weights", linears + others)?,
    })
}
