//! One random matrix-vector product on a simulated kernel, checked against scalar arithmetic.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tercet_contract::command::CommandError;
use tercet_contract::cycles::{exact_command_cycles, LAUNCH_CYCLES};
use tercet_contract::{Command, Geometry};
use tercet_sim::{simulate_gemv, Kernel, MemoryTiming, ModelKernel, RtlKernel, SimError};

use crate::artefact::Artefact;
use crate::run::DeviceKind;
use crate::tier::Tier;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulateConfig {
    /// The kernel.
    pub geometry: Geometry,
    /// Rows of W.
    pub rows: usize,
    /// Columns of W.
    pub k: usize,
    /// Latency of both memories in cycles.
    pub latency_cycles: u32,
    /// Seed of random back-pressure on the buses; none for memories that never stall.
    pub stall_seed: Option<u64>,
    /// Seed of weights and activations.
    pub seed: u64,
    /// RTL, or the device model.
    pub device: DeviceKind,
    /// Waveform to write; RTL only.
    pub trace: Option<PathBuf>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// The kernel.
    pub geometry: Geometry,
    /// Rows of W.
    pub rows: usize,
    /// Columns of W.
    pub k: usize,
    /// Latency of both memories in cycles.
    pub latency_cycles: u32,
    /// Seed of random back-pressure.
    pub stall_seed: Option<u64>,
    /// Seed of weights and activations.
    pub seed: u64,
    /// RTL, or the device model.
    pub device: DeviceKind,
    /// Evidence behind `cycles`.
    pub tier: Tier,
    /// Clock cycles from start to done.
    pub cycles: u64,
    /// Cycles that the cycle model gives, without back-pressure.
    pub modelled_cycles: u64,
    /// Weight beats.
    pub beats: u64,
    /// `beats / cycles`, 0 to 1.
    pub efficiency: f64,
    /// Weights of the matrix over weights that the beats could hold, 0 to 1: rows are padded to beats.
    pub lane_fill: f64,
    /// Cycles in which the command was streaming and no weight beat was there.
    pub starved_cycles: u64,
    /// Cycles in which a weight beat was there and results could not leave.
    pub blocked_cycles: u64,
    /// All other cycles: command fetch, activation load, pipeline fill, drain of the last results.
    pub other_cycles: u64,
    /// Why the kernel stopped early, if it did.
    pub error: Option<String>,
    /// Whether every sum equals the scalar one.
    pub matches_reference: bool,
}

impl Artefact for Simulation {
    const SCHEMA: &'static str = "tercet.simulation";
    const VERSION: u32 = 2;
}

/// `simulation.json` of a flow: every shape of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulations {
    /// One product for each shape.
    pub shapes: Vec<Simulation>,
}

impl Artefact for Simulations {
    const SCHEMA: &'static str = "tercet.simulations";
    const VERSION: u32 = 2;
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The kernel cannot run such a command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The model draws no waveforms.
    #[error("--trace: the device model has no waveform; use the RTL")]
    Trace,
    /// The simulation failed.
    #[error(transparent)]
    Sim(#[from] SimError),
}

/// Cycles that no counter names: command fetch, activation load, pipeline fill and drain.
pub fn other_cycles(cycles: u64, beats: u64, starved: u64, blocked: u64) -> u64 {
    cycles.saturating_sub(beats + starved + blocked)
}

/// Simulates one product.
pub fn simulate(config: &SimulateConfig) -> Result<Simulation, SimulateError> {
    let (rows, k, geometry) = (config.rows, config.k, &config.geometry);
    Command::gemv(geometry, rows, k, 0, 0, 0)?;
    let timing = MemoryTiming {
        latency_cycles: config.latency_cycles,
        stall_seed: config.stall_seed,
        ..MemoryTiming::default()
    };
    timing.validate()?;
    let trace = config.trace.as_deref();
    let (mut kernel, tier): (Box<dyn Kernel>, Tier) = match config.device {
        DeviceKind::Rtl => (
            Box::new(RtlKernel::open(geometry, timing, trace)?),
            Tier::CycleAccurate,
        ),
        _ if trace.is_some() => return Err(SimulateError::Trace),
        _ => {
            timing.require_no_stalls()?;
            (Box::new(ModelKernel::new(geometry, timing)), Tier::Modelled)
        }
    };
    let run = simulate_gemv(kernel.as_mut(), rows, k, config.seed)?;
    kernel.finish()?;
    let c = run.counters;
    let modelled = exact_command_cycles(geometry, timing.latency(), &run.command);
    Ok(Simulation {
        geometry: *geometry,
        rows,
        k,
        latency_cycles: config.latency_cycles,
        stall_seed: config.stall_seed,
        seed: config.seed,
        device: config.device,
        tier,
        cycles: c.cycles,
        modelled_cycles: LAUNCH_CYCLES + modelled,
        beats: c.weight_beats,
        efficiency: c.efficiency(),
        lane_fill: k as f64 / (geometry.row_beats(k) * geometry.lanes()) as f64,
        starved_cycles: c.starved_cycles,
        blocked_cycles: c.blocked_cycles,
        other_cycles: other_cycles(c.cycles, c.weight_beats, c.starved_cycles, c.blocked_cycles),
        error: c
            .error
            .map(|(code, index)| format!("command {index}: {code}")),
        matches_reference: run.matches_reference,
    })
}
