//! Random matrix-vector products on simulated kernels, checked against scalar arithmetic.
//!
//! Rows are split over compute units as [`crate::device`] splits those of a layer; each unit has a kernel and
//! memories of its own. Cycles are those of the slowest unit, other counters are summed.

mod fault;

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::Geometry;
use tercet_sim::simulate::queue;
use tercet_sim::{
    run_gemv, DdrParameters, GemvData, GemvJob, GemvRun, HbmParameters, Kernel, MemoryModel,
    MemoryTiming, ModelKernel, RtlKernel, SimError, Submission, TimedFault, Timeline, TraceWindow,
};

use crate::artefact::Artefact;
use crate::device::{
    check_cus, efficiency, in_parallel, other_cycles, DeviceError, Dispatching, Mode, Share,
};
use crate::run::DeviceKind;
use crate::tier::Tier;

pub use fault::{FaultOutcome, FaultReport};

/// Clock for the figures of DRAM where none is named.
pub const DEFAULT_CLOCK_MHZ: u32 = 250;

/// Most commands of a queue.
pub const MAX_COMMANDS: usize = 4096;

/// Which memory stands behind the ports of each kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryKind {
    /// A fixed latency, then a beat a cycle.
    #[default]
    Fixed,
    /// An HBM2 pseudo-channel a port.
    Hbm,
    /// A DDR4 channel a port.
    Ddr,
}

impl MemoryKind {
    /// The memory as a kernel of `clock_mhz` MHz sees it.
    pub fn at(self, clock_mhz: u32) -> MemoryModel {
        match self {
            MemoryKind::Fixed => MemoryModel::Fixed,
            MemoryKind::Hbm => MemoryModel::Hbm(HbmParameters::at(clock_mhz)),
            MemoryKind::Ddr => MemoryModel::Ddr(DdrParameters::at(clock_mhz)),
        }
    }
}

impl fmt::Display for MemoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            MemoryKind::Fixed => "fixed",
            MemoryKind::Hbm => "hbm",
            MemoryKind::Ddr => "ddr",
        })
    }
}

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulateConfig {
    /// The kernel; each command has as many vectors as its batch.
    pub geometry: Geometry,
    /// Rows of W.
    pub rows: usize,
    /// Columns of W.
    pub k: usize,
    /// Trits of a weight.
    pub digits: usize,
    /// Read a random share of the rows, by a run list.
    pub rows_share: Option<f64>,
    /// Commands of the queue, all with the same activations.
    pub commands: usize,
    /// Seed of weights and activations.
    pub seed: u64,
    /// Which memory.
    pub memory: MemoryKind,
    /// Latency of both memories in cycles; of [`MemoryKind::Fixed`].
    pub latency_cycles: u32,
    /// Clock of the kernel in MHz; of the others.
    pub clock_mhz: u32,
    /// Seed of random back-pressure on the buses; none for memories that never stall.
    pub stall_seed: Option<u64>,
    /// RTL, or the device model.
    pub device: DeviceKind,
    /// How many compute units there are, and how commands reach them.
    pub dispatch: Dispatching,
    /// A fault of the first unit; RTL only.
    pub fault: Option<TimedFault>,
    /// Waveform of the first unit to write; RTL only.
    pub trace: Option<PathBuf>,
    /// Cycles that it shows; none for all.
    pub window: Option<TraceWindow>,
}

impl SimulateConfig {
    /// One plain product on the device model.
    pub fn new(geometry: Geometry, rows: usize, k: usize) -> Self {
        SimulateConfig {
            geometry,
            rows,
            k,
            digits: 1,
            rows_share: None,
            commands: 1,
            seed: 0,
            memory: MemoryKind::Fixed,
            latency_cycles: 128,
            clock_mhz: DEFAULT_CLOCK_MHZ,
            stall_seed: None,
            device: DeviceKind::Model,
            dispatch: Dispatching::SINGLE,
            fault: None,
            trace: None,
            window: None,
        }
    }

