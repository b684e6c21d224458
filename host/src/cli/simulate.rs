use std::num::NonZeroU64;
use std::path::PathBuf;

use tercet::artefact::to_json;
use tercet::device::Dispatching;
use tercet::run::DeviceKind;
use tercet::simulate::{
    simulate, FaultOutcome, FaultReport, MemoryKind, SimulateConfig, Simulation, DEFAULT_CLOCK_MHZ,
};
use tercet_contract::Geometry;
use tercet_sim::{TimedFault, TraceWindow};

use super::args::{geometry, MemoryArg, ModeArg, SimulatedArg};
use super::output::{announce_build, counted, note, print};
use super::Verdict;

/// Latency of a fixed memory in cycles where none is named.
const DEFAULT_LATENCY: u32 = 128;

/// Run random matrix-vector products on simulated kernels and check them
#[derive(clap::Args)]
pub struct Args {
    /// Rows of W (out_features)
    #[arg(long, value_name = "N")]
    rows: usize,
    /// Columns of W (in_features)
    #[arg(long, value_name = "K")]
    k: usize,
    /// Kernel: bus bits - encoding, then batch and longest K if they are not the usual: 512-b3, 512-b3-x4-k8192
    #[arg(long, value_name = "GEOMETRY", default_value_t = Geometry::DEFAULT, value_parser = geometry)]
    geometry: Geometry,
    /// Vectors in one pass over the weights; chooses the kernel's batch [default: that of the geometry]
    #[arg(long, value_name = "1|2|4")]
    batch: Option<usize>,
    /// Trits of a weight, 1 to 5
    #[arg(long, value_name = "T", default_value_t = 1)]
    digits: usize,
    /// Read a random share of the rows, above 0 to 1, by a run list
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    rows_share: Option<f64>,
    /// Commands in a queue, each with weights of its own, all with the same activations
    #[arg(long, value_name = "C", default_value_t = 1)]
    commands: usize,
    /// Seed of weights and activations
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Compute units that share the rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    cus: usize,
    /// How commands reach the compute units
    #[arg(long, value_enum, default_value = "launch")]
    mode: ModeArg,
    /// What stands behind the memory ports
    #[arg(long, value_enum, default_value = "fixed")]
    memory: MemoryArg,
    /// Latency of fixed memories in clock cycles [default: 128]
    #[arg(long, value_name = "CYCLES")]
    latency: Option<u32>,
    /// Clock of the kernel, from which hbm and ddr are seen [default: 250]
    #[arg(long, value_name = "MHZ")]
    clock_mhz: Option<u32>,
    /// Stall the buses at random, from this seed
    #[arg(long, value_name = "SEED")]
    stall_seed: Option<u64>,
    /// Let something go wrong on the first compute unit, from a cycle on: weights-slverr@500; RTL only
    #[arg(long, value_name = "KIND@CYCLE")]
    fault: Option<TimedFault>,
    /// What to simulate
    #[arg(long, value_enum, default_value = "rtl")]
    device: SimulatedArg,
    /// Write a waveform of the first compute unit (FST, for GTKWave or Surfer)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// First cycle of the launch, or of the dispatch through a ring, that the waveform shows [default: all cycles]
    #[arg(long, value_name = "CYCLE", requires = "trace")]
    trace_from: Option<u64>,
    /// Cycles that the waveform shows, from --trace-from or the start on [default: all that follow]
    #[arg(long, value_name = "N", requires = "trace")]
    trace_cycles: Option<NonZeroU64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let config = config(args_without_effect(&args), &args)?;
    // Refused before anything is built for it.
    config.validate()?;
    if config.device == DeviceKind::Rtl {
        announce_build(&config.geometry, config.trace.is_some())?;
    }
    let simulation = simulate(&config)?;
    let text = if args.json {
        to_json(&simulation)
    } else {
        render(&simulation)
    };
    print(&text)?;
    Ok(match problem(&simulation) {
        None => Verdict::Ok,
        Some(problem) => Verdict::CheckFailed(format!("{}: {problem}", shape(&simulation))),
    })
}

/// Says which options of one memory are given for another.
fn args_without_effect(args: &Args) -> MemoryKind {
    let memory = MemoryKind::from(args.memory);
    let fixed = memory == MemoryKind::Fixed;
    if args.latency.is_some() && !fixed {
        note(format_args!(
            "--latency has no effect: --memory {memory} has its own"
        ));
    }
    if args.clock_mhz.is_some() && fixed {
        note("--clock-mhz has no effect: the latency of --memory fixed is in cycles");
    }
    memory
}

