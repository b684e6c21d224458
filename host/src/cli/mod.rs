//! The command line: one subcommand a stage, in the order of the flow; `synth` makes models to try it on, `xclbin`
//! device images.
//!
//! Results go to stdout, progress and remarks to stderr, colours to terminals only. Exit code 0: done; 1: a check failed (tokens
//! or sums differ); 2: bad use or bad input. A reader that closes the pipe is not an error.

mod analyze;
mod args;
mod bench;
mod bitstream;
mod boards;
mod chat;
mod compare;
mod completions;
#[cfg(unix)]
mod device_server;
mod doctor;
mod emit;
mod examples;
mod explore;
mod flow;
mod logits;
mod man;
mod messages;
mod output;
mod perplexity;
mod profile;
mod profile_at_hand;
mod progress;
mod quantize;
mod run;
mod schema;
mod select;
#[cfg(unix)]
mod serial_server;
mod simulate;
mod synth;
mod validate_published;
mod xclbin;
mod xrt_worker;

use std::ffi::OsString;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Which layers of a BitNet b1.58 model are worth moving to an FPGA, and what that costs and gains.
///
/// Without --model, every command works on a tiny trained model inside the program.
#[derive(Parser)]
#[command(name = "tercet", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print no remarks and no progress; results and errors stay
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
    /// Colours: on a terminal unless NO_COLOR is set, always, or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = ColorArg::Auto,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    color: ColorArg,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ColorArg {
    /// On a terminal; NO_COLOR and CLICOLOR_FORCE are obeyed
    Auto,
    /// Yes
    Always,
    /// No
    Never,
}

impl ColorArg {
    /// What the command line says, read before it is parsed: errors and help have colours, too. A mistake in it is
    /// left to the parser.
    fn given(arguments: impl Iterator<Item = OsString>) -> Self {
        let mut given = ColorArg::Auto;
        let mut arguments = arguments.take_while(|a| a != "--");
        while let Some(argument) = arguments.next() {
            let value = match argument.to_str().and_then(|a| a.strip_prefix("--color")) {
                Some("") => arguments.next(),
                Some(rest) => rest.strip_prefix('=').map(OsString::from),
                None => None,
            };
            if let Some(Ok(value)) = value.and_then(|v| Some(Self::from_str(v.to_str()?, false))) {
                given = value;
            }
        }
        given
    }
}

impl From<ColorArg> for ColorChoice {
    fn from(arg: ColorArg) -> Self {
        match arg {
            ColorArg::Auto => ColorChoice::Auto,
            ColorArg::Always => ColorChoice::Always,
            ColorArg::Never => ColorChoice::Never,
        }
    }
}

/// The whole command line, with examples.
fn command() -> clap::Command {
    examples::added(Cli::command())
}

#[derive(Subcommand)]
enum Command {
    Analyze(analyze::Args),
    Profile(profile::Args),
    Boards(boards::Args),
    Select(select::Args),
    Explore(Box<explore::Args>),
    Quantize(quantize::Args),
    Emit(emit::Args),
    Simulate(simulate::Args),
    Run(Box<run::Args>),
    Logits(logits::Args),
    Perplexity(perplexity::Args),
    Compare(compare::Args),
    Flow(flow::Args),
    Bench(bench::Args),
    Doctor(doctor::Args),
    Synth(synth::Args),
    ValidatePublished(validate_published::Args),
    Xclbin(xclbin::Args),
    Bitstream(bitstream::Args),
    Completions(completions::Args),
    Man(man::Args),
    Schema(schema::Args),
    #[cfg(unix)]
    DeviceServer(device_server::Args),
    #[cfg(unix)]
    SerialServer(serial_server::Args),
    #[command(hide = true)]
    XrtWorker(xrt_worker::Args),
}

/// How a command that did not fail ends.
enum Verdict {
    /// Everything is as it should be.
    Ok,
    /// The command worked, and found that something is wrong; what, in a sentence.
    CheckFailed(String),
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    output::set_colours(ColorArg::given(std::env::args_os()).into());
    let cli = match Cli::from_arg_matches(&command().get_matches()) {
        Ok(cli) => cli,
        Err(e) => e.exit(),
    };
    output::set_quiet(cli.quiet);
    let verdict = match cli.command {
        Command::Analyze(args) => analyze::run(args),
        Command::Profile(args) => profile::run(args),
        Command::Boards(args) => boards::run(args),
        Command::Select(args) => select::run(args),
        Command::Explore(args) => explore::run(*args),
        Command::Quantize(args) => quantize::run(args),
        Command::Emit(args) => emit::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Run(args) => run::run(*args),
        Command::Logits(args) => logits::run(args),
        Command::Perplexity(args) => perplexity::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Flow(args) => flow::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Synth(args) => synth::run(args),
        Command::ValidatePublished(args) => validate_published::run(args),
        Command::Xclbin(args) => xclbin::run(args),
        Command::Bitstream(args) => bitstream::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        Command::Schema(args) => schema::run(args),
        #[cfg(unix)]
        Command::DeviceServer(args) => device_server::run(args),
        #[cfg(unix)]
        Command::SerialServer(args) => serial_server::run(args),
        Command::XrtWorker(args) => xrt_worker::run(args),
    };
    match verdict {
        Ok(Verdict::Ok) => ExitCode::SUCCESS,
        Ok(Verdict::CheckFailed(what)) => {
            output::problem("check failed", what);
            ExitCode::from(1)
        }
        Err(e) if output::is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            output::problem("error", message(&e));
            ExitCode::from(2)
        }
    }
}

/// The chain of an error on one line; a cause that the message before it quotes is left out.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn colours_are_known_before_the_command_line_is_parsed() {
        for (line, expected) in [
            ("boards", ColorArg::Auto),
            ("--color never boards", ColorArg::Never),
            ("boards --color=always", ColorArg::Always),
            ("boards --color", ColorArg::Auto),
            ("boards --color=green", ColorArg::Auto),
            ("boards --colors never", ColorArg::Auto),
            ("boards -- --color=always", ColorArg::Auto),
        ] {
            let words = line.split(' ').map(OsString::from);
            assert_eq!(ColorArg::given(words), expected, "{line}");
        }
    }

    #[test]
    fn quoted_causes_are_not_repeated() {
        let inner = anyhow::anyhow!("no such file");
        assert_eq!(
            message(&inner.context("a.json: no such file")),
            "a.json: no such file"
        );
        let inner = anyhow::anyhow!("no such file");
        assert_eq!(
            message(&inner.context("reading a.json")),
            "reading a.json: no such file"
        );
    }
}
