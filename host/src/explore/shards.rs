//! The folder of an exploration: its inputs, and the shards that are done.
//!
//! | file | what it is |
//! |---|---|
//! | `profile.json` | the profile whose times are explored |
//! | `inputs.json` | digests of all that the points depend on |
//! | `points/0007.json` | the points of a shard |
//!
//! Every file appears whole or not at all and names the inputs, so whoever finds a shard can use it: a run that was
//! stopped goes on, and many machines may fill one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use rayon::ThreadPoolBuilder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;

use super::{ExploreError, Part, Point, Space, OUTPUT_FILES};
use crate::artefact::{
    check_free, create_folder, read_json, write_bytes, write_json, Artefact, ArtefactError,
    OutputFolder, Overwrite,
};
use crate::atomic::remove_leftovers;
use crate::device::Mode;
use crate::flow::digest;
use crate::profile::Profile;

/// The profile in the folder.
pub const PROFILE_FILE: &str = "profile.json";
/// The record of the inputs.
const INPUTS_FILE: &str = "inputs.json";
/// Folder of the shards.
const POINTS_FOLDER: &str = "points";

/// What the points of an exploration depend on (`inputs.json`), in a form that tells what differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inputs {
    /// Version of this program.
    program: String,
    /// Digest of the bytes of the profile.
    profile: String,
    /// Boards by name, with a digest of all their figures.
    boards: Vec<(String, String)>,
    geometries: Vec<Geometry>,
    cus: Vec<usize>,
    modes: Vec<Mode>,
}

impl Artefact for Inputs {
    const SCHEMA: &'static str = "tercet.exploration-inputs";
    const VERSION: u32 = 1;
    const WRITTEN_BY: &'static str = "`tercet explore --force`";
}

impl Inputs {
    fn of(profile: &[u8], space: &Space) -> Self {
        let board = |b: &crate::board::Board| {
            let figures = serde_json::to_vec(b).expect("a board has string keys");
            (b.name.clone(), digest([figures]))
        };
        Inputs {
            program: env!("CARGO_PKG_VERSION").to_string(),
            profile: digest([profile]),
            boards: space.boards.iter().map(board).collect(),
            geometries: space.geometries.clone(),
            cus: space.cus.clone(),
            modes: space.modes.clone(),
        }
    }

    fn fingerprint(&self) -> String {
        digest([serde_json::to_vec(self).expect("string keys")])
    }

    /// What differs first, in words; none if nothing does.
    fn difference(&self, asked: &Inputs) -> Option<String> {
        let names = |inputs: &Inputs| joined(inputs.boards.iter().map(|(name, _)| name));
        let differs = |what: &str, found: String, asked: String| {
            (found != asked).then(|| format!("{what} {found}, now {asked}"))
        };
        let by_name = || {
            differs("boards", names(self), names(asked))
                .or_else(|| {
                    let (found, now) = (joined(&self.geometries), joined(&asked.geometries));
                    differs("kernels", found, now)
                })
                .or_else(|| differs("compute units", joined(&self.cus), joined(&asked.cus)))
                .or_else(|| differs("modes", joined(&self.modes), joined(&asked.modes)))
                .or_else(|| differs("tercet", self.program.clone(), asked.program.clone()))
        };
        let by_content = || {
            let changed = self.boards.iter().zip(&asked.boards).find(|(a, b)| a != b);
            if let Some(((name, _), _)) = changed {
                return Some(format!("other figures of board {name}"));
            }
            (self.profile != asked.profile).then(|| "another profile".to_string())
        };
        by_name().or_else(by_content)
    }
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    items.join(",")
}

/// Some points of an exploration, as `points/0007.json` keeps them.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// Digest of the inputs.
    fingerprint: String,
    shard: usize,
    points: Vec<Point>,
}

impl Artefact for Shard {
    const SCHEMA: &'static str = "tercet.exploration-shard";
    const VERSION: u32 = 1;
}

/// The folder of an exploration.
pub struct Folder {
    path: PathBuf,
    fingerprint: String,
    space: Space,
}

