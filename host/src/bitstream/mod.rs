//! Manifests of bitstreams: what was built from what, and whether it still is what is there.
//!
//! `scripts/build-bitstream` writes a manifest beside each bitstream. Checking it takes no tools: the files are compared
//! with their hashes, and the Verilog that this program emits with the one that was built.

mod render;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tercet_hdl::board::{emit_ulx3s, BAUD, CLOCK_HZ};

use crate::tier::Tier;

pub use render::text;

/// Schema that manifests name.
pub const SCHEMA: &str = "tercet.bitstream/1";

/// Where manifests are looked for if none is named.
pub const FOLDER: &str = "bitstreams";

/// How many of a kind there are and are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// In use.
    pub used: u64,
    /// On the part.
    pub available: u64,
}

/// What stands beside a bitstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// Board and part, such as `ulx3s-85f`.
    pub target: String,
    /// Order number of the part.
    pub part: String,
    /// Kernel.
    pub geometry: String,
    /// The bitstream, beside the manifest.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its hash, in hexadecimal digits.
    pub sha256: String,
    /// Hash of the Verilog that it was built from.
    pub verilog_sha256: String,
    /// Pins, beside the manifest.
    pub constraints: String,
    /// Their hash.
    pub constraints_sha256: String,
    /// Versions of the tools.
    pub tools: BTreeMap<String, String>,
    /// Seed of the placer.
    pub seed: u64,
    /// Clock that it runs at.
    pub clock_mhz: f64,
    /// Fastest clock by the tool's timing analysis.
    pub fmax_mhz: f64,
    /// Whether that is enough.
    pub timing_met: bool,
    /// What it takes of the part, by kind of cell.
    pub utilisation: BTreeMap<String, Used>,
    /// Evidence behind `fmax_mhz`.
    pub tier: Tier,
    /// What was checked, in words.
    pub verified: String,
}

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
    #[error("manifest {}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// A manifest with what is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// The manifest's file.
    pub path: PathBuf,
    /// The manifest.
    pub manifest: Manifest,
    /// What is not as it says; empty if all is.
    pub problems: Vec<String>,
}

/// Checks a manifest, or all in a folder and its folders.
pub fn verify(path: &Path) -> Result<Vec<Verified>, BitstreamError> {
    let mut manifests = Vec::new();
    if path.is_dir() {
        find(path, &mut manifests)?;
        manifests.sort();
    } else {
        manifests.push(path.to_path_buf());
    }
    if manifests.is_empty() {
        return Err(BitstreamError::None {
            path: path.to_path_buf(),
        });
    }
    manifests.iter().map(|path| check(path)).collect()
}

fn find(folder: &Path, manifests: &mut Vec<PathBuf>) -> Result<(), BitstreamError> {
    for entry in fs::read_dir(folder).map_err(read(folder))? {
        let entry = entry.map_err(read(folder))?;
        let path = entry.path();
        // Links are not followed: they may lead in circles.
        if entry.file_type().map_err(read(&path))?.is_dir() {
            find(&path, manifests)?;
        } else if path.extension().is_some_and(|e| e == "json") {
            manifests.push(path);
        }
    }
    Ok(())
}

fn check(path: &Path) -> Result<Verified, BitstreamError> {
    let text = fs::read(path).map_err(read(path))?;
    let content = |reason: String| BitstreamError::Content {
        path: path.to_path_buf(),
        reason,
    };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| content(e.to_string()))?;
    if manifest.schema != SCHEMA {
        let found = &manifest.schema;
        return Err(content(format!("schema `{found}`, expected `{SCHEMA}`")));
    }
    let mut problems = Vec::new();
    for (name, bytes, hash) in [
        (&manifest.file, Some(manifest.bytes), &manifest.sha256),
        (&manifest.constraints, None, &manifest.constraints_sha256),
    ] {
        // A name, so that a manifest does not speak of files elsewhere.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            problems.push(format!(
                "`{name}` is not the name of a file beside the manifest"
            ));
            continue;
        }
        match fs::read(path.with_file_name(name)) {
            Err(e) => problems.push(format!("{name}: {e}")),
            Ok(found) => {
                if bytes.is_some_and(|n| n != found.len() as u64) {
                    problems.push(format!("{name} has {} bytes", found.len()));
                }
                if sha256(&found) != *hash {
                    problems.push(format!("{name} has another hash: {}", sha256(&found)));
                }
            }
        }
    }
    match emit_ulx3s(CLOCK_HZ / BAUD) {
        Err(e) => problems.push(e.to_string()),
        Ok(verilog) if sha256(verilog.as_bytes()) != manifest.verilog_sha256 => problems.push(
            "the Verilog of this version is another one: build it again with scripts/build-bitstream"
                .to_string(),
        ),
        Ok(_) => {}
    }
    if manifest.clock_mhz * 1e6 != f64::from(CLOCK_HZ) {
        problems.push(format!("a clock of {} MHz", manifest.clock_mhz));
    }
    if !manifest.timing_met || manifest.fmax_mhz < manifest.clock_mhz {
        let (fmax, clock) = (manifest.fmax_mhz, manifest.clock_mhz);
        problems.push(format!("timing is not met: {fmax} MHz of {clock} MHz"));
    }
    for (kind, count) in &manifest.utilisation {
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

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> impl FnOnce(std::io::Error) -> BitstreamError + '_ {
    |source| BitstreamError::Read {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests;
