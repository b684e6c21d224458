//! Weights as the CPU kernels read them, kept in a file so that they are packed once and not at each start.
//!
//! `<cache>/tercet/weights/<key>.tcw`; `<cache>` is `XDG_CACHE_HOME` if that is an absolute path, else
//! `~/.cache` (XDG Base Directory specification).
//!
//! | module | what it holds |
//! |---|---|
//! | [`key`] | what a file was made from, as its name |
//! | [`format`](mod@format) | the bytes of a file, and what is checked before any is used |
//! | [`writer`] | sections one after another into a new file |
//! | [`reader`] | sections of a file, in memory |
//! | [`folder`] | where files are, which are removed |
//!
//! A file appears by one rename. All of it is checked at each use; one that is damaged counts as not
//! there and is replaced. Nothing about the cache is an error of whoever loads a model: what goes wrong is a
//! [`CacheError`] to remark on, and the weights are packed in memory.

pub mod folder;
pub mod format;
pub mod key;
pub mod reader;
pub mod writer;

use std::io;
use std::path::PathBuf;

use crate::units::Bytes;

pub use folder::WeightFolder;
pub use key::Key;
pub use reader::Reader;
pub use writer::Writer;

/// Where packed weights are kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum CachePolicy {
    /// Nowhere.
    #[default]
    Off,
    /// In the user's cache folder.
    Folder,
    /// In this folder.
    At(PathBuf),
}

/// Why weights were not taken from the cache, or not kept in it.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither environment variable names a folder.
    #[error("packed weights are not kept: found neither XDG_CACHE_HOME nor a home folder")]
    NoFolder,
    /// A file or folder cannot be read or written.
    #[error("packed weights are not kept: {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is too small.
    #[error(
        "packed weights are not kept: {}: {free} free, {needed} needed",
        path.display()
    )]
    Space {
        /// The folder.
        path: PathBuf,
        /// Bytes of the file, about.
        needed: Bytes,
        /// Bytes free on its disk.
        free: Bytes,
    },
    /// A file is not as it was written; it is replaced.
    #[error("{}: packed weights again: found {found}, expected {expected}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
}

impl CacheError {
    /// Attaches a path to an I/O error.
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| CacheError::Io { path, source }
    }
}

#[cfg(test)]
mod tests;
