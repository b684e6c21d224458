use std::path::PathBuf;

use clap_mangen::Man;
use tercet::artefact::{check_free, write_bytes, OutputFolder, Overwrite};

use super::output::{print, print_files};
use super::Verdict;

/// Print the manual page, or write one for every command
#[derive(clap::Args)]
pub struct Args {
    /// Folder for the pages: tercet.1, tercet-run.1, ..; without it, tercet.1 is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the pages if they are there
    #[arg(long)]
    force: bool,
    /// Print JSON instead of the files' names
    #[arg(long, requires = "out")]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let mut command = super::command().disable_help_subcommand(true);
    // Full names (`tercet-run`) and global options are only known then.
    command.build();
    let Some(folder) = &args.out else {
        print(&String::from_utf8(page(&Man::new(command))?)?)?;
        return Ok(Verdict::Ok);
    };
    let mut pages = Vec::new();
    add_pages(command, &mut pages)?;
    let pages: Vec<_> = pages
        .into_iter()
        .map(|(name, page)| (folder.join(name), page))
        .collect();
    let overwrite = Overwrite::from_force(args.force);
    for (path, _) in &pages {
        check_free(path, overwrite)?;
    }
    let _folder = OutputFolder::open(folder)?;
    for (path, page) in &pages {
        write_bytes(path, page, overwrite)?;
    }
    print_files(pages.into_iter().map(|(path, _)| path).collect(), args.json)?;
    Ok(Verdict::Ok)
}

/// The pages of a command and those below it, with their file names.
fn add_pages(command: clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        add_pages(below.clone(), pages)?;
    }
    let man = Man::new(command);
    pages.push((man.get_filename(), page(&man)?));
    Ok(())
}

fn page(man: &Man) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render(&mut page)?;
    // The text after the help has a heading of its own.
    let page = String::from_utf8(page)?;
    let page = page.replacen(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n", 1);
    Ok(page.into_bytes())
}
