//! Files and folders that appear whole or not at all.
//!
//! Both are written under a temporary name beside their place and renamed into it.

use std::fs::{self, File, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

/// Prefix of temporary names; what a killed process leaves behind starts with it.
const PREFIX: &str = ".tercet-";

/// Writes one file through `write`; an existing file is replaced.
pub fn write_file<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = temporary_file(parent(path))?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// A file under a temporary name in `folder`, removed when dropped.
pub(crate) fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    builder(0o666).tempfile_in(folder).map_err(strip_path)
}

/// Whether the name of a file or folder is a temporary one.
pub(crate) fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(PREFIX)
}

/// Removes what a killed process left half-written in `folder`.
pub fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_temporary(&entry.path()) {
            // Another process may have removed it first; either way it is gone.
            let _ = match entry.file_type().is_ok_and(|t| t.is_dir()) {
                true => fs::remove_dir_all(entry.path()),
                false => fs::remove_file(entry.path()),
            };
        }
    }
}

/// A folder being filled; dropped without [`NewFolder::commit`] it leaves nothing.
pub struct NewFolder {
    temporary: TempDir,
    path: PathBuf,
}

impl NewFolder {
    /// Starts a folder that will stand at `path`. Missing parents are created.
    pub fn new(path: &Path) -> io::Result<Self> {
        let parent = parent(path);
        fs::create_dir_all(parent)?;
        Ok(NewFolder {
            temporary: builder(0o777).tempdir_in(parent).map_err(strip_path)?,
            path: path.to_path_buf(),
        })
    }

    /// Where to write until it is committed.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Moves the folder to its place; one that stands there is removed.
    pub fn commit(self) -> io::Result<()> {
        // A rename replaces an empty folder only, so an old one steps aside first.
        let aside = match self.path.exists() {
            false => None,
            true => {
                let aside = builder(0o700)
                    .tempdir_in(parent(&self.path))
                    .map_err(strip_path)?;
                fs::rename(&self.path, aside.path().join("old"))?;
                Some(aside)
            }
        };
        let moved = fs::rename(self.temporary.path(), &self.path);
        if let (Err(_), Some(aside)) = (&moved, &aside) {
            fs::rename(aside.path().join("old"), &self.path)?;
        }
        moved?;
        // It has moved: nothing is left for the guard to remove.
        let _ = self.temporary.keep();
        Ok(())
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// `tempfile` ends its errors in ` at path ".."`, the temporary one; kind and reason are what a user needs.
/// Its errors give the reason in their text only.
fn strip_path(e: io::Error) -> io::Error {
    match e.to_string().split_once(" at path \"") {
        Some((reason, _)) => io::Error::new(e.kind(), reason),
        None => e,
    }
}

/// Temporary names with the permissions that ordinary files get (the umask still applies).
#[cfg(unix)]
fn builder(mode: u32) -> Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = Builder::new();
    builder
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(mode));
    builder
}

#[cfg(not(unix))]
fn builder(_mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_file(&path, |_| Err(io::Error::other("no"))).unwrap_err();
        drop(NewFolder::new(&folder.path().join("b")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn errors_do_not_tell_temporary_names() {
        let folder = tempfile::tempdir().unwrap();
        let inside_a_file = folder.path().join("file/a");
        fs::write(folder.path().join("file"), "").unwrap();
        let file = write_file(&inside_a_file, |_| Ok::<_, io::Error>(())).unwrap_err();
        let new = builder(0o777).tempdir_in(parent(&inside_a_file));
        let new = strip_path(new.unwrap_err());
        for error in [file, new] {
            assert!(!error.to_string().contains(PREFIX), "{error}");
            assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        }
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "whole").unwrap();
        fs::write(folder.path().join(".tercet-x"), "part").unwrap();
        fs::create_dir(folder.path().join(".tercet-y")).unwrap();
        remove_leftovers(folder.path());
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn a_folder_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/b");
        for name in ["one", "two"] {
            let new = NewFolder::new(&path).unwrap();
            fs::write(new.path().join(name), name).unwrap();
            new.commit().unwrap();
        }
        let names: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["two"]);
        assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
    }
}