    fn timing(&self) -> MemoryTiming {
        MemoryTiming {
            model: self.memory.at(self.clock_mhz),
            latency_cycles: self.latency_cycles,
            stall_seed: self.stall_seed,
            ..MemoryTiming::default()
        }
    }

    fn job(&self) -> GemvJob {
        GemvJob {
            vectors: self.geometry.batch(),
            digits: self.digits,
            rows_share: self.rows_share,
            commands: self.commands,
            ..GemvJob::new(self.rows, self.k, self.seed)
        }
    }

    fn submission(&self) -> Submission {
        match self.dispatch.mode {
            Mode::Launch => Submission::List,
            Mode::Ring => Submission::Ring,
        }
    }

    /// Refuses what cannot be simulated, before anything is built for it.
    pub fn validate(&self) -> Result<(), SimulateError> {
        check_cus(self.dispatch.cus).map_err(SimulateError::Cus)?;
        if !(1..=MAX_COMMANDS).contains(&self.commands) {
            let found = self.commands;
            return Err(SimulateError::Commands { found });
        }
        if let Some(found) = self.rows_share.filter(|s| !(*s > 0.0 && *s <= 1.0)) {
            return Err(SimulateError::RowsShare { found });
        }
        if self.device != DeviceKind::Rtl {
            if self.trace.is_some() {
                return Err(SimulateError::Trace);
            }
            if let Some(fault) = self.fault {
                return Err(SimulateError::Fault { fault });
            }
        }
        self.job().validate(&self.geometry)?;
        Ok(self.timing().validate()?)
    }
}

/// A product on a simulated kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// The kernel.
    pub geometry: Geometry,
    /// Rows of W.
    pub rows: usize,
    /// Columns of W.
    pub k: usize,
    /// Vectors in one pass over the weights.
    pub batch: usize,
    /// Trits of a weight.
    pub digits: usize,
    /// Share of the rows that was asked for, read by a run list.
    pub rows_share: Option<f64>,
    /// Rows that each command computed.
    pub computed_rows: usize,
    /// Commands of the queue.
    pub commands: usize,
    /// Which memory.
    pub memory: MemoryKind,
    /// Latency of a fixed memory in cycles; of the others the longest that a lone read may take.
    pub latency_cycles: u64,
    /// Clock of the kernel that DRAM is seen from, in MHz; none of a fixed memory.
    pub clock_mhz: Option<u32>,
    /// Seed of random back-pressure.
    pub stall_seed: Option<u64>,
    /// Seed of weights and activations.
    pub seed: u64,
    /// RTL, or the device model.
    pub device: DeviceKind,
    /// How commands reached the kernels.
    pub mode: Mode,
    /// Compute units that shared the rows.
    pub cus: usize,
    /// Evidence behind `cycles` and every other counter.
    pub tier: Tier,
    /// Clock cycles from start to done, of the slowest unit.
    pub cycles: u64,
    /// Cycles that the cycle model gives, without back-pressure; tier modelled.
    pub modelled_cycles: u64,
    /// Weight beats of all units.
    pub beats: u64,
    /// `beats / (cus * cycles)`, 0 to 1.
    pub efficiency: f64,
    /// Weights of the matrix over weights that the beats could hold, 0 to 1: rows are padded to beats.
    pub lane_fill: f64,
    /// Cycles in which a command was streaming and no weight beat was there, of all units.
    pub starved_cycles: u64,
    /// Cycles in which a weight beat was there and results could not leave, of all units.
    pub blocked_cycles: u64,
    /// All other cycles of all units: command fetch, activation load, pipeline fill, drain of the last results,
    /// waiting for the slowest unit.
    pub other_cycles: u64,
    /// When things happened.
    pub timeline: SimulationTimeline,
    /// Why a kernel stopped early, if one did.
    pub error: Option<KernelError>,
    /// What an injected fault did.
    pub fault: Option<FaultReport>,
    /// Whether every sum equals the scalar one. After a reset, of the run that followed it, as are all counters.
    pub matches_reference: bool,
}

