use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use tercet::artefact::Overwrite;
use tercet::emit::{emit, geometry_names};
use tercet_contract::Geometry;

use super::args::geometry;
use super::output::{print, print_files, print_json};
use super::Verdict;

/// Write the kernel as Verilog, with its registers, cycles and facts for packaging
#[derive(clap::Args)]
pub struct Args {
    /// Kernel: bus bits - encoding, then batch and longest K if they are not the usual: 512-b3, 512-b3-x4-k8192
    #[arg(long, value_name = "GEOMETRY", default_value_t = Geometry::DEFAULT, value_parser = geometry)]
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
    /// Print JSON instead of names
    #[arg(long)]
    json: bool,
}

/// Every kernel by name.
#[derive(Serialize, JsonSchema)]
pub struct Kernels {
    schema: &'static str,
    version: u32,
    /// Every kernel.
    kernels: Vec<Geometry>,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let Some(out) = args.out else {
        match args.json {
            false => print(&geometry_names())?,
            true => print_json(&Kernels {
                schema: "tercet.kernels",
                version: 1,
                kernels: Geometry::all(),
            })?,
        }
        return Ok(Verdict::Ok);
    };
    let files = emit(&args.geometry, &out, Overwrite::from_force(args.force))?;
    print_files(files, args.json)?;
    Ok(Verdict::Ok)
}
