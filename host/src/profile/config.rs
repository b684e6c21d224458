//! What to profile, and why there may be no profile.

use crate::checkpoint::CheckpointError;
use crate::executor::{CpuOptions, ExecutorError};
use crate::generate::GenerateError;
use crate::tokenizer::TokenizerError;

/// Prompt of profiles and flows if none is given.
pub const DEFAULT_PROMPT: &str = "Once upon a time";

/// Most rounds: medians do not change any more, and every time of every round is kept.
pub const MAX_ROUNDS: usize = 10_000;

/// Largest batch: what a kernel takes in a pass over its weights.
pub const MAX_BATCH: usize = 4;

/// What to profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileConfig {
    /// Text to start from.
    pub prompt: String,
    /// Tokens to generate in each round.
    pub max_tokens: usize,
    /// How often the prompt is generated from.
    pub rounds: usize,
    /// How the CPU computes.
    pub cpu: CpuOptions,
    /// Whether every round is done a second time without a clock, to tell what profiling costs.
    pub overhead: bool,
    /// Whether the memory's bandwidth is measured, and hardware counters are read.
    pub machine: bool,
    /// Whether zeros among weights and activations are counted.
    pub statistics: bool,
    /// Most tokens at once for which linears are measured too; up to [`MAX_BATCH`], 1 for none.
    pub batch: usize,
}

impl Default for ProfileConfig {
    fn default() -> Self {
        ProfileConfig {
            prompt: DEFAULT_PROMPT.to_string(),
            max_tokens: 32,
            rounds: 5,
            cpu: CpuOptions::default(),
            overhead: false,
            machine: false,
            statistics: false,
            batch: 1,
        }
    }
}

impl ProfileConfig {
    /// Refuses settings with which nothing would be measured, or for ever.
    pub(super) fn check(&self) -> Result<(), ProfileError> {
        if self.max_tokens < 2 {
            return Err(ProfileError::Setting {
                what: "max-tokens",
                found: self.max_tokens,
                expected: "at least 2: the first is a prefill, the second a decode".into(),
            });
        }
        if !(1..=MAX_ROUNDS).contains(&self.rounds) {
            return Err(ProfileError::Setting {
                what: "rounds",
                found: self.rounds,
                expected: format!("1 to {MAX_ROUNDS}"),
            });
        }
        if !(1..=MAX_BATCH).contains(&self.batch) {
            return Err(ProfileError::Setting {
                what: "batch",
                found: self.batch,
                expected: format!("1 to {MAX_BATCH}"),
            });
        }
        Ok(())
    }
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Nothing would be measured, or it would never end.
    #[error("{what} is {found}: expected {expected}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: usize,
        /// What can be measured.
        expected: String,
    },
    /// The model cannot be loaded.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer cannot be loaded or refuses the prompt.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The CPU executor cannot be made.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// Generation failed.
    #[error(transparent)]
    Generate(#[from] GenerateError),
}
