use std::path::PathBuf;

use anyhow::{bail, Context};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use tercet::artefact::{check_free, write_bytes, Overwrite};
use tercet::board::{available, fit, Basis, Board, Figure, Fit, DEFAULT_BOARD};
use tercet::device::{check_cus, Dispatching, Mode};
use tercet::model::LinearId;
use tercet::profile::{Profile, MAX_BATCH};
use tercet::select::search::{prices, search, sensitivity, Answer, Flip, Price, Tried, CUS};
use tercet::select::{
    boards_text, flips_text, others_text, plan_toml, prices_text, render, Energy, HeadEstimate,
    Objective, Predicted, RankedLayer, SelectConfig, SelectError, Workload,
};
use tercet::suggest::did_you_mean;
use tercet::tier::Tier;
use tercet::units::Bytes;
use tercet_contract::Geometry;

use super::args::{geometry, ModeArg};
use super::output::{note, print, print_json};
use super::profile_at_hand::ProfileAtHand;
use super::Verdict;

/// Choose the layers worth moving to a board, and write them to a plan
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    profile: ProfileAtHand,
    /// Board by name (`tercet boards` lists them), or a board file; several with commas between them, or `all`
    #[arg(long, value_name = "NAME|all", value_delimiter = ',', default_value = DEFAULT_BOARD)]
    board: Vec<String>,
    /// Consider this kernel only [default: the best of all]
    #[arg(long, value_name = "GEOMETRY", value_parser = geometry)]
    geometry: Option<Geometry>,
    /// Compute units that share the rows of each layer [default: 1; with --dispatch best or several boards the best
    /// number]
    #[arg(long, value_name = "N")]
    cus: Option<usize>,
    /// How commands reach the compute units [default: launch; see --dispatch]
    #[arg(long, value_enum, conflicts_with = "dispatch")]
    mode: Option<ModeArg>,
    /// How layers are dispatched: each linear alone, the linears of a group in one list of commands, through a ring,
    /// or the best of these [default: fused; with several boards best]
    #[arg(long, value_enum)]
    dispatch: Option<DispatchArg>,
    /// What if a figure of the board were another: KEY=VALUE with a key of the board file
    #[arg(long, value_name = "KEY=VALUE")]
    what_if: Vec<String>,
    /// Make the reading of the prompt short, not a decode token
    #[arg(long, conflicts_with_all = ["batch", "context"])]
    prefill: bool,
    /// Make a decode step of N sequences at once short, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Tokens before the decode token, for attention [default: as profiled]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    /// Minimise the energy of a token instead of its time: the CPU draws W watts more while it computes than while it
    /// waits; the board's power is in its file
    #[arg(long, value_name = "W")]
    energy: Option<f64>,
    /// Move layers as a whole or not at all: no rows of a layer on either side
    #[arg(long)]
    whole_layers: bool,
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

/// How layers are dispatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DispatchArg {
    /// A launch for each linear
    Launch,
    /// A launch for the linears of a group
    Fused,
    /// The same: a group's linears are one list of commands
    List,
    /// A doorbell for the linears of a group
    Ring,
    /// The best of these
    Best,
}

/// What is best moved to each board, what that gives, and what would change it.
#[derive(Serialize, JsonSchema)]
pub struct Json<'a> {
    schema: &'static str,
    version: u32,
    boards: Vec<BoardJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct BoardJson<'a> {
    board: &'a str,
    geometry: Geometry,
    cus: usize,
    mode: Mode,
    workload: Workload,
    decision: &'a str,
    recommended: bool,
    offloaded: Vec<LinearId>,
    ms_per_token_cpu: f64,
    ms_per_token_hybrid: f64,
    tokens_per_s: f64,
    tiers: Tiers,
    energy: Option<Energy>,
    /// The parts of a pass with the plan.
    predicted: Predicted,
    /// Whether the board's memory keeps layers on the CPU.
    memory_limited: bool,
    head: Option<HeadEstimate>,
    layers: Vec<LayerJson<'a>>,
    /// Other modes and numbers of compute units, best first.
    runners_up: &'a [Tried],
    /// Which figures would change whether anything is offloaded.
    flips: &'a [Flip],
    /// What each limit costs.
    prices: &'a [Price],
}

