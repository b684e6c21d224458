//! Tokens from a prompt: prefill, then one decode step per token.

use std::ops::ControlFlow;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::executor::{Executor, Phase, Stage};
use crate::model::{ForwardError, LogitRows, Model, Session};
use crate::sample::{SampleError, Sampler};

pub use crate::sample::Sampling;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// How a token is chosen.
    pub sampling: Sampling,
    /// Tokens that end the text; [`Model::stop_ids`] is the model's own list.
    pub stop_ids: Vec<u32>,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// `max_tokens` were generated.
    MaxTokens,
    /// A stop token was generated.
    StopToken,
    /// The model's longest context is full.
    ContextFull,
    /// The caller asked for an end.
    Cancelled,
}

/// Wall times of one generation on this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// Seconds from the prompt to the first token.
    pub prefill_s: f64,
    /// Seconds of every further token.
    pub decode_s: Vec<f64>,
}

/// The result of [`generate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generated {
    /// Generated ids; a stop token is the last of them.
    pub tokens: Vec<u32>,
    /// How long it took.
    pub timing: Timing,
    /// Why it ended.
    pub stop_reason: StopReason,
}

/// Why nothing could be generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// No prompt ids.
    #[error("the prompt has no tokens, expected at least one")]
    EmptyPrompt,
    /// The prompt alone is longer than the model's context.
    #[error(
        "the prompt has {prompt} tokens and {max_tokens} are to follow, \
         expected at most {context} in all (max_position_embeddings)"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Most tokens to generate.
        max_tokens: usize,
        /// The model's longest context.
        context: usize,
    },
    /// The forward pass failed.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// No token could be chosen.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// Generates up to `max_tokens` tokens; `on_token` sees each as it appears and may break off.
pub fn generate(
    model: &Model,
    executor: &mut dyn Executor,
    prompt_ids: &[u32],
    options: &GenerateOptions,
    on_token: &mut dyn FnMut(u32) -> ControlFlow<()>,
) -> Result<Generated, GenerateError> {
    if prompt_ids.is_empty() {
        return Err(GenerateError::EmptyPrompt);
    }
    let context = model.config().max_position_embeddings;
    if prompt_ids.len() > context {
        return Err(GenerateError::PromptTooLong {
            prompt: prompt_ids.len(),
            max_tokens: options.max_tokens,
            context,
        });
    }
    let mut sampler = Sampler::new(&options.sampling)?;
    let rows = sampler.top().map_or(LogitRows::Last, LogitRows::Top);
    let mut session = Session::new(model);
    let mut tokens = Vec::new();
    let mut timing = Timing::default();
    let (mut input, mut phase) = (prompt_ids.to_vec(), Phase::Prefill);
    let stop_reason = loop {
        if tokens.len() == options.max_tokens {
            break StopReason::MaxTokens;
        }
        if phase == Phase::Decode && session.room() == 0 {
            break StopReason::ContextFull;
        }
        let start = Instant::now();
        let logits = session.forward(executor, phase, &input, rows)?;
        executor.begin(Stage::Sample, None, phase);
        let token = sampler.choose(logits)?;
        executor.end(Stage::Sample, None, phase);
        match phase {
            Phase::Prefill => timing.prefill_s = start.elapsed().as_secs_f64(),
            Phase::Decode => timing.decode_s.push(start.elapsed().as_secs_f64()),
        }
        tokens.push(token);
        if on_token(token).is_break() {
            break StopReason::Cancelled;
        }
        if options.stop_ids.contains(&token) {
            break StopReason::StopToken;
        }
        input.clear();
        input.push(token);
        phase = Phase::Decode;
    };
    Ok(Generated {
        tokens,
        timing,
        stop_reason,
    })
}
