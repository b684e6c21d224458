//! Measuring a profile.

use std::ops::ControlFlow;
use std::time::Instant;

use super::batches::batches;
use super::clock::{measure_hz, Clock, REFERENCE_HZ};
use super::counters::Counters;
use super::facts::{
    CpuFacts, GroupProfile, HeadProfile, LinearProfile, Overhead, PassProfile, Profile,
    StageProfile, Step, StepProfile, TokenProfile,
};
use super::memory::{Memory, Moment, Timeline};
use super::rescale::rescale_times;
use super::sizes::sizes;
use super::statistics::{statistics, Statistics};
use super::{median, CallTimes, ProfileConfig, ProfileError, ProfilingExecutor};
use crate::bench::bandwidth::read_bandwidth;
use crate::checkpoint::Source;
use crate::executor::stage_clock::Pass;
use crate::executor::{CpuExecutor, Executor, Phase, Stage};
use crate::generate::{generate, GenerateError, GenerateOptions, Sampling, Timing};
use crate::model::{GroupId, GroupKind, LoadOptions, Model};
use crate::system::SystemFacts;
use crate::tier::Tier;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::units::{Bytes, Seconds};

const PHASES: [Phase; 2] = [Phase::Prefill, Phase::Decode];

impl Profile {
    /// Loads `source` as `load` says and measures it; `progress(done, rounds)` is told after each round.
    pub fn measure(
        source: &Source,
        load: &LoadOptions,
        config: &ProfileConfig,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Profile, ProfileError> {
        config.check()?;
        let before_hz = measure_hz();
        let mut timeline = Timeline::start();
        let mut steps = Vec::new();
        let mut step = |step, time_s: Seconds, before: Memory, after: Memory| {
            steps.push(StepProfile {
                step,
                time_s,
                rss_before_bytes: before.rss_bytes,
                rss_after_bytes: after.rss_bytes,
            });
        };
        let (start, before) = (Instant::now(), timeline.last());
        let model = Model::load_with(source, load)?;
        let time = start.elapsed().into();
        step(Step::Load, time, before, timeline.sample(Moment::Load));
        let (start, before) = (Instant::now(), timeline.last());
        let tokenizer = Tokenizer::load(source)?;
        let time = start.elapsed().into();
        let after = timeline.sample(Moment::Tokenizer);
        step(Step::Tokenizer, time, before, after);

        let prompt = tokenizer.encode(&config.prompt)?;
        // Before the threads that they are to count.
        let counters = Counters::open();
        let cpu = CpuExecutor::with_options(config.cpu)?;
        let blocks = model.config().num_hidden_layers;
        let decodes = config.rounds.saturating_mul(config.max_tokens - 1);
        let executor = ProfilingExecutor::new(cpu, blocks, [config.rounds, decodes]);
        let first_pass_from = timeline.sample(Moment::Threads);
        let mut rounds = Rounds {
            model: &model,
            prompt: &prompt,
            options: GenerateOptions {
                max_tokens: config.max_tokens,
                sampling: Sampling::GREEDY,
                stop_ids: Vec::new(), // every round has the same number of passes
            },
            executor,
            timeline,
            tokens: Vec::new(),
            profiled: Vec::new(),
            plain: Vec::new(),
            counters,
        };
        for round in 0..config.rounds {
            rounds.run(round, config.overhead)?;
            progress(round + 1, config.rounds);
        }
        rounds.first_round_steps(first_pass_from, &mut step);
        let cpu = CpuFacts {
            threads: rounds.executor.cpu().threads(),
            kernel: config.cpu.kernel.isa(),
            lm_head: load.head,
            sparsity: config.cpu.sparsity,
            weights: model.load_report().cache,
        };
        let overhead = rounds.overhead();
        let tokens = rounds.token_profiles(&tokenizer)?;
        let Rounds {
            mut executor,
            timeline,
            counters,
            ..
        } = rounds;
        let (linears, groups) = linears(&model, &mut executor, prompt.len());
        let (passes, stages, lm_head) = (
            passes(executor.passes()),
            stages(executor.passes()),
            heads(&model, &executor),
        );
        let mut computing = executor.into_cpu();
        let bandwidth_gb_s = config
            .machine
            .then(|| read_bandwidth(computing.cpu()) / 1e9);
        let statistics = match config.statistics {
            true => statistics(&model, &mut computing, &prompt)?,
            false => Statistics::default(),
        };
        let batches = batches(&model, computing, &prompt, config.batch, config.rounds)?;
        Ok(Profile {
            remarks: model.load_report().remarks.clone(),
            model: source.to_string(),
            blocks,
            system: SystemFacts::read(),
            tier: Tier::Measured,
            cpu,
            clock: Clock {
                reference_hz: REFERENCE_HZ,
                before_hz,
                after_hz: measure_hz(),
            },
            prompt_tokens: prompt.len(),
            generated_tokens: tokens.len(),
            rounds: config.rounds,
            steps,
            passes,
            stages,
            linears,
            batches,
            statistics,
            counters: counters.facts(),
            bandwidth_gb_s,
            lm_head,
            groups,
            tokens,
            memory: timeline.into_samples(),
            overhead,
            sizes: sizes(&model),
        })
    }
}

/// Rounds of generation, and what they leave.
struct Rounds<'a> {
    model: &'a Model,
    prompt: &'a [u32],
    options: GenerateOptions,
    executor: ProfilingExecutor,
    timeline: Timeline,
    /// Tokens of a round, and the memory after each in the first one.
    tokens: Vec<(u32, Memory)>,
    /// Wall times of profiled rounds.
    profiled: Vec<Timing>,
    /// Wall times of rounds of the CPU executor alone.
    plain: Vec<Timing>,
    counters: Counters,
}