#[derive(Serialize, JsonSchema)]
struct Tiers {
    ms_per_token_cpu: Tier,
    ms_per_token_hybrid: Tier,
    cpu_ms: Tier,
    device_ms: Tier,
    gain_ms: Tier,
}

#[derive(Serialize, JsonSchema)]
struct LayerJson<'a> {
    layer: LinearId,
    offload: bool,
    /// Rows on the device, of `n`.
    rows: usize,
    n: usize,
    k: usize,
    cpu_ms: f64,
    device_ms: f64,
    gain_ms: f64,
    reason: &'a str,
}

/// A board's answer, and what would change it.
struct Outcome {
    answer: Answer,
    flips: Vec<Flip>,
    prices: Vec<Price>,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let names: Vec<String> = match args.board.as_slice() {
        [all] if all == "all" => available().into_iter().map(String::from).collect(),
        names => names.to_vec(),
    };
    let boards = names
        .iter()
        .map(|name| what_if(Board::find(name)?, &args.what_if))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(cus) = args.cus {
        check_cus(cus).context("--cus")?;
    }
    if !(1..=MAX_BATCH).contains(&args.batch) {
        bail!("--batch {}: expected 1 to {MAX_BATCH}", args.batch);
    }
    if let Some(w) = args.energy.filter(|w| !w.is_finite() || *w < 0.0) {
        bail!("--energy {w}: expected watts, 0 or more");
    }
    let several = boards.len() > 1;
    if let Some(path) = &args.out {
        if several {
            bail!("--out: a plan is for one board; name it with --board");
        }
        if !args.what_if.is_empty() {
            bail!("--out: a plan is for the board as it is, not for --what-if");
        }
        check_free(path, Overwrite::from_force(args.force))?;
    }
    let profile = args.profile.get(args.batch)?;
    let mut outcomes = Vec::new();
    for board in &boards {
        match outcome(&args, &profile, board, several) {
            Ok(outcome) => outcomes.push(outcome),
            // Of several boards, those that cannot hold a kernel or the layers are left out, and why is told.
            Err(e) if several && e.is::<SelectError>() => note(e),
            Err(e) => return Err(e),
        }
    }
    if outcomes.is_empty() {
        bail!("none of the boards can do it");
    }
    for outcome in &outcomes {
        let s = &outcome.answer.best;
        if let Fit::Unknown(why) = fit(&s.board, &s.geometry, s.dispatch.cus, Bytes(0)) {
            note(format_args!(
                "whether the compute units fit is not known: {why}"
            ));
        }
    }
    if let Some(path) = &args.out {
        let text = plan_toml(&outcomes[0].answer.best, &names[0]);
        write_bytes(path, text.as_bytes(), Overwrite::from_force(args.force))?;
    }
    if args.json {
        print_json(&Json {
            schema: "tercet.selection",
            version: 1,
            boards: outcomes.iter().map(json).collect(),
        })?;
    } else if let [one] = outcomes.as_slice() {
        print(&render(&one.answer.best, args.top))?;
        print(&others_text(&one.answer))?;
        print(&prices_text(&one.answer.best, &one.prices))?;
        print(&flips_text(&one.answer.best, &one.flips))?;
    } else {
        let answers: Vec<&Answer> = outcomes.iter().map(|o| &o.answer).collect();
        print(&boards_text(&answers))?;
    }
    Ok(Verdict::Ok)
}

