//! One point of an exploration: what a choice of board, kernel, compute units and mode gives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;

use crate::board::{fit, Board, Fit, Footprint, Shortage};
use crate::device::{Dispatching, Mode};
use crate::executor::Phase;
use crate::profile::Profile;
use crate::select::{select, SelectConfig, SelectError};
use crate::tier::Tier;
use crate::units::{Bytes, Seconds};

/// Whether compute units fit a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fits {
    /// They do.
    Yes,
    /// They do not; the remark says what is short.
    No,
    /// Nobody knows; the remark says why.
    Unknown,
}

/// A point; a row of `explore.csv`. Without board, kernel and mode it is the CPU alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Board; none of the CPU alone.
    pub board: Option<String>,
    /// Kernel.
    pub geometry: Option<Geometry>,
    /// Compute units.
    pub cus: usize,
    /// How commands reach them.
    pub mode: Option<Mode>,
    /// Whether they fit.
    pub fits: Fits,
    /// Layers that are best moved to them, or rows of which are.
    pub layers_offloaded: usize,
    /// Decode token in ms; none where the compute units do not fit.
    pub ms_per_token: Option<f64>,
    /// Decoded tokens a second.
    pub tokens_per_s: Option<f64>,
    /// Evidence behind both.
    pub tier: Option<Tier>,
    /// Look-up tables of all compute units, the shell's apart, as synthesis reports them; none where the kernel
    /// was not synthesised.
    pub lut: Option<u64>,
    /// Flip-flops of all compute units.
    pub ff: Option<u64>,
    /// Block RAM of 36 kbit of all compute units.
    pub bram36: Option<f64>,
    /// The board's energy for a token in J, at most: its active power times the whole token. None where the board
    /// file has no such power or nothing is offloaded. The host's energy is not in it.
    pub energy_j: Option<f64>,
    /// Evidence behind the energy.
    pub energy_tier: Option<Tier>,
    /// Whether no point of this board, nor the CPU alone, is as good in all and better in one.
    pub on_front_of_board: bool,
    /// The same among all boards.
    pub on_front_of_all: bool,
    /// What is short, what is not known, that nothing gains, or that more would.
    pub remark: String,
}

impl Point {
    /// The CPU alone: no board, no logic. None if the profile has no decode times.
    pub fn cpu(profile: &Profile) -> Option<Point> {
        let token = profile.pass_median(Phase::Decode)?;
        Some(Point {
            board: None,
            geometry: None,
            cus: 0,
            mode: None,
            lut: Some(0),
            ff: Some(0),
            bram36: Some(0.0),
            remark: "everything on the CPU".to_string(),
            ..Point::blank().with_token(token, profile.tier)
        })
    }

    /// What is best offloaded to `dispatch.cus` compute units of `geometry` on `board`, and what that gives. That they
    /// do not fit is a point too, and no error.
    pub fn of(
        profile: &Profile,
        board: &Board,
        geometry: Geometry,
        dispatch: Dispatching,
    ) -> Result<Point, SelectError> {
        let family = board.extras.resources.as_ref().map(|r| r.family);
        let one = family.and_then(|family| Footprint::of(&geometry, family));
        let units = dispatch.cus as f64;
        let point = Point {
            board: Some(board.name.clone()),
            geometry: Some(geometry),
            cus: dispatch.cus,
            mode: Some(dispatch.mode),
            lut: one.map(|f| (f.lut * units).round() as u64),
            ff: one.map(|f| (f.ff * units).round() as u64),
            bram36: one.map(|f| f.bram36 * units),
            ..Point::blank()
        };
        let (fits, unknown) = match fit(board, &geometry, dispatch.cus, Bytes(0)) {
            Fit::Short(short) => return Ok(point.without_room(list(&short))),
            Fit::Unknown(why) => (Fits::Unknown, why),
            Fit::Fits => (Fits::Yes, String::new()),
        };
        let config = SelectConfig {
            geometry: Some(geometry),
            dispatch,
            ..SelectConfig::default()
        };
        let selection = match select(profile, board, &config) {
            Ok(selection) => selection,
            // The weights do not: the logic was looked at above.
            Err(SelectError::DoesNotFit(why)) => return Ok(point.without_room(why)),
            Err(e) => return Err(e),
        };
        let layers_offloaded = selection.offloaded().len();
        let tier = match layers_offloaded {
            0 => profile.tier,
            _ => selection.device_tier(),
        };
        let active = board
            .extras
            .power
            .as_ref()
            .and_then(|p| p.active_w.as_ref());
        let active = active.filter(|_| layers_offloaded > 0);
        // With nothing moved it is the same to the last digit, so that it ties with the CPU alone.
        let cpu = profile.pass_median(Phase::Decode);
        let token = match (layers_offloaded, cpu) {
            (0, Some(cpu)) => cpu,
            _ => selection.token_hybrid,
        };
        let nothing = "nothing gains: everything stays on the CPU";
        let full = "more would gain, but the board's memory is full";
        let remarks = [
            unknown.as_str(),
            if layers_offloaded == 0 { nothing } else { "" },
            if selection.memory_limited { full } else { "" },
        ];
        let remarks: Vec<&str> = remarks.into_iter().filter(|r| !r.is_empty()).collect();
        Ok(Point {
            fits,
            layers_offloaded,
            energy_j: active.map(|w| w.value * token.0),
            energy_tier: active.map(|w| tier.max(w.basis.tier())),
            remark: remarks.join("; "),
            ..point.with_token(token, tier)
        })
    }

    /// Whether it is a kernel on a board that computes something.
    pub fn offloads(&self) -> bool {
        self.layers_offloaded > 0
    }

    fn with_token(self, token: Seconds, tier: Tier) -> Point {
        Point {
            ms_per_token: Some(token.ms()),
            tokens_per_s: Some(token.per_second()),
            tier: Some(tier),
            ..self
        }
    }

    fn without_room(self, remark: String) -> Point {
        Point {
            fits: Fits::No,
            remark,
            ..self
        }
    }

    /// A point of which nothing is known.
    fn blank() -> Point {
        Point {
            board: None,
            geometry: None,
            cus: 0,
            mode: None,
            fits: Fits::Yes,
            layers_offloaded: 0,
            ms_per_token: None,
            tokens_per_s: None,
            tier: None,
            lut: None,
            ff: None,
            bram36: None,
            energy_j: None,
            energy_tier: None,
            on_front_of_board: false,
            on_front_of_all: false,
            remark: String::new(),
        }
    }
}

fn list(short: &[Shortage]) -> String {
    let short: Vec<_> = short.iter().map(Shortage::to_string).collect();
    short.join("; ")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A point with the figures that fronts compare; board "" is the CPU alone.
    pub fn point(board: &str, tokens_per_s: f64, lut: u64, energy_j: Option<f64>) -> Point {
        Point {
            board: (!board.is_empty()).then(|| board.to_string()),
            geometry: (!board.is_empty()).then_some(Geometry::DEFAULT),
            mode: (!board.is_empty()).then_some(Mode::Ring),
            cus: usize::from(!board.is_empty()),
            layers_offloaded: usize::from(!board.is_empty()),
            lut: Some(lut),
            energy_j,
            energy_tier: energy_j.map(|_| Tier::Projected),
            ..Point::blank().with_token(Seconds(1.0 / tokens_per_s), Tier::Projected)
        }
    }
}
