//! Where cache files are, and which are removed.
//!
//! | name | what it is | stays |
//! |---|---|---|
//! | `<key>.tcw` | a file; its time is that of the last use | while it is among the 16 used last, and used within 60 days |
//! | `.tercet-*` | a file on its way, locked by its writer | until the next file is written, if its writer was killed |
//!
//! Nothing fails over what cannot be removed: it stays until the next time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::{CacheError, CachePolicy, Key, Reader, Writer};
use crate::atomic;
use crate::system::free_bytes;
use crate::units::Bytes;

/// Ends the names of files.
const EXTENSION: &str = "tcw";

/// Time without use after which a file is removed.
const UNUSED_AFTER: Duration = Duration::from_secs(60 * 24 * 3600);

/// Most files that stay; those used last do.
const MOST_FILES: usize = 16;

/// Age of a file on its way that is removed where files cannot be locked.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Disk space left beside a new file.
const SPARE_BYTES: u64 = 16 << 20;

/// How often a file is begun again that was taken for a leftover before it was locked.
const ATTEMPTS: usize = 16;

/// A folder of cache files.
#[derive(Debug)]
pub struct WeightFolder {
    folder: PathBuf,
}

impl WeightFolder {
    /// The folder of a policy; none if nothing is kept.
    pub fn of(policy: &CachePolicy) -> Result<Option<Self>, CacheError> {
        let folder = match policy {
            CachePolicy::Off => return Ok(None),
            CachePolicy::At(folder) => folder.clone(),
            CachePolicy::Folder => {
                let cache = tercet_sim::user_cache().ok_or(CacheError::NoFolder)?;
                cache.join("weights")
            }
        };
        Ok(Some(WeightFolder { folder }))
    }

    /// Place of the file of a key.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.as_str()).with_extension(EXTENSION)
    }

    /// The file of a key, checked; none if there is none. Notes the use.
    pub fn find(&self, key: &Key) -> Result<Option<Reader>, CacheError> {
        let path = self.path(key);
        // One that cannot be opened is replaced; if it cannot be replaced either, that is told.
        let Ok(file) = File::open(&path) else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(CacheError::io(&path))?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Err(CacheError::Damaged {
                path,
                found: "an empty file or none".into(),
                expected: "a weight cache file".into(),
            });
        }
        let reader = Reader::map(&file, &path, key.as_str())?;
        // In a cache that cannot be written nothing is removed either.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(reader))
    }

    /// Begins the file of a key, of about `bytes` bytes; removes what nobody needs any more.
    pub fn begin(&self, key: &Key, bytes: u64) -> Result<Writer, CacheError> {
        fs::create_dir_all(&self.folder).map_err(CacheError::io(&self.folder))?;
        let path = self.path(key);
        self.remove_leftovers();
        self.remove_unused(&path);
        let needed = bytes.saturating_add(SPARE_BYTES);
        if let Some(free) = free_bytes(&self.folder).filter(|&free| free < needed) {
            return Err(CacheError::Space {
                path: self.folder.clone(),
                needed: Bytes(needed),
                free: Bytes(free),
            });
        }
        let file = locked_file(&self.folder).map_err(CacheError::io(&self.folder))?;
        Writer::new(file, path, key)
    }

    /// Removes what killed processes left on its way.
    fn remove_leftovers(&self) {
        for path in entries(&self.folder) {
            if !atomic::is_temporary(&path) {
                continue;
            }
            let Ok(file) = File::open(&path) else {
                continue;
            };
            let abandoned = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(_)) => age(&path) > ABANDONED_AFTER,
            };
            if abandoned {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Removes files that have not been used for long; `spared` stays in any case.
    fn remove_unused(&self, spared: &Path) {
        let mut kept: Vec<(Duration, PathBuf)> = entries(&self.folder)
            .filter(|path| path.extension().is_some_and(|e| e == EXTENSION) && path != spared)
            .map(|path| (age(&path), path))
            .collect();
        kept.sort();
        for (i, (unused, path)) in kept.iter().enumerate() {
            // The spared one counts.
            if i + 1 >= MOST_FILES || *unused > UNUSED_AFTER {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// A new temporary file, locked as long as it is open: so others know that it is not left over.
fn locked_file(folder: &Path) -> io::Result<NamedTempFile> {
    for _ in 0..ATTEMPTS {
        let file = atomic::temporary_file(folder)?;
        match file.as_file().try_lock() {
            Ok(()) if file.path().exists() => return Ok(file),
            // Another process locked it first, to remove it.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            // No locks on this file system: then the age tells.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
    Err(io::Error::other(format!(
        "{ATTEMPTS} temporary files were removed by others"
    )))
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// Time since the last use; none if that lies in the future or nothing is there.
fn age(path: &Path) -> Duration {
    let used = fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = used.ok().and_then(|used| used.elapsed().ok());
    age.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_age(path: &Path, age: Duration) {
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn files_stay_while_they_are_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = |i: usize| dir.path().join(format!("{i}.tcw"));
        let day = Duration::from_secs(24 * 3600);
        for i in 0..20 {
            fs::write(path(i), "x").unwrap();
            // The higher, the longer unused; three of them for very long.
            set_age(&path(i), day * if i < 3 { 61 } else { i as u32 });
        }
        fs::write(dir.path().join("other"), "x").unwrap();
        let folder = WeightFolder {
            folder: dir.path().to_path_buf(),
        };
        folder.remove_unused(&path(0));
        let mut kept: Vec<PathBuf> = entries(dir.path()).collect();
        let mut expected: Vec<PathBuf> = (3..18).map(path).collect();
        expected.extend([path(0), dir.path().join("other")]);
        kept.sort();
        expected.sort();
        assert_eq!(kept, expected);
    }

    #[test]
    fn files_on_their_way_are_removed_once_their_writer_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = WeightFolder {
            folder: dir.path().to_path_buf(),
        };
        let alive = locked_file(dir.path()).unwrap();
        fs::write(dir.path().join(".tercet-killed"), "x").unwrap();
        folder.remove_leftovers();
        assert_eq!(entries(dir.path()).collect::<Vec<_>>(), [alive.path()]);
    }
}
