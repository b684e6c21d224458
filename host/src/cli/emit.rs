use std::path::PathBuf;

use tercet::artefact::Overwrite;
use tercet::emit::emit;
use tercet_contract::Geometry;

use super::output::print;
use super::Verdict;

/// Write the kernel as Verilog, with its register map
#[derive(clap::Args)]
pub struct Args {
    /// Kernel: bus bits - encoding, for example 512-b3
    #[arg(long, value_name = "BITS-ENCODING", default_value_t = Geometry::DEFAULT)]
    geometry: Geometry,
    /// Folder for ternary_gemv.v and registers.md
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the files if they are there
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    for path in emit(&args.geometry, &args.out, Overwrite::from_force(args.force))? {
        print(&format!("{}\n", path.display()))?;
    }
    Ok(Verdict::Ok)
}
