use clap_complete::{generate, Shell};

use super::output::print;
use super::Verdict;

/// Print what a shell needs to complete commands and options
///
/// bash: into ~/.local/share/bash-completion/completions/tercet. zsh: into _tercet in a folder of $fpath.
/// fish: into ~/.config/fish/completions/tercet.fish.
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let mut script = Vec::new();
    generate(args.shell, &mut super::command(), "tercet", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(Verdict::Ok)
}
