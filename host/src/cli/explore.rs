use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{bail, Context};
use schemars::JsonSchema;
use serde::Serialize;
use tercet::artefact::{read_json, to_json};
use tercet::board::{available, Board};
use tercet::device::Mode;
use tercet::explore::slurm::{absolute, Jobs, Submitted};
use tercet::explore::{terminal, Exploration, Folder, Part, Space, Summary, PROFILE_FILE};
use tercet::identity::ModelAtHand;
use tercet::profile::Profile;
use tercet::select::search::CUS;
use tercet_contract::Geometry;

use super::args::{geometry, ModeArg, Switch};
use super::output::{note, print, print_json};
use super::profile_at_hand::ProfileAtHand;
use super::progress::Bar;
use super::Verdict;

/// Most tasks of an array unless asked otherwise.
const TASKS: usize = 32;

/// Every kernel, number of compute units and mode on every board: what each gives and takes, and the Pareto front
///
/// What is done is kept in the folder: the same command goes on where it was stopped, and leaves the same files.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    profile: ProfileAtHand,
    /// Boards by name (`tercet boards` lists them), or board files, with commas between them; or `all`
    #[arg(
        long,
        value_name = "A,B|all",
        value_delimiter = ',',
        default_value = "all"
    )]
    boards: Vec<String>,
    /// Kernels [default: all with the usual longest K]
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = geometry)]
    geometries: Vec<Geometry>,
    /// Numbers of compute units
    #[arg(long, value_name = "N,M", value_delimiter = ',', default_values_t = CUS)]
    cus: Vec<usize>,
    /// How commands reach them
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [ModeArg::Launch, ModeArg::Ring])]
    modes: Vec<ModeArg>,
    /// Folder for the results, and for what is done so far
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Points to compute at the same time [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    /// Start over, also where the folder holds an exploration of something else; measure again without --profile
    #[arg(long)]
    force: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    slurm: SlurmArgs,
    /// Compute the shards of one part only, and write no results: a task of the job array
    #[arg(long, value_name = "I/N", hide = true, conflicts_with_all = ["slurm", "force", "json"])]
    part: Option<Part>,
}

/// Where more machines come from.
#[derive(clap::Args)]
struct SlurmArgs {
    /// Submit it to Slurm, as a job array and a job that gathers, instead of computing here
    #[arg(long)]
    slurm: bool,
    /// Tasks of the job array [default: 32, or as many as there are kernels times boards]
    #[arg(long, value_name = "N", requires = "slurm")]
    slurm_tasks: Option<usize>,
    /// Option of sbatch for these jobs, such as --slurm-option=--partition=short; may be repeated
    #[arg(
        long,
        value_name = "OPT",
        requires = "slurm",
        allow_hyphen_values = true
    )]
    slurm_option: Vec<String>,
    /// Write the batch scripts and submit nothing
    #[arg(long, alias = "no-submit", requires = "slurm")]
    slurm_dry_run: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let space = space(&args)?;
    space.check()?;
    if args.slurm.slurm_tasks == Some(0) {
        bail!("--slurm-tasks 0: expected at least 1");
    }
    let profile = profile_bytes(&args)?;
    if args.force {
        Folder::clear(&args.out)?;
    }
    let folder = Folder::open(&args.out, &profile, &space)?;
    // Read back, so that it makes no difference who measured it, and where.
    let profile: Profile = read_json(&folder.file(PROFILE_FILE))?;
    if args.slurm.slurm {
        return slurm(&args, &folder);
    }
    compute(&args, &folder, &profile)?;
    if args.part.is_some() {
        return Ok(Verdict::Ok);
    }
    let exploration = Exploration::gather(&folder, &profile)?;
    exploration.write(&folder)?;
    if args.json {
        print_json(&Summary::of(&exploration))?;
    } else {
        let out = args.out.display();
        let text = terminal(&exploration);
        print(&format!(
            "{text}{out}: explore.md to read, pareto.png to look at, every point in explore.csv and explore.json\n"
        ))?;
    }
    Ok(Verdict::Ok)
}

fn space(args: &Args) -> anyhow::Result<Space> {
    let names: Vec<&str> = match args.boards.as_slice() {
        [all] if all == "all" => available(),
        names => names.iter().map(String::as_str).collect(),
    };
    let boards: Result<Vec<Board>, _> = names.into_iter().map(Board::find).collect();
    let geometries = match args.geometries.is_empty() {
        true => Geometry::standard().into_iter().collect(),
        false => args.geometries.clone(),
    };
    Ok(Space {
        boards: boards?,
        geometries,
        cus: args.cus.clone(),
        modes: args.modes.iter().map(|m| Mode::from(*m)).collect(),
    })
}

