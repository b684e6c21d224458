//! Bitstreams and their manifests: what was built from what, and whether it still is what is there.
//!
//! | module | concern |
//! |---|---|
//! | [`manifest`] | what a manifest says |
//! | [`recipe`] | the manifest of an image for a card, which its user builds |
//! | [`render`] | checked manifests for people |
//!
//! `scripts/build-bitstream` writes the manifest of a bitstream, `tercet xclbin package` that of an image to be built. Checking
//! takes no tools: files are compared with their hashes, and the Verilog that this program emits with
//! the one in the manifest.

pub mod manifest;
pub mod recipe;
mod render;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use tercet_contract::Geometry;
use tercet_hdl::board::{emit_ulx3s, BIT_CYCLES};

use crate::artefact::{read_json, ArtefactError};
use manifest::sha256;
pub use manifest::{Built, Input, Manifest, Origin, State, Used, Utilisation};
pub use recipe::recipe;
pub use render::{markdown, text};

/// Where manifests are looked for if none is named.
pub const FOLDER: &str = "bitstreams";

/// Why manifests cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum BitstreamError {
    /// A folder cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No manifest.
    #[error("no manifest of a bitstream (*.json) in {}", path.display())]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// Not a manifest.
    #[error(transparent)]
    Manifest(#[from] ArtefactError),
}

/// A manifest with what is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Verified {
    /// The manifest's file.
    pub path: PathBuf,
    /// The manifest.
    pub manifest: Manifest,
    /// What is not as it says; empty if all is.
    pub problems: Vec<String>,
}

/// Checks a manifest, or all in a folder and its folders. Files of other tools are passed over in a folder: reports
/// are JSON, too.
pub fn verify(path: &Path) -> Result<Vec<Verified>, BitstreamError> {
    let mut checked = Vec::new();
    let mut verilog = Verilog::default();
    if path.is_dir() {
        let mut files = Vec::new();
        find(path, &mut files)?;
        files.sort();
        for file in files {
            if !is_report(&file) {
                checked.push(check(&file, &mut verilog)?);
            }
        }
    } else {
        checked.push(check(path, &mut verilog)?);
    }
    match checked.is_empty() {
        true => Err(BitstreamError::None {
            path: path.to_path_buf(),
        }),
        false => Ok(checked),
    }
}

/// Whether a file is a tool's report by its name: it is checked with the manifest that names it.
fn is_report(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".report.json")
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), BitstreamError> {
    for entry in fs::read_dir(folder).map_err(read(folder))? {
        let entry = entry.map_err(read(folder))?;
        let path = entry.path();
        // Links are not followed: they may lead in circles.
        if entry.file_type().map_err(read(&path))?.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "json") {
            files.push(path);
        }
    }
    Ok(())
}

fn check(path: &Path, verilog: &mut Verilog) -> Result<Verified, BitstreamError> {
    let manifest: Manifest = read_json(path)?;
    let mut problems = Vec::new();
    for input in &manifest.inputs {
        problems.extend(match input.from {
            Origin::File => file_problem(path, &input.name, None, &input.sha256),
            Origin::Kernel => verilog.problem(input, &manifest.geometry),
            Origin::Board => verilog.problem(input, BOARD),
        });
    }
    let state = match &manifest.built {
        Some(built) => {
            let (file, report) = (&built.file, &built.report);
            problems.extend(file_problem(path, file, Some(built.bytes), &built.sha256));
            problems.extend(file_problem(path, report, None, &built.report_sha256));
            problems.extend(timing_problem(&manifest, built));
            State::BuiltHere
        }
        None => State::ToBeBuiltByYou,
    };
    if manifest.state != state {
        let (said, is) = (manifest.state.text(), state.text());
        problems.push(format!("the state is `{said}`, but it is `{is}`"));
    }
    for (kind, count) in manifest.utilisation.iter().flat_map(|u| &u.cells) {
        if count.used > count.available {
            let Used { used, available } = count;
            problems.push(format!("{used} {kind} of {available}"));
        }
    }
    Ok(Verified {
        path: path.to_path_buf(),
        manifest,
        problems,
    })
}

fn file_problem(manifest: &Path, name: &str, bytes: Option<u64>, hash: &str) -> Option<String> {
    // A name, so that a manifest does not speak of files elsewhere.
    if Path::new(name).file_name() != Some(name.as_ref()) {
        return Some(format!(
            "`{name}` is not the name of a file beside the manifest"
        ));
    }
    match fs::read(manifest.with_file_name(name)) {
        Err(e) => Some(format!("{name}: {e}")),
        Ok(found) if bytes.is_some_and(|n| n != found.len() as u64) => {
            Some(format!("{name} has {} bytes", found.len()))
        }
        Ok(found) if sha256(&found) != hash => {
            Some(format!("{name} has another hash: {}", sha256(&found)))
        }
        Ok(_) => None,
    }
}

/// Stands for the board where [`Verilog`] wants a geometry.
const BOARD: &str = "board";

/// Hashes of what this version emits, by geometry: several manifests name the same.
#[derive(Default)]
struct Verilog(BTreeMap<String, Result<String, String>>);

impl Verilog {
    fn problem(&mut self, input: &Input, geometry: &str) -> Option<String> {
        let made = self.0.entry(geometry.to_string()).or_insert_with(|| {
            let text = match geometry {
                BOARD => board(),
                _ => kernel(geometry),
            };
            text.map(|text| sha256(text.as_bytes()))
        });
        match made {
            Err(e) => Some(e.clone()),
            Ok(hash) if *hash != input.sha256 => Some(format!(
                "{}: the Verilog of this version is another one: it has to be built again",
                input.name
            )),
            Ok(_) => None,
        }
    }
}

fn kernel(geometry: &str) -> Result<String, String> {
    let geometry: Geometry = geometry.parse().map_err(|e| format!("{e}"))?;
    tercet_hdl::emit(&geometry).map_err(|e| e.to_string())
}

fn board() -> Result<String, String> {
    emit_ulx3s(BIT_CYCLES).map_err(|e| e.to_string())
}

fn timing_problem(manifest: &Manifest, built: &Built) -> Option<String> {
    let (fmax, clock) = (built.fmax_mhz, manifest.clock_mhz);
    (!built.timing_met || fmax < clock)
        .then(|| format!("timing is not met: {fmax} MHz of {clock} MHz"))
}

fn read(path: &Path) -> impl FnOnce(std::io::Error) -> BitstreamError + '_ {
    |source| BitstreamError::Read {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests;
