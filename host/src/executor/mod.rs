//! Who computes: one forward pass, several executors.
//!
//! The forward pass ([`crate::model::Session`]) asks an executor for a *group* of linears that share
//! one input, and tells it where it is. The CPU executor computes; the profiling executor times; the
//! hybrid executor sends some linears to a device. Sums are exact int32 and
//! [`crate::model::rescale`] is shared, so all of them give the same bits.

mod cpu;
pub mod hybrid;
mod rest;
pub mod stage_clock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::threads::ThreadsError;
use crate::kernel::Cpu;
use crate::model::{GroupId, Model};

pub use crate::model::rescale;
pub use cpu::{CpuExecutor, CpuOptions, Lap};

/// Prompt or generation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Several prompt tokens at once.
    Prefill,
    /// One generated token.
    Decode,
}

/// Parts of a forward pass, in order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Embedding lookup.
    Embed,
    /// Norm before attention.
    AttentionNorm,
    /// q, k and v projections.
    Qkv,
    /// Rotary embedding, cache append, scores, softmax, values.
    Attention,
    /// Norm before the output projection.
    AttentionSubNorm,
    /// Output projection and residual.
    O,
    /// Norm before the MLP.
    MlpNorm,
    /// Gate and up projections.
    GateUp,
    /// Activation of the gate, product with up, sub norm.
    Activation,
    /// Down projection and residual.
    Down,
    /// Norm before the head.
    FinalNorm,
    /// Logits.
    LmHead,
    /// Choice of a token.
    Sample,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 13] = [
        Stage::Embed,
        Stage::AttentionNorm,
        Stage::Qkv,
        Stage::Attention,
        Stage::AttentionSubNorm,
        Stage::O,
        Stage::MlpNorm,
        Stage::GateUp,
        Stage::Activation,
        Stage::Down,
        Stage::FinalNorm,
        Stage::LmHead,
        Stage::Sample,
    ];
}

/// Intermediate values that an executor may look at; all `[T, width]`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tap {
    /// Embedded tokens.
    Embed,
    /// Output of the norm before attention.
    AttentionNorm,
    /// Heads concatenated, before the sub norm.
    Heads,
    /// Output of the attention sub norm.
    AttentionSubNorm,
    /// Output of the norm before the MLP.
    MlpNorm,
    /// Activated gate times up, before the sub norm.
    Gated,
    /// Output of the MLP sub norm.
    MlpSubNorm,
    /// Residual stream after the block.
    Block,
    /// Output of the last norm.
    FinalNorm,
}

/// Why an executor could not compute.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// There are no such threads.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// A device failed.
    #[error(transparent)]
    Device(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// Computes the linears of a forward pass.
pub trait Executor: Send {
    /// `x: [T, K]`; `y[i]: [T, N_i]` in the order of `group.linears()`.
    fn linears(
        &mut self,
        model: &Model,
        group: GroupId,
        phase: Phase,
        x: &[f32],
        y: &mut [&mut [f32]],
    ) -> Result<(), ExecutorError>;

    /// `x: [T, hidden]`, `logits: [T, vocab]`. With `top`, logits that are not among so many largest of
    /// their token may be minus infinity.
    fn lm_head(
        &mut self,
        model: &Model,
        phase: Phase,
        x: &[f32],
        top: Option<usize>,
        logits: &mut [f32],
    ) -> Result<(), ExecutorError>;

    /// Threads and instruction set for everything between the linears.
    fn cpu(&self) -> &Cpu;

    /// Called before every stage. `block` is none outside the blocks.
    fn begin(&mut self, _stage: Stage, _block: Option<usize>, _phase: Phase) {}

    /// Called after every stage.
    fn end(&mut self, _stage: Stage, _block: Option<usize>, _phase: Phase) {}

    /// Called with intermediate values as they appear.
    fn observe(&mut self, _tap: Tap, _block: Option<usize>, _values: &[f32]) {}
}
