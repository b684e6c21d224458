//! What a run leaves behind: tokens, times by stage, and what the device did.

use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;

use super::{DeviceKind, RunConfig};
use crate::artefact::Artefact;
use crate::board::Board;
use crate::device::Counters;
use crate::executor::hybrid::HybridExecutor;
use crate::executor::stage_clock::Pass;
use crate::executor::{Phase, Stage};
use crate::generate::{Generated, Sampling, StopReason};
use crate::model::LinearId;
use crate::profile::median;
use crate::tier::Tier;
use crate::time_model::{device_time, DeviceTime, Usage};
use crate::units::Seconds;

/// `run-*.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReport {
    /// Model folder or name.
    pub model: String,
    /// Text that was continued.
    pub prompt: String,
    /// Its ids.
    pub prompt_tokens: Vec<u32>,
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// How tokens were chosen.
    pub sampling: Sampling,
    /// Generated ids; a stop token is the last of them.
    pub tokens: Vec<u32>,
    /// Generated text.
    pub text: String,
    /// Why generation ended.
    pub stop_reason: StopReason,
    /// Times of the whole.
    pub timing: Timing,
    /// Times of the parts.
    pub stages: Vec<StageTime>,
    /// Who computed the offloaded layers, and what that took.
    pub device: DeviceReport,
}

impl Artefact for RunReport {
    const SCHEMA: &'static str = "tercet.run";
    const VERSION: u32 = 1;
}

/// Times of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Evidence behind the totals: measured without a device, projected with one.
    pub tier: Tier,
    /// CPU threads.
    pub threads: usize,
    /// The prompt, in one go.
    pub prefill: PhaseTime,
    /// One generated token: median of the host's times, mean of the device's.
    pub decode: PhaseTime,
}

/// Time of the prompt, or of one generated token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseTime {
    /// Prompt tokens, or tokens that were generated after the first.
    pub tokens: usize,
    /// Host, measured.
    pub host_s: Seconds,
    /// Device, from counted work and the board.
    pub device_s: DeviceTime,
    /// Both.
    pub total_s: Seconds,
    /// Tokens a second; 0 if none were generated.
    pub tokens_per_s: f64,
}

/// Time of a stage, all blocks together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTime {
    /// Which part of the pass.
    pub stage: Stage,
    /// Host's part of the prompt, measured.
    pub prefill_host_s: Seconds,
    /// Device's part of the prompt.
    pub prefill_device_s: DeviceTime,
    /// Host's part of a generated token, median, measured.
    pub decode_host_s: Seconds,
    /// Device's part of a generated token, mean.
    pub decode_device_s: DeviceTime,
}

/// What the device did in the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// `cpu`, `model` or `rtl`.
    pub name: DeviceKind,
    /// What was asked for: `none`, `all` or `plan`.
    pub offload: String,
    /// Evidence behind the cycles; none without a device.
    pub tier: Option<Tier>,
    /// Board behind the times.
    pub board: Board,
    /// Kernel.
    pub geometry: Geometry,
    /// Layers on the device.
    pub layers: Vec<LinearId>,
    /// Everything the host asked for.
    #[serde(flatten)]
    pub usage: Usage,
    /// Cycles in which a command was streaming and no weight beat was there.
    pub starved_cycles: u64,
    /// Cycles in which a weight beat was there and results could not leave.
    pub blocked_cycles: u64,
}

pub(super) fn build(
    name: &str,
    config: &RunConfig,
    prompt: &[u32],
    text: String,
    generated: &Generated,
    executor: &HybridExecutor,
) -> RunReport {
    let passes = executor.passes();
    let of = |phase| {
        passes
            .iter()
            .filter(move |p| p.phase == phase)
            .collect::<Vec<_>>()
    };
    let (prefill, decode) = (of(Phase::Prefill), of(Phase::Decode));
    let session = executor.session();
    RunReport {
        model: name.to_string(),
        prompt: config.prompt.clone(),
        prompt_tokens: prompt.to_vec(),
        max_tokens: config.max_tokens,
        sampling: config.sampling.clone(),
        tokens: generated.tokens.clone(),
        text,
        stop_reason: generated.stop_reason,
        timing: Timing {
            tier: if session.is_some() {
                Tier::Projected
            } else {
                Tier::Measured
            },
            threads: crate::executor::Executor::cpu(executor).threads(),
            prefill: prefill_time(config, prompt.len(), generated, &prefill),
            decode: decode_time(config, generated, &decode),
        },
        stages: Stage::ALL
            .into_iter()
            .map(|s| stage_time(config, s, &prefill, &decode))
            .collect(),
        device: device_report(config, executor),
    }
}

/// Device time of a stage, or of all of them, over some passes.
fn device_of(config: &RunConfig, passes: &[&Pass], stage: Option<Stage>) -> DeviceTime {
    let usage = passes.iter().fold(Usage::default(), |sum, p| {
        sum + stage.map_or_else(|| p.device_total(), |s| p.device(s))
    });
    device_time(&config.placement.board, &usage)
}

fn prefill_time(
    config: &RunConfig,
    tokens: usize,
    generated: &Generated,
    passes: &[&Pass],
) -> PhaseTime {
    let simulated: Seconds = passes.iter().map(|p| p.simulated()).sum();
    let host_s = Seconds(generated.timing.prefill_s) - simulated;
    let device_s = device_of(config, passes, None);
    phase_time(tokens, host_s, device_s, tokens as f64)
}

fn decode_time(config: &RunConfig, generated: &Generated, passes: &[&Pass]) -> PhaseTime {
    let walls = &generated.timing.decode_s;
    let host = walls
        .iter()
        .zip(passes)
        .map(|(wall, p)| Seconds(*wall) - p.simulated());
    let device_s = device_of(config, passes, None).over(passes.len());
    phase_time(walls.len(), median(host), device_s, 1.0)
}

/// `per`: tokens that `host` and `device` stand for.
fn phase_time(tokens: usize, host_s: Seconds, device_s: DeviceTime, per: f64) -> PhaseTime {
    let total_s = host_s + device_s.total();
    PhaseTime {
        tokens,
        host_s,
        device_s,
        total_s,
        tokens_per_s: ratio(if tokens == 0 { 0.0 } else { per }, total_s.0),
    }
}

/// `a / b`, or 0 where nothing was timed: JSON has no infinity.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        0.0
    } else {
        a / b
    }
}

fn stage_time(config: &RunConfig, stage: Stage, prefill: &[&Pass], decode: &[&Pass]) -> StageTime {
    StageTime {
        stage,
        prefill_host_s: prefill.iter().map(|p| p.host(stage)).sum(),
        prefill_device_s: device_of(config, prefill, Some(stage)),
        decode_host_s: median(decode.iter().map(|p| p.host(stage))),
        decode_device_s: device_of(config, decode, Some(stage)).over(decode.len()),
    }
}

fn device_report(config: &RunConfig, executor: &HybridExecutor) -> DeviceReport {
    let placement = &config.placement;
    let session = executor.session();
    let counters = session.map_or_else(Counters::default, |s| s.counters());
    DeviceReport {
        name: session.map_or(DeviceKind::Cpu, |_| placement.device),
        offload: placement.label.clone(),
        tier: session.map(|s| s.device().tier()),
        board: placement.board.clone(),
        geometry: placement.geometry,
        layers: match session {
            Some(_) => placement.layers.iter().copied().collect(),
            None => Vec::new(),
        },
        usage: session.map_or_else(Usage::default, |s| s.usage()),
        starved_cycles: counters.starved_cycles,
        blocked_cycles: counters.blocked_cycles,
    }
}
