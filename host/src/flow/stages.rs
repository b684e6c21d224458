//! The stages of a flow, each with what it reads and what it leaves.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::runner::{digest, Runner, Stage};
use super::{FlowConfig, FlowError};
use crate::analyze::{Input, Options, THIS_CPU};
use crate::artefact::{read_json, write_bytes, write_json, Artefact, Overwrite};
use crate::board::Board;
use crate::checkpoint::config::QuantizationMode;
use crate::checkpoint::{Config, Source};
use crate::compare::trace::trace_files;
use crate::compare::Comparison;
use crate::device::Mode;
use crate::executor::Phase;
use crate::generate::Sampling;
use crate::model::Model;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::quantize::QuantizeOptions;
use crate::report::Report;
use crate::run::{DeviceKind, Placement, RunConfig, RunReport};
use crate::select::search::{search, CUS};
use crate::select::{plan_toml, SelectConfig};
use crate::simulate::{SimulateConfig, Simulation, Simulations};
use crate::tokenizer::Tokenizer;

/// Times on the CPU.
pub const PROFILE: &str = "profile.json";
/// The plan.
pub const PLAN: &str = "plan.toml";
/// Folder of a checkpoint that had to be quantised.
const MODEL: &str = "model";
/// Folder of the Verilog.
const KERNEL: &str = "kernel";
/// Simulated shapes.
const SIMULATION: &str = "simulation.json";
/// Run without a device.
pub const RUN_CPU: &str = crate::compare::BASELINE_FILE;
/// Run with the plan's layers on the device.
pub const RUN_PLAN: &str = "run-plan.json";
/// Run with every ternary layer on the device.
pub const RUN_ALL: &str = "run-all.json";
/// The comparison, to process.
pub const COMPARISON: &str = "comparison.json";
/// The comparison, to read.
const COMPARISON_PAGE: &str = "comparison.md";
/// A token of each run.
const TRACE: &str = "trace.json";
/// Parameters and operators.
const ANALYSIS: &str = "analysis.json";
/// The report, as a page and as Markdown.
const REPORT: &str = "report.html";
const REPORT_PAGE: &str = "report.md";

/// Digest of a stage's inputs; the versions of the program and of what it leaves are always among them.
fn inputs(parts: &[&dyn std::fmt::Debug]) -> String {
    let version = format!(
        "{} {:?}",
        env!("CARGO_PKG_VERSION"),
        [
            Profile::VERSION,
            Simulations::VERSION,
            RunReport::VERSION,
            Comparison::VERSION
        ]
    );
    digest(parts.iter().map(|p| format!("{p:?}")).chain([version]))
}

/// Makes the checkpoint ternary if it is not; returns the checkpoint for the other stages.
pub fn quantize(
    runner: &mut Runner,
    config: &FlowConfig,
    checkpoint: &str,
) -> Result<Source, FlowError> {
    let source = &config.source;
    let mode = Config::load(source)?.quantization.map(|q| q.mode);
    if mode == Some(QuantizationMode::Offline) {
        runner.not_needed(
            "quantize",
            &[],
            "its config.json says that the weights are ternary already",
        )?;
        return Ok(source.clone());
    }
    let folder = runner.path(MODEL);
    let stage = Stage {
        name: "quantize",
        inputs: inputs(&[&checkpoint]),
        files: &["model/config.json", "model/model.safetensors"],
        editable: false,
    };
    runner.stage(&stage, |step| {
        let options = QuantizeOptions {
            force: true,
            ..QuantizeOptions::default()
        };
        let report =
            crate::quantize::quantize(source, &folder, &options, &mut |done, total, _| {
                step(done, total)
            })?;
        Ok(format!(
            "{} layers, {} to {} bytes",
            report.layers.len(),
            report.input_bytes,
            report.output_bytes
        ))
    })?;
    Ok(Source::Folder(folder))
}

/// Measures the CPU.
pub fn profile(
    runner: &mut Runner,
    config: &FlowConfig,
    source: &Source,
    checkpoint: &str,
) -> Result<(), FlowError> {
    let stage = Stage {
        name: "profile",
        inputs: inputs(&[&checkpoint, &config.profile]),
        files: &[PROFILE],
        editable: false,
    };
    let path = runner.path(PROFILE);
    runner.stage(&stage, |step| {
        let profile = Profile::measure(source, &config.load, &config.profile, step)?;
        write_json(&path, &profile, Overwrite::Replace)?;
        let token = profile.pass_median(Phase::Decode).unwrap_or_default();
        Ok(format!("{token} a decode token on the CPU, warm median"))
    })
}

