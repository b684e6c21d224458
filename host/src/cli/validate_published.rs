use std::path::PathBuf;

use tercet::analyze::documents;
use tercet::artefact::{check_free, create_folder, write_bytes, Overwrite};
use tercet::validate::{json, markdown, rows};

use super::output::print;
use super::Verdict;

/// Published hardware beside what this program's model says of it
#[derive(clap::Args)]
pub struct Args {
    /// Write published.md, published.json and documents.md into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the files if they are there
    #[arg(long)]
    force: bool,
    /// Print JSON instead of Markdown
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let rows = rows();
    let (page, data) = (markdown(&rows), json(&rows));
    if let Some(folder) = &args.out {
        let overwrite = Overwrite::from_force(args.force);
        let documents = documents::markdown(&documents::rows());
        let files = [
            ("published.md", &page),
            ("published.json", &data),
            ("documents.md", &documents),
        ];
        for (name, _) in files {
            check_free(&folder.join(name), overwrite)?;
        }
        create_folder(folder)?;
        for (name, content) in files {
            write_bytes(&folder.join(name), content.as_bytes(), overwrite)?;
        }
    }
    print(if args.json { &data } else { &page })?;
    Ok(Verdict::Ok)
}
