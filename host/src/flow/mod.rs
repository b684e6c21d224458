//! The whole line: from a checkpoint to "offload or do not offload".
//!
//! | stage | reads | leaves |
//! |---|---|---|
//! | quantize | checkpoint, if it is not ternary yet | `model/` |
//! | profile | model | `profile.json` |
//! | analyze | model, `profile.json`, board | `analysis.json` |
//! | select | `profile.json`, board | `plan.toml` |
//! | emit | geometry of the plan | `kernel/`: `ternary_gemv.v`, `registers.md`, `cycles.md`, `kernel_facts.json` |
//! | simulate | shapes of the model, geometry | `simulation.json` |
//! | run cpu | model | `run-cpu.json` |
//! | run plan | model, `plan.toml` | `run-plan.json` |
//! | run all | model, geometry and board of the plan | `run-all.json` |
//! | compare | the runs | `comparison.json`, `comparison.md`, `trace.json` |
//! | report | all of these | `report.html`, `report.md`, `pictures/` |
//!
//! Quantising comes first because a dense checkpoint cannot be profiled before it is ternary. "run
//! all" moves every ternary layer whatever the plan says: it shows that tokens do not change, and
//! what moving everything would cost. "run plan" is left out where it would repeat another run.
//!
//! Every stage is skipped if its inputs and files are unchanged (`flow.json`).

mod progress;
mod runner;
mod stages;

use std::fs;
use std::path::{Path, PathBuf};

use crate::analyze::AnalyzeError;
use crate::artefact::{read_json, ArtefactError};
use crate::board::{Board, BoardError, DEFAULT_BOARD};
use crate::checkpoint::files::TensorFiles;
use crate::checkpoint::{CheckpointError, Source};
use crate::compare::{CompareError, Comparison};
use crate::device::part::whole;
use crate::device::{DeviceError, DeviceLayers};
use crate::embedded;
use crate::emit::EmitStageError;
use crate::executor::hybrid::{FaultPolicy, OnFault};
use crate::identity::ModelAtHand;
use crate::model::{LoadOptions, Model};
use crate::plan::{Plan, PlanError};
use crate::profile::{Profile, ProfileConfig, ProfileError};
use crate::quantize::QuantizeError;
use crate::report::ReportError;
use crate::run::{DeviceKind, Placement, RunError, RunReport};
use crate::select::SelectError;
use crate::simulate::SimulateError;
use crate::tokenizer::{Tokenizer, TokenizerError};

pub use progress::{Outcome, Progress, Silent};
pub(crate) use runner::Manifest;
pub use runner::MANIFEST_FILE;

pub(crate) use runner::digest;
use runner::Runner;

/// What to run, and where to leave it.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// The checkpoint.
    pub source: Source,
    /// How it is loaded.
    pub load: LoadOptions,
    /// The run folder.
    pub out: PathBuf,
    /// Board by name or path; none for that of a plan that is kept, else [`DEFAULT_BOARD`].
    pub board: Option<String>,
    /// Simulated device: RTL or model.
    pub device: DeviceKind,
    /// What to profile; its prompt and threads are those of the runs too.
    pub profile: ProfileConfig,
    /// Tokens that each run generates.
    pub run_tokens: usize,
    /// Run every stage again.
    pub force: bool,
}

/// What a flow ends with.
#[derive(Clone, Debug)]
pub struct FlowResult {
    /// The run without a device.
    pub cpu: RunReport,
    /// The comparison.
    pub comparison: Comparison,
    /// What the plan says.
    pub plan: Plan,
    /// What a user should know about the loading of the model.
    pub remarks: Vec<String>,
}

