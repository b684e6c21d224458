//! Text from a prompt, with any choice of layers on any device.
//!
//! On the CPU alone every time is measured. With a device the host's part is measured, with the
//! simulation's own wall time taken out, and the device's part is computed from counted cycles,
//! bytes and launches by [`crate::time_model`]. The sum is as sure as the weakest figure in it.
//!
//! **The time of a pass**, here and wherever else it is shown, is
//!
//! ```text
//! t(pass) = sum over stages of host(stage) + host(between stages) + device - overlap
//! host(.) = median over passes
//! device  = mean over the passes of the run
//! overlap = mean over these passes of: sum over dispatches of min(device, what the host computes meanwhile)
//! ```
//!
//! so one slow moment of the machine does not move it, and the parts sum up to it.
//!
//! A simulated device works between the host's stages and leaves them cold caches and sleeping
//! threads. So a run with a device first generates on the CPU alone, silently and for [`WARM_BUDGET`]
//! at most; the stages of which nothing moved, and what is between stages, are timed there. The host's
//! part of a stage that moved (quantising, rescaling, what did not move of it) is timed after the run, for
//! as long: decoding goes on with the sums that the device gave last, whatever they now mean, instead of
//! the device. Of the prompt it is timed beside the simulation, and rather too long than too short.
//!
//! Decode takes the passes of all tokens after the first, prefill warm passes only: without a device
//! the prompt is read again after the text, [`WARM_PREFILLS`] times or until that took [`WARM_BUDGET`].
//! The first reading is kept apart as cold.

mod passes;
mod report;

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;
use tercet_sim::MemoryTiming;

use crate::board::Board;
use crate::device::serial::{SerialDevice, SerialOptions};
use crate::device::xrt::{XrtDevice, XrtOptions};
use crate::device::{
    check_cus, Device, DeviceError, DeviceImage, DeviceLayers, DeviceSession, Dispatching, Part,
    Share, SimulatedDevice,
};
use crate::executor::hybrid::{DeviceFault, FaultPolicy, HybridExecutor, OnFault};
use crate::executor::stage_clock::Pass;
use crate::executor::{CpuExecutor, CpuOptions, ExecutorError};
use crate::generate::{generate, GenerateError, GenerateOptions, Sampling, StopReason};
use crate::model::{LinearId, Model};
use crate::select::Predicted;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::units::Seconds;

use passes::{Passes, PhasePasses};
pub use report::{DeviceReport, PhaseTime, RunReport, StageTime, TimelineEvent, Timing};

/// How often the prompt is read again, at most, to time a warm prefill.
pub const WARM_PREFILLS: usize = 5;

/// Nothing more is timed beside the run itself after this time.
pub const WARM_BUDGET: Duration = Duration::from_secs(2);

/// Who computes the offloaded layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Nobody: everything runs on the CPU.
    Cpu,
    /// The device model: exact sums, modelled cycles.
    Model,
    /// The RTL in Verilator, cycle by cycle.
    Rtl,
    /// A card behind XRT.
    Xrt,
    /// The RTL behind XRT, in its hardware emulation.
    XrtEmu,
    /// The RTL behind our own library with XRT's functions.
    XrtSim,
    /// A board behind a serial port.
    Serial,
}

impl DeviceKind {
    /// Whether XRT's calls drive it.
    pub fn is_behind_xrt(self) -> bool {
        matches!(
            self,
            DeviceKind::Xrt | DeviceKind::XrtEmu | DeviceKind::XrtSim
        )
    }

    /// Whether its kernel is a Verilated one, which is built on first use.
    pub fn is_verilated(self) -> bool {
        matches!(
            self,
            DeviceKind::Rtl | DeviceKind::XrtEmu | DeviceKind::XrtSim
        )
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Model => "model",
            DeviceKind::Rtl => "rtl",
            DeviceKind::Xrt => "xrt",
            DeviceKind::XrtEmu => "xrt-emu",
            DeviceKind::XrtSim => "xrt-sim",
            DeviceKind::Serial => "serial",
        })
    }
}