fn config(memory: MemoryKind, args: &Args) -> anyhow::Result<SimulateConfig> {
    let geometry = match args.batch {
        None => args.geometry,
        Some(batch) => args.geometry.with_batch(batch)?,
    };
    Ok(SimulateConfig {
        digits: args.digits,
        rows_share: args.rows_share,
        commands: args.commands,
        seed: args.seed,
        memory,
        latency_cycles: args.latency.unwrap_or(DEFAULT_LATENCY),
        clock_mhz: args.clock_mhz.unwrap_or(DEFAULT_CLOCK_MHZ),
        stall_seed: args.stall_seed,
        device: args.device.into(),
        dispatch: Dispatching {
            mode: args.mode.into(),
            cus: args.cus,
        },
        fault: args.fault,
        trace: args.trace.clone(),
        window: (args.trace_from.is_some() || args.trace_cycles.is_some()).then(|| TraceWindow {
            from_cycle: args.trace_from.unwrap_or(0),
            cycles: args.trace_cycles.map_or(u64::MAX, NonZeroU64::get),
        }),
        ..SimulateConfig::new(geometry, args.rows, args.k)
    })
}

fn shape(s: &Simulation) -> String {
    format!(
        "{} x {} on {} with seed {}",
        s.rows, s.k, s.geometry, s.seed
    )
}

/// What is wrong, if anything is.
fn problem(s: &Simulation) -> Option<String> {
    let fault = s.fault.as_ref();
    if let Some(error) = &s.error {
        return Some(format!("the kernel stopped at {error}{}", recovery(fault)));
    }
    if hung(s) {
        return Some(format!(
            "the kernel got no answer and did not end{}",
            recovery(fault)
        ));
    }
    (!s.matches_reference).then(|| "sums differ from the scalar reference".to_string())
}

/// Whether the kernel did not end: there are no figures.
fn hung(s: &Simulation) -> bool {
    let fault = s.fault.as_ref();
    fault.is_some_and(|f| f.outcome == FaultOutcome::Hang)
}

/// What followed a fault.
fn recovery(fault: Option<&FaultReport>) -> &'static str {
    match fault.and_then(|f| f.clean_run_matches) {
        None => "",
        Some(true) => "; a run without the fault that followed matches",
        Some(false) => "; a run without the fault that followed DIFFERS",
    }
}

fn render(s: &Simulation) -> String {
    let mut text = format!("{}\n", job(s));
    if let Some(fault) = &s.fault {
        let outcome = match fault.outcome {
            FaultOutcome::None => "nothing met it",
            FaultOutcome::Error => "the kernel stopped and reported an error",
            FaultOutcome::Hang => "the kernel got no answer and was reset",
            FaultOutcome::Reset => "the kernel was reset; the figures are of the run that followed",
        };
        text += &format!(
            "fault {}: {outcome}{}\n",
            fault.injected,
            recovery(Some(fault))
        );
    }
    if hung(s) {
        return text;
    }
    if let Some(error) = &s.error {
        text += &format!("kernel error: {error}\n");
    }
    let stalls = match s.stall_seed {
        Some(_) => ", which knows no stalls",
        None => "",
    };
    text += &format!(
        "{} cycles ({}); cycle model{stalls}: {}\n\
         {} weight beats, {:.1} % of the cycles, {:.1} % of their lanes filled; starved {} cycles, blocked {}, \
         other (fetch, load, fill, drain{}) {}\n",
        s.cycles,
        s.tier,
        s.modelled_cycles,
        s.beats,
        100.0 * s.efficiency,
        100.0 * s.lane_fill,
        s.starved_cycles,
        s.blocked_cycles,
        if s.cus > 1 { ", waiting for the slowest" } else { "" },
        s.other_cycles,
    );
    let cycles = |c: Option<u64>| c.map_or("none".to_string(), |c| format!("{c} cycles"));
    text += &format!(
        "from dispatch to first beat {}, from last beat to completion {} ({})\n",
        cycles(s.timeline.dispatch_to_first_beat_cycles),
        cycles(s.timeline.last_beat_to_completion_cycles),
        s.timeline.tier,
    );
    let sums = match (s.matches_reference, &s.error) {
        (true, _) => "sums match the scalar reference",
        (false, None) => "sums DIFFER from the scalar reference",
        (false, Some(_)) => "sums of a command that failed are undefined",
    };
    text + sums + "\n"
}

/// What was computed, and behind which memory.
fn job(s: &Simulation) -> String {
    let mut text = format!("{} x {} on {}", s.rows, s.k, s.geometry);
    if s.batch > 1 {
        text += &format!(", {} vectors a pass", s.batch);
    }
    if s.digits > 1 {
        text += &format!(", {} trits a weight", s.digits);
    }
    if s.rows_share.is_some() {
        text += &format!(", {} of the rows", s.computed_rows);
    }
    if s.commands > 1 {
        text += &format!(", {}", counted(s.commands, "command"));
    }
    let dispatch = Dispatching {
        mode: s.mode,
        cus: s.cus,
    };
    if dispatch != Dispatching::SINGLE {
        text += &format!(", {dispatch}");
    }
    text += &match s.clock_mhz {
        None => format!(", memory latency {} cycles", s.latency_cycles),
        Some(mhz) => format!(", {} memory at {mhz} MHz", s.memory),
    };
    match s.stall_seed {
        None => text,
        Some(seed) => format!("{text}, stalls from seed {seed}"),
    }
}
