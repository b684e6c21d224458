//! What a profile holds: `profile.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallTimes, Clock, CounterFacts, FormatSize, MemorySample, Statistics};
use crate::artefact::Artefact;
use crate::executor::{Phase, Stage};
use crate::kernel::Isa;
use crate::model::{CacheUse, GroupKind, HeadKind, LinearId};
use crate::system::SystemFacts;
use crate::tier::Tier;
use crate::units::{Bytes, Seconds};

/// Where the CPU's time goes (`profile.json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Model folder or name.
    pub model: String,
    /// Blocks of the model.
    pub blocks: usize,
    /// The machine.
    pub system: SystemFacts,
    /// Evidence behind its times and its memory.
    pub tier: Tier,
    /// How the CPU computed.
    pub cpu: CpuFacts,
    /// The core's clock.
    pub clock: Clock,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens that each round generated: fewer than asked for where the context was full.
    pub generated_tokens: usize,
    /// Rounds of generation.
    pub rounds: usize,
    /// From the checkpoint to the last token of the first round.
    pub steps: Vec<StepProfile>,
    /// Whole forward passes with sampling.
    pub passes: Vec<PassProfile>,
    /// Parts of a pass, summed over blocks.
    pub stages: Vec<StageProfile>,
    /// Ternary linears.
    pub linears: Vec<LinearProfile>,
    /// Ternary linears with several tokens at once; empty if that was not measured.
    #[serde(default)]
    pub batches: Vec<BatchProfile>,
    /// The output head, which is dense.
    pub lm_head: Vec<HeadProfile>,
    /// What stays on the host when a group's linears move.
    pub groups: Vec<GroupProfile>,
    /// Every token that a round generates.
    pub tokens: Vec<TokenProfile>,
    /// Counters of the processor.
    #[serde(default)]
    pub counters: CounterFacts,
    /// Bandwidth that the same threads reach reading memory, 1e9 bytes/s; none if it was not measured.
    #[serde(default)]
    pub bandwidth_gb_s: Option<f64>,
    /// What is zero in weights and activations; empty if that was not counted.
    #[serde(default)]
    pub statistics: Statistics,
    /// Memory over time.
    pub memory: Vec<MemorySample>,
    /// What profiling costs; empty if that was not measured.
    pub overhead: Vec<Overhead>,
    /// Bytes of linears and head in several formats.
    pub sizes: Vec<FormatSize>,
    /// What a user should know about the loading of the model; not a part of the file.
    #[serde(skip)]
    pub remarks: Vec<String>,
}

impl Artefact for Profile {
    const SCHEMA: &'static str = "tercet.profile";
    const VERSION: u32 = 2;
    const WRITTEN_BY: &'static str = "`tercet profile`";
}

impl Profile {
    /// Warm median time of a pass; none if the profile has no such pass.
    pub fn pass_median(&self, phase: Phase) -> Option<Seconds> {
        let pass = self.passes.iter().find(|p| p.phase == phase)?;
        Some(pass.times.median_s)
    }

    /// Ternary linears of one phase, in model order.
    pub fn linears(&self, phase: Phase) -> impl Iterator<Item = &LinearProfile> {
        self.linears.iter().filter(move |l| l.phase == phase)
    }

    /// Linears with so many tokens at once.
    pub fn batch(&self, tokens: usize) -> Option<&BatchProfile> {
        self.batches.iter().find(|b| b.tokens == tokens)
    }

    /// The output head in one phase.
    pub fn head(&self, phase: Phase) -> Option<&HeadProfile> {
        self.lm_head.iter().find(|h| h.phase == phase)
    }
}

/// How the CPU computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuFacts {
    /// Threads.
    pub threads: usize,
    /// Instruction set of the kernels.
    pub kernel: Isa,
    /// Weights that the product with the output head reads.
    pub lm_head: HeadKind,
    /// Whether weights that would be multiplied by zero were left out.
    pub sparsity: bool,
    /// Where the packed weights came from.
    pub weights: CacheUse,
}

/// A step on the way to the last token of the first round, done once and cold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepProfile {
    /// Which step.
    pub step: Step,
    /// Wall time.
    pub time_s: Seconds,
    /// Memory of the process before; none where the system does not tell.
    pub rss_before_bytes: Option<Bytes>,
    /// Memory of the process after.
    pub rss_after_bytes: Option<Bytes>,
}

