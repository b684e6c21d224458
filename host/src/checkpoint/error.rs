//! What can be wrong with a checkpoint.

use std::path::PathBuf;

/// Why a checkpoint was refused. Every variant names the file; tensor errors name the tensor.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder holds no weights in a known form.
    #[error(
        "{}: found neither model.safetensors nor model.safetensors.index.json; \
         other weight formats must be converted to safetensors first",
        folder.display()
    )]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is not what its name says.
    #[error("{}: found {found}, expected {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
    /// A field of a JSON file has an unusable value.
    #[error("{}: field `{field}`: found {found}, expected {expected}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// Its value.
        found: String,
        /// What is supported.
        expected: String,
    },
    /// A tensor is not there.
    #[error("{}: tensor `{tensor}`: not found, expected {expected}", path.display())]
    MissingTensor {
        /// The file, index or folder that was searched.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// What it should be.
        expected: String,
    },
    /// A tensor has an unusable type, shape or place.
    #[error("{}: tensor `{tensor}`: found {found}, expected {expected}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
}

impl CheckpointError {
    /// Attaches a path to an I/O error.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| CheckpointError::Io { path, source }
    }
}
