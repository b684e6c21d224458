//! The `tercet` program.

mod cli;
#[cfg(target_os = "linux")]
mod sleep;

fn main() -> std::process::ExitCode {
    cli::main()
}
