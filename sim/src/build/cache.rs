//! Where built kernels are kept: `<cache>/tercet/kernels/<hash>/kernel.so`.
//!
//! `<cache>` is `XDG_CACHE_HOME` if that is an absolute path, else `~/.cache` (XDG Base Directory
//! specification).
//!
//! | name | what it is | stays |
//! |---|---|---|
//! | `<hash>/kernel.so` | a kernel, named by everything that goes into it | while it is among the 64 used last, and used within 60 days |
//! | `<hash>/kernel.sha256` | its checksum, compared at each use; its time is that of the last use | with it |
//! | `<hash>.log` | the log of a build that failed | 60 days, or until the build succeeds |
//! | `.build-<process>-*` | a kernel on its way into place | an hour, if its process was interrupted |
//!
//! A kernel appears by one rename. One that does not match its checksum counts as not built.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::prune;
use crate::error::SimError;

/// Name of the library in its folder.
pub const LIBRARY: &str = "kernel.so";

/// Name of the library's checksum, in the format of sha256sum.
pub const MANIFEST: &str = "kernel.sha256";

/// Begins the names of folders on their way into place.
const STAGE_PREFIX: &str = ".build-";

/// Begins the names of folders with a build under way, outside the cache.
const BUILD_PREFIX: &str = "tercet-build-";

/// The place of one kernel.
pub struct Cache {
    kernels: PathBuf,
    key: String,
}

/// The folder of all built kernels.
pub fn cache_folder() -> Result<PathBuf, SimError> {
    let cache = user_cache().ok_or(SimError::NoCacheFolder)?;
    Ok(cache.join("kernels"))
}

/// The folder of everything that the program keeps for a user, `<cache>/tercet`; none without a home folder.
pub fn user_cache() -> Option<PathBuf> {
    folder_from(std::env::var_os("XDG_CACHE_HOME"), std::env::home_dir())
}

fn folder_from(xdg: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    xdg.map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(home.filter(|path| path.is_absolute())?.join(".cache")))
        .map(|cache| cache.join("tercet"))
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
        let key = hex(&hash.finalize());
        Cache { kernels, key }
    }

    /// The library of the kernel, if it has been built and is as it was then. Notes the use.
    pub fn find(&self) -> Option<PathBuf> {
        let folder = self.kernels.join(&self.key);
        let (library, manifest) = (folder.join(LIBRARY), folder.join(MANIFEST));
        let expected = std::fs::read_to_string(&manifest).ok()?;
        if expected != manifest_of(&std::fs::read(&library).ok()?) {
            return None;
        }
        // In a cache that cannot be written nothing is pruned either.
        let _ = File::open(&manifest).and_then(|file| file.set_modified(SystemTime::now()));
        Some(library)
    }

    /// Removes what nobody needs any more.
    pub fn prune(&self) {
        prune::remove_abandoned(&self.kernels, STAGE_PREFIX);
        prune::remove_unused(&self.kernels, &self.key);
    }

    /// A folder in the cache, from which a kernel is renamed into place.
    pub fn stage(&self) -> Result<TempDir, SimError> {
        std::fs::create_dir_all(&self.kernels).map_err(at(&self.kernels))?;
        temporary_folder(&self.kernels, STAGE_PREFIX).map_err(at(&self.kernels))
    }

    /// Takes a finished library into the cache and returns its place there. One that is there and
    /// whole stays; one that is damaged is replaced.
    pub fn keep(&self, stage: TempDir, built: &Path) -> Result<PathBuf, SimError> {
        let library = std::fs::read(built).map_err(at(built))?;
        write(&stage.path().join(LIBRARY), &library)?;
        write(&stage.path().join(MANIFEST), manifest_of(&library))?;

        let place = self.kernels.join(&self.key);
        let mut renamed = std::fs::rename(stage.path(), &place);
        if renamed.is_err() {
            if let Some(library) = self.find() {
                // Another process was faster; its library came from the same inputs.
                return Ok(library);
            }
            // Removed with `aside`. Where another process does the same, one of the two renames the
            // other's whole library away, and its own into place.
            let aside = self.stage()?;
            let _ = std::fs::rename(&place, aside.path().join("damaged"));
            renamed = std::fs::rename(stage.path(), &place);
        }
        match (renamed, self.find()) {
            // Moved away: there is nothing left to remove.
            (Ok(()), _) => drop(stage.keep()),
            (Err(_), Some(_)) => {}
            (Err(source), None) => {
                return Err(SimError::Cache {
                    path: place,
                    source,
                })
            }
        }
        let _ = std::fs::remove_file(self.log());
        Ok(place.join(LIBRARY))
    }

    /// Keeps the log of a failed build.
    pub fn keep_log(&self, text: &str) -> Result<PathBuf, SimError> {
        let log = self.log();
        write(&log, text)?;
        Ok(log)
    }

    fn log(&self) -> PathBuf {
        self.kernels.join(format!("{}.log", self.key))
    }
}

/// A folder to build in: beside the kernels, unless GNU make cannot work with that path; then in the
/// system's folder for temporary files.
pub fn build_folder(cache: &Cache) -> Result<TempDir, SimError> {
    first_build_folder(&[
        cache.kernels.clone(),
        std::env::temp_dir(),
        PathBuf::from("/tmp"),
        PathBuf::from("/var/tmp"),
    ])
}

