//! Files that stages leave behind.
//!
//! A file appears under its name whole or not at all ([`crate::atomic`]). JSON artefacts open with
//! `schema` and `version`; reading one of another schema or version is an error that says which was
//! found.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::atomic;

/// A JSON artefact: what stands in its header.
pub trait Artefact: Serialize + DeserializeOwned {
    /// Name of the schema, for example `tercet.profile`.
    const SCHEMA: &'static str;
    /// Version of the schema; it rises when an old reader would misread the file.
    const VERSION: u32;
    /// What writes such a file, named where a file is of another version.
    const WRITTEN_BY: &'static str = "the command that wrote it";
}

/// What to do with a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Refuse, and say that `--force` would replace it.
    Refuse,
    /// Replace it.
    Replace,
}

impl Overwrite {
    /// The meaning of a `--force` flag.
    pub fn from_force(force: bool) -> Self {
        if force {
            Overwrite::Replace
        } else {
            Overwrite::Refuse
        }
    }
}

/// Why a file was not written or not read.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// The file is there already.
    #[error("{} is there already: pass --force to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A folder or a device stands there, which must not be replaced by a file.
    #[error("{} is no ordinary file: name another one", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused to write.
    #[error("cannot write {}: {source}{}", path.display(), hint(source))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The operating system refused to read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The file is not JSON, or its content is not what the schema says.
    #[error("{}: not a {schema} file: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The schema that was expected.
        schema: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The header names another schema or version.
    #[error(
        "{}: found schema {found}, expected {expected} version {version}; run {written_by} again",
        path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Schema and version in the file.
        found: String,
        /// The schema that was expected.
        expected: &'static str,
        /// The version that was expected.
        version: u32,
        /// What writes that version.
        written_by: &'static str,
    },
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "; choose a folder you may write to with --out",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; nothing was changed, free some space and run again"
        }
        io::ErrorKind::NotFound => "; the folder it lies in does not exist",
        _ => "",
    }
}

/// Whether a file may be written at `path`; for refusing before the work rather than after it.
pub fn check_free(path: &Path, overwrite: Overwrite) -> Result<(), ArtefactError> {
    let Ok(there) = path.metadata() else {
        return Ok(());
    };
    let path = path.to_path_buf();
    if !there.is_file() {
        return Err(ArtefactError::NotAFile { path });
    }
    match overwrite {
        Overwrite::Refuse => Err(ArtefactError::Exists { path }),
        Overwrite::Replace => Ok(()),
    }
}

/// Writes a file whole or not at all.
pub fn write_bytes(path: &Path, bytes: &[u8], overwrite: Overwrite) -> Result<(), ArtefactError> {
    let failed = |source| ArtefactError::Write {
        path: path.to_path_buf(),
        source,
    };
    check_free(path, overwrite)?;
    atomic::write_file(path, |file| file.write_all(bytes)).map_err(failed)
}

/// Writes a JSON artefact with its header.
pub fn write_json<T: Artefact>(
    path: &Path,
    body: &T,
    overwrite: Overwrite,
) -> Result<(), ArtefactError> {
    write_bytes(path, to_json(body).as_bytes(), overwrite)
}

/// A JSON artefact as text: header first, then the fields of `body`.
pub fn to_json<T: Artefact>(body: &T) -> String {
    #[derive(Serialize)]
    struct Whole<'a, T> {
        schema: &'static str,
        version: u32,
        #[serde(flatten)]
        body: &'a T,
    }
    let mut text = serde_json::to_string_pretty(&Whole {
        schema: T::SCHEMA,
        version: T::VERSION,
        body,
    })
    .expect("artefacts have string keys");
    text.push('\n');
    text
}

