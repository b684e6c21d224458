//! Runs stages once: a stage whose inputs and files are unchanged is skipped.
//!
//! `flow.json` in the run folder records for each stage a digest of its inputs and of the files it
//! left. It is rewritten after every stage, whole, so an interrupted flow goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::progress::{Outcome, Progress};
use super::FlowError;
use crate::artefact::{read_json, write_json, Artefact, ArtefactError, OutputFolder, Overwrite};
use crate::atomic::remove_leftovers;

/// The record of a run folder.
pub const MANIFEST_FILE: &str = "flow.json";

/// Which stages of a flow are done, and what they read and wrote.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    stages: BTreeMap<String, StageRecord>,
}

impl Artefact for Manifest {
    const SCHEMA: &'static str = "tercet.flow";
    const VERSION: u32 = 1;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StageRecord {
    /// Digest of everything the stage read.
    inputs: String,
    /// Digest of every file it left, by path in the run folder.
    files: BTreeMap<String, String>,
}

/// A stage: its name, a digest of what it reads, and the files it writes.
pub struct Stage<'a> {
    /// Name, unique in the flow.
    pub name: &'a str,
    /// [`digest`] of its inputs.
    pub inputs: String,
    /// Files it writes, by path in the run folder.
    pub files: &'a [&'a str],
    /// Whether people edit its file: then an edited one is kept.
    pub editable: bool,
}

/// A run folder and what is recorded of it.
pub struct Runner<'a> {
    folder: PathBuf,
    manifest: Manifest,
    force: bool,
    progress: &'a mut dyn Progress,
    /// Goes with the runner if no stage left anything.
    _created: OutputFolder,
}

impl<'a> Runner<'a> {
    /// Opens or creates a run folder. With `force` every stage runs again, and a record that cannot be
    /// read is begun anew. A folder that was created and stays empty is removed with the runner.
    pub fn open(
        folder: &Path,
        force: bool,
        progress: &'a mut dyn Progress,
    ) -> Result<Self, FlowError> {
        let created = OutputFolder::open(folder)?;
        remove_leftovers(folder);
        let record = folder.join(MANIFEST_FILE);
        let manifest = match record.exists().then(|| read_json(&record)) {
            Some(Ok(manifest)) => manifest,
            Some(Err(source)) if !force => return Err(FlowError::Record { source }),
            Some(Err(_)) | None => Manifest::default(),
        };
        Ok(Runner {
            folder: folder.to_path_buf(),
            manifest,
            force,
            progress,
            _created: created,
        })
    }

    /// Path of a file of the run folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Digest of a file of the run folder, to make it an input of a later stage.
    pub fn digest_of(&self, file: &str) -> Result<String, FlowError> {
        let path = self.path(file);
        let bytes = fs::read(&path).map_err(|source| ArtefactError::Read { path, source })?;
        Ok(digest([bytes]))
    }

    /// Runs a stage unless its record says that nothing changed. `work` leaves the stage's files and
    /// says what came out; it reports steps through its argument.
    pub fn stage(
        &mut self,
        stage: &Stage,
        work: impl FnOnce(&mut dyn FnMut(usize, usize)) -> Result<String, FlowError>,
    ) -> Result<(), FlowError> {
        self.progress.begin(stage.name);
        if let Some(outcome) = self.settled(stage)? {
            self.progress.end(stage.name, &outcome);
            return Ok(());
        }
        let progress = &mut *self.progress;
        let note = work(&mut |done, total| progress.step(done, total))?;
        let mut files = BTreeMap::new();
        for file in stage.files {
            files.insert(file.to_string(), self.digest_of(file)?);
        }
        let record = StageRecord {
            inputs: stage.inputs.clone(),
            files,
        };
        self.manifest.stages.insert(stage.name.to_string(), record);
        self.save()?;
        self.progress.end(stage.name, &Outcome::Done(note));
        Ok(())
    }

