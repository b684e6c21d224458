//! Arguments that several commands share.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{bail, Context};
use clap::{Args, ValueEnum};
use tercet::checkpoint::{CheckpointError, Source};
use tercet::device::serial::SerialOptions;
use tercet::device::xrt::{CardId, Target, XrtOptions};
use tercet::device::Mode;
use tercet::executor::hybrid::{FaultPolicy, OnFault, CHECK_EVERY};
use tercet::executor::CpuOptions;
use tercet::kernel::{Isa, Kernel};
use tercet::model::{HeadKind, LoadOptions, Model};
use tercet::profile::{ProfileConfig, DEFAULT_PROMPT};
use tercet::run::DeviceKind;
use tercet::simulate::MemoryKind;
use tercet::suggest::did_you_mean;
use tercet::weight_cache::CachePolicy;
use tercet_contract::Geometry;

use super::output::remarks;

/// A kernel by its name.
pub fn geometry(text: &str) -> Result<Geometry, String> {
    let names = || Geometry::all().into_iter().map(|g| g.to_string());
    text.parse()
        .map_err(|e| format!("{e}{}", did_you_mean(text, names())))
}

/// An instruction set by its name.
pub fn isa(text: &str) -> Result<Isa, String> {
    let names = Isa::ALL.map(|isa| isa.as_str());
    text.parse()
        .map_err(|e| format!("{e}{}", did_you_mean(text, names)))
}

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
    #[arg(long, value_name = "ISA", value_parser = isa)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceArg {
    /// No device: everything on the CPU
    Cpu,
    /// The device model: exact sums, modelled cycles
    Model,
    /// The RTL in Verilator, cycle by cycle
    Rtl,
    /// Something behind XRT
    Xrt(Target),
    /// A board behind a serial port
    Serial(PathBuf),
}

impl FromStr for DeviceArg {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Ok(match s {
            "cpu" => DeviceArg::Cpu,
            "model" => DeviceArg::Model,
            "rtl" => DeviceArg::Rtl,
            "xrt-emu" => DeviceArg::Xrt(Target::Emulated),
            "xrt-sim" => DeviceArg::Xrt(Target::InProcess),
            "xrt" => DeviceArg::Xrt(Target::Card(CardId::Index(0))),
            _ => match s.split_once(':') {
                Some(("xrt", card)) => DeviceArg::Xrt(Target::Card(card.parse()?)),
                Some(("serial", port)) if !port.is_empty() => DeviceArg::Serial(port.into()),
                _ => {
                    let known = [
                        "cpu", "model", "rtl", "xrt-emu", "xrt-sim", "xrt", "serial:",
                    ];
                    return Err(format!(
                            "expected cpu, model, rtl, xrt-emu, xrt-sim, xrt, xrt:CARD or serial:PORT{}",
                            did_you_mean(s, known)
                        ));
                }
            },
        })
    }
}

impl DeviceArg {
    /// Its kind.
    pub fn kind(&self) -> DeviceKind {
        match self {
            DeviceArg::Cpu => DeviceKind::Cpu,
            DeviceArg::Model => DeviceKind::Model,
            DeviceArg::Rtl => DeviceKind::Rtl,
            DeviceArg::Xrt(Target::Card(_)) => DeviceKind::Xrt,
            DeviceArg::Xrt(Target::Emulated) => DeviceKind::XrtEmu,
            DeviceArg::Xrt(Target::InProcess) => DeviceKind::XrtSim,
            DeviceArg::Serial(_) => DeviceKind::Serial,
        }
    }
}

/// Longest time of a dispatch: a week.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Time after which a board behind a serial port is given up, if none is asked for.
const SERIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How a device behind XRT is reached, and what happens when a device fails.
#[derive(clap::Args, Clone, Debug)]
pub struct XrtArgs {
    /// Image for the card; the emulated ones make their own [default: one for --geometry and --cus]
    #[arg(long, value_name = "FILE")]
    pub xclbin: Option<PathBuf>,
    /// XRT's library [default: where XRT is installed; for xrt-sim the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub xrt_library: Option<PathBuf>,
    /// Longest time of a dispatch [default: 10 on a card, 600 in simulation]
    #[arg(long, value_name = "SECONDS")]
    pub device_timeout: Option<f64>,
    /// When the device fails: cpu goes on without it, with the same tokens; stop ends the run [default:
    /// cpu behind XRT, else stop]
    #[arg(long, value_enum)]
    pub on_fault: Option<OnFaultArg>,
    /// Compute a row of the results on the CPU too, in every Nth dispatch; 0 for never
    #[arg(long, value_name = "N", default_value_t = CHECK_EVERY)]
    pub check_every: u64,
    /// Arguments of the emulated card, for tests
    #[arg(long, value_name = "ARG", hide = true, allow_hyphen_values = true)]
    pub card_arg: Vec<String>,
}

/// What happens when a device fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnFaultArg {
    /// Its layers move to the CPU
    Cpu,
    /// The run ends
    Stop,
}

impl XrtArgs {
    /// What happens when the device fails.
    pub fn faults(&self, device: DeviceKind) -> FaultPolicy {
        FaultPolicy {
            on_fault: match self.on_fault {
                Some(OnFaultArg::Cpu) => OnFault::Cpu,
                Some(OnFaultArg::Stop) => OnFault::Stop,
                None if device.is_behind_xrt() => OnFault::Cpu,
                None => OnFault::Stop,
            },
            check_every: self.check_every,
        }
    }

    /// Longest time of a dispatch.
    fn timeout(&self, default: Duration) -> anyhow::Result<Duration> {
        let Some(seconds) = self.device_timeout else {
            return Ok(default);
        };
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|t| !t.is_zero() && *t <= LONGEST_TIMEOUT)
            .with_context(|| {
                let most = LONGEST_TIMEOUT.as_secs();
                format!("--device-timeout {seconds}: expected seconds above 0 and at most {most}")
            })
    }

    /// How a board behind a serial port is reached.
    pub fn serial(&self, port: &Path) -> anyhow::Result<SerialOptions> {
        Ok(SerialOptions {
            path: port.to_path_buf(),
            timeout: self.timeout(SERIAL_TIMEOUT)?,
        })
    }

    /// How the device is reached.
    pub fn options(&self, target: &Target) -> anyhow::Result<XrtOptions> {
        let timeout = self.timeout(XrtOptions::default_timeout(target))?;
        if matches!(target, Target::Card(_)) && self.xclbin.is_none() {
            bail!("--device xrt needs --xclbin FILE, the image for the card");
        }
        Ok(XrtOptions {
            target: target.clone(),
            xclbin: self.xclbin.clone(),
            library: self.xrt_library.clone(),
            timeout,
            card_arguments: self.card_arg.clone(),
        })
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