impl Folder {
    /// Opens the folder of an exploration that has these inputs, or begins one. `profile` is the text of its file.
    pub fn open(path: &Path, profile: &[u8], space: &Space) -> Result<Self, ExploreError> {
        space.check()?;
        let asked = Inputs::of(profile, space);
        let _created = OutputFolder::open(path)?;
        let record = path.join(INPUTS_FILE);
        if record.exists() {
            if let Some(what) = read_json::<Inputs>(&record)?.difference(&asked) {
                let folder = path.to_path_buf();
                return Err(ExploreError::OtherInputs { folder, what });
            }
        } else {
            for file in OUTPUT_FILES {
                check_free(&path.join(file), Overwrite::Refuse)?;
            }
            let file = path.join(PROFILE_FILE);
            if fs::read(&file).ok().as_deref() != Some(profile) {
                write_bytes(&file, profile, Overwrite::Refuse)?;
            }
            create_folder(&path.join(POINTS_FOLDER))?;
            // Last: a folder with this file has all others. Another process may just have written the same.
            write_json(&record, &asked, Overwrite::Replace)?;
        }
        create_folder(&path.join(POINTS_FOLDER))?;
        Ok(Folder {
            path: path.to_path_buf(),
            fingerprint: asked.fingerprint(),
            space: space.clone(),
        })
    }

    /// Removes what an exploration left in `path`. Other files stay.
    pub fn clear(path: &Path) -> Result<(), ExploreError> {
        let points = path.join(POINTS_FOLDER);
        remove_leftovers(&points);
        let shards = fs::read_dir(&points).into_iter().flatten().flatten();
        let is_shard = |path: &PathBuf| {
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
            let number = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_digit());
            number && path.extension().is_some_and(|e| e == "json")
        };
        let shards = shards.map(|entry| entry.path()).filter(is_shard);
        let outputs = OUTPUT_FILES.iter().map(|file| path.join(file));
        // The record goes last: shards without it would be taken for those of other inputs.
        let record = [PROFILE_FILE, INPUTS_FILE].map(|file| path.join(file));
        for path in shards.chain(outputs).chain(record) {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ArtefactError::Write { path, source }.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Digest of the inputs.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What is explored.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Computes the shards of a part that are not done, on `jobs` threads (0: one per core), and returns how many
    /// that were. `stop` ends it after the points at hand.
    pub fn compute(
        &self,
        profile: &Profile,
        part: Part,
        jobs: usize,
        stop: &AtomicBool,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<usize, ExploreError> {
        let all: Vec<usize> = (0..self.space.shards()).filter(|s| part.has(*s)).collect();
        let mut todo = Vec::new();
        for &shard in &all {
            if self.read(shard)?.is_none() {
                todo.push(shard);
            }
        }
        let done = AtomicUsize::new(all.len() - todo.len());
        progress(done.load(Ordering::Relaxed), all.len());
        let one = |&shard: &usize| {
            if stop.load(Ordering::Relaxed) {
                return Err(ExploreError::Interrupted);
            }
            let points = self.space.compute(profile, shard)?;
            self.write(shard, points)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, all.len());
            Ok(())
        };
        let pool = ThreadPoolBuilder::new().num_threads(jobs).build();
        let pool = pool.map_err(|e| ExploreError::Threads(e.to_string()))?;
        pool.install(|| todo.par_iter().try_for_each(one))?;
        Ok(todo.len())
    }

    /// Every point, the CPU alone first. What was computed now is read back too, so that it makes no difference when
    /// and where that was.
    pub fn gather(&self, profile: &Profile) -> Result<Vec<Point>, ExploreError> {
        let cpu = Point::cpu(profile).ok_or_else(|| ExploreError::NoDecode {
            model: profile.model.clone(),
        })?;
        let mut points = vec![cpu];
        for shard in 0..self.space.shards() {
            let of_shard = self.read(shard)?;
            points.extend(of_shard.ok_or_else(|| ExploreError::Missing(self.shard_file(shard)))?);
        }
        // Everything is there: nobody is writing any more.
        remove_leftovers(&self.path.join(POINTS_FOLDER));
        Ok(points)
    }

    /// The points of a shard; none if it is not done, or its file is not whole.
    fn read(&self, shard: usize) -> Result<Option<Vec<Point>>, ExploreError> {
        let path = self.shard_file(shard);
        let found: Shard = match read_json(&path) {
            Ok(found) => found,
            Err(ArtefactError::Content { .. }) => return Ok(None),
            Err(ArtefactError::Read { source, .. })
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData
                ) =>
            {
                return Ok(None)
            }
            Err(e) => return Err(e.into()),
        };
        if found.fingerprint != self.fingerprint {
            return Err(ExploreError::OtherInputs {
                folder: self.path.clone(),
                what: format!("{}, whose points are of other inputs", path.display()),
            });
        }
        let whole = found.shard == shard && self.space.are_of(shard, &found.points);
        Ok(whole.then_some(found.points))
    }

