//! Where built kernels are kept: `<cache>/tercet/kernels/<hash>/kernel.so`.
//!
//! `<cache>` is `XDG_CACHE_HOME` if that is an absolute path, else `~/.cache` (XDG Base Directory
//! specification). A folder whose name is a hash is complete and is never changed; `.build-*` is a
//! build under way or one that was cut off; `<hash>.log` is the log of a build that failed.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::error::SimError;

/// The place of one kernel.
pub struct Cache {
    kernels: PathBuf,
    key: String,
}

/// The folder of all built kernels.
pub fn cache_folder() -> Result<PathBuf, SimError> {
    folder_from(std::env::var_os("XDG_CACHE_HOME"), std::env::home_dir())
}

fn folder_from(xdg: Option<OsString>, home: Option<PathBuf>) -> Result<PathBuf, SimError> {
    xdg.map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(home.filter(|path| path.is_absolute())?.join(".cache")))
        .map(|cache| cache.join("tercet").join("kernels"))
        .ok_or(SimError::NoCacheFolder)
}

impl Cache {
    /// The place of the kernel that is made from `inputs`.
    pub fn new(kernels: PathBuf, inputs: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for input in inputs {
            // With its length, so that text does not move from one input to the next unseen.
            hash.update((input.len() as u64).to_le_bytes());
            hash.update(input);
        }
        let key = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Cache { kernels, key }
    }

    /// A file of the kernel, if the kernel has been built.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let file = self.kernels.join(&self.key).join(name);
        file.is_file().then_some(file)
    }

    /// A folder to build in, on the same file system as the cache.
    pub fn temporary_folder(&self) -> Result<TempDir, SimError> {
        std::fs::create_dir_all(&self.kernels).map_err(at(&self.kernels))?;
        tempfile::Builder::new()
            .prefix(".build-")
            .tempdir_in(&self.kernels)
            .map_err(at(&self.kernels))
    }

    /// Moves a finished build into place and returns the file `name` of it.
    pub fn keep(&self, folder: TempDir, name: &str) -> Result<PathBuf, SimError> {
        let place = self.kernels.join(&self.key);
        match std::fs::rename(folder.path(), &place) {
            // Moved away: there is nothing left to remove.
            Ok(()) => drop(folder.keep()),
            // Another process was faster; its library came from the same inputs.
            Err(_) if place.join(name).is_file() => {}
            Err(source) => {
                return Err(SimError::Cache {
                    path: place,
                    source,
                })
            }
        }
        Ok(place.join(name))
    }

    /// Keeps the log of a failed build.
    pub fn keep_log(&self, text: &str) -> Result<PathBuf, SimError> {
        let log = self.kernels.join(format!("{}.log", self.key));
        write(&log, text)?;
        Ok(log)
    }
}

/// Writes a text file below the cache folder.
pub fn write(path: &Path, text: &str) -> Result<(), SimError> {
    std::fs::write(path, text).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> SimError + '_ {
    |source| SimError::Cache {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_follows_the_xdg_rules() {
        let folder = |xdg: Option<&str>, home: Option<&str>| {
            folder_from(xdg.map(OsString::from), home.map(PathBuf::from)).ok()
        };
        let path = |p: &str| Some(PathBuf::from(p));
        assert_eq!(folder(Some("/x"), Some("/h")), path("/x/tercet/kernels"));
        assert_eq!(
            folder(Some("x"), Some("/h")),
            path("/h/.cache/tercet/kernels")
        );
        assert_eq!(
            folder(Some(""), Some("/h")),
            path("/h/.cache/tercet/kernels")
        );
        assert_eq!(folder(None, Some("")), None);
        assert_eq!(folder(None, None), None);
    }

    #[test]
    fn every_input_counts() {
        let key = |inputs: &[&str]| Cache::new(PathBuf::new(), inputs).key;
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_eq!(key(&[]).len(), 64);
    }

    #[test]
    fn the_first_build_stays_and_the_second_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().join("kernels"), &["v"]);
        assert_eq!(cache.find("kernel.so"), None);
        let builds: Vec<TempDir> = (0..2).map(|_| cache.temporary_folder().unwrap()).collect();
        for (i, folder) in builds.into_iter().enumerate() {
            write(&folder.path().join("kernel.so"), &i.to_string()).unwrap();
            let kept = cache.keep(folder, "kernel.so").unwrap();
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), "0");
            assert_eq!(cache.find("kernel.so"), Some(kept));
        }
        let entries = std::fs::read_dir(home.path().join("kernels"))
            .unwrap()
            .count();
        assert_eq!(entries, 1, "nothing is left behind");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = Cache::new(file.path().join("kernels"), &[]);
        let message = cache.temporary_folder().unwrap_err().to_string();
        assert!(message.contains("XDG_CACHE_HOME"), "{message}");
        assert!(
            message.contains(&*file.path().to_string_lossy()),
            "{message}"
        );
    }
}
