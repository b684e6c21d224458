//! Arguments that several commands share.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tercet::checkpoint::{CheckpointError, Source};
use tercet::device::Mode;
use tercet::executor::CpuOptions;
use tercet::kernel::{Isa, Kernel};
use tercet::model::{HeadKind, LoadOptions, Model};
use tercet::profile::{ProfileConfig, DEFAULT_PROMPT};
use tercet::run::DeviceKind;
use tercet::simulate::MemoryKind;
use tercet::weight_cache::CachePolicy;

use super::output::remarks;

/// Memories behind a simulated kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MemoryArg {
    /// A fixed latency, then a beat a cycle
    Fixed,
    /// An HBM2 pseudo-channel a port
    Hbm,
    /// A DDR4-2400 channel a port
    Ddr,
}

impl From<MemoryArg> for MemoryKind {
    fn from(memory: MemoryArg) -> Self {
        match memory {
            MemoryArg::Fixed => MemoryKind::Fixed,
            MemoryArg::Hbm => MemoryKind::Hbm,
            MemoryArg::Ddr => MemoryKind::Ddr,
        }
    }
}

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

    /// The same, with the output head that `cpu` asks for.
    pub fn load_options_for(&self, cpu: &CpuArgs) -> LoadOptions {
        let cache = self.load_options().cache;
        LoadOptions {
            cache,
            ..cpu.load()
        }
    }

    /// Loads it, and keeps it as `options` say, but for its cache; remarks go to stderr.
    pub fn load(&self, options: LoadOptions) -> Result<Model, CheckpointError> {
        let cache = self.load_options().cache;
        let model = Model::load_with(&self.source(), &LoadOptions { cache, ..options })?;
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

/// Weights that the product with the output head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HeadArg {
    /// Those of the checkpoint, bf16 as a rule
    Bf16,
    /// int8, a scale for each row: fewer bytes, other logits
    Int8,
    /// A short copy first, then only rows that can still win: fewer bytes, the same tokens
    Screen,
}

impl From<HeadArg> for HeadKind {
    fn from(arg: HeadArg) -> Self {
        match arg {
            HeadArg::Bf16 => HeadKind::Stored,
            HeadArg::Int8 => HeadKind::Int8,
            HeadArg::Screen => HeadKind::Screened,
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// How the CPU computes.
#[derive(Args)]
pub struct CpuArgs {
    /// CPU threads [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub threads: usize,
    /// Instruction set of the kernels: scalar, avx2, avx512vnni [default: the best of this CPU]
    #[arg(long, value_name = "ISA")]
    pub kernel: Option<Isa>,
    /// Weights that the product with the output head reads
    #[arg(long, value_enum, default_value_t = HeadArg::Bf16)]
    pub lm_head: HeadArg,
    /// Leave out weights that would be multiplied by zero; the results have the same bits
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub sparsity: Switch,
}

impl CpuArgs {
    /// How the executor computes.
    pub fn options(&self) -> anyhow::Result<CpuOptions> {
        let kernel = match self.kernel {
            None => Kernel::detect(),
            Some(isa) => Kernel::new(isa).with_context(|| {
                let kernels: Vec<_> = Kernel::available().map(|k| k.isa().as_str()).collect();
                format!(
                    "this CPU has no {isa}: expected one of {}",
                    kernels.join(", ")
                )
            })?,
        };
        Ok(CpuOptions {
            threads: self.threads,
            kernel,
            sparsity: self.sparsity == Switch::On,
        })
    }

    /// How the model is kept.
    pub fn load(&self) -> LoadOptions {
        LoadOptions {
            head: self.lm_head.into(),
            ..LoadOptions::default()
        }
    }
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
