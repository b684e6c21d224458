use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;
use tercet::artefact::{check_free, to_json, write_bytes, OutputFolder, Overwrite};
use tercet::bitstream::recipe;
use tercet::simulate::DEFAULT_CLOCK_MHZ;
use tercet::suggest::did_you_mean;
use tercet::table::{pairs, table, text, Style};
use tercet::units::Bytes;
use tercet_contract::Geometry;
use tercet_xclbin::alveo::{cards, files, Card, CARDS};
use tercet_xclbin::{check, Contents, Finding, Uuid, Xclbin};

use super::args::geometry;
use super::output::{counted, print, print_files, print_json};
use super::Verdict;

/// Write device images for emulation, look into any device image, write the scripts that build one for a card
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(BuildArgs),
    Inspect(InspectArgs),
    Package(PackageArgs),
}

/// Write the device image of an emulated card, which XRT loads and our simulated kernels answer for
#[derive(clap::Args)]
struct BuildArgs {
    /// Kernel: bus bits - encoding, then batch and longest K if they are not the usual: 512-b3, 512-b3-x4-k8192
    #[arg(long, value_name = "GEOMETRY", default_value_t = Geometry::DEFAULT, value_parser = geometry)]
    geometry: Geometry,
    /// The device image (.xclbin)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Compute units, each with a weight and a data memory of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    cus: usize,
    /// Clock that the image names, in whole MHz
    #[arg(long, value_name = "F", default_value_t = DEFAULT_CLOCK_MHZ)]
    clock_mhz: u32,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Print JSON instead of the file's name
    #[arg(long)]
    json: bool,
}

/// Show what a device image holds, and whether it fits this version's kernel
#[derive(clap::Args)]
struct InspectArgs {
    /// The device image
    file: PathBuf,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Write kernel.xml, package_kernel.tcl, Makefile, connectivity and a manifest for building a device image with Vitis
#[derive(clap::Args)]
struct PackageArgs {
    /// Kernel: bus bits - encoding, then batch and longest K if they are not the usual: 512-b3, 512-b3-x4-k8192
    #[arg(long, value_name = "GEOMETRY", default_value_t = Geometry::DEFAULT, value_parser = geometry)]
    geometry: Geometry,
    /// Card: u50, u55c, u280, u250 [default: all]
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// Compute units [default: 4 on cards with HBM, 2 on those with DDR]
    #[arg(long, value_name = "N")]
    cus: Option<usize>,
    /// Folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the files if they are there
    #[arg(long)]
    force: bool,
    /// Print JSON instead of the files' names
    #[arg(long)]
    json: bool,
}

impl PackageArgs {
    /// The command that writes the same files into a folder `work`.
    fn command(&self) -> String {
        let mut command = format!("tercet xclbin package --geometry {}", self.geometry);
        if let Some(board) = &self.board {
            command += &format!(" --board {board}");
        }
        if let Some(cus) = self.cus {
            command += &format!(" --cus {cus}");
        }
        command + " --out work"
    }
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    match args.command {
        Command::Build(args) => build(args),
        Command::Inspect(args) => inspect(args),
        Command::Package(args) => package(args),
    }
}

fn build(args: BuildArgs) -> anyhow::Result<Verdict> {
    check_free(&args.out, Overwrite::from_force(args.force))?;
    let image = Xclbin::emulation(&args.geometry, args.cus, 1e6 * f64::from(args.clock_mhz))?;
    image.write(&args.out)?;
    print_files(vec![args.out], args.json)?;
    Ok(Verdict::Ok)
}

/// What a device image holds.
#[derive(Serialize, JsonSchema)]
pub struct Json<'a> {
    schema: &'static str,
    version: u32,
    uuid: Uuid,
    geometry: Option<Geometry>,
    clock_mhz: Option<u16>,
    #[serde(flatten)]
    contents: &'a Contents,
    findings: &'a [Finding],
}

fn inspect(args: InspectArgs) -> anyhow::Result<Verdict> {
    let image = Xclbin::read(&args.file).with_context(|| args.file.display().to_string())?;
    let findings = check(&image);
    if args.json {
        let contents = image.contents();
        print_json(&Json {
            schema: "tercet.xclbin",
            version: 1,
            uuid: image.uuid(),
            geometry: contents.geometry(),
            clock_mhz: contents.clock_mhz(),
            contents,
            findings: &findings,
        })?;
    } else {
        print(&render(&image, &findings))?;
    }
    Ok(match findings.len() {
        0 => Verdict::Ok,
        n => Verdict::CheckFailed(format!(
            "{}: {}",
            args.file.display(),
            counted(n, "finding")
        )),
    })
}

