//! Memory of inference and training, in bytes; exact where it is arithmetic, and what is an estimate says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::ModelConfig;
use super::error::{fits, AnalyzeError};
use super::operator::ACTIVATION_BYTES;
use super::tensors::TensorSpec;
use super::weights::{bytes_in, FormatBytes};
use super::Workload;
use crate::profile::Format;

/// Batches that the table of the KV cache has besides the one asked for.
const BATCHES: [u64; 3] = [1, 4, 16];

/// Lengths that it has besides those asked for, as far as the context allows.
const LENGTHS: [u64; 3] = [128, 512, 2048];

/// KV cache of one batch and length.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct KvRow {
    /// Tokens of each sequence.
    pub length: u64,
    /// Sequences.
    pub batch: u64,
    /// Bytes of all blocks.
    pub bytes: u64,
}

/// Keys and values of 16 bits, of all ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KvCache {
    /// One token of one sequence in all blocks.
    pub token_bytes: u64,
    /// The batch after the prompt, one block.
    pub prompt_block_bytes: u64,
    /// The batch after the prompt, all blocks.
    pub prompt_bytes: u64,
    /// The batch after the last generated token.
    pub end_bytes: u64,
    /// What one sequence would take with as many kv heads as query heads.
    pub token_bytes_as_mha: u64,
    /// Batches and lengths.
    pub table: Vec<KvRow>,
}

/// Activations of a prefill that are alive at the same time, of 16 bits: an estimate of a plain implementation with
/// fused attention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationMemory {
    /// Residual stream and its normed copy.
    pub residual_bytes: u64,
    /// The widest moment of a block: q, k, v and attention's output, or gate, up and their product.
    pub block_bytes: u64,
    /// f32 logits of the last tokens.
    pub logits_bytes: u64,
    /// All of these.
    pub peak_bytes: u64,
    /// Scores of one block, if attention stored them; not in the sum.
    pub stored_scores_bytes: u64,
}

/// Training with Adam, everything f32, without activations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingMemory {
    /// Weights.
    pub weight_bytes: u64,
    /// One gradient a parameter.
    pub gradient_bytes: u64,
    /// Two moments a parameter.
    pub optimizer_bytes: u64,
    /// All of these.
    pub bytes: u64,
}

/// Memory of a model and a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Weights in every format.
    pub weights: Vec<FormatBytes>,
    /// Weights as analysed here.
    pub weight_bytes: u64,
    /// Keys and values.
    pub kv_cache: KvCache,
    /// Activations.
    pub activations: ActivationMemory,
    /// Weights, cache at the end and activations.
    pub inference_bytes: u64,
    /// The same for one rank: linears, head and cache are shared, the rest is not.
    pub rank_bytes: u64,
    /// Training.
    pub training: TrainingMemory,
    /// A bool mask of the longest context in each block, where an implementation stores such; none without a longest
    /// context. Not in any sum.
    pub causal_mask_bytes: Option<u64>,
}