impl Rounds<'_> {
    /// A profiled round, and a plain one if `overhead` is wanted: in the first round after it, then before
    /// and after in turn, so that neither has the warmer caches.
    fn run(&mut self, round: usize, overhead: bool) -> Result<(), GenerateError> {
        let plain_first = round % 2 == 1;
        if overhead && plain_first {
            self.plain()?;
        }
        self.profiled(round)?;
        self.timeline.sample(Moment::Round(round));
        if overhead && !plain_first {
            self.plain()?;
        }
        Ok(())
    }

    /// Memory is looked at between the tokens of the first round only: it is no part of any pass.
    fn profiled(&mut self, round: usize) -> Result<(), GenerateError> {
        let (timeline, tokens) = (&mut self.timeline, &mut self.tokens);
        let (counters, mut first) = (&mut self.counters, true);
        counters.begin();
        let mut on_token = |id| {
            if first {
                counters.end(Phase::Prefill);
                first = false;
            }
            if round == 0 {
                let memory = timeline.sample(Moment::Token(tokens.len()));
                tokens.push((id, memory));
            }
            ControlFlow::Continue(())
        };
        let executor = &mut self.executor;
        let done = generate(
            self.model,
            executor,
            self.prompt,
            &self.options,
            &mut on_token,
        )?;
        self.counters.end(Phase::Decode);
        self.profiled.push(done.timing);
        Ok(())
    }

    fn plain(&mut self) -> Result<(), GenerateError> {
        let executor = self.executor.unwatched();
        let done = generate(
            self.model,
            executor,
            self.prompt,
            &self.options,
            &mut |_| ControlFlow::Continue(()),
        )?;
        self.plain.push(done.timing);
        Ok(())
    }

    /// Prefill and decode of the first round.
    fn first_round_steps(
        &self,
        before: Memory,
        step: &mut impl FnMut(Step, Seconds, Memory, Memory),
    ) {
        let (Some(timing), Some(&(_, prefilled))) = (self.profiled.first(), self.tokens.first())
        else {
            return;
        };
        let decoded = self.tokens.last().map_or(prefilled, |&(_, memory)| memory);
        step(Step::Prefill, Seconds(timing.prefill_s), before, prefilled);
        let decode = Seconds(timing.decode_s.iter().sum());
        step(Step::Decode, decode, prefilled, decoded);
    }

    /// Profiled against plain passes; of a phase without plain ones, none.
    fn overhead(&self) -> Vec<Overhead> {
        let of = |phase| {
            let plain = warm_passes(&self.plain, phase);
            let profiled = warm_passes(&self.profiled, phase);
            let pairs = profiled.iter().zip(&plain);
            let differences: Vec<Seconds> = pairs.map(|(with, without)| *with - *without).collect();
            (!plain.is_empty()).then(|| Overhead {
                phase,
                passes: plain.len(),
                plain_s: median(plain),
                profiled_s: median(profiled),
                difference_s: Some(median(differences)),
            })
        };
        PHASES.into_iter().filter_map(of).collect()
    }

    /// Every round has the same tokens, so pass `i` of each is of token `i`.
    fn token_profiles(&self, tokenizer: &Tokenizer) -> Result<Vec<TokenProfile>, TokenizerError> {
        let passes = self.executor.passes();
        let mut stream = tokenizer.stream();
        let mut all = Vec::new();
        for (index, &(id, memory)) in self.tokens.iter().enumerate() {
            let text = stream.push(id)?;
            let times: Vec<Seconds> = passes
                .iter()
                .skip(index)
                .step_by(self.tokens.len())
                .map(Pass::host_total)
                .collect();
            all.extend(CallTimes::of(&times).map(|times| TokenProfile {
                index,
                id,
                text,
                phase: passes[index].phase,
                times,
                rss_bytes: memory.rss_bytes,
            }));
        }
        Ok(all)
    }
}

