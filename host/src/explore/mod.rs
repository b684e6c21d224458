//! Every kernel with every number of compute units in every mode on every board: what each gives, what it takes, and
//! which of them are worth a look.
//!
//! Each point is the exact optimum of [`crate::select`] for that choice. Nothing is pruned. Points are kept in
//! shards, so an exploration can be stopped, gone on with, and spread over cores and machines; the outputs are the
//! same bytes in every case.
//!
//! | module | what it is |
//! |---|---|
//! | `point` | one choice, and what it gives and takes |
//! | `sweep` | all choices, in shards |
//! | `shards` | the folder with the shards that are done |
//! | `pareto` | which points no other one is better than |
//! | `picture`, `legend`, `render` | `pareto.svg`, `pareto.png`; `explore.md`, `explore.csv` and text |
//! | [`slurm`] | as a job array on other machines |

mod legend;
mod pareto;
mod picture;
mod point;
mod render;
mod shards;
#[cfg(unix)]
pub mod slurm;
mod sweep;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use picture::Pareto;

use crate::artefact::{to_json, write_bytes, Artefact, ArtefactError, Overwrite};
use crate::device::DeviceError;
use crate::picture::{png, svg};
use crate::profile::Profile;
use crate::select::SelectError;
use crate::tier::Tier;

pub use crate::picture::PictureError;
pub use point::{Fits, Point};
pub use render::{page, terminal, Summary};
pub use shards::{Folder, PROFILE_FILE};
pub(crate) use shards::{Inputs, Shard};
pub use sweep::{Part, Space};

/// What an exploration writes once all its shards are done.
pub const OUTPUT_FILES: [&str; 5] = [
    "explore.json",
    "explore.csv",
    "explore.md",
    "pareto.svg",
    "pareto.png",
];

/// Every point of an exploration, with the Pareto front (`explore.json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exploration {
    /// Digest of the inputs.
    pub fingerprint: String,
    /// The profiled model.
    pub model: String,
    /// The CPU whose times the profile has.
    pub cpu: String,
    /// Boards, in the order of their points.
    pub boards: Vec<BoardName>,
    /// How the figures are meant.
    pub notes: Vec<String>,
    /// Every point; the CPU alone first.
    pub points: Vec<Point>,
}

/// A board of an exploration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardName {
    /// Short name.
    pub name: String,
    /// Name for people.
    pub title: String,
}

impl Artefact for Exploration {
    const SCHEMA: &'static str = "tercet.exploration";
    const VERSION: u32 = 1;
    const WRITTEN_BY: &'static str = "`tercet explore`";
}

/// How the figures are meant.
const NOTES: [&str; 4] = [
    "Each point is the optimum of the time model for that board, kernel, number of compute units and mode; the tier beside \
     a time is that of its weakest figure.",
    "LUT, FF and block RAM are those of the compute units, as synthesis reports them, without the shell. A LUT has six \
     inputs on AMD's parts and four on an ECP5.",
    "Energy is the board's for one token, at most: its active power from the board file times the whole token, also \
     while only the CPU computes. The host's energy is not in it. Boards without such a figure have none, and are not \
     compared by it.",
    "On a front is what no other point is better than: more tokens/s, fewer LUT, less energy. Points that do not fit, or whose \
     LUT nobody knows, are on no front.",
];

/// Why nothing was explored.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    /// A list has nothing in it.
    #[error("{what}: nothing to explore; name at least one")]
    Nothing {
        /// Which list.
        what: &'static str,
    },
    /// A list has something twice.
    #[error("{what}: {name} is there twice")]
    Twice {
        /// Which list.
        what: &'static str,
        /// What is there twice.
        name: String,
    },
    /// No device has as many compute units.
    #[error(transparent)]
    Cus(DeviceError),
    /// The folder is that of another exploration.
    #[error(
        "{} holds an exploration of other inputs: {what}; name another --out, or pass --force to start over",
        folder.display()
    )]
    OtherInputs {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: String,
    },
    /// The profile has no decode times.
    #[error("the profile of {model} has no decode times: profile with --max-tokens 2 or more")]
    NoDecode {
        /// The profiled model.
        model: String,
    },
    /// A point could not be computed.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Somebody wants it to end.
    #[error("interrupted; what is done is kept, and the same command goes on from there")]
    Interrupted,
    /// The threads cannot be started.
    #[error("cannot start the threads: {0}")]
    Threads(String),
    /// A shard that was there is gone.
    #[error("{}: not there, or not whole; run the same command again", .0.display())]
    Missing(PathBuf),
    /// A file cannot be read or written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The picture cannot be drawn.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The rows cannot be written.
    #[error("explore.csv: {0}")]
    Csv(#[from] csv::Error),
}

impl Exploration {
    /// Gathers the shards of a folder, all of which must be done.
    pub fn gather(folder: &Folder, profile: &Profile) -> Result<Self, ExploreError> {
        let mut points = folder.gather(profile)?;
        pareto::mark(&mut points);
        let boards = folder.space().boards.iter();
        Ok(Exploration {
            fingerprint: folder.fingerprint().to_string(),
            model: profile.model.clone(),
            cpu: profile.system.cpu.clone(),
            boards: boards
                .map(|b| BoardName {
                    name: b.name.clone(),
                    title: b.title.clone(),
                })
                .collect(),
            notes: NOTES.map(String::from).to_vec(),
            points,
        })
    }

    /// Writes the outputs into the folder; those of the same exploration are replaced.
    pub fn write(&self, folder: &Folder) -> Result<(), ExploreError> {
        let contents = [
            to_json(self).into_bytes(),
            render::csv(self)?,
            render::page(self).into_bytes(),
            svg(&Pareto(self))?.into_bytes(),
            png(&Pareto(self))?,
        ];
        for (name, content) in OUTPUT_FILES.iter().zip(contents) {
            write_bytes(&folder.file(name), &content, Overwrite::Replace)?;
        }
        Ok(())
    }

    /// The CPU alone.
    pub fn alone(&self) -> &Point {
        &self.points[0]
    }

    /// The point with the most tokens/s on a board, or on all; of equals that with the fewest LUT. None if nothing
    /// fits.
    pub fn best(&self, board: Option<&str>) -> Option<&Point> {
        let of_board = |p: &&Point| board.is_none_or(|b| p.board.as_deref() == Some(b));
        let timed = self.points.iter().filter(of_board).filter_map(|p| {
            let lut = p.lut.unwrap_or(u64::MAX);
            Some((p, p.tokens_per_s?, lut))
        });
        let best = timed.reduce(|a, b| match b.1.total_cmp(&a.1).then(a.2.cmp(&b.2)) {
            std::cmp::Ordering::Greater => b,
            _ => a,
        });
        best.map(|(p, ..)| p)
    }

    /// The weakest evidence behind a time of a point that offloads something; that of the CPU if none does.
    pub fn tier(&self) -> Tier {
        let offloading = self.points.iter().filter(|p| p.offloads());
        let weakest = offloading.filter_map(|p| p.tier).max();
        weakest.or(self.alone().tier).unwrap_or(Tier::Measured)
    }
}
