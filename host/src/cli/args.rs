//! Arguments that several commands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tercet::checkpoint::{CheckpointError, Source};
use tercet::device::Mode;
use tercet::model::{LoadOptions, Model};
use tercet::profile::{ProfileConfig, DEFAULT_PROMPT};
use tercet::run::DeviceKind;
use tercet::weight_cache::CachePolicy;

use super::output::remarks;

/// Which model.
#[derive(Args)]
pub struct ModelArgs {
    /// Checkpoint folder in Hugging Face layout [default: the tiny model inside the program]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Pack the weights anew, and do not keep them in the cache folder
    #[arg(long)]
    no_weight_cache: bool,
}

impl ModelArgs {
    /// The checkpoint.
    pub fn source(&self) -> Source {
        Source::from_option(self.model.as_deref())
    }

    /// How it is loaded.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            cache: match self.no_weight_cache {
                true => CachePolicy::Off,
                false => CachePolicy::Folder,
            },
            ..LoadOptions::default()
        }
    }

    /// Loads it; remarks go to stderr.
    pub fn load(&self) -> Result<Model, CheckpointError> {
        let model = Model::load_with(&self.source(), &self.load_options())?;
        remarks(&model.load_report().remarks);
        Ok(model)
    }
}

/// How many CPU threads.
#[derive(Args)]
pub struct ThreadArgs {
    /// CPU threads [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub threads: usize,
}

/// What to measure on the CPU.
#[derive(Args)]
pub struct ProfileArgs {
    /// Text to start from
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PROMPT)]
    pub prompt: String,
    /// How often the prompt is generated from; the first time is kept apart as cold
    #[arg(long, value_name = "N", default_value_t = ProfileConfig::default().rounds)]
    pub rounds: usize,
}

/// Simulated devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimulatedArg {
    /// The device model: exact sums, modelled cycles
    Model,
    /// The RTL in Verilator, cycle by cycle
    Rtl,
}

impl From<SimulatedArg> for DeviceKind {
    fn from(arg: SimulatedArg) -> Self {
        match arg {
            SimulatedArg::Model => DeviceKind::Model,
            SimulatedArg::Rtl => DeviceKind::Rtl,
        }
    }
}

/// Every device of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// No device: everything on the CPU
    Cpu,
    /// The device model: exact sums, modelled cycles
    Model,
    /// The RTL in Verilator, cycle by cycle
    Rtl,
}

impl From<DeviceArg> for DeviceKind {
    fn from(arg: DeviceArg) -> Self {
        match arg {
            DeviceArg::Cpu => DeviceKind::Cpu,
            DeviceArg::Model => DeviceKind::Model,
            DeviceArg::Rtl => DeviceKind::Rtl,
        }
    }
}

/// How commands reach a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// A launch for each list of commands
    Launch,
    /// The kernel runs on and takes commands from a ring
    Ring,
}

impl From<ModeArg> for Mode {
    fn from(arg: ModeArg) -> Self {
        match arg {
            ModeArg::Launch => Mode::Launch,
            ModeArg::Ring => Mode::Ring,
        }
    }
}

/// Run folder of a model if none is named: `runs/<name of the model's folder>`.
pub fn default_run_folder(model: Option<&Path>) -> PathBuf {
    let absolute = model.and_then(|m| m.canonicalize().ok());
    let name = absolute.as_deref().and_then(Path::file_name);
    Path::new("runs").join(name.unwrap_or("tiny-bitnet".as_ref()))
}