/// Which layers run where.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// What was asked for, for reports: `none`, `all`, `plan`.
    pub label: String,
    /// The device.
    pub device: DeviceKind,
    /// Layers on the device; ignored for [`DeviceKind::Cpu`].
    pub layers: DeviceLayers,
    /// Kernel of the device.
    pub geometry: Geometry,
    /// Board whose clock, memory and link stand behind the device's times.
    pub board: Board,
    /// How many compute units share the rows of each layer, and how commands reach them.
    pub dispatch: Dispatching,
    /// Waveform of the first compute unit to write; RTL only.
    pub trace: Option<PathBuf>,
    /// How the card is reached, for a device behind XRT.
    pub xrt: Option<XrtOptions>,
    /// Where the board is, for a device behind a serial port.
    pub serial: Option<SerialOptions>,
    /// What happens when the device fails.
    pub faults: FaultPolicy,
    /// What the plan says of a decode token, for this board, kernel and dispatching; for reports.
    pub predicted: Option<Predicted>,
}

impl Placement {
    /// Everything on the CPU.
    pub fn cpu(board: Board) -> Self {
        Placement {
            label: "none".to_string(),
            device: DeviceKind::Cpu,
            layers: DeviceLayers::new(),
            geometry: Geometry::DEFAULT,
            board,
            dispatch: Dispatching::SINGLE,
            trace: None,
            xrt: None,
            serial: None,
            faults: FaultPolicy::default(),
            predicted: None,
        }
    }

    /// Layers of which the CPU has rows too, and how many the device has.
    pub fn split(&self) -> impl Iterator<Item = (LinearId, usize)> + '_ {
        self.layers.iter().filter_map(|(id, part)| match part {
            Part::Whole => None,
            Part::First(rows) => Some((*id, *rows)),
        })
    }

    /// Opens the device with the layers of `model` loaded; none if nothing is offloaded.
    pub fn open(&self, model: &Model) -> Result<Option<DeviceSession>, DeviceError> {
        if self.device == DeviceKind::Cpu || self.layers.is_empty() {
            return Ok(None);
        }
        let Dispatching { mode, cus } = self.dispatch;
        check_cus(cus)?;
        let image = |unit| {
            let share = Share { unit, of: cus };
            DeviceImage::build(model, &self.layers, &self.geometry, share, mode)
        };
        // Packed first: a layer that does not fit is told before anything is started.
        let images = (0..cus).map(image).collect::<Result<Vec<_>, _>>()?;
        let units = self.devices()?.into_iter().zip(images).collect();
        Ok(Some(DeviceSession::start(units)?))
    }

    /// The kernels of all compute units.
    fn devices(&self) -> Result<Vec<Box<dyn Device>>, DeviceError> {
        let cus = self.dispatch.cus;
        if let Some(options) = &self.serial {
            let open = |_| Ok(Box::new(SerialDevice::open(options, &self.geometry)?) as _);
            return (0..cus).map(open).collect();
        }
        match &self.xrt {
            #[cfg(unix)]
            Some(options) => {
                let units = XrtDevice::open(options, &self.geometry, cus)?;
                Ok(units.into_iter().map(|u| Box::new(u) as _).collect())
            }
            _ => (0..cus).map(|unit| self.device(unit)).collect(),
        }
    }

    /// The kernel of a compute unit.
    fn device(&self, unit: usize) -> Result<Box<dyn Device>, DeviceError> {
        let timing = MemoryTiming {
            latency_cycles: self.board.latency_cycles(),
            ..MemoryTiming::default()
        };
        let trace = self.trace.as_deref().filter(|_| unit == 0);
        Ok(match self.device {
            DeviceKind::Rtl => Box::new(SimulatedDevice::rtl(&self.geometry, timing, trace)?),
            _ => Box::new(SimulatedDevice::model(&self.geometry, timing)),
        })
    }
}

/// What to generate, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig {
    /// Text to continue.
    pub prompt: String,
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How the CPU computes.
    pub cpu: CpuOptions,
    /// Which layers run where.
    pub placement: Placement,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The tokenizer refuses the prompt or the tokens.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The device cannot be opened or loaded.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The CPU executor cannot be made.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// Generation failed.
    #[error(transparent)]
    Generate(#[from] GenerateError),
}