/// When things happened, of the unit that took longest; none of what did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulationTimeline {
    /// From the write of `ap_start` or of the doorbell to the first weight beat on the bus.
    pub dispatch_to_first_beat_cycles: Option<u64>,
    /// From the last weight beat to the last answer to a write: of results, or of the completion count.
    pub last_beat_to_completion_cycles: Option<u64>,
    /// Evidence behind both.
    pub tier: Tier,
}

/// The error that a kernel reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelError {
    /// The `ERROR` register.
    pub code: u32,
    /// Index of the command that failed.
    pub index: u32,
    /// What the code says.
    pub meaning: String,
}

impl KernelError {
    fn new((code, index): (ErrorCode, u32)) -> Self {
        KernelError {
            code: code as u32,
            index,
            meaning: code.meaning().to_string(),
        }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KernelError {
            code,
            index,
            meaning,
        } = self;
        write!(f, "command {index}: {meaning} (code {code:#04x})")
    }
}

impl Artefact for Simulation {
    const SCHEMA: &'static str = "tercet.simulation";
    const VERSION: u32 = 3;
}

/// A product of every shape of a model (`simulation.json` of a flow).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulations {
    /// One product for each shape.
    pub shapes: Vec<Simulation>,
}

impl Artefact for Simulations {
    const SCHEMA: &'static str = "tercet.simulations";
    const VERSION: u32 = 3;
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// No device has as many compute units.
    #[error("--cus: {0}")]
    Cus(DeviceError),
    /// A queue of no commands, or of too many.
    #[error("--commands {found}: expected 1 to {MAX_COMMANDS}")]
    Commands {
        /// Commands asked for.
        found: usize,
    },
    /// Not a share.
    #[error("--rows-share {found}: expected above 0 to 1")]
    RowsShare {
        /// Share asked for.
        found: f64,
    },
    /// The model has no cycles in which something could fail.
    #[error("--fault {fault}: the device model has no buses that could fail; use --device rtl")]
    Fault {
        /// The fault.
        fault: TimedFault,
    },
    /// The model draws no waveforms.
    #[error("--trace: the device model has no waveform; use the RTL")]
    Trace,
    /// The simulation failed, or is refused.
    #[error(transparent)]
    Sim(#[from] SimError),
}

/// A compute unit and its share of the data.
struct Unit {
    kernel: AnyKernel,
    data: GemvData,
}

/// A kernel; the RTL knows faults that the trait does not.
enum AnyKernel {
    Rtl(Box<RtlKernel>),
    Model(Box<ModelKernel>),
}

impl AnyKernel {
    fn as_kernel(&mut self) -> &mut dyn Kernel {
        match self {
            AnyKernel::Rtl(kernel) => kernel.as_mut(),
            AnyKernel::Model(kernel) => kernel.as_mut(),
        }
    }
}

/// Simulates one product, or a queue of them.
pub fn simulate(config: &SimulateConfig) -> Result<Simulation, SimulateError> {
    config.validate()?;
    let data = GemvData::random(&config.job());
    let mut units = units(config, &data)?;
    if let (Some(fault), Some(AnyKernel::Rtl(kernel))) =
        (config.fault, units.first_mut().map(|u| &mut u.kernel))
    {
        kernel.inject_at(fault);
    }
    let (runs, fault) = fault::run(config, &mut units)?;
    for unit in &mut units {
        unit.kernel.as_kernel().finish()?;
    }
    let modelled = modelled_cycles(config, &units)?;
    Ok(report(config, &data, &runs, modelled, fault))
}

/// The units that have something to compute.
fn units(config: &SimulateConfig, data: &GemvData) -> Result<Vec<Unit>, SimulateError> {
    let timing = config.timing();
    let mut units = Vec::new();
    for unit in 0..config.dispatch.cus {
        let share = Share {
            unit,
            of: config.dispatch.cus,
        };
        let data = data.part(share.rows(config.rows));
        if data.computed_rows() == 0 {
            continue;
        }
        let trace = config.trace.as_deref().filter(|_| units.is_empty());
        let kernel = match config.device {
            DeviceKind::Rtl => AnyKernel::Rtl(Box::new(match (trace, config.window) {
                (Some(trace), Some(window)) => {
                    RtlKernel::open_window(&config.geometry, timing, trace, window)?
                }
                _ => RtlKernel::open(&config.geometry, timing, trace)?,
            })),
            _ => AnyKernel::Model(Box::new(ModelKernel::new(&config.geometry, timing))),
        };
        units.push(Unit { kernel, data });
    }
    Ok(units)
}

/// Runs every unit's commands, as many units at a time as the machine has cores.
fn run_all(config: &SimulateConfig, units: &mut [Unit]) -> Result<Vec<GemvRun>, SimError> {
    in_parallel(units, |unit| {
        run_gemv(unit.kernel.as_kernel(), &unit.data, config.submission())
    })
}

/// Cycles of the slowest unit as the cycle model has them.
fn modelled_cycles(config: &SimulateConfig, units: &[Unit]) -> Result<u64, SimError> {
    let timing = MemoryTiming {
        stall_seed: None,
        ..config.timing()
    };
    let mut most = 0;
    for unit in units {
        let queue = queue(&config.geometry, &unit.data, config.submission())?;
        most = most.max(queue.cycles(&config.geometry, &timing).0.cycles);
    }
    Ok(most)
}

fn report(
    config: &SimulateConfig,
    data: &GemvData,
    runs: &[GemvRun],
    modelled_cycles: u64,
    fault: Option<FaultReport>,
) -> Simulation {
    let (geometry, cus) = (config.geometry, config.dispatch.cus);
    let sum = |of: &dyn Fn(&GemvRun) -> u64| runs.iter().map(of).sum::<u64>();
    let cycles = runs.iter().map(|r| r.counters.cycles).max().unwrap_or(0);
    let beats = sum(&|r| r.counters.weight_beats);
    let starved_cycles = sum(&|r| r.counters.starved_cycles);
    let blocked_cycles = sum(&|r| r.counters.blocked_cycles);
    let tier = match config.device {
        DeviceKind::Rtl => Tier::CycleAccurate,
        _ => Tier::Modelled,
    };
    let timing = config.timing();
    Simulation {
        geometry,
        rows: config.rows,
        k: config.k,
        batch: geometry.batch(),
        digits: config.digits,
        rows_share: config.rows_share,
        computed_rows: data.computed_rows(),
        commands: config.commands,
        memory: config.memory,
        latency_cycles: match config.memory {
            MemoryKind::Fixed => config.latency_cycles.into(),
            _ => timing.latency(),
        },
        clock_mhz: (config.memory != MemoryKind::Fixed).then_some(config.clock_mhz),
        stall_seed: config.stall_seed,
        seed: config.seed,
        device: config.device,
        mode: config.dispatch.mode,
        cus,
        tier,
        cycles,
        modelled_cycles,
        beats,
        efficiency: efficiency(beats, cycles, cus),
        lane_fill: config.k as f64 / (geometry.row_beats(config.k) * geometry.lanes()) as f64,
        starved_cycles,
        blocked_cycles,
        other_cycles: other_cycles(cycles, cus, beats, starved_cycles, blocked_cycles),
        timeline: timeline(runs, tier),
        error: runs
            .iter()
            .find_map(|r| r.counters.error)
            .map(KernelError::new),
        fault,
        matches_reference: !runs.is_empty() && runs.iter().all(|r| r.matches_reference),
    }
}

fn timeline(runs: &[GemvRun], tier: Tier) -> SimulationTimeline {
    let longest =
        |of: fn(&Timeline) -> Option<u64>| runs.iter().filter_map(|r| of(&r.timeline)).max();
    SimulationTimeline {
        dispatch_to_first_beat_cycles: longest(|t| t.first_weight_beat),
        last_beat_to_completion_cycles: longest(|t| {
            t.last_answer?.checked_sub(t.last_weight_beat?)
        }),
        tier,
    }
}
