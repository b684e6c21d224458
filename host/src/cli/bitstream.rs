//! `tercet bitstream`: bitstreams and their manifests.

use std::path::PathBuf;

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;
use tercet::bitstream::{markdown, text, verify, Verified, FOLDER};

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
        /// Print a Markdown table instead of the text
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
}

/// Bitstreams compared with their manifests.
#[derive(Serialize, JsonSchema)]
pub struct Json {
    schema: &'static str,
    version: u32,
    /// A manifest each.
    checked: Vec<Verified>,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let Action::Verify {
        path,
        json,
        markdown: table,
    } = args.action;
    let path = path.unwrap_or(PathBuf::from(FOLDER));
    let checked = verify(&path)?;
    let bad = checked.iter().filter(|c| !c.problems.is_empty()).count();
    let all = checked.len();
    if json {
        print_json(&Json {
            schema: "tercet.bitstreams",
            version: 1,
            checked,
        })?;
    } else if table {
        print(&markdown(&checked, &path))?;
    } else {
        print(&text(&checked))?;
    }
    Ok(match bad {
        0 => Verdict::Ok,
        _ => Verdict::CheckFailed(format!("{bad} of {all} bitstreams")),
    })
}