/// Counts parameters and operators, on this CPU and on the board.
pub fn analyze(runner: &mut Runner, source: &Source, board: &str) -> Result<(), FlowError> {
    let stage = Stage {
        name: "analyze",
        inputs: inputs(&[&runner.digest_of(PROFILE)?, &source.to_string(), &board]),
        files: &[ANALYSIS],
        editable: false,
    };
    let (profile, analysis) = (runner.path(PROFILE), runner.path(ANALYSIS));
    let input = Input::Checkpoint(source.clone());
    runner.stage(&stage, |_| {
        let options = Options {
            devices: vec![THIS_CPU.to_string(), board.to_string()],
            profile: Some(read_json(&profile)?),
            ..Options::default()
        };
        let found = crate::analyze::analyze(&input, &options)?;
        write_json(&analysis, &found, Overwrite::Replace)?;
        Ok(format!("{} parameters", found.parameters.total))
    })
}

/// Chooses layers for `board`, which is found by `name`.
pub fn select(runner: &mut Runner, name: &str, board: &Board) -> Result<(), FlowError> {
    let stage = Stage {
        name: "select",
        inputs: inputs(&[&runner.digest_of(PROFILE)?, board]),
        files: &[PLAN],
        editable: true,
    };
    let (profile, plan) = (runner.path(PROFILE), runner.path(PLAN));
    runner.stage(&stage, |_| {
        let profile: Profile = read_json(&profile)?;
        let modes = [Mode::Launch, Mode::Ring];
        let selection = search(&profile, board, &SelectConfig::default(), &modes, &CUS)?.best;
        let text = plan_toml(&selection, name);
        write_bytes(&plan, text.as_bytes(), Overwrite::Replace)?;
        Ok(selection.decision)
    })
}

/// Writes the plan's kernel.
pub fn emit(runner: &mut Runner, plan: &Plan) -> Result<(), FlowError> {
    let stage = Stage {
        name: "emit",
        inputs: inputs(&[&plan.geometry]),
        files: &[
            "kernel/ternary_gemv.v",
            "kernel/registers.md",
            "kernel/cycles.md",
            "kernel/kernel_facts.json",
        ],
        editable: false,
    };
    let folder = runner.path(KERNEL);
    runner.stage(&stage, |_| {
        crate::emit::emit(&plan.geometry, &folder, Overwrite::Replace)?;
        Ok(format!("{} as Verilog", plan.geometry))
    })
}

/// Simulates every shape of the model once and checks the sums.
pub fn simulate(
    runner: &mut Runner,
    config: &FlowConfig,
    profile: &Profile,
    plan: &Plan,
    board: &Board,
) -> Result<(), FlowError> {
    let shapes: BTreeSet<_> = profile.linears(Phase::Decode).map(|l| (l.n, l.k)).collect();
    let latency_cycles = board.latency_cycles();
    let stage = Stage {
        name: "simulate",
        inputs: inputs(&[
            &shapes,
            &plan.geometry,
            &plan.dispatch,
            &latency_cycles,
            &config.device,
        ]),
        files: &[SIMULATION],
        editable: false,
    };
    let path = runner.path(SIMULATION);
    runner.stage(&stage, |step| {
        let mut done = Vec::<Simulation>::new();
        for (i, &(rows, k)) in shapes.iter().enumerate() {
            let one = SimulateConfig {
                latency_cycles,
                seed: i as u64,
                device: config.device,
                dispatch: plan.dispatch,
                ..SimulateConfig::new(plan.geometry, rows, k)
            };
            done.push(matching(crate::simulate::simulate(&one)?)?);
            step(i + 1, shapes.len());
        }
        let count = done.len();
        let beats = percent_range(done.iter().map(|s| s.efficiency));
        let lanes = percent_range(done.iter().map(|s| s.lane_fill));
        write_json(&path, &Simulations { shapes: done }, Overwrite::Replace)?;
        Ok(format!(
            "{count} shapes match the scalar reference; {beats} of the cycles carry a weight beat, {lanes} of its lanes filled"
        ))
    })
}

/// `23.0 to 75.4 %`, or one figure if both ends are the same.
fn percent_range(shares: impl Iterator<Item = f64> + Clone) -> String {
    let low = format!("{:.1}", 100.0 * shares.clone().fold(1.0, f64::min));
    let high = format!("{:.1}", 100.0 * shares.fold(0.0, f64::max));
    match low == high {
        true => format!("{low} %"),
        false => format!("{low} to {high} %"),
    }
}

