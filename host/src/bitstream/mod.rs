//! Bitstreams and their manifests: what was built from what, and whether it still is what is there.
//!
//! | module | concern |
//! |---|---|
//! | [`manifest`] | what a manifest says |
//! | [`mod@recipe`] | the manifest of an image for a card, which its user builds |
//! | `render` | checked manifests for people |
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
use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;
use tercet_hdl::board::{emit_ulx3s, BIT_CYCLES};

use crate::artefact::{read_json, Artefact, ArtefactError};
use manifest::sha256;
pub use manifest::{Built, Input, Manifest, Origin, State, ToolTier, Used, Utilisation};
pub use recipe::recipe;
pub use render::{markdown, text};

/// Where manifests are looked for if none is named.
pub const FOLDER: &str = "bitstreams";

/// Why manifests cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum BitstreamError {
    /// A file or folder cannot be read.
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

/// Most bytes of a file that a manifest speaks of.
const LONGEST_FILE: u64 = 1 << 30;

/// Most bytes of a manifest.
const LONGEST_MANIFEST: u64 = 1 << 20;

/// Checks a manifest, or all in a folder and its folders. JSON of another schema is passed over in a folder: tools
/// write reports.
pub fn verify(path: &Path) -> Result<Vec<Verified>, BitstreamError> {
    let mut checked = Vec::new();
    let mut verilog = Verilog::default();
    if path.is_dir() {
        let mut files = Vec::new();
        find(path, &mut files)?;
        files.sort();
        for file in files.iter().filter(|file| is_manifest(file)) {
            checked.push(check(file, &mut verilog)?);
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

/// Whether a file says that it is a manifest. What cannot be read is taken for one, so that its error is told.
fn is_manifest(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Header {
        schema: Option<String>,
    }
    let Ok(text) = regular(path, LONGEST_MANIFEST).and_then(|()| fs::read(path)) else {
        return true;
    };
    match serde_json::from_slice::<Header>(&text) {
        Ok(header) => header.schema.as_deref() == Some(Manifest::SCHEMA),
        Err(_) => false,
    }
}

/// An error unless `path` is an ordinary file of at most so many bytes: others may never end, and a link leads elsewhere.
fn regular(path: &Path, most: u64) -> std::io::Result<()> {
    let there = fs::symlink_metadata(path)?;
    if !there.is_file() {
        return Err(std::io::Error::other("no ordinary file"));
    }
    match there.len() <= most {
        true => Ok(()),
        false => Err(std::io::Error::other(format!(
            "{} bytes, expected at most {most}",
            there.len()
        ))),
    }
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), BitstreamError> {
    for entry in fs::read_dir(folder).map_err(read(folder))? {
        let entry = entry.map_err(read(folder))?;
        let path = entry.path();
        // Links are not followed: they may lead in circles.
        let kind = entry.file_type().map_err(read(&path))?;
        if kind.is_dir() {
            find(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "json") {
            files.push(path);
        }
    }
    Ok(())
}

fn check(path: &Path, verilog: &mut Verilog) -> Result<Verified, BitstreamError> {
    regular(path, LONGEST_MANIFEST).map_err(read(path))?;
    let manifest: Manifest = read_json(path)?;
    let mut problems = Vec::new();
    for input in &manifest.inputs {
        let emitted = match input.from {
            Origin::File => None,
            Origin::Kernel => verilog.problem(input, &manifest.geometry),
            Origin::Board => verilog.problem(input, BOARD),
        };
        problems.extend(emitted);
        // Emitted Verilog need not lie there, but what lies there is what gets built.
        if input.from == Origin::File || path.with_file_name(&input.name).exists() {
            problems.extend(file_problem(path, &input.name, None, &input.sha256));
        }
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
    let file = manifest.with_file_name(name);
    match regular(&file, LONGEST_FILE).and_then(|()| fs::read(&file)) {
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