/// Reads a JSON artefact and checks its header.
pub fn read_json<T: Artefact>(path: &Path) -> Result<T, ArtefactError> {
    let text = fs::read_to_string(path).map_err(|source| ArtefactError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let content = |source| ArtefactError::Content {
        path: path.to_path_buf(),
        schema: T::SCHEMA,
        source,
    };
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(content)?;
    let schema = fields.remove("schema");
    let version = fields.remove("version");
    let same = schema.as_ref().and_then(|s| s.as_str()) == Some(T::SCHEMA)
        && version.as_ref().and_then(|v| v.as_u64()) == Some(u64::from(T::VERSION));
    if !same {
        let part = |v: Option<serde_json::Value>| v.map_or("none".to_string(), |v| v.to_string());
        return Err(ArtefactError::Schema {
            path: path.to_path_buf(),
            found: format!("{} version {}", part(schema), part(version)),
            expected: T::SCHEMA,
            version: T::VERSION,
            written_by: T::WRITTEN_BY,
        });
    }
    serde_json::from_value(fields.into()).map_err(content)
}

/// Creates a folder for artefacts, with its parents.
pub fn create_folder(path: &Path) -> Result<(), ArtefactError> {
    fs::create_dir_all(path).map_err(|source| ArtefactError::Write {
        path: path.to_path_buf(),
        source,
    })
}

/// A folder for artefacts. If it was created and nothing was left in it, it is gone on drop: a stage
/// that failed leaves no empty folder.
#[derive(Debug)]
pub struct OutputFolder {
    /// The folder and those of its parents that were created, innermost first.
    created: Vec<PathBuf>,
}

impl OutputFolder {
    /// Opens a folder, or creates it with its parents.
    pub fn open(path: &Path) -> Result<Self, ArtefactError> {
        let missing = |p: &&Path| *p != Path::new("") && !p.exists();
        let created = path.ancestors().take_while(missing);
        let created = created.map(Path::to_path_buf).collect();
        // The guard comes first: parents may be there even if the folder cannot be.
        let folder = OutputFolder { created };
        create_folder(path)?;
        Ok(folder)
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        for folder in &self.created {
            // A folder with something in it is not removed, and its parents then neither.
            if fs::remove_dir(folder).is_err() && folder.exists() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        value: f64,
    }

    impl Artefact for Sample {
        const SCHEMA: &'static str = "tercet.sample";
        const VERSION: u32 = 2;
    }

    #[test]
    fn artefacts_round_trip_with_their_header_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_json(&path, &Sample { value: 0.1 }, Overwrite::Refuse).unwrap();
        assert_eq!(read_json::<Sample>(&path).unwrap(), Sample { value: 0.1 });
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("{\n  \"schema\": \"tercet.sample\",\n  \"version\": 2"),
            "{text}"
        );
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no part is left"
        );
    }

    #[test]
    fn a_file_is_only_replaced_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_bytes(&path, b"one", Overwrite::Refuse).unwrap();
        let e = write_bytes(&path, b"two", Overwrite::Refuse).unwrap_err();
        assert!(e.to_string().contains("--force"), "{e}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_bytes(&path, b"two", Overwrite::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let e = write_bytes(dir.path(), b"", Overwrite::Replace).unwrap_err();
        assert!(e.to_string().contains("no ordinary file"), "{e}");
    }

    #[test]
    fn other_schemas_and_unknown_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        for (text, part) in [
            (
                r#"{"schema": "tercet.other", "version": 2}"#,
                "found schema \"tercet.other\" version 2",
            ),
            (
                r#"{"schema": "tercet.sample", "version": 1}"#,
                "version 1, expected tercet.sample version 2",
            ),
            (r#"{"value": 1}"#, "found schema none"),
            (
                r#"{"schema": "tercet.sample", "version": 2, "value": 1, "x": 2}"#,
                "unknown field `x`",
            ),
            ("{", "not a tercet.sample file"),
        ] {
            fs::write(&path, text).unwrap();
            let e = read_json::<Sample>(&path).unwrap_err().to_string();
            assert!(e.contains(part), "{e}");
        }
    }

    #[test]
    fn an_output_folder_stays_only_with_something_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        drop(OutputFolder::open(&deep).unwrap());
        assert!(!dir.path().join("a").exists(), "created, and empty");

        let folder = OutputFolder::open(&deep).unwrap();
        fs::write(dir.path().join("a/kept"), "").unwrap();
        drop(folder);
        assert!(dir.path().join("a/kept").exists() && !dir.path().join("a/b").exists());

        let folder = dir.path().join("a");
        fs::remove_file(folder.join("kept")).unwrap();
        drop(OutputFolder::open(&folder).unwrap());
        assert!(folder.exists(), "was there before");

        fs::write(folder.join("file"), "").unwrap();
        OutputFolder::open(&folder.join("file/x")).unwrap_err();
        assert!(folder.join("file").exists());
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none").join("a.json");
        let e = write_bytes(&path, b"", Overwrite::Refuse)
            .unwrap_err()
            .to_string();
        assert!(
            e.contains("none/a.json") && e.contains("does not exist"),
            "{e}"
        );
    }
}