fn matching(s: Simulation) -> Result<Simulation, FlowError> {
    if s.matches_reference {
        return Ok(s);
    }
    Err(FlowError::Mismatch {
        device: s.device,
        rows: s.rows,
        k: s.k,
        geometry: s.geometry,
        error: s.error.map(|e| e.to_string()),
    })
}

/// What all runs share.
pub struct Runs<'a> {
    /// The flow.
    pub config: &'a FlowConfig,
    /// The ternary model.
    pub model: &'a Model,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Its folder or name.
    pub name: String,
    /// Fingerprint of the checkpoint.
    pub checkpoint: &'a str,
}

impl Runs<'_> {
    /// Generates with one placement and leaves `file`.
    pub fn run(
        &self,
        runner: &mut Runner,
        name: &str,
        file: &str,
        placement: Placement,
    ) -> Result<(), FlowError> {
        let run = RunConfig {
            prompt: self.config.profile.prompt.clone(),
            max_tokens: self.config.run_tokens,
            sampling: Sampling::GREEDY,
            cpu: self.config.profile.cpu,
            placement,
        };
        let stage = Stage {
            name,
            inputs: inputs(&[&self.checkpoint, &self.name, &run]),
            files: &[file],
            editable: false,
        };
        let path = runner.path(file);
        runner.stage(&stage, |step| {
            let mut tokens = 0;
            let report =
                crate::run::run(self.model, self.tokenizer, &self.name, &run, &mut |_| {
                    tokens += 1;
                    step(tokens, run.max_tokens);
                    ControlFlow::Continue(())
                })?;
            write_json(&path, &report, Overwrite::Replace)?;
            let token = report.timing.decode.total_s;
            Ok(match report.device.name {
                DeviceKind::Cpu => format!("{token} a token, measured"),
                _ => format!(
                    "{} layers on the device, {} cycles; {token} a token, {}",
                    report.device.layers.len(),
                    report.device.usage.cycles,
                    report.timing.tier,
                ),
            })
        })
    }
}

/// Compares the runs; `with_plan` if the plan had a run of its own.
pub fn compare(runner: &mut Runner, with_plan: bool) -> Result<(), FlowError> {
    let mut runs = vec![RUN_CPU, RUN_ALL];
    if with_plan {
        runs.push(RUN_PLAN);
    }
    let digests = runs
        .iter()
        .map(|f| runner.digest_of(f))
        .collect::<Result<Vec<_>, _>>()?;
    let stage = Stage {
        name: "compare",
        inputs: inputs(&[&digests]),
        files: &[COMPARISON, COMPARISON_PAGE, TRACE],
        editable: false,
    };
    let (json, page) = (runner.path(COMPARISON), runner.path(COMPARISON_PAGE));
    let trace = runner.path(TRACE);
    let reports: Vec<_> = runs.iter().map(|f| runner.path(f)).collect();
    runner.stage(&stage, |_| {
        let comparison = crate::compare::compare_files(&reports[0], &reports[1..])?;
        write_json(&json, &comparison, Overwrite::Replace)?;
        let text = crate::compare::markdown(&comparison);
        write_bytes(&page, text.as_bytes(), Overwrite::Replace)?;
        let text = serde_json::to_string(&trace_files(&reports)?).expect("a trace is JSON");
        write_bytes(&trace, text.as_bytes(), Overwrite::Replace)?;
        Ok(match comparison.tokens_identical {
            true => "tokens identical".to_string(),
            false => "tokens DIFFER".to_string(),
        })
    })
}

/// Writes the report of the folder.
pub fn report(runner: &mut Runner) -> Result<(), FlowError> {
    let digests = [COMPARISON, PROFILE, ANALYSIS]
        .iter()
        .map(|f| runner.digest_of(f))
        .collect::<Result<Vec<_>, _>>()?;
    let stage = Stage {
        name: "report",
        inputs: inputs(&[&digests]),
        files: &[REPORT, REPORT_PAGE],
        editable: false,
    };
    let (comparison, page, text) = (
        runner.path(COMPARISON),
        runner.path(REPORT),
        runner.path(REPORT_PAGE),
    );
    let folder = page.parent().map(PathBuf::from).unwrap_or_default();
    runner.stage(&stage, |_| {
        let report = Report::of(&folder, read_json(&comparison)?)?;
        report.write_html(&page)?;
        report.write_markdown(&text)?;
        Ok("open it in a browser".to_string())
    })
}