/// The best choice for a board under the arguments.
fn outcome(
    args: &Args,
    profile: &Profile,
    board: &Board,
    several: bool,
) -> anyhow::Result<Outcome> {
    let dispatch = match (args.dispatch, args.mode) {
        (Some(dispatch), _) => dispatch,
        (None, Some(ModeArg::Launch)) => DispatchArg::Fused,
        (None, Some(ModeArg::Ring)) => DispatchArg::Ring,
        (None, None) if several => DispatchArg::Best,
        (None, None) => DispatchArg::Fused,
    };
    let modes: &[Mode] = match dispatch {
        DispatchArg::Launch | DispatchArg::Fused | DispatchArg::List => &[Mode::Launch],
        DispatchArg::Ring => &[Mode::Ring],
        DispatchArg::Best => &[Mode::Launch, Mode::Ring],
    };
    let cus: Vec<usize> = match args.cus {
        Some(cus) => vec![cus],
        None if dispatch == DispatchArg::Best => CUS.to_vec(),
        None => vec![1],
    };
    let config = SelectConfig {
        geometry: args.geometry,
        force_top: args.force_top,
        dispatch: Dispatching::default(),
        alone: dispatch == DispatchArg::Launch,
        whole_layers: args.whole_layers,
        workload: match args.prefill {
            true => Workload::Prefill,
            false => Workload::Decode {
                batch: args.batch,
                context: args.context,
            },
        },
        objective: match args.energy {
            Some(cpu_w) => Objective::Energy { cpu_w },
            None => Objective::Time,
        },
        without: None,
    };
    let answer = search(profile, board, &config, modes, &cus)?;
    // Of one board, what its limits cost; of several, that is another question.
    let prices = match (args.force_top, several) {
        (None, false) => prices(profile, board, &config, (modes, &cus), &answer.best)?,
        _ => Vec::new(),
    };
    // What would change the answer, all else as it is.
    let config = SelectConfig {
        geometry: Some(answer.best.geometry),
        dispatch: answer.best.dispatch,
        ..config
    };
    let flips = match args.force_top {
        // Several boards are shown side by side, without what would change each answer; JSON has it.
        None if several && !args.json => Vec::new(),
        None => sensitivity(profile, board, &config)?,
        Some(_) => Vec::new(),
    };
    Ok(Outcome {
        answer,
        flips,
        prices,
    })
}

/// The board with the figures of --what-if.
fn what_if(board: Board, changes: &[String]) -> anyhow::Result<Board> {
    let mut board = board;
    for change in changes {
        let (key, value) = change
            .split_once('=')
            .with_context(|| format!("--what-if {change}: expected KEY=VALUE"))?;
        let value: f64 = value
            .parse()
            .ok()
            .filter(|v: &f64| v.is_finite() && *v > 0.0)
            .with_context(|| format!("--what-if {change}: expected a value above 0"))?;
        if !board.figures().iter().any(|(known, _)| *known == key) {
            let known: Vec<&str> = board.figures().iter().map(|(key, _)| *key).collect();
            let hint = did_you_mean(key, &known);
            bail!(
                "--what-if {change}: expected one of {}{hint}",
                known.join(", ")
            );
        }
        board = board.with_figure(key, |_| Figure {
            value,
            basis: Basis::Assumed,
            source: "--what-if".to_string(),
        });
    }
    Ok(board)
}

fn json(outcome: &Outcome) -> BoardJson<'_> {
    let s = &outcome.answer.best;
    let layer = |l: &RankedLayer| (l.cpu.ms(), l.device.total().ms(), l.gain.ms());
    BoardJson {
        board: &s.board.name,
        geometry: s.geometry,
        cus: s.dispatch.cus,
        mode: s.dispatch.mode,
        workload: s.workload,
        decision: &s.decision,
        recommended: s.recommended,
        offloaded: s.offloaded().into_iter().collect(),
        energy: s.energy,
        predicted: s.predicted,
        memory_limited: s.memory_limited,
        head: s.head,
        ms_per_token_cpu: s.token_cpu.ms(),
        ms_per_token_hybrid: s.token_hybrid.ms(),
        tokens_per_s: s.token_hybrid.per_second(),
        tiers: Tiers {
            ms_per_token_cpu: s.cpu_tier(),
            ms_per_token_hybrid: s.device_tier(),
            cpu_ms: s.cpu_tier(),
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
                    rows: l.rows,
                    n: l.n,
                    k: l.k,
                    cpu_ms,
                    device_ms,
                    gain_ms,
                    reason: &l.reason,
                }
            })
            .collect(),
        runners_up: &outcome.answer.others,
        flips: &outcome.flips,
        prices: &outcome.prices,
    }
}
