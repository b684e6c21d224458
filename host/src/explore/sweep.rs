//! What is explored: every kernel with every number of compute units in every mode on every board, in shards.
//!
//! A shard is one kernel on one board. Shards are numbered by the space alone, boards first, so that whoever computes
//! them, on however many cores or machines, they are the same.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use tercet_contract::Geometry;

use super::{ExploreError, Point};
use crate::board::Board;
use crate::device::{check_cus, Dispatching, Mode};
use crate::profile::Profile;
use crate::select::SelectError;

/// What is explored.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Boards, told apart by name.
    pub boards: Vec<Board>,
    /// Kernels.
    pub geometries: Vec<Geometry>,
    /// Numbers of compute units.
    pub cus: Vec<usize>,
    /// Ways to dispatch.
    pub modes: Vec<Mode>,
}

impl Space {
    /// Refuses a space with nothing in it, with something twice, or with more compute units than there can be.
    pub fn check(&self) -> Result<(), ExploreError> {
        check_list("boards", self.boards.iter().map(|b| b.name.as_str()))?;
        check_list("geometries", self.geometries.iter())?;
        check_list("cus", self.cus.iter())?;
        check_list("modes", self.modes.iter())?;
        for &cus in &self.cus {
            check_cus(cus).map_err(ExploreError::Cus)?;
        }
        Ok(())
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.boards.len() * self.geometries.len()
    }

    /// Number of points, the CPU alone apart.
    pub fn points(&self) -> usize {
        self.shards() * self.modes.len() * self.cus.len()
    }

    /// Board and kernel of a shard.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn shard(&self, shard: usize) -> (&Board, Geometry) {
        let kernels = self.geometries.len();
        (
            &self.boards[shard / kernels],
            self.geometries[shard % kernels],
        )
    }

    /// The ways to dispatch that each shard tries, in the order of its points.
    pub fn dispatches(&self) -> impl Iterator<Item = Dispatching> + '_ {
        let with = |mode| self.cus.iter().map(move |&cus| Dispatching { mode, cus });
        self.modes.iter().copied().flat_map(with)
    }

    /// Computes the points of a shard.
    pub fn compute(&self, profile: &Profile, shard: usize) -> Result<Vec<Point>, SelectError> {
        let (board, geometry) = self.shard(shard);
        let of = |dispatch| Point::of(profile, board, geometry, dispatch);
        self.dispatches().map(of).collect()
    }

    /// Whether these are the points of a shard, as far as their names tell.
    pub fn are_of(&self, shard: usize, points: &[Point]) -> bool {
        let (board, geometry) = self.shard(shard);
        let expected = self.dispatches().map(|d| {
            let (board, geometry) = (Some(board.name.as_str()), Some(geometry));
            (board, geometry, d.cus, Some(d.mode))
        });
        let found = points
            .iter()
            .map(|p| (p.board.as_deref(), p.geometry, p.cus, p.mode));
        found.eq(expected)
    }
}

/// Some of the shards: those whose number leaves `index` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which part, from 0.
    pub index: usize,
    /// Parts in all.
    pub of: usize,
}

impl Part {
    /// Everything.
    pub const WHOLE: Part = Part { index: 0, of: 1 };

    /// Whether a shard belongs to it.
    pub fn has(&self, shard: usize) -> bool {
        shard % self.of == self.index
    }
}

impl std::str::FromStr for Part {
    type Err = String;

    /// `0/4` to `3/4`.
    fn from_str(s: &str) -> Result<Self, String> {
        let numbers = s.split_once('/').and_then(|(index, of)| {
            let (index, of) = (index.parse().ok()?, of.parse().ok()?);
            (index < of).then_some(Part { index, of })
        });
        numbers.ok_or_else(|| "expected I/N with I from 0 to N - 1".to_string())
    }
}

fn check_list<T: Display + Hash + Eq>(
    what: &'static str,
    items: impl Iterator<Item = T>,
) -> Result<(), ExploreError> {
    let mut seen = HashSet::new();
    for item in items {
        let name = item.to_string();
        if !seen.insert(item) {
            return Err(ExploreError::Twice { what, name });
        }
    }
    match seen.is_empty() {
        true => Err(ExploreError::Nothing { what }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space {
            boards: ["u50", "kv260"].map(|b| Board::find(b).unwrap()).into(),
            geometries: vec![Geometry::DEFAULT, "128-b2".parse().unwrap()],
            cus: vec![1, 4],
            modes: vec![Mode::Launch, Mode::Ring],
        }
    }

    #[test]
    fn every_shard_is_in_one_part() {
        for of in 1..9 {
            let parts: Vec<Part> = (0..of).map(|index| Part { index, of }).collect();
            for shard in 0..40 {
                assert_eq!(parts.iter().filter(|p| p.has(shard)).count(), 1);
            }
        }
        assert_eq!("3/4".parse(), Ok(Part { index: 3, of: 4 }));
        for wrong in ["4/4", "0/0", "-1/2", "1", "", "a/b", "1/2/3"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn shards_are_numbered_boards_first() {
        let space = space();
        assert_eq!((space.shards(), space.points()), (4, 16));
        let names = (0..4).map(|i| {
            let (board, geometry) = space.shard(i);
            format!("{} {geometry}", board.name)
        });
        let expected = ["u50 512-b3", "u50 128-b2", "kv260 512-b3", "kv260 128-b2"];
        assert!(names.eq(expected));
    }

    #[test]
    fn something_twice_and_nothing_are_refused() {
        let refused = |change: fn(&mut Space)| {
            let mut space = space();
            change(&mut space);
            space.check().unwrap_err().to_string()
        };
        space().check().unwrap();
        assert!(refused(|s| s.cus.push(4)).contains("cus: 4 is there twice"));
        assert!(refused(|s| s.modes.clear()).contains("modes"));
        assert!(refused(|s| s.cus.push(0)).contains('0'));
        let e = refused(|s| s.boards.push(s.boards[0].clone()));
        assert!(e.contains("u50"), "{e}");
    }
}
