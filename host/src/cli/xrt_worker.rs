use std::path::PathBuf;

use anyhow::Context;

use super::Verdict;

/// The process that makes XRT's calls for a run; started by it
#[derive(clap::Args)]
pub struct Args {
    /// Socket of the run
    socket: PathBuf,
    /// Compute units, each with a connection of its own
    units: usize,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    tercet::device::xrt::worker::serve(&args.socket, args.units)
        .with_context(|| args.socket.display().to_string())?;
    Ok(Verdict::Ok)
}
