//! What an analysis holds: `analysis.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::device::NamedFigure;
use super::memory::Memory;
use super::parameters::Parameters;
use super::roofline::Bound;
use super::tensors::Part;
use super::Workload;
use crate::artefact::Artefact;
use crate::executor::Phase;
use crate::tier::Tier;

/// Evidence behind everything that is counted.
pub const EXACT: &str = "exact";

/// Parameters, memory, FLOPs and bounds of a model (`analysis.json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// The model.
    pub model: ModelFacts,
    /// What is computed.
    pub workload: Workload,
    /// Bits of a weight of the linears, and of all other weights.
    pub bits: Bits,
    /// Evidence behind counts of parameters, bytes and FLOPs: arithmetic.
    pub counts_tier: String,
    /// Parameters.
    pub parameters: Parameters,
    /// Theory, headers and measurements.
    pub comparison: Vec<Comparison>,
    /// Memory.
    pub memory: Memory,
    /// Devices, in the order they were named.
    pub devices: Vec<DeviceFacts>,
    /// Operators on each device: those of prefill, then those of decode at the last generated token.
    pub operators: Vec<Operator>,
    /// Sums over a phase on each device.
    pub phases: Vec<PhaseTotals>,
    /// Both phases at other batches and lengths.
    pub sweep: Vec<SweepRow>,
    /// What a reader should know.
    pub remarks: Vec<String>,
}

impl Artefact for Analysis {
    const SCHEMA: &'static str = "tercet.analysis";
    const VERSION: u32 = 1;
    const WRITTEN_BY: &'static str = "`tercet analyze`";
}

/// The model in words and sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// Name for people.
    pub name: String,
    /// Where its sizes come from.
    pub source: String,
    /// `model_type`.
    pub model_type: String,
    /// Blocks.
    pub layers: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Width of a head.
    pub head_dim: u64,
    /// Width of the MLP.
    pub ffn: u64,
    /// Rows of the embedding.
    pub vocab: u64,
    /// Longest context.
    pub max_positions: Option<u64>,
    /// `MHA`, `GQA` or `MQA`.
    pub attention: String,
    /// Whether the embedding is the output head.
    pub tied: bool,
    /// Which linears have a bias: `q`, `k`, `v`, `o`, `mlp`.
    pub biases: Vec<String>,
    /// Whether queries and keys are normed.
    pub qk_norm: bool,
    /// Whether there are BitNet's norms before o and down.
    pub sub_norms: bool,
    /// Whether the MLP has a gate.
    pub gated: bool,
    /// Whether the linears are ternary.
    pub ternary: bool,
}

/// Bits of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bits {
    /// Linears of the blocks.
    pub linears: f64,
    /// Embedding, head, norms, biases.
    pub others: f64,
}

/// A device and what its times rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceFacts {
    /// Short name.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Evidence behind its times.
    pub times_tier: Tier,
    /// Highest rate of the linears' products: 16-bit ones, or ternary ones on a board.
    pub peak_flops: f64,
    /// FLOPs a byte where the data sheet's peaks meet.
    pub ridge: f64,
    /// The same at the sustained bandwidth, with which times are computed.
    pub sustained_ridge: f64,
    /// Whether the inference fits, a rank a device; none if the memory is not known.
    pub fits: Option<bool>,
    /// Whether only ternary linears run there.
    pub ternary_linears_only: bool,
    /// Every figure with basis and source.
    pub figures: Vec<NamedFigure>,
    /// Compute units of a board; none of a processor.
    pub compute_units: Option<ComputeUnits>,
    /// What the times take for granted.
    pub notes: Vec<String>,
}

/// Compute units of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComputeUnits {
    /// What the times assume: one on each memory channel.
    pub assumed: u64,
    /// How many of the default geometry fit; none if that is not known.
    pub fit: Option<u64>,
}

/// A phase at another batch and length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepRow {
    /// Device.
    pub device: String,
    /// A prompt, or one step of decode.
    pub phase: Phase,
    /// Sequences.
    pub batch: u64,
    /// Tokens of the prompt, or of the context.
    pub length: u64,
    /// Seconds of the operators that the device computes.
    pub time_s: f64,
    /// Tokens a second of all sequences; none if the device does not compute everything.
    pub tokens_per_s: Option<f64>,
}

/// An operator on a device: figures are those of one call on one rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Device.
    pub device: String,
    /// Prompt or one generated token.
    pub phase: Phase,
    /// Name.
    pub name: String,
    /// Part of the model.
    pub part: Part,
    /// Calls in a pass.
    pub calls: u64,
    /// (M, N, K) of the product, if it is one.
    pub shape: Option<[u64; 3]>,
    /// Bits of its weights, if it is a product with weights.
    pub weight_bits: Option<f64>,
    /// FLOPs; a multiply-add is two.
    pub flops: u64,
    /// Bytes of weights that it reads.
    pub weight_bytes: u64,
    /// Bytes that it reads.
    pub bytes_read: u64,
    /// Bytes that it writes.
    pub bytes_written: u64,
    /// Both.
    pub bytes: u64,
    /// FLOPs a byte; none of what moves nothing.
    pub intensity: Option<f64>,
    /// FLOPs with the padding of tiles or beats.
    pub padded_flops: u64,
    /// Bytes with the padding of beats and repeated passes over weights.
    pub moved_bytes: u64,
    /// What it waits for.
    pub bound: Bound,
    /// Seconds; none if the device does not compute it.
    pub time_s: Option<f64>,
    /// Smallest batch from which compute bounds it; none if no batch does.
    pub compute_bound_from_batch: Option<u64>,
}

/// A phase as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseTotals {
    /// Device.
    pub device: String,
    /// Prompt, or all generated tokens.
    pub phase: Phase,
    /// Tokens of all sequences.
    pub tokens: u64,
    /// FLOPs of one rank.
    pub flops: f64,
    /// Bytes to and from the memory of one rank.
    pub bytes: f64,
    /// Seconds of the operators that the device computes.
    pub time_s: f64,
    /// Tokens a second, all sequences together; none if the device does not compute everything.
    pub tokens_per_s: Option<f64>,
    /// Share of the FLOPs in operators that memory, compute, the link or the host bounds.
    pub flops_share: BoundShares,
    /// The same of the time.
    pub time_share: BoundShares,
}

/// Shares that add up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundShares {
    /// Bound by memory.
    pub memory: f64,
    /// Bound by compute.
    pub compute: f64,
    /// Bound by the link.
    pub link: f64,
    /// Not on the device.
    pub host: f64,
}

impl BoundShares {
    /// Adds to one of them.
    pub fn add(&mut self, bound: Bound, amount: f64) {
        *match bound {
            Bound::Memory => &mut self.memory,
            Bound::Compute => &mut self.compute,
            Bound::Link => &mut self.link,
            Bound::Host => &mut self.host,
        } += amount;
    }

    /// The shares of amounts.
    pub fn normalised(self) -> Self {
        let sum = self.memory + self.compute + self.link + self.host;
        match sum > 0.0 {
            true => BoundShares {
                memory: self.memory / sum,
                compute: self.compute / sum,
                link: self.link / sum,
                host: self.host / sum,
            },
            false => self,
        }
    }
}
