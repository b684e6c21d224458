use std::path::PathBuf;

use anyhow::{bail, Context};
use tercet::artefact::{check_free, to_json, write_bytes, Overwrite};
use tercet::board::Board;
use tercet::doctor::{examine, text, Examination, Tried};
use tercet_contract::Geometry;

use super::args::{DeviceArg, XrtArgs};
use super::output::{announce_build, note, print};
use super::Verdict;

/// Look at this machine: tools, XRT, cards, the image, the kernel behind it, and what its link costs
///
/// Exits with 1 if something that was asked for does not work.
#[derive(clap::Args)]
pub struct Args {
    /// Device to try: xrt or xrt:CARD with --xclbin, xrt-emu, xrt-sim, serial:PORT
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceArg>,
    #[command(flatten)]
    xrt: XrtArgs,
    /// Write the board file with the measured link in the place of its own figures, for `select` and `run --board FILE`
    #[arg(long, value_name = "FILE", requires = "device")]
    out: Option<PathBuf>,
    /// Board whose other figures go into that file
    #[arg(long, value_name = "NAME", default_value = tercet::board::DEFAULT_BOARD)]
    board: String,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Root of the system's files, for tests
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let overwrite = Overwrite::from_force(args.force);
    if let Some(file) = &args.out {
        check_free(file, overwrite)?;
    }
    let board = Board::find(&args.board)?;
    let device = match &args.device {
        None => None,
        Some(DeviceArg::Xrt(target)) => Some(Tried::Xrt(args.xrt.options(target)?)),
        Some(DeviceArg::Serial(port)) => Some(Tried::Serial(args.xrt.serial(port)?)),
        Some(_) => {
            bail!("--device: only xrt, xrt-emu, xrt-sim and serial:PORT have a link to look at")
        }
    };
    if matches!(device, Some(Tried::Xrt(_))) && args.xrt.xclbin.is_none() {
        announce_build(&Geometry::DEFAULT, false)?;
    }
    let report = examine(&Examination {
        root: args.root.clone(),
        xclbin: args.xrt.xclbin.clone(),
        device,
    });
    if let Some(file) = &args.out {
        match &report.link {
            Some(link) => {
                let measured = board.with_link(link);
                write_bytes(file, measured.to_toml().as_bytes(), overwrite)
                    .with_context(|| file.display().to_string())?;
                note(format_args!(
                    "{}: a board file with {}",
                    file.display(),
                    match link.is_of_a_card {
                        true => "the measured link",
                        false => "the costs of a simulation: assumed for the board",
                    }
                ));
            }
            None => note("no board file: the link was not measured"),
        }
    }
    print(&match args.json {
        true => to_json(&report),
        false => text(&report),
    })?;
    Ok(match report.failed().as_slice() {
        [] => Verdict::Ok,
        failed => Verdict::CheckFailed(failed.join(", ")),
    })
}
