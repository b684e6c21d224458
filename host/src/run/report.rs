//! What a run leaves behind: tokens, times by stage, and what the device did.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;

use super::{DeviceKind, Passes, RunConfig};
use crate::artefact::Artefact;
use crate::board::Board;
use crate::device::{other_cycles, Counters, Dispatching, Mode};
use crate::executor::hybrid::{DeviceFault, HybridExecutor};
use crate::executor::stage_clock::{Event, Pass};
use crate::executor::{Phase, Stage};
use crate::generate::{Generated, Sampling, StopReason};
use crate::model::LinearId;
use crate::select::Predicted;
use crate::system::SystemFacts;
use crate::tier::Tier;
use crate::time_model::{device_time, DeviceTime, Usage};
use crate::units::{Cycles, Seconds};

/// Generated text, the time it took, and what the device did (`run-*.json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The machine behind the measured times.
    pub system: SystemFacts,
    /// Times of the whole, as [`crate::run`] defines them.
    pub timing: Timing,
    /// Times of the parts.
    pub stages: Vec<StageTime>,
    /// The last decode pass, stage by stage; empty if there was none.
    #[serde(default)]
    pub timeline: Vec<TimelineEvent>,
    /// Who computed the offloaded layers, and what that took.
    pub device: DeviceReport,
}

/// One stage of one block in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineEvent {
    /// Which part of the pass.
    pub stage: Stage,
    /// Which block; none outside the blocks.
    pub block: Option<usize>,
    /// The host's time, measured.
    pub host_s: Seconds,
    /// The device's time, from counted work and the board.
    pub device_s: DeviceTime,
    /// What both did at the same time.
    pub overlap_s: Seconds,
}

impl Artefact for RunReport {
    const SCHEMA: &'static str = "tercet.run";
    const VERSION: u32 = 3;
}

/// Times of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Evidence behind the totals: the weakest of the figures in them.
    pub tier: Tier,
    /// CPU threads.
    pub threads: usize,
    /// The prompt, in one go, with everything warm.
    pub prefill: PhaseTime,
    /// Passes behind it.
    pub prefill_passes: usize,
    /// The prompt on the CPU for the first time, measured; none if it was not read.
    pub prefill_cold_s: Option<Seconds>,
    /// One generated token.
    pub decode: PhaseTime,
}

/// Time of the prompt, or of one generated token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseTime {
    /// Prompt tokens, or tokens that were generated after the first.
    pub tokens: usize,
    /// Host, measured: its stages and what is between them.
    pub host_s: Seconds,
    /// Of `host_s`, what is between the stages.
    pub between_s: Seconds,
    /// Device, from counted work and the board.
    pub device_s: DeviceTime,
    /// Of the device's time, what the host computed beside it.
    #[serde(default)]
    pub overlap_s: Seconds,
    /// Both, what is beside each other once.
    pub total_s: Seconds,
    /// Tokens a second; 0 if none were generated.
    pub tokens_per_s: f64,
}

/// Time of a stage, all blocks together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageTime {
    /// Which part of the pass.
    pub stage: Stage,
    /// Host's part of the prompt, median, measured.
    pub prefill_host_s: Seconds,
    /// Device's part of the prompt, mean.
    pub prefill_device_s: DeviceTime,
    /// Of it, what the host computed beside it.
    #[serde(default)]
    pub prefill_overlap_s: Seconds,
    /// Host's part of a generated token, median, measured.
    pub decode_host_s: Seconds,
    /// Device's part of a generated token, mean.
    pub decode_device_s: DeviceTime,
    /// Of it, what the host computed beside it.
    #[serde(default)]
    pub decode_overlap_s: Seconds,
    /// Cycles behind it, mean.
    pub decode_device_cycles: Cycles,
}

/// What the device did in the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceReport {
    /// `cpu`, `model`, `rtl`, `xrt`, `xrt-emu`, `xrt-sim` or `serial`.
    pub name: DeviceKind,
    /// What was asked for: `none`, `all` or `plan`.
    pub offload: String,
    /// Evidence behind the cycles; none without a device.
    pub tier: Option<Tier>,
    /// Board behind the times.
    pub board: Board,
    /// Kernel.
    pub geometry: Geometry,
    /// How commands reach the kernel.
    pub mode: Mode,
    /// Compute units that share the rows of each layer.
    pub cus: usize,
    /// Layers on the device.
    pub layers: Vec<LinearId>,
    /// Of these, rows on the device where the CPU has the others.
    #[serde(default)]
    pub split: BTreeMap<LinearId, usize>,
    /// What the plan says of a decode token.
    #[serde(default)]
    pub predicted: Option<Predicted>,
    /// Everything the host asked for.
    #[serde(flatten)]
    pub usage: Usage,
    /// Cycles in which a command was streaming and no weight beat was there, of all units.
    pub starved_cycles: u64,
    /// Cycles in which a weight beat was there and results could not leave, of all units.
    pub blocked_cycles: u64,
    /// All other cycles: fetch, load, fill, drain, and waiting for the slowest unit.
    pub other_cycles: u64,
    /// Weight beats over `cus * cycles`, 0 to 1.
    pub efficiency: f64,
    /// The failure after which the CPU did everything.
    #[serde(default)]
    pub fault: Option<DeviceFault>,
}

