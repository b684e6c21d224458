use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{bail, Context};
use tercet::artefact::{check_free, create_folder, to_json, write_json, Overwrite};
use tercet::board::{fit, Board, Fit, DEFAULT_BOARD};
use tercet::checkpoint::Source;
use tercet::compare::BASELINE_FILE;
use tercet::device::part::whole;
use tercet::device::serial;
use tercet::device::{check_cus, DeviceLayers, Dispatching, Mode, Part};
use tercet::executor::hybrid::DeviceFault;
use tercet::generate::{Sampling, StopReason};
use tercet::identity::ModelAtHand;
use tercet::model::{LinearId, Model};
use tercet::plan::Plan;
use tercet::run::{DeviceKind, Placement, RunConfig, RunReport};
use tercet::tokenizer::Tokenizer;
use tercet::units::Bytes;
use tercet_contract::{Encoding, Geometry};

use super::args::{geometry, CpuArgs, DeviceArg, ModeArg, ModelArgs, XrtArgs};
use super::output::{announce_build, counted, note, print};
use super::{chat, Verdict};

/// Generate text, with any layers on any device
///
/// Without --offload, nothing is offloaded on the CPU and every ternary layer on a device; without
/// --device, a plan or `all` runs on the device model. Tokens are the same in every case.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// Talk with the model through its chat template: a line of stdin is a message
    #[arg(long, conflicts_with_all = ["json", "out", "force"])]
    pub(super) chat: bool,
    /// What the model is told before the first message
    #[arg(long, value_name = "TEXT", requires = "chat")]
    pub(super) system: Option<String>,
    /// Text to continue, after the tokenizer's begin token; with --chat the first message [default:
    /// nothing but that token]
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) prompt: String,
    /// Most tokens to generate, with --chat in each answer [default with --chat: what the context holds]
    #[arg(long, value_name = "N", required_unless_present = "chat")]
    pub(super) max_tokens: Option<usize>,
    /// 0 takes the most likely token; higher values draw more freely [default: 0, with --chat what the
    /// checkpoint's generation_config.json says, as for the next two]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(super) temperature: Option<f32>,
    /// Draw among the K most likely tokens only
    #[arg(long, value_name = "K")]
    pub(super) top_k: Option<usize>,
    /// Draw among the most likely tokens that together have this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(super) top_p: Option<f32>,
    /// Seed of the draws
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) cpu: CpuArgs,
    /// Layers for the device: none, all, or those of a plan
    #[arg(long, value_name = "none|all|PLAN.toml")]
    offload: Option<Offload>,
    /// Who computes them: cpu; model, the device model; rtl, the Verilated kernel; xrt or xrt:CARD, a card by
    /// number or place on the bus; xrt-emu, the Verilated kernel behind XRT; xrt-sim, the same behind our own
    /// library with XRT's functions; serial:PORT, a board behind a serial port
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceArg>,
    /// Kernel of the device [default: the plan's, or 512-b3]
    #[arg(long, value_name = "GEOMETRY", value_parser = geometry)]
    geometry: Option<Geometry>,
    /// Weight encoding on the device: b2 or b3 [default: the kernel's]
    #[arg(long, value_name = "b2|b3")]
    encoding: Option<Encoding>,
    /// Vectors in one pass over the weights, for the prompt [default: the kernel's]
    #[arg(long, value_name = "1|2|4")]
    batch: Option<usize>,
    /// Compute units that share the rows of each layer [default: the plan's, or 1]
    #[arg(long, value_name = "N")]
    cus: Option<usize>,
    /// How commands reach the compute units [default: the plan's, or launch]
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// Board behind the device's times: a name (`tercet boards` lists them), or a board file [default: the plan's, or u55c]
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    #[command(flatten)]
    xrt: XrtArgs,
    /// Write a waveform of the RTL (FST)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Leave the report in this run folder, for `tercet compare`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the report if it is there
    #[arg(long)]
    force: bool,
    /// Print JSON instead of the text
    #[arg(long)]
    json: bool,
}

/// Which layers to offload.
#[derive(Clone, Debug)]
enum Offload {
    None,
    All,
    Plan(PathBuf),
}

