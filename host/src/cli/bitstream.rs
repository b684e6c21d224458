//! `tercet bitstream`: bitstreams and their manifests.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use tercet::bitstream::{text, verify, FOLDER};

use super::output::{print, print_json};
use super::Verdict;

/// Check the bitstreams of boards
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Compare bitstreams with their manifests, and their sources with this program
    Verify {
        /// Manifest, or folder of manifests [default: bitstreams]
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
        /// Print JSON instead of the text
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let Action::Verify { path, json } = args.action;
    let checked = verify(path.as_deref().unwrap_or(Path::new(FOLDER)))?;
    match json {
        true => print_json(&checked)?,
        false => print(&text(&checked))?,
    }
    let bad = checked.iter().filter(|c| !c.problems.is_empty()).count();
    Ok(match bad {
        0 => Verdict::Ok,
        _ => Verdict::CheckFailed(format!("{bad} of {} bitstreams", checked.len())),
    })
}
