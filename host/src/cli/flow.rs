use std::path::PathBuf;

use tercet::artefact::to_json;
use tercet::compare::terminal;
use tercet::executor::CpuOptions;
use tercet::flow::{flow, FlowConfig, FlowError, FlowResult};
use tercet::profile::ProfileConfig;

use super::args::{default_run_folder, ModelArgs, ProfileArgs, SimulatedArg, ThreadArgs};
use super::compare::verdict;
use super::output::{print, remarks};
use super::progress::FlowProgress;
use super::Verdict;

/// Run every stage: from a checkpoint to "offload or do not offload"
///
/// Artefacts go into a run folder. A stage whose inputs and files are unchanged is skipped; an edited
/// plan.toml is kept. Beside the plan, every ternary layer is run on the device once, to show that
/// the tokens stay the same and what that would cost.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Run folder [default: runs/ and the name of the model]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Board by name (u50, u55c, u280), or a board file [default: that of an edited plan, or u55c]
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// What stands for the device
    #[arg(long, value_enum, default_value = "rtl")]
    device: SimulatedArg,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Tokens that each run generates, at least 2
    #[arg(long, value_name = "N", default_value_t = 24)]
    max_tokens: usize,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Run every stage again; an edited plan.toml is replaced
    #[arg(long)]
    force: bool,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let out = args
        .out
        .unwrap_or_else(|| default_run_folder(args.model.model.as_deref()));
    let config = FlowConfig {
        source: args.model.source(),
        load: args.model.load_options(),
        out,
        board: args.board,
        device: args.device.into(),
        profile: ProfileConfig {
            machine: true,
            statistics: true,
            prompt: args.profile.prompt,
            rounds: args.profile.rounds,
            cpu: CpuOptions::on_threads(args.threads.threads),
            ..ProfileConfig::default()
        },
        run_tokens: args.max_tokens,
        force: args.force,
    };
    let result = match flow(&config, &mut FlowProgress::default()) {
        Ok(result) => result,
        Err(e @ FlowError::Mismatch { .. }) => return Ok(Verdict::CheckFailed(e.to_string())),
        Err(e) => return Err(e.into()),
    };
    remarks(&result.remarks);
    let text = if args.json {
        to_json(&result.comparison)
    } else {
        render(&result, &config)
    };
    print(&text)?;
    Ok(verdict(&result.comparison))
}

fn render(result: &FlowResult, config: &FlowConfig) -> String {
    let plan = match result.plan.layers.len() {
        0 => "The plan moves nothing; `all` below is a demonstration, not a recommendation."
            .to_string(),
        n => format!("The plan moves {n} layers."),
    };
    format!(
        "\n{}{}\n\n{plan}\n\n{}\nArtefacts: {}\n",
        result.cpu.prompt,
        result.cpu.text,
        terminal(&result.comparison),
        config.out.display()
    )
}