fn first_build_folder(candidates: &[PathBuf]) -> Result<TempDir, SimError> {
    let mut failed = (PathBuf::new(), ErrorKind::NotFound.into());
    for folder in candidates {
        let made = if is_plain(folder) {
            prune::remove_abandoned(folder, BUILD_PREFIX);
            temporary_folder(folder, BUILD_PREFIX)
        } else {
            Err(Error::new(
                ErrorKind::InvalidInput,
                "make cannot build below such a path",
            ))
        };
        match made {
            Ok(folder) => return Ok(folder),
            Err(source) => failed = (folder.clone(), source),
        }
    }
    let (path, source) = failed;
    Err(SimError::BuildFolder { path, source })
}

/// Whether neither make nor the shell sees anything but a path.
fn is_plain(path: &Path) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+".contains(&b);
    path.is_absolute() && path.as_os_str().as_bytes().iter().all(|b| plain(*b))
}

/// A folder whose name tells the process, for `prune`.
fn temporary_folder(parent: &Path, prefix: &str) -> Result<TempDir, Error> {
    let prefix = format!("{prefix}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)
}

/// What [`MANIFEST`] says of a library: a line of sha256sum.
fn manifest_of(library: &[u8]) -> String {
    format!("{}  {LIBRARY}\n", hex(&Sha256::digest(library)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Writes a file for a build.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), SimError> {
    std::fs::write(path, content).map_err(at(path))
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
            folder_from(xdg.map(OsString::from), home.map(PathBuf::from))
        };
        let path = |p: &str| Some(PathBuf::from(p));
        assert_eq!(folder(Some("/x"), Some("/h")), path("/x/tercet"));
        assert_eq!(folder(Some("x"), Some("/h")), path("/h/.cache/tercet"));
        assert_eq!(folder(Some(""), Some("/h")), path("/h/.cache/tercet"));
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

    /// Takes `text` into the cache as a library.
    fn keep(cache: &Cache, text: &str) -> PathBuf {
        let built = tempfile::NamedTempFile::new().unwrap();
        write(built.path(), text).unwrap();
        cache.keep(cache.stage().unwrap(), built.path()).unwrap()
    }

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn the_first_build_stays_and_the_second_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let kernels = home.path().join("a b").join("kernels");
        let cache = Cache::new(kernels.clone(), &["v"]);
        assert_eq!(cache.find(), None);
        for text in ["first", "second"] {
            let kept = keep(&cache, text);
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), "first");
            assert_eq!(cache.find(), Some(kept));
        }
        assert_eq!(entries(&kernels), 1, "nothing is left behind");
    }

    #[test]
    fn damaged_kernels_are_not_found_and_are_replaced() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().to_path_buf(), &["v"]);
        let text = "a library ".repeat(100);
        let library = keep(&cache, &text);
        let folder = library.parent().unwrap().to_path_buf();
        let damages: [&dyn Fn() -> std::io::Result<()>; 6] = [
            &|| std::fs::write(&library, &text[..500]),
            &|| std::fs::write(&library, text.replace('y', "z")),
            &|| std::fs::remove_file(&library),
            &|| std::fs::remove_file(folder.join(MANIFEST)),
            &|| std::fs::write(folder.join(MANIFEST), ""),
            &|| std::fs::remove_dir_all(&folder).and_then(|()| std::fs::write(&folder, "")),
        ];
        for (i, damage) in damages.iter().enumerate() {
            damage().unwrap();
            assert_eq!(cache.find(), None, "damage {i}");
            assert_eq!(keep(&cache, &text), library, "damage {i}");
            assert_eq!(cache.find().as_ref(), Some(&library), "damage {i}");
            assert_eq!(entries(home.path()), 1, "damage {i}");
        }
    }

    #[test]
    fn each_use_is_noted() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().to_path_buf(), &["v"]);
        let manifest = keep(&cache, "library").with_file_name(MANIFEST);
        let long_ago = SystemTime::UNIX_EPOCH;
        let file = File::open(&manifest).unwrap();
        file.set_modified(long_ago).unwrap();
        cache.find().unwrap();
        assert_ne!(file.metadata().unwrap().modified().unwrap(), long_ago);
    }

    #[test]
    fn builds_are_made_where_make_can_work() {
        let home = tempfile::tempdir().unwrap();
        let spaced = home.path().join("with space");
        std::fs::create_dir(&spaced).unwrap();
        let made = first_build_folder(&[spaced.clone(), home.path().to_path_buf()]).unwrap();
        assert_eq!(made.path().parent(), Some(home.path()));
        let text = first_build_folder(&[spaced]).unwrap_err().to_string();
        assert!(
            text.contains("with space") && text.contains("TMPDIR"),
            "{text}"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = Cache::new(file.path().join("kernels"), &[]);
        let message = cache.stage().unwrap_err().to_string();
        assert!(message.contains("XDG_CACHE_HOME"), "{message}");
        assert!(
            message.contains(&*file.path().to_string_lossy()),
            "{message}"
        );
    }
}
