use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use tercet::artefact::{check_free, read_json, write_bytes, Overwrite};
use tercet::board::{fit, Board, Fit, DEFAULT_BOARD};
use tercet::device::{check_cus, Dispatching, Mode};
use tercet::identity::ModelAtHand;
use tercet::model::LinearId;
use tercet::profile::{Profile, ProfileConfig};
use tercet::select::{plan_toml, render, select, SelectConfig, Selection};
use tercet::tier::Tier;
use tercet::units::Bytes;
use tercet_contract::Geometry;

use super::args::{CpuArgs, ModeArg, ModelArgs, ProfileArgs};
use super::output::{note, print, print_json, remarks};
use super::progress::Bar;
use super::Verdict;

/// Choose the layers worth moving to a board, and write them to a plan
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Use this profile instead of measuring now; with --model, it must be of that model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "rounds", "threads", "kernel", "lm_head", "sparsity"])]
    profile: Option<PathBuf>,
    #[command(flatten)]
    measure: ProfileArgs,
    #[command(flatten)]
    cpu: CpuArgs,
    /// Board by name (`tercet boards` lists them), or a board file
    #[arg(long, value_name = "NAME", default_value = DEFAULT_BOARD)]
    board: String,
    /// Consider this kernel only [default: the best of all]
    #[arg(long, value_name = "GEOMETRY")]
    geometry: Option<Geometry>,
    /// Compute units that share the rows of each layer
    #[arg(long, value_name = "N", default_value_t = 1)]
    cus: usize,
    /// How commands reach the compute units
    #[arg(long, value_enum, default_value = "launch")]
    mode: ModeArg,
    /// Not recommended: offload the N best layers even if that costs time
    #[arg(long, value_name = "N")]
    force_top: Option<usize>,
    /// Write the plan to this file (plan.toml)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Layers to list; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    version: u32,
    boards: [BoardJson<'a>; 1],
}

#[derive(Serialize)]
struct BoardJson<'a> {
    board: &'a str,
    geometry: Geometry,
    cus: usize,
    mode: Mode,
    decision: &'a str,
    recommended: bool,
    offloaded: Vec<LinearId>,
    ms_per_token_cpu: f64,
    ms_per_token_hybrid: f64,
    tokens_per_s: f64,
    tiers: Tiers,
    layers: Vec<LayerJson<'a>>,
}

#[derive(Serialize)]
struct Tiers {
    ms_per_token_cpu: Tier,
    ms_per_token_hybrid: Tier,
    cpu_ms: Tier,
    device_ms: Tier,
    gain_ms: Tier,
}

#[derive(Serialize)]
struct LayerJson<'a> {
    layer: LinearId,
    offload: bool,
    cpu_ms: f64,
    device_ms: f64,
    gain_ms: f64,
    reason: &'a str,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let board = Board::find(&args.board)?;
    check_cus(args.cus).context("--cus")?;
    if let Some(path) = &args.out {
        check_free(path, Overwrite::from_force(args.force))?;
    }
    let profile = profile(&args)?;
    let config = SelectConfig {
        geometry: args.geometry,
        force_top: args.force_top,
        dispatch: Dispatching {
            mode: args.mode.into(),
            cus: args.cus,
        },
    };
    let selection = select(&profile, &board, &config)?;
    if let Fit::Unknown(why) = fit(&board, &selection.geometry, args.cus, Bytes(0)) {
        note(format_args!(
            "whether the compute units fit is not known: {why}"
        ));
    }
    if let Some(path) = &args.out {
        let text = plan_toml(&selection, &args.board);
        write_bytes(path, text.as_bytes(), Overwrite::from_force(args.force))?;
    }
    if args.json {
        print_json(&json(&selection))?;
    } else {
        print(&render(&selection, args.top))?;
    }
    Ok(Verdict::Ok)
}

fn profile(args: &Args) -> anyhow::Result<Profile> {
    if let Some(path) = &args.profile {
        let profile = read_json(path)?;
        if args.model.model.is_some() {
            ModelAtHand::of(&args.model.source())?.check_profile(path, &profile)?;
        }
        return Ok(profile);
    }
    let config = ProfileConfig {
        prompt: args.measure.prompt.clone(),
        rounds: args.measure.rounds,
        cpu: args.cpu.options()?,
        ..ProfileConfig::default()
    };
    let mut bar = Bar::new("profile");
    let profile = Profile::measure(
        &args.model.source(),
        &args.model.load_options_for(&args.cpu),
        &config,
        &mut |d, t| bar.step(d, t),
    )?;
    drop(bar);
    remarks(&profile.remarks);
    Ok(profile)
}

fn json(s: &Selection) -> Json<'_> {
    let layer =
        |l: &'_ tercet::select::RankedLayer| (l.cpu.ms(), l.device.total().ms(), l.gain.ms());
    Json {
        schema: "tercet.selection",
        version: 1,
        boards: [BoardJson {
            board: &s.board.name,
            geometry: s.geometry,
            cus: s.dispatch.cus,
            mode: s.dispatch.mode,
            decision: &s.decision,
            recommended: s.recommended,
            offloaded: s.offloaded().into_iter().collect(),
            ms_per_token_cpu: s.token_cpu.ms(),
            ms_per_token_hybrid: s.token_hybrid.ms(),
            tokens_per_s: s.token_hybrid.per_second(),
            tiers: Tiers {
                ms_per_token_cpu: Tier::Measured,
                ms_per_token_hybrid: s.device_tier(),
                cpu_ms: Tier::Measured,
                device_ms: s.device_tier(),
                gain_ms: s.device_tier(),
            },
            layers: s
                .layers
                .iter()
                .map(|l| {
                    let (cpu_ms, device_ms, gain_ms) = layer(l);
                    LayerJson {
                        layer: l.layer,
                        offload: l.offload,
                        cpu_ms,
                        device_ms,
                        gain_ms,
                        reason: &l.reason,
                    }
                })
                .collect(),
        }],
    }
}
