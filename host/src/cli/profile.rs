use std::path::PathBuf;

use tercet::artefact::{check_free, to_json, write_bytes, write_json, Overwrite};
use tercet::profile::{render, Profile, ProfileConfig, Report, MAX_BATCH};
use tercet::table::Style;

use super::args::{CpuArgs, ModelArgs, ProfileArgs};
use super::output::{print, remarks};
use super::progress::Bar;
use super::Verdict;

/// Measure where the CPU's time goes, per stage and per linear, prefill and decode apart
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Tokens to generate in each round
    #[arg(long, value_name = "N", default_value_t = ProfileConfig::default().max_tokens)]
    max_tokens: usize,
    #[command(flatten)]
    cpu: CpuArgs,
    /// Leave out the rounds without a clock, which tell what profiling costs
    #[arg(long)]
    no_overhead: bool,
    /// Measure the linears with 2 to N tokens at once too, for `tercet select --batch`; 1 for none
    #[arg(long, value_name = "N", default_value_t = MAX_BATCH)]
    batch: usize,
    /// Write the profile to this file (profile.json)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the report to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Replace the files if they are there
    #[arg(long)]
    force: bool,
    /// Linears to rank in each phase; 0 for all
    #[arg(long, value_name = "N", default_value_t = Report::default().top)]
    top: usize,
    /// List every linear with its parameters and shapes, too
    #[arg(long)]
    all: bool,
    /// List every token of a round, and memory after each, too
    #[arg(long)]
    tokens: bool,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let config = ProfileConfig {
        prompt: args.profile.prompt,
        max_tokens: args.max_tokens,
        rounds: args.profile.rounds,
        cpu: args.cpu.options()?,
        overhead: !args.no_overhead,
        machine: true,
        statistics: true,
        batch: args.batch,
    };
    let overwrite = Overwrite::from_force(args.force);
    for path in args.out.iter().chain(&args.markdown) {
        check_free(path, overwrite)?;
    }
    let mut bar = Bar::new("profile");
    let profile = Profile::measure(
        &args.model.source(),
        &args.model.load_options_for(&args.cpu),
        &config,
        &mut |d, t| bar.step(d, t),
    )?;
    drop(bar);
    remarks(&profile.remarks);
    if let Some(path) = &args.out {
        write_json(path, &profile, overwrite)?;
    }
    let report = Report {
        style: Style::Terminal,
        top: args.top,
        all: args.all,
        tokens: args.tokens,
    };
    if let Some(path) = &args.markdown {
        let style = Style::Markdown;
        let page = render(&profile, &Report { style, ..report });
        write_bytes(path, page.as_bytes(), overwrite)?;
    }
    let text = if args.json {
        to_json(&profile)
    } else {
        render(&profile, &report)
    };
    print(&text)?;
    Ok(Verdict::Ok)
}