impl DeviceReport {
    /// How many compute units there are, and how commands reach them.
    pub fn dispatching(&self) -> Dispatching {
        Dispatching {
            mode: self.mode,
            cus: self.cus,
        }
    }
}

pub(super) fn build(
    name: &str,
    config: &RunConfig,
    prompt: &[u32],
    text: String,
    generated: &Generated,
    passes: &Passes,
    executor: &HybridExecutor,
) -> RunReport {
    let cycles = executor.session().map(|s| s.device().tier());
    let board = &config.placement.board;
    RunReport {
        model: name.to_string(),
        prompt: config.prompt.clone(),
        prompt_tokens: prompt.to_vec(),
        max_tokens: config.max_tokens,
        sampling: config.sampling.clone(),
        tokens: generated.tokens.clone(),
        text,
        stop_reason: generated.stop_reason,
        system: SystemFacts::read(),
        timing: Timing {
            tier: cycles.map_or(Tier::Measured, |cycles| {
                board.device_tier(cycles, config.placement.dispatch)
            }),
            threads: crate::executor::Executor::cpu(executor).threads(),
            prefill: passes.prefill.time(board, prompt.len(), prompt.len()),
            prefill_passes: passes.prefill.len(),
            prefill_cold_s: passes.prefill_cold,
            decode: passes.decode.time(board, passes.decode.len(), 1),
        },
        stages: Stage::ALL
            .into_iter()
            .map(|s| stage_time(board, s, passes))
            .collect(),
        timeline: timeline(board, executor, passes.decode.replayed()),
        device: device_report(config, executor),
    }
}

fn stage_time(board: &Board, stage: Stage, passes: &Passes) -> StageTime {
    let (prefill, decode) = (&passes.prefill, &passes.decode);
    let cycles = decode.work(Some(stage)).cycles.0 as f64;
    StageTime {
        stage,
        prefill_host_s: prefill.host(stage),
        prefill_device_s: prefill.device(board, Some(stage)),
        prefill_overlap_s: prefill.overlap(board, Some(stage)),
        decode_host_s: decode.host(stage),
        decode_device_s: decode.device(board, Some(stage)),
        decode_overlap_s: decode.overlap(board, Some(stage)),
        decode_device_cycles: Cycles((cycles / decode.len().max(1) as f64).round() as u64),
    }
}

/// The last decode pass; the host's times are those of `replayed`, if there is one.
fn timeline(
    board: &Board,
    executor: &HybridExecutor,
    replayed: Option<&Pass>,
) -> Vec<TimelineEvent> {
    let decode = |p: &&Pass| p.phase == Phase::Decode;
    let Some(pass) = executor.passes().iter().rfind(decode) else {
        return Vec::new();
    };
    let events = pass.events();
    let same = replayed
        .map(Pass::events)
        .filter(|r| r.len() == events.len());
    let event = |(e, host): (&Event, &Event)| TimelineEvent {
        stage: e.stage,
        block: e.block,
        host_s: host.host,
        device_s: device_time(board, &e.device),
        overlap_s: host.together.iter().map(|t| t.overlap(board)).sum(),
    };
    events
        .iter()
        .zip(same.unwrap_or(events))
        .map(event)
        .collect()
}

fn device_report(config: &RunConfig, executor: &HybridExecutor) -> DeviceReport {
    let placement = &config.placement;
    let session = executor.session();
    let c = session.map_or_else(Counters::default, |s| s.counters());
    let cus = placement.dispatch.cus;
    DeviceReport {
        name: session.map_or(DeviceKind::Cpu, |_| placement.device),
        offload: placement.label.clone(),
        tier: session.map(|s| s.device().tier()),
        board: placement.board.clone(),
        geometry: placement.geometry,
        mode: placement.dispatch.mode,
        cus,
        layers: match session {
            Some(_) => placement.layers.keys().copied().collect(),
            None => Vec::new(),
        },
        split: match session {
            Some(_) => placement.split().collect(),
            None => BTreeMap::new(),
        },
        predicted: session.and(placement.predicted),
        usage: session.map_or_else(Usage::default, |s| s.usage()),
        starved_cycles: c.starved_cycles,
        blocked_cycles: c.blocked_cycles,
        other_cycles: other_cycles(
            c.cycles,
            cus,
            c.weight_beats,
            c.starved_cycles,
            c.blocked_cycles,
        ),
        efficiency: c.efficiency(cus),
        fault: executor.fault().cloned(),
    }
}