    fn write(&self, shard: usize, points: Vec<Point>) -> Result<(), ArtefactError> {
        let found = Shard {
            fingerprint: self.fingerprint.clone(),
            shard,
            points,
        };
        write_json(&self.shard_file(shard), &found, Overwrite::Replace)
    }

    fn shard_file(&self, shard: usize) -> PathBuf {
        self.path
            .join(POINTS_FOLDER)
            .join(format!("{shard:04}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artefact::to_json;
    use crate::board::Board;
    use crate::checkpoint::Source;
    use crate::model::LoadOptions;
    use crate::profile::ProfileConfig;

    #[test]
    fn what_is_stopped_leaves_whole_shards_and_goes_on() {
        let config = ProfileConfig {
            max_tokens: 2,
            rounds: 1,
            ..ProfileConfig::default()
        };
        let options = LoadOptions::default();
        let profile = Profile::measure(&Source::Embedded, &options, &config, &mut |_, _| {});
        let profile = profile.unwrap();
        let space = Space {
            boards: vec![Board::find("u50").unwrap()],
            geometries: vec![Geometry::DEFAULT, "128-b2".parse().unwrap()],
            cus: vec![1, 2],
            modes: vec![Mode::Ring],
        };
        let dir = tempfile::tempdir().unwrap();
        let text = to_json(&profile);
        let folder = Folder::open(&dir.path().join("out"), text.as_bytes(), &space).unwrap();
        let stop = AtomicBool::new(true);
        let e = folder.compute(&profile, Part::WHOLE, 2, &stop, &|_, _| {});
        assert!(matches!(e, Err(ExploreError::Interrupted)), "{e:?}");
        let there = || fs::read_dir(folder.file(POINTS_FOLDER)).unwrap().count();
        assert_eq!(there(), 0);
        let e = folder.gather(&profile).unwrap_err();
        assert!(matches!(e, ExploreError::Missing(_)), "{e}");

        // Stopped after the first shard; on one thread it is the only one.
        let stop = AtomicBool::new(false);
        let first = |done: usize, _| stop.store(done > 0, Ordering::Relaxed);
        let e = folder.compute(&profile, Part::WHOLE, 1, &stop, &first);
        assert!(matches!(e, Err(ExploreError::Interrupted)), "{e:?}");
        assert_eq!(there(), 1);

        let stop = AtomicBool::new(false);
        let compute = || folder.compute(&profile, Part::WHOLE, 2, &stop, &|_, _| {});
        assert_eq!(compute().unwrap(), 1);
        assert_eq!(compute().unwrap(), 0);
        let points = folder.gather(&profile).unwrap();
        assert_eq!(points.len(), 1 + 4);
        assert!(points[0].board.is_none() && points[1].geometry == Some(Geometry::DEFAULT));

        // Everything that was left is removed, and what somebody else put there is not.
        fs::write(folder.file("points/mine.json"), "").unwrap();
        fs::write(folder.file("mine"), "").unwrap();
        Folder::clear(&dir.path().join("out")).unwrap();
        let left = |folder: PathBuf| fs::read_dir(folder).unwrap().count();
        assert_eq!(left(dir.path().join("out")), 2);
        assert_eq!(left(dir.path().join("out/points")), 1);
    }
}