/// A step on the way to the last token of the first round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Opening, checking and repacking the checkpoint.
    Load,
    /// Building the tokenizer.
    Tokenizer,
    /// The prompt, up to the first token.
    Prefill,
    /// Every further token.
    Decode,
}

/// Times of a whole pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Times of a pass.
    pub times: CallTimes,
}

/// Times of a stage in one pass, all blocks together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Which part of the pass.
    pub stage: Stage,
    /// Times of a pass.
    pub times: CallTimes,
}

/// Times of one ternary linear, from int8 codes to results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Which linear.
    pub layer: LinearId,
    /// Rows: out_features.
    pub n: usize,
    /// Columns: in_features.
    pub k: usize,
    /// Bytes of its weights in the host's packing.
    pub weight_bytes: Bytes,
    /// Times of a pass: sums and rescaling.
    pub times: CallTimes,
    /// Time of rescaling a pass's sums in a step of its own, as the host does after a device; measured
    /// outside the passes.
    pub rescale_s: Seconds,
    /// Weight bytes over the warm median, in 1e9 bytes/s. Weights that sparsity leaves out count.
    pub gb_s: f64,
}

impl LinearProfile {
    /// What the host saves when a device gives the sums: the warm median less the rescaling that it must
    /// then do alone.
    pub fn movable(&self) -> Seconds {
        Seconds((self.times.median_s - self.rescale_s).0.max(0.0))
    }
}

/// Ternary linears with several tokens at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchProfile {
    /// Tokens of the pass.
    pub tokens: usize,
    /// Every linear, in model order.
    pub linears: Vec<BatchLinear>,
}

/// A linear with several tokens at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchLinear {
    /// Which linear.
    pub layer: LinearId,
    /// Sums and rescaling of all tokens, warm median.
    pub time_s: Seconds,
    /// Rescaling alone.
    pub rescale_s: Seconds,
}

impl BatchLinear {
    /// What the host saves when a device gives the sums; see [`LinearProfile::movable`].
    pub fn movable(&self) -> Seconds {
        Seconds((self.time_s - self.rescale_s).0.max(0.0))
    }
}

/// Times of the output head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadProfile {
    /// Prompt (its last token) or generation.
    pub phase: Phase,
    /// Rows: the vocabulary.
    pub n: usize,
    /// Columns: hidden size.
    pub k: usize,
    /// Bytes of weights that a pass reads, on average.
    pub weight_bytes: Bytes,
    /// Times of a pass.
    pub times: CallTimes,
    /// Weight bytes over the warm median, in 1e9 bytes/s.
    pub gb_s: f64,
}

/// What stays on the host when the linears of a group move to a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Index of the block.
    pub block: usize,
    /// Which group of the block.
    pub group: GroupKind,
    /// Times of a pass: quantising the input, and `rescale_s` in each of them.
    pub times: CallTimes,
    /// Rescaling the sums of all the group's linears in a step of its own; measured outside the passes.
    pub rescale_s: Seconds,
}

/// A token that every round generates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenProfile {
    /// Place among the generated tokens, from 0; token 0 is the prefill's.
    pub index: usize,
    /// Id.
    pub id: u32,
    /// Text that appears with it; empty within a character.
    pub text: String,
    /// The pass that chose it.
    pub phase: Phase,
    /// Times of its pass, a call for each round.
    pub times: CallTimes,
    /// Memory of the process after it, in the first round.
    pub rss_bytes: Option<Bytes>,
}

/// What profiling costs: wall times of the same passes with and without it.
///
/// Rounds with and without alternate, and so does which of the two comes first. The first round counts
/// only if it is alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overhead {
    /// Prompt or generation.
    pub phase: Phase,
    /// Passes compared, so many of either.
    pub passes: usize,
    /// Median pass of the CPU executor alone.
    pub plain_s: Seconds,
    /// Median profiled pass.
    pub profiled_s: Seconds,
    /// Median of the differences between a pass with and the same pass without: what holds both up alike is
    /// not in it. None in profiles made before it was taken.
    #[serde(default)]
    pub difference_s: Option<Seconds>,
}

impl Overhead {
    /// What profiling adds, as a share of the plain time; noise can make it negative.
    pub fn share(&self) -> f64 {
        let difference = self.difference_s.unwrap_or(self.profiled_s - self.plain_s);
        difference.0 / self.plain_s.0
    }
}