fn render(image: &Xclbin, findings: &[Finding]) -> String {
    let contents = image.contents();
    let mut parts = vec![facts(image)];
    if !contents.compute_units.is_empty() {
        parts.push(compute_units(contents));
    }
    parts.extend(kernels(contents));
    if !contents.memories.is_empty() {
        parts.push(memories(contents));
    }
    parts.push(match findings {
        [] => "fits the contract\n".to_string(),
        findings => findings.iter().map(|f| format!("finding: {f}\n")).collect(),
    });
    parts.join("\n")
}

fn facts(image: &Xclbin) -> String {
    let contents = image.contents();
    let geometry = contents.geometry().map(|g| g.to_string());
    let clock = contents.clock_mhz().map(|mhz| format!("{mhz} MHz"));
    let or_none = |text: Option<String>| text.unwrap_or("not named".to_string());
    let lines = [
        ("uuid", image.uuid().to_string()),
        ("platform", contents.platform.clone()),
        ("mode", format!("{:?}", contents.mode)),
        ("geometry", or_none(geometry)),
        ("clock", or_none(clock)),
    ];
    let lines = lines.map(|(name, value)| (name.to_string(), value));
    pairs(lines.into_iter().chain(contents.key_values.clone()))
}

fn compute_units(contents: &Contents) -> String {
    let head = ["compute unit", "kernel", "registers", "control", "memories"];
    let mut t = table(Style::Terminal, &head, &[]);
    for cu in &contents.compute_units {
        let memories = cu.connections.iter().map(|c| {
            let argument = cu.arguments.iter().find(|a| a.id == c.argument);
            let name = argument.map_or(c.argument.to_string(), |a| a.name.clone());
            format!("{name}: {}", contents.memories[c.memory].tag)
        });
        t.add_row([
            cu.instance.clone(),
            cu.kernel.clone(),
            format!("{:#x}", cu.base),
            format!("{:?}", cu.control).to_lowercase(),
            memories.collect::<Vec<_>>().join(", "),
        ]);
    }
    text(&t)
}

/// A table of arguments for each kernel.
fn kernels(contents: &Contents) -> Vec<String> {
    let mut tables: Vec<(&str, String)> = Vec::new();
    for cu in &contents.compute_units {
        if tables.iter().any(|(name, _)| *name == cu.kernel) {
            continue;
        }
        let title = format!("argument of {}", cu.kernel);
        let head = ["id", &title, "offset", "bytes", "type", "port"];
        let mut t = table(Style::Terminal, &head, &[0, 2, 3]);
        for a in &cu.arguments {
            t.add_row([
                a.id.to_string(),
                a.name.clone(),
                format!("{:#x}", a.offset),
                a.bytes.to_string(),
                a.c_type.clone(),
                a.port.clone(),
            ]);
        }
        tables.push((&cu.kernel, text(&t)));
    }
    tables.into_iter().map(|(_, text)| text).collect()
}

fn memories(contents: &Contents) -> String {
    let head = ["memory", "kind", "base", "size", "used"];
    let mut t = table(Style::Terminal, &head, &[2, 3]);
    for m in &contents.memories {
        t.add_row([
            m.tag.clone(),
            format!("{:?}", m.kind).to_lowercase(),
            format!("{:#x}", m.base),
            Bytes(m.bytes).to_string(),
            if m.used { "yes" } else { "no" }.to_string(),
        ]);
    }
    text(&t)
}

fn package(args: PackageArgs) -> anyhow::Result<Verdict> {
    let cards: Vec<&Card> = match &args.board {
        None => CARDS.iter().collect(),
        Some(name) => vec![cards::find(name).with_context(|| {
            let names = CARDS.map(|card| card.name).join(", ");
            let hint = did_you_mean(name, CARDS.map(|card| card.name));
            format!("card `{name}`: expected one of {names}{hint}")
        })?],
    };
    let overwrite = Overwrite::from_force(args.force);
    let mut files = files(&args.geometry, &cards, args.cus)?;
    let command = args.command();
    let manifests: Vec<_> = cards
        .iter()
        .map(|card| recipe(card, &args.geometry, args.cus, &files, &command))
        .collect::<Result<_, _>>()?;
    files.extend(
        manifests
            .iter()
            .map(|m| (format!("{}.json", m.target), to_json(m))),
    );
    let paths: Vec<_> = files.iter().map(|(name, _)| args.out.join(name)).collect();
    for path in &paths {
        check_free(path, overwrite)?;
    }
    let _folder = OutputFolder::open(&args.out)?;
    for (path, (_, text)) in paths.iter().zip(&files) {
        write_bytes(path, text.as_bytes(), overwrite)?;
    }
    print_files(paths, args.json)?;
    Ok(Verdict::Ok)
}
