//! The best of several modes, numbers of compute units and boards, and which assumption would change the answer.
//!
//! Every combination is selected for on its own, exactly, and all are compared: the answer is the optimum over all of
//! them, and the others are the runners-up. Nothing is pruned, so what is shown as second is second.

use std::ops::RangeInclusive;

use rayon::prelude::*;
use serde::Serialize;

use super::{select, SelectConfig, SelectError, Selection};
use crate::board::{Basis, Board, Figure};
use crate::device::{Dispatching, Mode};
use crate::profile::Profile;
use crate::units::Seconds;

/// Numbers of compute units that are tried.
pub const CUS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Factors within which an assumption is varied.
const FACTORS: RangeInclusive<f64> = 1.0 / 64.0..=64.0;

/// Halvings between two factors: to less than 1 %.
const HALVINGS: usize = 12;

/// What was tried, in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// How commands reach the compute units.
    pub dispatch: Dispatching,
    /// The best kernel for that.
    pub geometry: tercet_contract::Geometry,
    /// Layers on the device.
    pub layers: usize,
    /// Time of a token; as sure as the selection's.
    #[serde(rename = "token_s")]
    pub token: Seconds,
}

/// The best of what was tried, and the others, best first.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The best.
    pub best: Selection,
    /// The others.
    pub others: Vec<Tried>,
}

/// Tries every mode with every number of compute units. Where nothing gains, it is one unit that gains nothing.
pub fn search(
    profile: &Profile,
    board: &Board,
    config: &SelectConfig,
    modes: &[Mode],
    cus: &[usize],
) -> Result<Answer, SelectError> {
    let all: Vec<Dispatching> = modes
        .iter()
        .flat_map(|&mode| cus.iter().map(move |&cus| Dispatching { mode, cus }))
        .collect();
    let tried: Vec<_> = all
        .into_par_iter()
        .map(|dispatch| {
            let config = SelectConfig {
                dispatch,
                ..config.clone()
            };
            select(profile, board, &config)
        })
        .collect();
    let (mut all, mut too_many) = (Vec::new(), None);
    for outcome in tried {
        match outcome {
            Ok(selection) => all.push(selection),
            // Fewer units may fit.
            Err(e @ SelectError::DoesNotFit(_)) => too_many = too_many.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    all.sort_by(|a, b| {
        let (x, y) = (a.token_hybrid.0, b.token_hybrid.0);
        x.total_cmp(&y).then(a.dispatch.cus.cmp(&b.dispatch.cus))
    });
    let mut all = all.into_iter();
    let Some(best) = all.next() else {
        return Err(too_many.unwrap_or(SelectError::Nothing));
    };
    let others = all.map(|s| Tried {
        dispatch: s.dispatch,
        geometry: s.geometry,
        layers: s.offloaded().len(),
        token: s.token_hybrid,
    });
    Ok(Answer {
        best,
        others: others.collect(),
    })
}

/// How far a figure is from changing whether anything is offloaded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flip {
    /// Key of the figure in the board file.
    pub figure: &'static str,
    /// Its value.
    pub value: f64,
    /// How it is known.
    pub basis: Basis,
    /// The value from which on the answer is the other one; none if no value within a factor of 64 changes it.
    pub flips_at: Option<f64>,
}

/// For every figure of the board: from which value on would something be offloaded that is not, or nothing any more?
/// The other figures, the mode and the number of compute units stay.
pub fn sensitivity(
    profile: &Profile,
    board: &Board,
    config: &SelectConfig,
) -> Result<Vec<Flip>, SelectError> {
    let offloads = |key: &str, factor: f64| -> Result<bool, SelectError> {
        let varied = board.with_figure(key, |f| Figure {
            value: f.value * factor,
            ..f.clone()
        });
        Ok(!select(profile, &varied, config)?.offloaded().is_empty())
    };
    let figures = board.figures().into_par_iter();
    figures
        .map(|(key, figure)| {
            let now = offloads(key, 1.0)?;
            let mut flips_at = None;
            for end in [*FACTORS.start(), *FACTORS.end()] {
                if offloads(key, end)? == now {
                    continue;
                }
                let (mut same, mut other) = (1.0f64, end);
                for _ in 0..HALVINGS {
                    let middle = (same * other).sqrt();
                    match offloads(key, middle)? == now {
                        true => same = middle,
                        false => other = middle,
                    }
                }
                flips_at = Some(figure.value * other);
            }
            Ok(Flip {
                figure: key,
                value: figure.value,
                basis: figure.basis,
                flips_at,
            })
        })
        .collect()
}
