//! What was made: `synth.json` in the checkpoint folder, which also marks it as synthetic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tensors::Tensors;
use super::{Shape, SynthOptions};
use crate::artefact::Artefact;
use crate::model::LinearKind;

/// File of the report.
pub const REPORT_FILE: &str = "synth.json";

/// Parameters by type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Ternary weights of the linears.
    pub ternary: u64,
    /// bf16 numbers of the embedding, which is also the output head.
    pub embedding: u64,
    /// bf16 gains of norms.
    pub norms: u64,
    /// bf16 weight scales.
    pub weight_scales: u64,
}

impl Parameters {
    fn of(shape: &Shape) -> Self {
        let kinds = LinearKind::ALL.map(|kind| {
            let (n, k) = shape.linear(kind);
            n as u64 * k as u64
        });
        let (layers, hidden) = (shape.layers as u64, shape.hidden as u64);
        Parameters {
            ternary: layers * kinds.iter().sum::<u64>(),
            embedding: shape.vocab as u64 * hidden,
            norms: layers * (3 * hidden + shape.ffn as u64) + hidden,
            weight_scales: layers * kinds.len() as u64,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.ternary + self.embedding + self.norms + self.weight_scales
    }
}

/// A checkpoint with random weights (`synth.json`). Shares are those asked for, not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SynthReport {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Sizes.
    pub shape: Shape,
    /// Share of zeros among ternary weights that was asked for.
    pub zero_share: f64,
    /// Share of closed gates that was asked for.
    pub closed_gates: f64,
    /// Parameters by type.
    pub parameters: Parameters,
    /// Bytes of `model.safetensors`.
    pub weight_file_bytes: u64,
    /// Whether the embedded model's tokenizer went along; its ids need a vocabulary as large.
    pub tokenizer: bool,
}

impl Artefact for SynthReport {
    const SCHEMA: &'static str = "tercet.synth";
    const VERSION: u32 = 1;
}

impl SynthReport {
    pub(super) fn new(options: &SynthOptions, tensors: &Tensors, header_bytes: usize) -> Self {
        let shape = options.shape.clone();
        let data = tensors.list.iter().map(|t| t.bytes()).sum::<u64>();
        SynthReport {
            seed: options.seed,
            zero_share: options.zero_share,
            closed_gates: options.closed_gates,
            parameters: Parameters::of(&shape),
            weight_file_bytes: header_bytes as u64 + data,
            tokenizer: shape.fits_tokenizer(),
            shape,
        }
    }
}