/// Generates; `on_token` sees each token id as it appears and may break off.
pub fn run(
    model: &Model,
    tokenizer: &Tokenizer,
    name: &str,
    config: &RunConfig,
    on_token: &mut dyn FnMut(u32) -> ControlFlow<()>,
) -> Result<RunReport, RunError> {
    let prompt = tokenizer.encode(&config.prompt)?;
    let faults = config.placement.faults;
    let (session, unopened) = match config.placement.open(model) {
        Ok(session) => (session, None),
        Err(e) if faults.on_fault == OnFault::Cpu && e.is_of_a_card() => {
            (None, Some(DeviceFault::at_start(&e)))
        }
        Err(e) => return Err(e.into()),
    };
    let options = GenerateOptions {
        max_tokens: config.max_tokens,
        sampling: config.sampling.clone(),
        stop_ids: model.stop_ids().to_vec(),
    };
    let mut cpu = CpuExecutor::with_options(config.cpu)?;
    let mut alone = None;
    if session.is_some() && config.max_tokens > 0 {
        let passes;
        (passes, cpu) = generate_alone(model, cpu, &prompt, &options)?;
        alone = Some(passes);
    }
    let mut executor = HybridExecutor::with_faults(cpu, session, faults, unopened);
    let generated = generate(model, &mut executor, &prompt, &options, on_token)?;
    executor.finish_or_note()?;
    let mut passes = Passes::of(&generated, executor.passes());
    let cancelled = generated.stop_reason == StopReason::Cancelled;
    if !cancelled {
        passes.replayed(replay(model, &mut executor, &prompt, &options)?);
    }
    if let Some(alone) = alone {
        passes.beside(alone);
    } else if executor.session().is_none() && !generated.tokens.is_empty() && !cancelled {
        passes.prefill_cold = Some(Seconds(generated.timing.prefill_s));
        passes.prefill = warm_prefills(model, &mut executor, &prompt)?;
    }
    let text = tokenizer.decode(&generated.tokens)?;
    Ok(report::build(
        name, config, &prompt, text, &generated, &passes, &executor,
    ))
}

/// Reads the prompt once, cold, and then generates from it, without a device; at least one token after
/// the first, and no more of them than fit into [`WARM_BUDGET`].
fn generate_alone(
    model: &Model,
    cpu: CpuExecutor,
    prompt: &[u32],
    options: &GenerateOptions,
) -> Result<(Passes, CpuExecutor), GenerateError> {
    let mut alone = HybridExecutor::new(cpu, None);
    let cold = prefill(model, &mut alone, prompt)?;
    let read = alone.passes().len();
    let (start, mut tokens) = (Instant::now(), 0);
    let generated = generate(model, &mut alone, prompt, options, &mut |_| {
        tokens += 1;
        match tokens > 1 && start.elapsed() > WARM_BUDGET {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    let mut passes = Passes::of(&generated, &alone.passes()[read..]);
    passes.prefill_cold = Some(cold);
    Ok((passes, alone.into_cpu()))
}

/// Generates once more with the sums that the device gave at last, for as long as [`WARM_BUDGET`] allows; nothing if no
/// device is simulated.
fn replay(
    model: &Model,
    executor: &mut HybridExecutor,
    prompt: &[u32],
    options: &GenerateOptions,
) -> Result<Vec<Pass>, GenerateError> {
    let options = GenerateOptions {
        stop_ids: Vec::new(),
        ..options.clone()
    };
    let start = Instant::now();
    let replayed = executor.replay(|executor| {
        let mut tokens = 0;
        generate(model, executor, prompt, &options, &mut |_| {
            tokens += 1;
            match tokens > 1 && start.elapsed() > WARM_BUDGET {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
        .map(|_| ())
    })?;
    Ok(replayed.unwrap_or_default())
}

/// Reads the prompt again, [`WARM_PREFILLS`] times if [`WARM_BUDGET`] allows, and at least once.
fn warm_prefills(
    model: &Model,
    executor: &mut HybridExecutor,
    prompt: &[u32],
) -> Result<PhasePasses, GenerateError> {
    let mut passes = PhasePasses::default();
    let start = Instant::now();
    while passes.len() == 0 || passes.len() < WARM_PREFILLS && start.elapsed() < WARM_BUDGET {
        let wall = prefill(model, executor, prompt)?;
        passes.push(wall, executor.passes().last().expect("it just ran"));
    }
    Ok(passes)
}

/// Reads the prompt and chooses one token; the wall time.
fn prefill(
    model: &Model,
    executor: &mut HybridExecutor,
    prompt: &[u32],
) -> Result<Seconds, GenerateError> {
    let options = GenerateOptions {
        max_tokens: 1,
        sampling: Sampling::GREEDY,
        stop_ids: Vec::new(),
    };
    let generated = generate(model, executor, prompt, &options, &mut |_| {
        ControlFlow::Continue(())
    })?;
    Ok(Seconds(generated.timing.prefill_s))
}
