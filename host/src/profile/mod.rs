//! Where the CPU's time goes: per stage and per linear, prefill and decode apart.
//!
//! The prompt is generated from several times; the first call of everything is kept apart from the
//! rest ([`CallTimes`]). Linears are timed as ternary sums alone, since that is what a device can
//! take over; quantising and rescaling stay on the host and are timed per group.
//!
//! Times are wall times in seconds of this machine, tier [`Tier::Measured`](crate::tier::Tier).

mod executor;
mod stats;
mod table;

use std::ops::ControlFlow;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::artefact::Artefact;
use crate::checkpoint::{CheckpointError, Source};
use crate::executor::stage_clock::Pass;
use crate::executor::{CpuExecutor, ExecutorError, Phase, Stage};
use crate::generate::{generate, GenerateError, GenerateOptions, Sampling};
use crate::model::{GroupKind, LinearId, LoadOptions, Model};
use crate::system::SystemFacts;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::units::{Bytes, Seconds};

pub use executor::ProfilingExecutor;
pub use stats::{median, CallTimes};
pub use table::render;

/// Prompt of profiles and flows if none is given.
pub const DEFAULT_PROMPT: &str = "Once upon a time";

/// Most rounds: medians do not change any more, and every time of every round is kept.
pub const MAX_ROUNDS: usize = 10_000;

/// What to profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProfileConfig {
    /// Text to start from.
    pub prompt: String,
    /// Tokens to generate in each round.
    pub max_tokens: usize,
    /// How often the prompt is generated from.
    pub rounds: usize,
    /// CPU threads; 0 for one per core.
    pub threads: usize,
}

impl Default for ProfileConfig {
    fn default() -> Self {
        ProfileConfig {
            prompt: DEFAULT_PROMPT.to_string(),
            max_tokens: 32,
            rounds: 5,
            threads: 0,
        }
    }
}

/// `profile.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What a user should know about the loading of the model; no part of the file.
    #[serde(skip)]
    pub remarks: Vec<String>,
    /// Model folder or name.
    pub model: String,
    /// Blocks of the model.
    pub blocks: usize,
    /// The machine.
    pub system: SystemFacts,
    /// CPU threads used.
    pub threads: usize,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Rounds of generation.
    pub rounds: usize,
    /// Opening, checking and repacking the checkpoint.
    pub load_s: Seconds,
    /// Building the tokenizer.
    pub tokenizer_s: Seconds,
    /// Whole forward passes with sampling.
    pub passes: Vec<PassProfile>,
    /// Parts of a pass, summed over blocks.
    pub stages: Vec<StageProfile>,
    /// Ternary linears.
    pub linears: Vec<LinearProfile>,
    /// What stays on the host when a group's linears move.
    pub groups: Vec<GroupProfile>,
}

impl Artefact for Profile {
    const SCHEMA: &'static str = "tercet.profile";
    const VERSION: u32 = 1;
}

/// Times of a whole pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Times of a pass.
    pub times: CallTimes,
}

/// Times of a stage in one pass, all blocks together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Which part of the pass.
    pub stage: Stage,
    /// Times of a pass.
    pub times: CallTimes,
}

/// Times of the ternary sums of one linear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Which linear.
    pub layer: LinearId,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// Bytes of its weights in the host's packing.
    pub weight_bytes: Bytes,
    /// Times of a call.
    pub times: CallTimes,
    /// Weight bytes over the warm median, in 1e9 bytes/s.
    pub gb_s: f64,
}

/// Times of quantising and rescaling for one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupProfile {
    /// Prompt or generation.
    pub phase: Phase,
    /// Index of the block.
    pub block: usize,
    /// Which group of the block.
    pub group: GroupKind,
    /// Times of a call.
    pub times: CallTimes,
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

