use std::path::PathBuf;

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;
use tercet::artefact::{check_free, write_bytes, OutputFolder, Overwrite};
use tercet::schema::{self, Format};
use tercet::suggest::did_you_mean;
use tercet::table::{table, text, Style};

use super::output::{print, print_files, print_json, Files};
use super::{bitstream, boards, emit, explore, select, xclbin, Verdict};

/// Print the JSON Schema of a file or output, or list them
#[derive(clap::Args)]
pub struct Args {
    /// Name as in the file, with or without `tercet.` [default: list all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Write the schemas of all into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    out: Option<PathBuf>,
    /// Replace the files if they are there
    #[arg(long, requires = "out")]
    force: bool,
    /// Print JSON instead of a table or of file names; a schema is JSON in any case
    #[arg(long)]
    json: bool,
}

/// Every kind of file and output.
#[derive(Serialize, JsonSchema)]
struct List {
    schema: &'static str,
    version: u32,
    /// Every kind of file and output.
    schemas: Vec<Row>,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    name: String,
    /// None of a format that others define.
    version: Option<u32>,
    /// File in `host/schemas`.
    file: String,
    about: String,
}

pub fn run(args: Args) -> anyhow::Result<Verdict> {
    let formats = formats();
    if let Some(folder) = &args.out {
        let files: Vec<_> = formats.iter().map(|f| folder.join(f.file_name())).collect();
        let overwrite = Overwrite::from_force(args.force);
        for file in &files {
            check_free(file, overwrite)?;
        }
        let _folder = OutputFolder::open(folder)?;
        for (file, format) in files.iter().zip(&formats) {
            write_bytes(file, format.text().as_bytes(), overwrite)?;
        }
        print_files(files, args.json)?;
    } else if let Some(name) = &args.name {
        let Some(format) = formats.iter().find(|f| f.is_called(name)) else {
            let names: Vec<&str> = formats.iter().map(|f| f.name.as_str()).collect();
            let hint = did_you_mean(name, &names);
            bail!(
                "schema `{name}`: expected one of {}{hint}",
                names.join(", ")
            );
        };
        print(&format.text())?;
    } else if args.json {
        print_json(&List {
            schema: "tercet.schemas",
            version: 1,
            schemas: formats.iter().map(row).collect(),
        })?;
    } else {
        let mut t = table(Style::Terminal, &["name", "version", "what"], &[1]);
        for f in &formats {
            let version = f.version.map(|v| v.to_string()).unwrap_or_default();
            t.add_row([f.name.as_str(), &version, f.about()]);
        }
        print(&text(&t))?;
    }
    Ok(Verdict::Ok)
}

/// Formats of the library, and what only the command line prints.
fn formats() -> Vec<Format> {
    let mut all = schema::formats();
    all.extend([
        Format::output::<boards::Json>("tercet.boards", 1),
        Format::output::<select::Json>("tercet.selection", 1),
        Format::output::<explore::SlurmJson>("tercet.exploration-jobs", 1),
        Format::output::<xclbin::Json>("tercet.xclbin", 1),
        Format::output::<bitstream::Json>("tercet.bitstreams", 1),
        Format::output::<emit::Kernels>("tercet.kernels", 1),
        Format::output::<Files>("tercet.files", 1),
        Format::output::<List>("tercet.schemas", 1),
    ]);
    all
}

fn row(format: &Format) -> Row {
    Row {
        name: format.name.clone(),
        version: format.version,
        file: format.file_name(),
        about: format.about().to_string(),
    }
}
