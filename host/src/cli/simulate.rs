use std::path::PathBuf;

use tercet::artefact::to_json;
use tercet::run::DeviceKind;
use tercet::simulate::{simulate, SimulateConfig, Simulation};
use tercet_contract::{Command, Geometry};

use super::args::SimulatedArg;
use super::output::{announce_build, print};
use super::Verdict;

/// Run one random matrix-vector product on the simulated kernel and check it
#[derive(clap::Args)]
pub struct Args {
    /// Rows of W (out_features)
    #[arg(long, value_name = "N")]
    rows: usize,
    /// Columns of W (in_features)
    #[arg(long, value_name = "K")]
    k: usize,
    /// Kernel: bus bits - encoding
    #[arg(long, value_name = "BITS-ENCODING", default_value_t = Geometry::DEFAULT)]
    geometry: Geometry,
    /// Latency of both memories in clock cycles
    #[arg(long, value_name = "CYCLES", default_value_t = 128)]
    latency: u32,
    /// Stall the buses at random, from this seed
    #[arg(long, value_name = "SEED")]
    stall_seed: Option<u64>,
    /// Seed of weights and activations
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// What to simulate
    #[arg(long, value_enum, default_value = "rtl")]
    device: SimulatedArg,
    /// Write a waveform (FST, for GTKWave or Surfer)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let config = SimulateConfig {
        geometry: args.geometry,
        rows: args.rows,
        k: args.k,
        latency_cycles: args.latency,
        stall_seed: args.stall_seed,
        seed: args.seed,
        device: args.device.into(),
        trace: args.trace,
    };
    // Refused before anything is built for it.
    Command::gemv(&config.geometry, config.rows, config.k, 0, 0, 0)?;
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
    Ok(match simulation.matches_reference {
        true => Verdict::Ok,
        false => Verdict::CheckFailed(mismatch(&simulation)),
    })
}

fn mismatch(s: &Simulation) -> String {
    let shape = format!(
        "{} x {} on {} with seed {}",
        s.rows, s.k, s.geometry, s.seed
    );
    match &s.error {
        Some(error) => format!("{shape}: the kernel stopped at {error}"),
        None => format!("{shape}: sums differ from the scalar reference"),
    }
}

fn render(s: &Simulation) -> String {
    format!(
        "{} x {} on {}, memory latency {} cycles{}\n\
         {} cycles ({}); cycle model{}: {}\n\
         {} weight beats, {:.1} % of the cycles, {:.1} % of their lanes filled; starved {} cycles, blocked {}, \
         other (fetch, load, fill, drain) {}\n\
         sums {} the scalar reference\n",
        s.rows,
        s.k,
        s.geometry,
        s.latency_cycles,
        s.stall_seed
            .map_or(String::new(), |seed| format!(", stalls from seed {seed}")),
        s.cycles,
        s.tier,
        if s.stall_seed.is_some() {
            ", which knows no stalls"
        } else {
            ""
        },
        s.modelled_cycles,
        s.beats,
        100.0 * s.efficiency,
        100.0 * s.lane_fill,
        s.starved_cycles,
        s.blocked_cycles,
        s.other_cycles,
        if s.matches_reference {
            "match"
        } else {
            "DIFFER from"
        },
    )
}
