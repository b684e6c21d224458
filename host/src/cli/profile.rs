use std::path::PathBuf;

use tercet::artefact::{check_free, to_json, write_json, Overwrite};
use tercet::profile::{render, Profile, ProfileConfig};

use super::args::{ModelArgs, ProfileArgs, ThreadArgs};
use super::output::{print, remarks};
use super::progress::Bar;
use super::Verdict;

/// Measure where the CPU's time goes, per stage and per linear
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
    threads: ThreadArgs,
    /// Write the profile to this file (profile.json)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Linears to list; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let config = ProfileConfig {
        prompt: args.profile.prompt,
        max_tokens: args.max_tokens,
        rounds: args.profile.rounds,
        threads: args.threads.threads,
    };
    if let Some(path) = &args.out {
        check_free(path, Overwrite::from_force(args.force))?;
    }
    let mut bar = Bar::new("profile");
    let profile = Profile::measure(
        &args.model.source(),
        &args.model.load_options(),
        &config,
        &mut |d, t| bar.step(d, t),
    )?;
    drop(bar);
    remarks(&profile.remarks);
    if let Some(path) = &args.out {
        write_json(path, &profile, Overwrite::from_force(args.force))?;
    }
    let text = if args.json {
        to_json(&profile)
    } else {
        render(&profile, args.top)
    };
    print(&text)?;
    Ok(Verdict::Ok)
}