impl Profile {
    /// Loads `source` as `load` says and measures it; `progress(done, rounds)` is told after each round.
    pub fn measure(
        source: &Source,
        load: &LoadOptions,
        config: &ProfileConfig,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Profile, ProfileError> {
        if config.max_tokens < 2 {
            return Err(ProfileError::Setting {
                what: "max-tokens",
                found: config.max_tokens,
                expected: "at least 2: the first is a prefill, the second a decode".into(),
            });
        }
        if !(1..=MAX_ROUNDS).contains(&config.rounds) {
            return Err(ProfileError::Setting {
                what: "rounds",
                found: config.rounds,
                expected: format!("1 to {MAX_ROUNDS}"),
            });
        }
        let start = Instant::now();
        let model = Model::load_with(source, load)?;
        let load_s = start.elapsed().into();
        let start = Instant::now();
        let tokenizer = Tokenizer::load(source)?;
        let tokenizer_s = start.elapsed().into();

        let prompt = tokenizer.encode(&config.prompt)?;
        let cpu = CpuExecutor::new(config.threads)?;
        let mut executor = ProfilingExecutor::new(cpu);
        let options = GenerateOptions {
            max_tokens: config.max_tokens,
            sampling: Sampling::GREEDY,
            stop_ids: Vec::new(), // every round has the same number of passes
        };
        for round in 0..config.rounds {
            generate(&model, &mut executor, &prompt, &options, &mut |_| {
                ControlFlow::Continue(())
            })?;
            progress(round + 1, config.rounds);
        }
        Ok(Profile {
            remarks: model.load_report().remarks.clone(),
            model: source.to_string(),
            blocks: model.config().num_hidden_layers,
            system: SystemFacts::read(),
            threads: crate::executor::Executor::cpu(&executor).threads(),
            prompt_tokens: prompt.len(),
            rounds: config.rounds,
            load_s,
            tokenizer_s,
            passes: passes(executor.passes()),
            stages: stages(executor.passes()),
            linears: linears(&model, &executor),
            groups: groups(&executor),
        })
    }

    /// Warm median time of a pass; none if the profile has no such pass.
    pub fn pass_median(&self, phase: Phase) -> Option<Seconds> {
        let pass = self.passes.iter().find(|p| p.phase == phase)?;
        Some(pass.times.median_s)
    }

    /// Linears of one phase, in model order.
    pub fn linears(&self, phase: Phase) -> impl Iterator<Item = &LinearProfile> {
        self.linears.iter().filter(move |l| l.phase == phase)
    }
}

const PHASES: [Phase; 2] = [Phase::Prefill, Phase::Decode];

fn passes(passes: &[Pass]) -> Vec<PassProfile> {
    let total = |p: &Pass| Stage::ALL.into_iter().map(|s| p.host(s)).sum();
    let mut all = Vec::new();
    for phase in PHASES {
        let times: Vec<Seconds> = passes
            .iter()
            .filter(|p| p.phase == phase)
            .map(total)
            .collect();
        all.extend(CallTimes::of(&times).map(|times| PassProfile { phase, times }));
    }
    all
}

fn stages(passes: &[Pass]) -> Vec<StageProfile> {
    let mut all = Vec::new();
    for phase in PHASES {
        for stage in Stage::ALL {
            let times: Vec<Seconds> = passes
                .iter()
                .filter(|p| p.phase == phase)
                .map(|p| p.host(stage))
                .collect();
            all.extend(CallTimes::of(&times).map(|times| StageProfile {
                phase,
                stage,
                times,
            }));
        }
    }
    all
}

fn linears(model: &Model, executor: &ProfilingExecutor) -> Vec<LinearProfile> {
    let measured = executor.sums().iter();
    measured
        .filter_map(|(&(phase, layer), calls)| {
            let w = model.linear(layer);
            let weight_bytes = Bytes(w.weights().bytes() as u64);
            let times = CallTimes::of(calls.times())?;
            Some(LinearProfile {
                phase,
                layer,
                n: w.n(),
                k: w.k(),
                weight_bytes,
                times,
                // A clock coarser than a tiny layer reads 0; no bandwidth follows from that.
                gb_s: match times.median_s.0 {
                    0.0 => 0.0,
                    s => weight_bytes.0 as f64 / s / 1e9,
                },
            })
        })
        .collect()
}

fn groups(executor: &ProfilingExecutor) -> Vec<GroupProfile> {
    let measured = executor.host().iter();
    measured
        .filter_map(|(&(phase, id), calls)| {
            Some(GroupProfile {
                phase,
                block: id.block,
                group: id.kind,
                times: CallTimes::of(calls.times())?,
            })
        })
        .collect()
}
