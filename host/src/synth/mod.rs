//! A synthetic checkpoint of any shape: random weights, the layout of published packed BitNet models.
//!
//! For measuring speed, memory and traffic of a shape without its weights; the text it writes means
//! nothing. Everything follows from the options: the same seed gives the same bytes, on any machine and
//! any number of threads.
//!
//! | module | what it does |
//! |---|---|
//! | `shape` | sizes: presets, checks, `config.json` |
//! | `tensors` | every tensor, its scale, its rows |
//! | `trits` | ternary weights out of random bits |
//! | `drift` | how gates come to be closed |
//! | `random` | random numbers by position |
//! | `writer` | the weight file as a stream, in constant memory |
//! | `report` | `synth.json` |

mod drift;
mod random;
mod report;
mod shape;
mod tensors;
mod trits;
mod writer;

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::artefact::{to_json, ArtefactError, OutputFolder};
use crate::atomic::NewFolder;
use crate::kernel::threads::{Threads, ThreadsError};
use crate::system::free_bytes;
use crate::units::Bytes;

pub use report::{Parameters, SynthReport, REPORT_FILE};
pub use shape::Shape;
use tensors::Tensors;

/// Disk space left beside the weight file: the small files, and air.
const SPARE_BYTES: u64 = 16 << 20;

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthOptions {
    /// Sizes.
    pub shape: Shape,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Share of zeros among ternary weights.
    pub zero_share: f64,
    /// Share of MLP gates that the activation closes, on the model's own activations.
    pub closed_gates: f64,
    /// Threads; 0 for one per available core.
    pub threads: usize,
    /// Replace a synthetic checkpoint that stands at the output path.
    pub force: bool,
}

impl Default for SynthOptions {
    fn default() -> Self {
        SynthOptions {
            shape: Shape::bitnet_2b_4t(),
            seed: 0,
            zero_share: 0.3,
            closed_gates: 0.6,
            threads: 0,
            force: false,
        }
    }
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// An option out of range, or at odds with another.
    #[error("{option} is {found}: expected {expected}")]
    Option {
        /// Its name, as on the command line.
        option: &'static str,
        /// Its value.
        found: String,
        /// What is possible.
        expected: String,
    },
    /// There is something at the output path.
    #[error("{}: exists; name another folder, or pass --force to replace it", path.display())]
    Exists {
        /// The output folder.
        path: PathBuf,
    },
    /// What stands at the output path is not replaced even by force.
    #[error(
        "{}: found {found}, expected a synthetic checkpoint (with {REPORT_FILE}) to replace",
        path.display()
    )]
    NotReplaceable {
        /// The output folder.
        path: PathBuf,
        /// What stands there.
        found: &'static str,
    },
    /// The disk is too small.
    #[error(
        "{}: the checkpoint takes {needed} and {free} are free there; choose a smaller shape or another disk",
        path.display()
    )]
    Space {
        /// The output folder.
        path: PathBuf,
        /// What it takes.
        needed: Bytes,
        /// What is free.
        free: Bytes,
    },
    /// The caller broke off.
    #[error("interrupted; {} is as it was", path.display())]
    Interrupted {
        /// The output folder.
        path: PathBuf,
    },
    /// There are no such threads.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The folder that it should lie in cannot be made.
    #[error(transparent)]
    Folder(#[from] ArtefactError),
    /// The output could not be written.
    #[error("cannot write {}: {source}; it is as it was", path.display())]
    Write {
        /// The output folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SynthError {
    fn option(option: &'static str, found: impl Display, expected: impl Into<String>) -> Self {
        SynthError::Option {
            option,
            found: found.to_string(),
            expected: expected.into(),
        }
    }
}

/// Makes a checkpoint in the folder `out`, which appears whole or not at all; `on_bytes(done, total)` hears
/// how much of the weight file is written and may break off.
pub fn synth(
    out: &Path,
    options: &SynthOptions,
    on_bytes: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<SynthReport, SynthError> {
    options.shape.check()?;
    let tensors = Tensors::new(options)?;
    let threads = Threads::new(options.threads)?;
    let path = || out.to_path_buf();
    let failed = |source: io::Error| SynthError::Write {
        path: path(),
        source,
    };
    let header_bytes = writer::header(&tensors).map_err(failed)?.len();
    let report = SynthReport::new(options, &tensors, header_bytes);
    let total = report.weight_file_bytes;
    check_output(out, options.force)?;
    check_space(out, total)?;

    // Parents that are made for nothing go again; they are dropped after the folder.
    let _parents = match out.parent() {
        Some(parent) => Some(OutputFolder::open(parent)?),
        None => None,
    };
    let folder = NewFolder::new(out).map_err(failed)?;
    let mut file = File::create(folder.path().join("model.safetensors")).map_err(failed)?;
    let mut done = header_bytes as u64;
    let end = writer::write(&mut file, &tensors, &threads, &mut |bytes| {
        done += bytes;
        on_bytes(done, total)
    });
    if end.map_err(failed)?.is_break() {
        return Err(SynthError::Interrupted { path: path() });
    }
    file.sync_all().map_err(failed)?;
    let mut small_files = options.shape.small_files();
    small_files.push((REPORT_FILE, to_json(&report).into_bytes()));
    for (name, content) in small_files {
        fs::write(folder.path().join(name), content).map_err(failed)?;
    }
    // The last moment to break off: from here on the checkpoint stands.
    if on_bytes(total, total).is_break() {
        return Err(SynthError::Interrupted { path: path() });
    }
    folder.commit().map_err(failed)?;
    Ok(report)
}

/// Refuses an output path that must not be replaced.
fn check_output(out: &Path, force: bool) -> Result<(), SynthError> {
    let path = || out.to_path_buf();
    let not_replaceable = |found| {
        Err(SynthError::NotReplaceable {
            path: path(),
            found,
        })
    };
    // An unreadable path counts as existing, so that nothing is replaced by mistake.
    if !out.try_exists().unwrap_or(true) {
        return Ok(());
    }
    let Ok(mut entries) = fs::read_dir(out) else {
        return not_replaceable("a file or an unreadable folder");
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if !out.join(REPORT_FILE).is_file() {
        return not_replaceable("a folder with other files");
    }
    match force {
        true => Ok(()),
        false => Err(SynthError::Exists { path: path() }),
    }
}

/// Refuses a checkpoint that does not fit the disk.
fn check_space(out: &Path, bytes: u64) -> Result<(), SynthError> {
    let needed = bytes.saturating_add(SPARE_BYTES);
    match free_bytes(out) {
        Some(free) if free < needed => Err(SynthError::Space {
            path: out.to_path_buf(),
            needed: Bytes(bytes),
            free: Bytes(free),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
