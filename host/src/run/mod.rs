//! Text from a prompt, with any choice of layers on any device.
//!
//! On the CPU alone every time is measured. With a device the host's part is measured, with the
//! simulation's own wall time taken out, and the device's part is computed from counted cycles,
//! bytes and launches by [`crate::time_model`]: the sum is projected.

mod report;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;
use tercet_sim::MemoryTiming;

use crate::board::Board;
use crate::device::{Device, DeviceError, DeviceImage, DeviceSession, SimulatedDevice};
use crate::executor::hybrid::HybridExecutor;
use crate::executor::{CpuExecutor, ExecutorError};
use crate::generate::{generate, GenerateError, GenerateOptions, Sampling};
use crate::model::{LinearId, Model};
use crate::tokenizer::{Tokenizer, TokenizerError};

pub use report::{DeviceReport, PhaseTime, RunReport, StageTime, Timing};

/// Who computes the offloaded layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Nobody: everything runs on the CPU.
    Cpu,
    /// The device model: exact sums, modelled cycles.
    Model,
    /// The RTL in Verilator, cycle by cycle.
    Rtl,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Model => "model",
            DeviceKind::Rtl => "rtl",
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
    pub layers: BTreeSet<LinearId>,
    /// Kernel of the device.
    pub geometry: Geometry,
    /// Board whose clock, memory and link stand behind the device's times.
    pub board: Board,
    /// Waveform to write; RTL only.
    pub trace: Option<PathBuf>,
}

impl Placement {
    /// Everything on the CPU.
    pub fn cpu(board: Board) -> Self {
        Placement {
            label: "none".to_string(),
            device: DeviceKind::Cpu,
            layers: BTreeSet::new(),
            geometry: Geometry::DEFAULT,
            board,
            trace: None,
        }
    }

    /// Opens the device with the layers of `model` loaded; none if nothing is offloaded.
    pub fn open(&self, model: &Model) -> Result<Option<DeviceSession>, DeviceError> {
        if self.device == DeviceKind::Cpu || self.layers.is_empty() {
            return Ok(None);
        }
        let image = DeviceImage::build(model, &self.layers, &self.geometry)?;
        let timing = MemoryTiming {
            latency_cycles: self.board.latency_cycles(),
            ..MemoryTiming::default()
        };
        let device: Box<dyn Device> = match self.device {
            DeviceKind::Rtl => Box::new(SimulatedDevice::rtl(
                &self.geometry,
                timing,
                self.trace.as_deref(),
            )?),
            _ => Box::new(SimulatedDevice::model(&self.geometry, timing)),
        };
        Ok(Some(DeviceSession::start(device, image)?))
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
    /// CPU threads; 0 for one per core.
    pub threads: usize,
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
    let session = config.placement.open(model)?;
    let mut executor = HybridExecutor::new(CpuExecutor::new(config.threads)?, session);
    let options = GenerateOptions {
        max_tokens: config.max_tokens,
        sampling: config.sampling.clone(),
        stop_ids: model.stop_ids().to_vec(),
    };
    let generated = generate(model, &mut executor, &prompt, &options, on_token)?;
    let text = tokenizer.decode(&generated.tokens)?;
    Ok(report::build(
        name, config, &prompt, text, &generated, &executor,
    ))
}
