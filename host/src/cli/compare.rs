use std::path::PathBuf;

use tercet::artefact::{to_json, write_bytes, write_json, Overwrite};
use tercet::compare::trace::trace_folder;
use tercet::compare::{compare_folder, markdown, terminal, Comparison};
use tercet::report::Report;

use super::args::default_run_folder;
use super::output::{note, print};
use super::Verdict;

/// Compare the runs of a folder: CPU only against hybrid, end to end
///
/// Reads run-*.json as `tercet flow` and `tercet run --out` leave them, and writes comparison.json and
/// comparison.md beside them.
#[derive(clap::Args)]
pub struct Args {
    /// Run folder [default: the one of `tercet flow` without arguments]
    run_dir: Option<PathBuf>,
    /// Write the report as one page that needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as Markdown, and its pictures as SVG and PNG into a folder `pictures` beside it
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a token of each run as a trace for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let folder = args.run_dir.unwrap_or_else(|| default_run_folder(None));
    let comparison = compare_folder(&folder)?;
    write_json(
        &folder.join("comparison.json"),
        &comparison,
        Overwrite::Replace,
    )?;
    let page = markdown(&comparison);
    write_bytes(
        &folder.join("comparison.md"),
        page.as_bytes(),
        Overwrite::Replace,
    )?;
    if args.html.is_some() || args.markdown.is_some() {
        let report = Report::of(&folder, comparison.clone())?;
        if let Some(path) = &args.html {
            report.write_html(path)?;
            note(format_args!("report: {}", path.display()));
        }
        if let Some(path) = &args.markdown {
            report.write_markdown(path)?;
            note(format_args!(
                "report: {}, pictures beside it",
                path.display()
            ));
        }
    }
    if let Some(path) = &args.trace {
        let trace = trace_folder(&folder)?;
        let text = serde_json::to_string(&trace)?;
        write_bytes(path, text.as_bytes(), Overwrite::Replace)?;
        note(format_args!("trace: {}", path.display()));
    }
    let text = if args.json {
        to_json(&comparison)
    } else {
        terminal(&comparison)
    };
    print(&text)?;
    Ok(verdict(&comparison))
}

/// Tokens must not depend on where layers run.
pub fn verdict(comparison: &Comparison) -> Verdict {
    let differing = comparison.hybrids.iter().find(|h| !h.tokens_identical);
    match differing {
        None => Verdict::Ok,
        Some(h) => Verdict::CheckFailed(format!(
            "with {} layers on the device ({}) the tokens differ from the CPU's, first at {}",
            h.layers,
            h.offload,
            h.first_difference.unwrap_or_default()
        )),
    }
}