/// Why a flow stopped.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A shape of the model gave wrong sums.
    #[error(
        "{device} simulation of {rows} x {k} on a {geometry} kernel does not match the scalar reference{}",
        error.as_ref().map_or(String::new(), |e| format!(": {e}"))
    )]
    Mismatch {
        /// Simulated device.
        device: DeviceKind,
        /// Rows.
        rows: usize,
        /// Columns.
        k: usize,
        /// Kernel.
        geometry: tercet_contract::Geometry,
        /// Error of the kernel, if it stopped.
        error: Option<String>,
    },
    /// A run without a token after the first has nothing to compare.
    #[error("--max-tokens {found}: expected at least 2; the first token ends the prompt's pass, and the others are compared")]
    MaxTokens {
        /// Tokens asked for.
        found: usize,
    },
    /// The record of the run folder cannot be read.
    #[error("{source}; remove the file, or run every stage again with --force")]
    Record {
        /// What is wrong with it.
        source: ArtefactError,
    },
    /// The plan was kept, and is for another board than the one asked for.
    #[error(
        "--board {asked}: {} was edited and is for board {found}; edit its `board`, leave --board out, or replace it with --force",
        plan.display()
    )]
    PlanBoard {
        /// The plan.
        plan: PathBuf,
        /// Its board.
        found: String,
        /// Board asked for.
        asked: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// No such board.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The checkpoint is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint cannot be quantised.
    #[error("stage quantize: {0}")]
    Quantize(#[from] QuantizeError),
    /// The model cannot be profiled.
    #[error("stage profile: {0}")]
    Profile(#[from] ProfileError),
    /// No plan can be made.
    #[error("stage select: {0}")]
    Select(#[from] SelectError),
    /// The plan cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No Verilog.
    #[error("stage emit: {0}")]
    Emit(#[from] EmitStageError),
    /// The simulation failed.
    #[error("stage simulate: {0}")]
    Simulate(#[from] SimulateError),
    /// The tokenizer cannot be loaded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A run failed.
    #[error("stage run: {0}")]
    Run(#[from] RunError),
    /// The device cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The model cannot be analysed.
    #[error("stage analyze: {0}")]
    Analyze(#[from] AnalyzeError),
    /// The runs cannot be compared.
    #[error("stage compare: {0}")]
    Compare(#[from] CompareError),
    /// The report cannot be written.
    #[error("stage report: {0}")]
    Report(#[from] ReportError),
}

/// Runs every stage that has something to do.
pub fn flow(config: &FlowConfig, progress: &mut dyn Progress) -> Result<FlowResult, FlowError> {
    if config.run_tokens < 2 {
        let found = config.run_tokens;
        return Err(FlowError::MaxTokens { found });
    }
    let asked = config.board.as_deref().unwrap_or(DEFAULT_BOARD);
    let board = Board::find(asked)?;
    let checkpoint = fingerprint(&config.source)?;
    // Whatever is wrong with the checkpoint's files is said before any stage begins.
    TensorFiles::open(&config.source)?;
    let mut runner = Runner::open(&config.out, config.force, progress)?;

    let source = stages::quantize(&mut runner, config, &checkpoint)?;
    stages::profile(&mut runner, config, &source, &checkpoint)?;
    stages::analyze(&mut runner, &source, asked)?;
    stages::select(&mut runner, asked, &board)?;

    let profile: Profile = read_json(&runner.path(stages::PROFILE))?;
    let plan_path = runner.path(stages::PLAN);
    let plan = Plan::read_for(&plan_path, &ModelAtHand::of(&source)?)?;
    // The plan may have been edited: its board counts from here on.
    let board = plan_board(config, &plan_path, &plan, board)?;
    stages::emit(&mut runner, &plan)?;
    stages::simulate(&mut runner, config, &profile, &plan, &board)?;

    let model = Model::load_with(&source, &config.load)?;
    let tokenizer = Tokenizer::load(&source)?;
    let all = whole(model.linear_ids());
    let placement = |label: &str, layers: &DeviceLayers, predicted| Placement {
        predicted,
        label: label.to_string(),
        device: config.device,
        layers: layers.clone(),
        geometry: plan.geometry,
        board: board.clone(),
        dispatch: plan.dispatch,
        trace: None,
        xrt: None,
        serial: None,
        faults: FaultPolicy {
            on_fault: OnFault::Stop,
            ..FaultPolicy::default()
        },
    };
    let runs = stages::Runs {
        config,
        model: &model,
        tokenizer: &tokenizer,
        name: source.to_string(),
        checkpoint: &checkpoint,
    };
    runs.run(
        &mut runner,
        "run cpu",
        stages::RUN_CPU,
        Placement::cpu(board.clone()),
    )?;
    let repeats = match &plan.layers {
        layers if layers.is_empty() => Some("the plan moves nothing: it is the CPU's run"),
        layers if *layers == all => Some("the plan moves every layer: see run all"),
        _ => None,
    };
    match repeats {
        Some(why) => runner.not_needed("run plan", &[stages::RUN_PLAN], why)?,
        None => {
            let plan = placement("plan", &plan.layers, plan.predicted);
            runs.run(&mut runner, "run plan", stages::RUN_PLAN, plan)?;
        }
    }
    runs.run(
        &mut runner,
        "run all",
        stages::RUN_ALL,
        placement("all", &all, plan.predicted.filter(|_| plan.layers == all)),
    )?;
    stages::compare(&mut runner, repeats.is_none())?;
    stages::report(&mut runner)?;
    Ok(FlowResult {
        cpu: read_json(&runner.path(stages::RUN_CPU))?,
        comparison: read_json(&runner.path(stages::COMPARISON))?,
        plan,
        remarks: model.load_report().remarks.clone(),
    })
}

/// The plan's board, which must be the one that was asked for.
fn plan_board(
    config: &FlowConfig,
    path: &Path,
    plan: &Plan,
    asked: Board,
) -> Result<Board, FlowError> {
    let board = Board::find(&plan.board)?;
    match &config.board {
        Some(name) if board != asked => Err(FlowError::PlanBoard {
            plan: path.to_path_buf(),
            found: plan.board.clone(),
            asked: name.clone(),
        }),
        _ => Ok(board),
    }
}

/// What tells one checkpoint from another: the content of the embedded one; names, sizes and times of
/// change of a folder's files, as build tools do.
fn fingerprint(source: &Source) -> Result<String, FlowError> {
    let Source::Folder(folder) = source else {
        return Ok(digest(embedded::files().map(|(_, content)| content)));
    };
    let mut facts = Vec::new();
    for path in checkpoint_files(folder)? {
        let metadata = fs::metadata(&path).map_err(|source| ArtefactError::Read {
            path: path.clone(),
            source,
        })?;
        let changed = metadata.modified().ok();
        facts.push(format!("{} {} {changed:?}", path.display(), metadata.len()));
    }
    Ok(digest(facts))
}

fn checkpoint_files(folder: &Path) -> Result<Vec<PathBuf>, ArtefactError> {
    let read = |source| ArtefactError::Read {
        path: folder.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let extension = path.extension().and_then(|e| e.to_str());
        if matches!(extension, Some("json" | "safetensors")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
