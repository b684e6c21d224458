//! `tercet serial-server`: the Verilated board behind a pseudo-terminal, to try `--device serial` without a board.

use clap::builder::RangedI64ValueParser;
use clap::value_parser;
use tercet_sim::board::{LineFaults, SerialBoard, SerialServer};

use super::output::{note, print};
use super::Verdict;

/// Serve a simulated board: prints the terminal that stands for its serial port, and runs until it is ended
#[derive(clap::Args)]
pub struct Args {
    /// Bytes of a million that have a bit flipped on the line
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = per_million())]
    flipped: u32,
    /// Bytes of a million that are lost
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = per_million())]
    lost: u32,
    /// Bytes of a million that have another one put before them
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = per_million())]
    inserted: u32,
    /// Reset the board when it has been sent so many bytes; may be given several times
    #[arg(long, value_name = "BYTES")]
    reset_at: Vec<u64>,
    /// Seed of the faults
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
}

fn per_million() -> RangedI64ValueParser<u32> {
    value_parser!(u32).range(..=1_000_000)
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let mut resets_at = args.reset_at;
    resets_at.sort_unstable();
    let faults = LineFaults {
        seed: args.seed,
        flipped_per_million: args.flipped,
        lost_per_million: args.lost,
        inserted_per_million: args.inserted,
        resets_at,
    };
    if !SerialBoard::is_built()? {
        note("building the simulated board, about 20 s");
    }
    let server = SerialServer::start(SerialBoard::open()?, &faults)?;
    print(&format!("{}\n", server.path().display()))?;
    server.wait()?;
    Ok(Verdict::Ok)
}
