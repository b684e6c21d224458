//! The kernel of a geometry as Verilog, with pages of its registers and cycles, and its facts for packaging.

mod facts;

use std::path::{Path, PathBuf};

use tercet_contract::registers::registers_markdown;
use tercet_contract::{Geometry, KERNEL_NAME};
use tercet_sim::cycles::contract_markdown;

use crate::artefact::{check_free, write_bytes, ArtefactError, OutputFolder, Overwrite};

pub use facts::{Arg, KernelFacts, Port};

/// File of the register map.
pub const REGISTERS_FILE: &str = "registers.md";

/// File of the cycle contract.
pub const CYCLES_FILE: &str = "cycles.md";

/// File of what packaging needs.
pub const FACTS_FILE: &str = "kernel_facts.json";

/// File of the Verilog.
pub fn verilog_file() -> String {
    format!("{KERNEL_NAME}.v")
}

/// Names of the kernels that can be emitted, one a line.
pub fn geometry_names() -> String {
    Geometry::all().iter().map(|g| format!("{g}\n")).collect()
}

/// Why nothing was emitted.
#[derive(Debug, thiserror::Error)]
pub enum EmitStageError {
    /// The kernel has no Verilog for this geometry.
    #[error("emitting {geometry}: {source}")]
    Emit {
        /// The geometry.
        geometry: Geometry,
        /// Reason of the hardware description.
        source: tercet_hdl::EmitError,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

/// Writes Verilog, pages and facts of `geometry` into `folder`, and returns their paths.
pub fn emit(
    geometry: &Geometry,
    folder: &Path,
    overwrite: Overwrite,
) -> Result<Vec<PathBuf>, EmitStageError> {
    let verilog = tercet_hdl::emit(geometry).map_err(|source| EmitStageError::Emit {
        geometry: *geometry,
        source,
    })?;
    let mut facts = serde_json::to_string_pretty(&KernelFacts::of(geometry))
        .expect("facts are numbers and names");
    facts.push('\n');
    let files = [
        (verilog_file(), verilog),
        (REGISTERS_FILE.to_string(), registers_markdown(geometry)),
        (CYCLES_FILE.to_string(), contract_markdown(geometry)),
        (FACTS_FILE.to_string(), facts),
    ];
    let files = files.map(|(name, text)| (folder.join(name), text));
    for (path, _) in &files {
        check_free(path, overwrite)?;
    }
    let _folder = OutputFolder::open(folder)?;
    for (path, text) in &files {
        write_bytes(path, text.as_bytes(), overwrite)?;
    }
    Ok(files.map(|(path, _)| path).into())
}