/// Wall times of the passes of every round but the first, if that is not the only one.
fn warm_passes(rounds: &[Timing], phase: Phase) -> Vec<Seconds> {
    let warm = rounds.iter().skip(usize::from(rounds.len() > 1));
    let times: Vec<f64> = match phase {
        Phase::Prefill => warm.map(|t| t.prefill_s).collect(),
        Phase::Decode => warm.flat_map(|t| t.decode_s.iter().copied()).collect(),
    };
    times.into_iter().map(Seconds).collect()
}

fn times_of(passes: &[Pass], phase: Phase, time: impl Fn(&Pass) -> Seconds) -> Option<CallTimes> {
    let of_phase = passes.iter().filter(|p| p.phase == phase);
    CallTimes::of(&of_phase.map(time).collect::<Vec<_>>())
}

fn passes(passes: &[Pass]) -> Vec<PassProfile> {
    let of = |phase| {
        let times = times_of(passes, phase, Pass::host_total)?;
        Some(PassProfile { phase, times })
    };
    PHASES.into_iter().filter_map(of).collect()
}

fn stages(passes: &[Pass]) -> Vec<StageProfile> {
    let mut all = Vec::new();
    for phase in PHASES {
        all.extend(Stage::ALL.into_iter().filter_map(|stage| {
            let times = times_of(passes, phase, |p| p.host(stage))?;
            Some(StageProfile {
                phase,
                stage,
                times,
            })
        }));
    }
    all
}

/// 1e9 bytes/s. A clock coarser than a tiny layer reads 0; no bandwidth follows from that.
fn gb_s(bytes: Bytes, time: Seconds) -> f64 {
    match time.0 {
        0.0 => 0.0,
        s => bytes.0 as f64 / s / 1e9,
    }
}

fn linears(
    model: &Model,
    executor: &mut ProfilingExecutor,
    prompt_tokens: usize,
) -> (Vec<LinearProfile>, Vec<GroupProfile>) {
    let (mut linears, mut groups) = (Vec::new(), Vec::new());
    for (phase, tokens) in [(Phase::Prefill, prompt_tokens), (Phase::Decode, 1)] {
        let rescale = rescale_times(model, executor.unwatched(), tokens);
        linears.extend(model.linear_ids().filter_map(|layer| {
            let w = model.linear(layer);
            let weight_bytes = Bytes(w.weights().bytes() as u64);
            let times = CallTimes::of(executor.linear(phase, layer).times())?;
            Some(LinearProfile {
                phase,
                layer,
                n: w.n(),
                k: w.k(),
                weight_bytes,
                times,
                rescale_s: rescale[layer.kind as usize],
                gb_s: gb_s(weight_bytes, times.median_s),
            })
        }));
        let ids = (0..model.config().num_hidden_layers)
            .flat_map(|block| GroupKind::ALL.map(|kind| GroupId { block, kind }));
        groups.extend(ids.filter_map(|id| {
            let rescale_s = id.linears().iter().map(|&k| rescale[k as usize]).sum();
            let quantizing = executor.quantizing(phase, id).times();
            let host: Vec<Seconds> = quantizing.iter().map(|&t| t + rescale_s).collect();
            Some(GroupProfile {
                phase,
                block: id.block,
                group: id.kind,
                times: CallTimes::of(&host)?,
                rescale_s,
            })
        }));
    }
    (linears, groups)
}

fn heads(model: &Model, executor: &ProfilingExecutor) -> Vec<HeadProfile> {
    let head = model.lm_head();
    let of = |phase| {
        let times = CallTimes::of(executor.head(phase).times())?;
        let weight_bytes = executor.head_bytes(phase);
        Some(HeadProfile {
            phase,
            n: head.rows(),
            k: head.columns(),
            weight_bytes,
            times,
            gb_s: gb_s(weight_bytes, times.median_s),
        })
    };
    PHASES.into_iter().filter_map(of).collect()
}