impl FromStr for Offload {
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(match s {
            "none" => Offload::None,
            "all" => Offload::All,
            path => Offload::Plan(PathBuf::from(path)),
        })
    }
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    if args.chat {
        return chat::run(&args);
    }
    let source = args.model.source();
    let model = args.model.load(args.cpu.load())?;
    let tokenizer = Tokenizer::load(&source)?;
    let config = RunConfig {
        prompt: args.prompt.clone(),
        max_tokens: args.max_tokens.context("--max-tokens is missing")?,
        sampling: Sampling {
            temperature: args.temperature.unwrap_or(0.0),
            top_k: args.top_k,
            top_p: args.top_p,
            seed: args.seed,
        },
        cpu: args.cpu.options()?,
        placement: placement(&args, &source, &model)?,
    };
    let file = report_file(&args, &config.placement)?;
    let placement = &config.placement;
    if placement.device.is_verilated() && !placement.layers.is_empty() {
        announce_build(&placement.geometry, placement.trace.is_some())?;
    }
    let report = generate(&model, &tokenizer, &source.to_string(), &config, args.json)?;
    if let Some(file) = &file {
        write_json(file, &report, Overwrite::from_force(args.force))?;
    }
    if args.json {
        print(&to_json(&report))?;
    } else {
        print("\n")?;
        note(summary(&report, &model));
    }
    Ok(Verdict::Ok)
}

/// Resolves --offload, --device and what describes the device.
pub(super) fn placement(args: &Args, source: &Source, model: &Model) -> anyhow::Result<Placement> {
    let device = match (&args.device, &args.offload) {
        (Some(device), _) => device.kind(),
        (None, None | Some(Offload::None)) => DeviceKind::Cpu,
        (None, _) => DeviceKind::Model,
    };
    let default = if device == DeviceKind::Cpu {
        Offload::None
    } else {
        Offload::All
    };
    let (label, plan) = match args.offload.as_ref().unwrap_or(&default) {
        Offload::None => ("none", own_plan(DeviceLayers::new())),
        Offload::All => ("all", own_plan(whole(model.linear_ids()))),
        Offload::Plan(path) => ("plan", Plan::read_for(path, &ModelAtHand::of(source)?)?),
    };
    if device == DeviceKind::Cpu && !plan.layers.is_empty() {
        note("--device cpu: all layers stay on the CPU, whatever --offload says");
    }
    if device != DeviceKind::Cpu && plan.layers.is_empty() {
        note("nothing is offloaded: the device stays idle");
    }
    for (option, given) in [
        ("--geometry", args.geometry.is_some()),
        ("--encoding", args.encoding.is_some()),
        ("--batch", args.batch.is_some()),
        ("--cus", args.cus.is_some()),
        ("--mode", args.mode.is_some()),
    ] {
        if device == DeviceKind::Cpu && given {
            note(format_args!(
                "{option} has no effect: all layers stay on the CPU"
            ));
        }
    }
    if args.trace.is_some() && device != DeviceKind::Rtl {
        bail!("--trace: only the RTL has a waveform; add --device rtl");
    }
    let cus = args.cus.unwrap_or(plan.dispatch.cus);
    check_cus(cus).context("--cus")?;
    let makes_image =
        matches!(device, DeviceKind::XrtEmu | DeviceKind::XrtSim) && args.xrt.xclbin.is_none();
    if makes_image && cus > tercet_xclbin::emulation::MAX_CUS {
        bail!(
            "--cus {cus}: an emulated card has at most {}",
            tercet_xclbin::emulation::MAX_CUS
        );
    }
    let is_serial = device == DeviceKind::Serial;
    let geometry = match (args.geometry, &args.offload) {
        (Some(geometry), _) => geometry,
        // Such boards come with one kernel.
        (None, None | Some(Offload::None | Offload::All)) if is_serial => {
            serial::GEOMETRY.parse()?
        }
        (None, _) => plan.geometry,
    };
    if is_serial && (cus != 1 || args.mode == Some(ModeArg::Ring)) {
        bail!("--device serial: such a board has one compute unit and no rings");
    }
    let encoding = args.encoding.unwrap_or(geometry.encoding());
    let batch = args.batch.unwrap_or(geometry.batch());
    let geometry = Geometry::new(geometry.bus_bits(), encoding, batch)
        .and_then(|g| g.with_max_k(geometry.max_k()))?;
    let dispatch = Dispatching {
        mode: args.mode.map_or(plan.dispatch.mode, Mode::from),
        cus,
    };
    let board = Board::find(args.board.as_deref().unwrap_or(&plan.board))?;
    let is_as_planned =
        (geometry, dispatch) == (plan.geometry, plan.dispatch) && args.board.is_none();
    if device != DeviceKind::Cpu && !plan.layers.is_empty() {
        let bytes_of = |(id, part): (&LinearId, &Part)| {
            let linear = model.linear(*id);
            geometry.matrix_bytes(part.rows(linear.n()), linear.k())
        };
        let bytes: usize = plan.layers.iter().map(bytes_of).sum();
        check_fit(&board, &geometry, cus, Bytes(bytes as u64))?;
    }
    Ok(Placement {
        label: label.to_string(),
        device,
        predicted: plan.predicted.filter(|_| is_as_planned),
        layers: plan.layers,
        geometry,
        board,
        dispatch,
        trace: args.trace.clone(),
        xrt: match &args.device {
            Some(DeviceArg::Xrt(target)) => Some(args.xrt.options(target)?),
            _ => None,
        },
        serial: match &args.device {
            Some(DeviceArg::Serial(port)) => Some(args.xrt.serial(port)?),
            _ => None,
        },
        faults: args.xrt.faults(device),
    })
}

