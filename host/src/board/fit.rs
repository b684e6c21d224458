//! How many compute units a board holds, and what is short if there are more.
//!
//! ```text
//! logic      cus * footprint <= device * limit - shell          for LUT, FF, block RAM, UltraRAM, DSP
//! channels   cus <= channels                                    the port's bandwidth is each one's own
//! ports      2 * cus <= ports                                   weights and data
//! memory     packed weights <= capacity
//! ```
//!
//! What it cannot see: whether a placer closes timing below the limit, the die's regions, and what an
//! interconnect takes that shares ports.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use tercet_contract::Geometry;

use super::{Board, Footprint};
use crate::device::MAX_CUS;
use crate::units::Bytes;

/// Something that a board has less of than is needed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Shortage {
    /// What it is: `lut`, .., `memory channels`, `memory ports`, `memory bytes`.
    pub what: &'static str,
    /// How much is needed.
    pub needed: f64,
    /// How much there is.
    pub available: f64,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, needed, available) = (self.what, self.needed, self.available);
        write!(f, "{what}: {needed:.0} needed, {available:.0} there")
    }
}

/// Whether compute units fit a board.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// They do.
    Fits,
    /// They do not, for these reasons.
    Short(Vec<Shortage>),
    /// Nobody knows, for this reason.
    Unknown(String),
}

impl Fit {
    /// What is short in a sentence; none if they fit or nobody knows.
    pub fn refusal(&self, board: &Board, geometry: &Geometry, cus: usize) -> Option<String> {
        let Fit::Short(short) = self else {
            return None;
        };
        let short: Vec<_> = short.iter().map(Shortage::to_string).collect();
        let mut text = format!(
            "{cus} x {geometry} do not fit the {}: {}",
            board.title,
            short.join("; ")
        );
        match max_cus(board, geometry) {
            Ok(most) if most.cus > 0 && most.cus < cus => text += &format!("; {} fit", most.cus),
            _ => {}
        }
        Some(text)
    }
}

/// Most compute units of a kernel on a board.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MaxCus {
    /// How many.
    pub cus: usize,
    /// What one more would be short of; empty if only [`MAX_CUS`] ends it.
    pub limited_by: Vec<&'static str>,
}

/// Whether `cus` compute units of `geometry` with `weights` packed bytes in their memories fit `board`.
pub fn fit(board: &Board, geometry: &Geometry, cus: usize, weights: Bytes) -> Fit {
    let title = &board.title;
    let Some(resources) = &board.extras.resources else {
        return Fit::Unknown(format!("the board file of the {title} has no [resources]"));
    };
    let Some(footprint) = Footprint::of(geometry, resources.family) else {
        let family = resources.family.name();
        return Fit::Unknown(format!("{geometry} was not synthesised for {family}"));
    };
    let units = cus as f64;
    let usable = resources.usable();
    let logic = footprint.each().into_iter().zip(usable.each());
    let mut all: Vec<Shortage> = logic
        .map(|((what, one), (_, available))| Shortage {
            what,
            needed: one * units,
            available: *available,
        })
        .collect();
    if let Some(memory) = &board.extras.memory {
        let mut demand = |what, needed, available| {
            all.push(Shortage {
                what,
                needed,
                available,
            });
        };
        demand("memory channels", units, memory.channels.value);
        if let Some(ports) = &memory.ports {
            demand("memory ports", 2.0 * units, ports.value);
        }
        let capacity = (memory.capacity_gb.value * 1e9).round();
        demand("memory bytes", weights.0 as f64, capacity);
    }
    all.retain(|s| s.needed > s.available);
    match all.is_empty() {
        true => Fit::Fits,
        false => Fit::Short(all),
    }
}

/// Most compute units of `geometry` on `board`, or why nobody knows.
pub fn max_cus(board: &Board, geometry: &Geometry) -> Result<MaxCus, String> {
    let mut limited_by = Vec::new();
    for cus in 1..=MAX_CUS {
        match fit(board, geometry, cus, Bytes(0)) {
            Fit::Fits => {}
            Fit::Unknown(why) => return Err(why),
            Fit::Short(short) => {
                limited_by = short.iter().map(|s| s.what).collect();
                return Ok(MaxCus {
                    cus: cus - 1,
                    limited_by,
                });
            }
        }
    }
    Ok(MaxCus {
        cus: MAX_CUS,
        limited_by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(name: &str) -> Board {
        Board::find(name).unwrap()
    }

    #[test]
    fn the_most_fit_and_one_more_does_not() {
        for name in super::super::available() {
            let board = board(name);
            for geometry in Geometry::standard() {
                let Ok(most) = max_cus(&board, &geometry) else {
                    continue;
                };
                if most.cus > 0 {
                    assert_eq!(fit(&board, &geometry, most.cus, Bytes(0)), Fit::Fits);
                }
                if most.cus == MAX_CUS {
                    continue;
                }
                let more = fit(&board, &geometry, most.cus + 1, Bytes(0));
                let Fit::Short(short) = more else {
                    panic!("{name} {geometry}: {more:?}");
                };
                let names: Vec<_> = short.iter().map(|s| s.what).collect();
                assert_eq!(names, most.limited_by);
            }
        }
    }

    #[test]
    fn what_is_short_is_named() {
        let geometry = Geometry::DEFAULT;
        let short = |name: &str, cus, bytes| match fit(&board(name), &geometry, cus, bytes) {
            Fit::Short(short) => short.iter().map(|s| s.to_string()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let found = short("u250", 5, Bytes(0));
        assert_eq!(found, ["memory channels: 5 needed, 4 there"]);
        let found = short("u280", 17, Bytes(0));
        assert!(found.contains(&"memory ports: 34 needed, 32 there".to_string()));
        let found = short("kv260", 3, Bytes(0));
        assert!(found[0].starts_with("bram36: 165 needed"), "{found:?}");
        let found = short("u50", 1, Bytes(9_000_000_000));
        assert!(
            found[0].starts_with("memory bytes: 9000000000 needed"),
            "{found:?}"
        );
    }

    #[test]
    fn a_board_without_resources_is_unknown_not_refused() {
        let mut mine = board("u280");
        mine.extras = Default::default();
        let Fit::Unknown(why) = fit(&mine, &Geometry::DEFAULT, 64, Bytes(0)) else {
            panic!("unknown");
        };
        assert!(why.contains("no [resources]"), "{why}");
    }
}
