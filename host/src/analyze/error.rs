//! Why a model cannot be analysed.

use crate::board::BoardError;
use crate::checkpoint::CheckpointError;
use crate::kernel::threads::ThreadsError;
use crate::suggest::did_you_mean;
use crate::toml_file::TomlError;

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// A file of the checkpoint or a configuration is unusable.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No preset of that name.
    #[error("preset `{name}`: expected one of {known}{}", did_you_mean(name, known.split(", ")))]
    Preset {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No device of that name.
    #[error(
        "device `{name}`: expected `all`, one of {known}, or a device file such as ./my-device.toml{}",
        did_you_mean(name, known.split(", "))
    )]
    Device {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A device file cannot be read.
    #[error("device file {path}: {source}")]
    DeviceRead {
        /// The file.
        path: String,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// A device file is not one.
    #[error("device file {0}")]
    DeviceFile(#[from] TomlError),
    /// A board file is not one.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// This machine's CPU could not be measured.
    #[error("measuring this CPU: {0}")]
    Threads(#[from] ThreadsError),
    /// A count beyond what 64 bits hold.
    #[error("{what}: more than 2^64; no model or workload is that large, so a size must be wrong")]
    TooLarge {
        /// What was counted.
        what: String,
    },
    /// An option has a value that does not fit.
    #[error("--{option} {found}: expected {expected}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
}

/// A count as 64 bits, or an error naming it.
pub(super) fn fits(what: &str, value: u128) -> Result<u64, AnalyzeError> {
    u64::try_from(value).map_err(|_| AnalyzeError::TooLarge {
        what: what.to_string(),
    })
}