/// Refuses compute units that the board cannot hold; says so where nobody knows.
fn check_fit(board: &Board, geometry: &Geometry, cus: usize, weights: Bytes) -> anyhow::Result<()> {
    let fit = fit(board, geometry, cus, weights);
    if let Fit::Unknown(why) = &fit {
        note(format_args!(
            "whether the compute units fit is not known: {why}"
        ));
    }
    match fit.refusal(board, geometry, cus) {
        Some(refusal) => bail!("--cus {cus}: {refusal}"),
        None => Ok(()),
    }
}

/// A plan without a file: default kernel and board.
fn own_plan(layers: DeviceLayers) -> Plan {
    Plan {
        board: DEFAULT_BOARD.to_string(),
        geometry: Geometry::DEFAULT,
        dispatch: Dispatching::SINGLE,
        layers,
        predicted: None,
    }
}

/// Where the report goes; its folder is made and the file refused before the run, not after it.
fn report_file(args: &Args, placement: &Placement) -> anyhow::Result<Option<PathBuf>> {
    let Some(folder) = &args.out else {
        return Ok(None);
    };
    let path = match placement.device {
        DeviceKind::Cpu => folder.join(BASELINE_FILE),
        _ => folder.join(format!("run-{}.json", placement.label)),
    };
    check_free(&path, Overwrite::from_force(args.force))?;
    create_folder(folder)?;
    Ok(Some(path))
}

/// Generates; unless `quiet`, text goes to stdout as it appears.
fn generate(
    model: &Model,
    tokenizer: &Tokenizer,
    name: &str,
    config: &RunConfig,
    quiet: bool,
) -> anyhow::Result<RunReport> {
    let mut stream = tokenizer.stream();
    let mut failed: Option<anyhow::Error> = None;
    let report = tercet::run::run(model, tokenizer, name, config, &mut |id| {
        if quiet {
            return ControlFlow::Continue(());
        }
        let written = stream
            .push(id)
            .map_err(Into::into)
            .and_then(|text| Ok(print(&text)?));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        }
    })?;
    match failed {
        Some(e) => return Err(e),
        None if !quiet => print(&stream.finish()?)?,
        None => {}
    }
    Ok(report)
}

/// What a run survived.
pub(super) fn fault_text(fault: &DeviceFault) -> String {
    let good = counted(fault.dispatches as usize, "dispatch");
    format!(
        "the device failed after {good} that went well, and the CPU did the rest: {}",
        fault.error
    )
}

fn summary(report: &RunReport, model: &Model) -> String {
    let (t, tokens) = (&report.timing, report.tokens.len());
    let mut text = counted(tokens, "token");
    if tokens > 0 {
        let prompt = counted(t.prefill.tokens, "token");
        text += &format!("; prefill {} ({prompt})", t.prefill.total_s);
    }
    if tokens > 1 {
        let (each, rate) = (t.decode.total_s, t.decode.tokens_per_s);
        text += &format!(", decode {each} a token, {rate:.1} tokens/s");
    }
    if tokens > 0 {
        text += &format!(" ({})", t.tier);
    }
    if report.stop_reason == StopReason::ContextFull {
        let context = model.config().max_position_embeddings;
        let tokens = counted(tokens, "token");
        text += &format!("\nthe context of {context} tokens is full after {tokens}");
    }
    let d = &report.device;
    if let Some(fault) = &d.fault {
        text += &format!("\n{}", fault_text(fault));
    }
    if let Some(tier) = d.tier {
        let calls = match d.mode {
            Mode::Launch => counted(d.usage.launches as usize, "launch"),
            Mode::Ring => counted(d.usage.doorbells as usize, "doorbell"),
        };
        let dispatch = Dispatching {
            mode: d.mode,
            cus: d.cus,
        };
        text += &format!(
            "\n{} on {dispatch} of the {}, {} ({}): {} cycles ({tier}), {calls}, {}, {} to and {} from the device",
            counted(d.layers.len(), "layer"),
            d.board.title,
            d.geometry,
            d.name,
            d.usage.cycles,
            counted(d.usage.commands as usize, "command"),
            d.usage.bytes_to,
            d.usage.bytes_from,
        );
        text += &format!(
            "\n{:.1} % of the cycles carry a weight beat; starved {} cycles, blocked {}, other {} ({tier})",
            100.0 * d.efficiency,
            d.starved_cycles,
            d.blocked_cycles,
            d.other_cycles,
        );
    }
    text
}