    /// A stage that has nothing to do. Files that it left in an earlier run are removed.
    pub fn not_needed(&mut self, name: &str, files: &[&str], why: &str) -> Result<(), FlowError> {
        self.progress.begin(name);
        for path in files.iter().map(|f| self.path(f)).filter(|p| p.exists()) {
            fs::remove_file(&path).map_err(|source| ArtefactError::Write { path, source })?;
        }
        if self.manifest.stages.remove(name).is_some() {
            self.save()?;
        }
        self.progress
            .end(name, &Outcome::NotNeeded(why.to_string()));
        Ok(())
    }

    /// Whether the stage need not run, and why.
    fn settled(&self, stage: &Stage) -> Result<Option<Outcome>, FlowError> {
        if self.force || !stage.files.iter().all(|f| self.path(f).exists()) {
            return Ok(None);
        }
        let record = self.manifest.stages.get(stage.name);
        let mut same_files = true;
        for file in stage.files {
            let recorded = record.and_then(|r| r.files.get(*file));
            same_files &= recorded == Some(&self.digest_of(file)?);
        }
        if stage.editable && !same_files {
            let stale = record.is_some_and(|r| r.inputs != stage.inputs);
            let what = format!(
                "{} is not as this flow left it{}; --force replaces it",
                stage.files[0],
                if stale {
                    ", and what it was made from has changed"
                } else {
                    ""
                }
            );
            return Ok(Some(Outcome::Kept(what)));
        }
        let same_inputs = record.is_some_and(|r| r.inputs == stage.inputs);
        Ok((same_files && same_inputs).then_some(Outcome::Unchanged))
    }

    fn save(&self) -> Result<(), FlowError> {
        Ok(write_json(
            &self.path(MANIFEST_FILE),
            &self.manifest,
            Overwrite::Replace,
        )?)
    }
}

/// SHA-256 over parts, each with its length before it, in hexadecimal.
pub fn digest<B: AsRef<[u8]>>(parts: impl IntoIterator<Item = B>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::progress::Silent;
    use super::*;

    fn stage(inputs: &str, editable: bool) -> Stage<'static> {
        Stage {
            name: "a",
            inputs: inputs.to_string(),
            files: &["a.txt"],
            editable,
        }
    }

    /// Runs stage `a` in `folder`; returns whether its work was done.
    fn ran(folder: &Path, force: bool, stage: &Stage) -> bool {
        let mut silent = Silent;
        let mut runner = Runner::open(folder, force, &mut silent).unwrap();
        let mut ran = false;
        let path = runner.path("a.txt");
        runner
            .stage(stage, |_| {
                ran = true;
                fs::write(&path, "content").unwrap();
                Ok(String::new())
            })
            .unwrap();
        ran
    }

    #[test]
    fn a_stage_runs_again_only_if_something_changed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ran(dir.path(), false, &stage("1", false)), "first time");
        assert!(!ran(dir.path(), false, &stage("1", false)), "unchanged");
        assert!(ran(dir.path(), false, &stage("2", false)), "other inputs");
        fs::write(dir.path().join("a.txt"), "edited").unwrap();
        assert!(ran(dir.path(), false, &stage("2", false)), "edited file");
        fs::remove_file(dir.path().join("a.txt")).unwrap();
        assert!(ran(dir.path(), false, &stage("2", false)), "lost file");
        assert!(ran(dir.path(), true, &stage("2", false)), "forced");
    }

    #[test]
    fn an_edited_plan_is_kept_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ran(dir.path(), false, &stage("1", true)));
        fs::write(dir.path().join("a.txt"), "edited").unwrap();
        assert!(!ran(dir.path(), false, &stage("2", true)));
        assert_eq!(
            fs::read_to_string(dir.path().join("a.txt")).unwrap(),
            "edited"
        );
        assert!(ran(dir.path(), true, &stage("2", true)));
    }

    #[test]
    fn a_broken_record_is_begun_anew_if_forced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MANIFEST_FILE), "{").unwrap();
        let mut silent = Silent;
        let e = Runner::open(dir.path(), false, &mut silent).err().unwrap();
        let e = e.to_string();
        assert!(e.contains("flow.json") && e.contains("--force"), "{e}");
        assert!(ran(dir.path(), true, &stage("1", false)));
        assert!(!ran(dir.path(), false, &stage("1", false)));
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
    }
}
