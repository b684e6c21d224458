//! What `tercet bench --json` prints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spread;
use crate::artefact::Artefact;
use crate::checkpoint::weights::DenseType;
use crate::model::{CacheUse, HeadKind, Model};
use crate::system::SystemFacts;
use crate::tier::Tier;
use crate::units::{Bytes, Seconds};

/// Tokens a second, with the machine, the model and the settings that they share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchReport {
    /// Version of this program.
    pub tercet_version: String,
    /// Evidence behind the times and rates; bytes are counted.
    pub tier: Tier,
    /// Model folder or name.
    pub model: String,
    /// Its sizes.
    pub shape: ModelShape,
    /// The machine.
    pub system: SystemFacts,
    /// Instruction set of the kernel.
    pub kernel: String,
    /// Weights that the product with the output head reads: a type as stored, `int8` or `screen`.
    pub head: String,
    /// Whether weights that would be multiplied by zero are left out.
    pub sparsity: bool,
    /// Measurements of each row, after one that does not count.
    pub repetitions: usize,
    /// Seed of the random tokens.
    pub seed: u64,
    /// Where `load_s` found packed weights: `read` from the weight cache, `written` to it, or `none`.
    pub weight_cache: String,
    /// From opening the checkpoint to a model that can be used.
    pub load_s: Seconds,
    /// From opening the checkpoint to the first token after a text of one token.
    pub first_token_s: Seconds,
    /// Most memory that was resident until all rows were measured, pages of mapped files included; none
    /// where the system does not tell.
    pub peak_rss_bytes: Option<Bytes>,
    /// What a user should know about the loading of the model; no part of the file.
    #[serde(skip)]
    pub remarks: Vec<String>,
    /// Every combination of settings.
    pub results: Vec<BenchRow>,
    /// The row again, if it is the only one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub only: Option<BenchRow>,
}

impl Artefact for BenchReport {
    const SCHEMA: &'static str = "tercet.bench";
    const VERSION: u32 = 1;
}

/// Sizes of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelShape {
    /// Blocks.
    pub blocks: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the MLP.
    pub intermediate: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Rows of the output head.
    pub vocab: usize,
    /// Ternary weights.
    pub ternary_weights: u64,
    /// Bytes they take as packed for the CPU.
    pub ternary_bytes: Bytes,
}

impl ModelShape {
    /// Sizes of this model.
    pub fn of(model: &Model) -> Self {
        let config = model.config();
        let linears = || model.linear_ids().map(|id| model.linear(id));
        ModelShape {
            blocks: config.num_hidden_layers,
            hidden: config.hidden_size,
            intermediate: config.intermediate_size,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            vocab: config.vocab_size,
            ternary_weights: linears().map(|w| w.n() as u64 * w.k() as u64).sum(),
            ternary_bytes: Bytes(linears().map(|w| w.weights().bytes() as u64).sum()),
        }
    }
}

/// One combination of settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchRow {
    /// CPU threads.
    pub threads: usize,
    /// Tokens read at once.
    pub prefill_tokens: usize,
    /// Tokens generated one after another.
    pub decode_tokens: usize,
    /// Tokens that were there before the first of them.
    pub context_tokens: usize,
    /// Tokens/s of the prefill; none if its length is 0.
    pub prefill: Option<Spread>,
    /// Mean of `prefill`.
    pub prefill_tokens_per_s: Option<f64>,
    /// Tokens/s of the decode; none if its length is 0.
    pub decode: Option<Spread>,
    /// Mean of `decode`.
    pub decode_tokens_per_s: Option<f64>,
    /// Bytes of weights that the linears and the output head read for a decoded token, mean.
    pub weight_bytes_per_token: Option<f64>,
    /// Bytes of keys and values that a decoded token attends to, mean.
    pub kv_bytes_per_token: Option<f64>,
    /// Both: what has to come from memory.
    pub bytes_per_token: Option<f64>,
    /// Bytes a second that as many threads read from memory.
    pub read_bandwidth_bytes_per_s: f64,
    /// `bytes_per_token * decode_tokens_per_s / read_bandwidth_bytes_per_s`.
    pub bandwidth_share: Option<f64>,
}

/// Name of a use of the weight cache.
pub(super) fn cache_name(model: &Model) -> &'static str {
    match model.load_report().cache {
        CacheUse::None => "none",
        CacheUse::Written => "written",
        CacheUse::Read => "read",
    }
}

/// Name of the head, as in the option that chooses it.
pub(super) fn head_name(model: &Model) -> &'static str {
    match (model.head_kind(), model.lm_head().dtype()) {
        (HeadKind::Int8, _) => "int8",
        (HeadKind::Screened, _) => "screen",
        (HeadKind::Stored, DenseType::Bf16) => "bf16",
        (HeadKind::Stored, DenseType::F16) => "f16",
        (HeadKind::Stored, DenseType::F32) => "f32",
    }
}
