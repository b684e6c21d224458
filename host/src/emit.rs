//! The kernel of a geometry as Verilog, and its register map as a page.

use std::path::{Path, PathBuf};

use tercet_contract::registers::registers_markdown;
use tercet_contract::{Geometry, KERNEL_NAME};

use crate::artefact::{check_free, write_bytes, ArtefactError, OutputFolder, Overwrite};

/// File of the register map.
pub const REGISTERS_FILE: &str = "registers.md";

/// File of the Verilog.
pub fn verilog_file() -> String {
    format!("{KERNEL_NAME}.v")
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

/// Writes Verilog and register map of `geometry` into `folder`, and returns their paths.
pub fn emit(
    geometry: &Geometry,
    folder: &Path,
    overwrite: Overwrite,
) -> Result<[PathBuf; 2], EmitStageError> {
    let verilog = tercet_hdl::emit(geometry).map_err(|source| EmitStageError::Emit {
        geometry: *geometry,
        source,
    })?;
    let paths = [folder.join(verilog_file()), folder.join(REGISTERS_FILE)];
    for path in &paths {
        check_free(path, overwrite)?;
    }
    let _folder = OutputFolder::open(folder)?;
    write_bytes(&paths[0], verilog.as_bytes(), overwrite)?;
    write_bytes(
        &paths[1],
        registers_markdown(geometry).as_bytes(),
        overwrite,
    )?;
    Ok(paths)
}
