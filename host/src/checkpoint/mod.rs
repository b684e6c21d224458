//! Checkpoints in the Hugging Face layout.
//!
//! | module | what it reads |
//! |---|---|
//! | [`config`] | `config.json` (transformers 4 and 5 styles), `generation_config.json` |
//! | [`files`] | `model.safetensors`, or shards and `model.safetensors.index.json`, mapped |
//! | [`packing`] | the packed form of ternary weights |
//! | [`weights`] | dense tensors, and ternary ones in their three storage forms |
//!
//! Nothing found in a file is trusted: sizes are compared before anything is allocated, and every
//! refusal names file, tensor, what was found and what was expected.

pub mod config;
mod error;
pub(crate) mod fields;
pub mod files;
pub mod packing;
pub mod weights;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::embedded;

pub use config::{Config, GenerationConfig};
pub use error::CheckpointError;

/// Largest JSON file that is read; the largest real tokenizers have about 20 MB.
const MAX_JSON_BYTES: u64 = 256 << 20;

/// The system's number for a missing file, the same on Unix and Windows: its message is the one that
/// opening the file would give.
const NO_SUCH_FILE: i32 = 2;

/// Where a checkpoint is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The tiny model inside the binary.
    #[default]
    Embedded,
    /// A folder.
    Folder(PathBuf),
}

impl Source {
    /// The folder if one is named, otherwise the embedded model.
    pub fn from_option(folder: Option<&Path>) -> Self {
        folder.map_or(Source::Embedded, |f| Source::Folder(f.to_path_buf()))
    }

    /// Path of a file, for reading and for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Source::Embedded => PathBuf::from("(embedded)").join(name),
            Source::Folder(folder) => folder.join(name),
        }
    }

    /// Content of a small file, or none if it does not exist.
    pub fn read_optional(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>, CheckpointError> {
        let path = match self {
            Source::Embedded => return Ok(embedded::file(name).map(Cow::Borrowed)),
            Source::Folder(folder) => folder.join(name),
        };
        let size = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            // A missing folder is an error of its own, not a folder without this file.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && self.folder_exists() => {
                return Ok(None)
            }
            Err(e) => return Err(CheckpointError::io(path)(e)),
        };
        if size > MAX_JSON_BYTES {
            return Err(CheckpointError::Format {
                path,
                found: format!("{size} bytes"),
                expected: format!("at most {MAX_JSON_BYTES}"),
            });
        }
        let bytes = std::fs::read(&path).map_err(CheckpointError::io(&path))?;
        Ok(Some(Cow::Owned(bytes)))
    }

    /// Content of a small file that must be there.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>, CheckpointError> {
        self.read_optional(name)?
            .ok_or_else(|| CheckpointError::Io {
                path: self.path(name),
                source: std::io::Error::from_raw_os_error(NO_SUCH_FILE),
            })
    }

    fn folder_exists(&self) -> bool {
        match self {
            Source::Embedded => true,
            Source::Folder(folder) => folder.is_dir(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Embedded => f.write_str("(embedded)"),
            Source::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}
