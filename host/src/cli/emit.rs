use std::path::PathBuf;

use tercet::artefact::Overwrite;
use tercet::emit::{emit, geometry_names};
use tercet_contract::Geometry;

use super::output::print;
use super::Verdict;

/// Write the kernel as Verilog, with its registers, cycles and facts for packaging
#[derive(clap::Args)]
pub struct Args {
    /// Kernel: bus bits - encoding, then batch and longest K if they are not the usual: 512-b3, 512-b3-x4-k8192
    #[arg(long, value_name = "GEOMETRY", default_value_t = Geometry::DEFAULT)]
    geometry: Geometry,
    /// Folder for ternary_gemv.v, registers.md, cycles.md and kernel_facts.json
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Replace the files if they are there
    #[arg(long)]
    force: bool,
    /// Print the names of all kernels and write nothing
    #[arg(long, conflicts_with_all = ["geometry", "out", "force"])]
    list: bool,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let Some(out) = args.out else {
        print(&geometry_names())?;
        return Ok(Verdict::Ok);
    };
    for path in emit(&args.geometry, &out, Overwrite::from_force(args.force))? {
        print(&format!("{}\n", path.display()))?;
    }
    Ok(Verdict::Ok)
}