/// The text of the profile to use: that of --profile, that of the folder, or a new one.
fn profile_bytes(args: &Args) -> anyhow::Result<Vec<u8>> {
    let own = args.out.join(PROFILE_FILE);
    let path = match &args.profile.profile {
        Some(path) => {
            args.profile.read(path)?;
            path
        }
        None if own.exists() && !args.force => {
            check_own(args, &own)?;
            note(format_args!(
                "the profile in {} is used; --force measures again",
                own.display()
            ));
            &own
        }
        None => return Ok(to_json(&args.profile.measure(1)?).into_bytes()),
    };
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Refuses the profile of the folder if it is of another model, or was measured in another way than is asked for.
fn check_own(args: &Args, path: &Path) -> anyhow::Result<()> {
    let found: Profile = read_json(path)?;
    ModelAtHand::of(&args.profile.model.source())?.check_profile(path, &found)?;
    let (cpu, asked) = (&found.cpu, &args.profile.cpu);
    let differs = [
        ("--rounds", found.rounds != args.profile.measure.rounds),
        (
            "--threads",
            asked.threads != 0 && asked.threads != cpu.threads,
        ),
        ("--kernel", asked.kernel.is_some_and(|k| k != cpu.kernel)),
        ("--lm-head", cpu.lm_head != asked.lm_head.into()),
        ("--sparsity", cpu.sparsity != (asked.sparsity == Switch::On)),
    ];
    if let Some((option, _)) = differs.iter().find(|(_, differs)| *differs) {
        bail!(
            "{}: measured with another {option}; pass --force to measure again, or use it with --profile",
            path.display()
        );
    }
    Ok(())
}

/// Computes what is not done. Ctrl-C ends it between shards.
fn compute(args: &Args, folder: &Folder, profile: &Profile) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot listen for Ctrl-C")?;
    let part = args.part.unwrap_or(Part::WHOLE);
    let bar = Mutex::new(Bar::new("explore"));
    let step = |done, total| {
        if let Ok(mut bar) = bar.lock() {
            bar.step(done, total);
        }
    };
    let computed = folder.compute(profile, part, args.jobs, &stop, &step)?;
    drop(bar);
    let all = (0..folder.space().shards()).filter(|s| part.has(*s));
    let before = all.count() - computed;
    if before > 0 {
        note(format_args!(
            "{before} of {} shards were done before",
            before + computed
        ));
    }
    Ok(())
}

/// Jobs that compute an exploration.
#[derive(Serialize, JsonSchema)]
pub struct SlurmJson<'a> {
    schema: &'static str,
    version: u32,
    folder: &'a Path,
    tasks: usize,
    /// None with --slurm-dry-run.
    jobs: Option<Submitted>,
}

/// Writes the batch scripts, and submits them.
fn slurm(args: &Args, folder: &Folder) -> anyhow::Result<Verdict> {
    let path = absolute(&args.out)?;
    let tasks = args.slurm.slurm_tasks.unwrap_or(TASKS);
    let jobs = Jobs {
        program: std::env::current_exe().context("cannot find this program")?,
        folder: path.clone(),
        arguments: arguments(args, folder)?,
        tasks: tasks.min(folder.space().shards()),
        options: args.slurm.slurm_option.clone(),
    };
    jobs.write()?;
    let submitted = match args.slurm.slurm_dry_run {
        true => None,
        false => Some(jobs.submit()?),
    };
    if args.json {
        print_json(&SlurmJson {
            schema: "tercet.exploration-jobs",
            version: 1,
            folder: &path,
            tasks: jobs.tasks,
            jobs: submitted,
        })?;
        return Ok(Verdict::Ok);
    }
    let out = path.display();
    print(&match submitted {
        None => format!(
            "{out}: explore.sbatch and gather.sbatch are written, nothing is submitted. To do that:\n{}\n",
            jobs.by_hand()
        ),
        Some(Submitted { array, gather }) => {
            let id = |job: &str| job.split(';').next().unwrap_or_default().to_string();
            format!(
                "job {array}: {} tasks; job {gather} gathers after them\n\
                 how they are: squeue --jobs={},{}\n\
                 what they print: {out}/logs\n\
                 results: {out}/explore.md, explore.csv, explore.json, pareto.svg, pareto.png\n",
                jobs.tasks,
                id(&array),
                id(&gather)
            )
        }
    })?;
    Ok(Verdict::Ok)
}

/// Arguments for a task, which runs within the folder. Board files are copied there: their paths may hold commas.
fn arguments(args: &Args, folder: &Folder) -> anyhow::Result<Vec<OsString>> {
    let names: Vec<String> = match args.boards.as_slice() {
        [all] if all == "all" => available().into_iter().map(String::from).collect(),
        names => names.to_vec(),
    };
    let mut boards = Vec::new();
    for (i, name) in names.into_iter().enumerate() {
        if available().contains(&name.as_str()) {
            boards.push(name);
            continue;
        }
        let copy = format!("boards/{i}.toml");
        fs::create_dir_all(folder.file("boards"))?;
        fs::copy(&name, folder.file(&copy)).with_context(|| format!("cannot copy {name}"))?;
        boards.push(copy);
    }
    let joined = |items: Vec<String>| items.join(",");
    let space = folder.space();
    let pairs = [
        ("--out", ".".to_string()),
        ("--profile", PROFILE_FILE.to_string()),
        ("--boards", joined(boards)),
        (
            "--geometries",
            joined(space.geometries.iter().map(|g| g.to_string()).collect()),
        ),
        (
            "--cus",
            joined(space.cus.iter().map(|c| c.to_string()).collect()),
        ),
        (
            "--modes",
            joined(space.modes.iter().map(|m| m.to_string()).collect()),
        ),
    ];
    let words = pairs
        .into_iter()
        .flat_map(|(key, value)| [key.into(), value.into()]);
    Ok(words.collect())
}