/// Memory of everything.
pub fn memory(
    c: &ModelConfig,
    tensors: &[TensorSpec],
    (parameters, unclassified): (u64, u64),
    format: Format,
    w: &Workload,
) -> Result<Memory, AnalyzeError> {
    let formats = Format::ALL.map(|f| bytes_in(tensors, unclassified, f));
    let weights = formats.into_iter().collect::<Result<Vec<_>, _>>()?;
    let own = bytes_in(tensors, unclassified, format)?;
    let kv_cache = kv_cache(c, w)?;
    let activations = activations(c, w)?;
    let sum = |parts: &[u64]| parts.iter().map(|&p| u128::from(p)).sum::<u128>();
    let tp = u128::from(w.tp);
    let head = match c.tied {
        true => 0,
        false => u128::from(c.vocab) * u128::from(c.hidden) * 2,
    };
    let shared = u128::from(own.linear_bytes) + head;
    // Fewer kv heads than ranks: some are kept twice.
    let kv_share = u128::from(kv_cache.end_bytes) * u128::from((c.kv_heads / w.tp).max(1))
        / u128::from(c.kv_heads);
    let rank = shared.div_ceil(tp)
        + (u128::from(own.bytes) - shared)
        + kv_share
        + u128::from(activations.peak_bytes);
    let adam = |n: u128| fits("bytes of training", n * 4 * u128::from(parameters));
    let masks = c
        .max_positions
        .map(|p| u128::from(c.layers) * u128::from(p) * u128::from(p));
    Ok(Memory {
        inference_bytes: fits(
            "bytes of inference",
            sum(&[own.bytes, kv_cache.end_bytes, activations.peak_bytes]),
        )?,
        rank_bytes: fits("bytes of a rank", rank)?,
        weight_bytes: own.bytes,
        weights,
        kv_cache,
        activations,
        training: TrainingMemory {
            weight_bytes: adam(1)?,
            gradient_bytes: adam(1)?,
            optimizer_bytes: adam(2)?,
            bytes: adam(4)?,
        },
        causal_mask_bytes: masks
            .map(|m| fits("bytes of causal masks", m))
            .transpose()?,
    })
}

fn kv_cache(c: &ModelConfig, w: &Workload) -> Result<KvCache, AnalyzeError> {
    let of = |width: u64, layers: u64, tokens: u128| {
        let bytes = 2 * ACTIVATION_BYTES * u128::from(width) * u128::from(layers) * tokens;
        fits("bytes of the KV cache", bytes)
    };
    let kv = |batch: u64, length: u64| {
        of(
            c.kv_width(),
            c.layers,
            u128::from(batch) * u128::from(length),
        )
    };
    let most = c.max_positions.unwrap_or(u64::MAX);
    let mut lengths: Vec<u64> = LENGTHS.into_iter().filter(|l| *l <= most).collect();
    lengths.extend([w.prompt, w.prompt + w.generate]);
    lengths.extend(c.max_positions);
    let mut batches = BATCHES.to_vec();
    batches.push(w.batch);
    for list in [&mut lengths, &mut batches] {
        list.sort_unstable();
        list.dedup();
    }
    let mut table = Vec::new();
    for &length in &lengths {
        for &batch in &batches {
            table.push(KvRow {
                length,
                batch,
                bytes: kv(batch, length)?,
            });
        }
    }
    let prompt = u128::from(w.batch) * u128::from(w.prompt);
    Ok(KvCache {
        token_bytes: kv(1, 1)?,
        prompt_block_bytes: of(c.kv_width(), 1, prompt)?,
        prompt_bytes: kv(w.batch, w.prompt)?,
        end_bytes: kv(w.batch, w.prompt + w.generate)?,
        token_bytes_as_mha: of(c.q_width(), c.layers, 1)?,
        table,
    })
}

fn activations(c: &ModelConfig, w: &Workload) -> Result<ActivationMemory, AnalyzeError> {
    let tokens = u128::from(w.batch) * u128::from(w.prompt);
    let of = |width: u64| ACTIVATION_BYTES * tokens * u128::from(width);
    let attention = of(2 * c.q_width() + 2 * c.kv_width());
    let mlp = of(c.ffn * if c.family.gated { 3 } else { 2 });
    let (residual, block) = (of(2 * c.hidden), attention.max(mlp));
    let logits = 4 * u128::from(w.batch) * u128::from(c.vocab);
    let scores =
        ACTIVATION_BYTES * u128::from(w.batch) * u128::from(c.heads) * u128::from(w.prompt).pow(2);
    let fits = |bytes| fits("bytes of activations", bytes);
    Ok(ActivationMemory {
        residual_bytes: fits(residual)?,
        block_bytes: fits(block)?,
        logits_bytes: fits(logits)?,
        peak_bytes: fits(residual + block + logits)?,
        stored_scores_bytes: fits(scores)?,
    })
}
