//! The best of several modes, numbers of compute units and boards, and which assumption would change the answer.
//!
//! Every combination is selected for on its own, exactly, and all are compared: the answer is the optimum over all of
//! them, and the others are the runners-up. Nothing is pruned, so what is shown as second is second.

use std::ops::RangeInclusive;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::{select, Limit, SelectConfig, SelectError, Selection};
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
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
        let energy = |s: &Selection| s.energy.map_or(0.0, |e| e.hybrid_j);
        energy(a)
            .total_cmp(&energy(b))
            .then(x.total_cmp(&y))
            .then(a.dispatch.cus.cmp(&b.dispatch.cus))
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
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

/// What a limit costs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Price {
    /// The limit.
    pub limit: String,
    /// Time of a token if there were no such limit; as sure as the selection's.
    #[serde(rename = "token_s")]
    pub token: Seconds,
    /// What the limit costs a token.
    #[serde(rename = "costs_s")]
    pub costs: Seconds,
    /// How commands would then reach the compute units.
    pub dispatch: Dispatching,
    /// The kernel.
    pub geometry: tercet_contract::Geometry,
    /// Layers that would be on the device.
    pub layers: usize,
}

impl Price {
    /// Whether the limit makes a difference that is worth a line: a thousandth of the token.
    pub fn is_felt(&self) -> bool {
        self.costs.0 > 1e-3 * self.token.0
    }
}

/// What each limit of the board costs, and what the user's own restrictions do: the best answer without each of them,
/// all others being as they are.
pub fn prices(
    profile: &Profile,
    board: &Board,
    config: &SelectConfig,
    (modes, cus): (&[Mode], &[usize]),
    best: &Selection,
) -> Result<Vec<Price>, SelectError> {
    let limits = Limit::ALL.map(|limit| {
        let config = SelectConfig {
            without: Some(limit),
            ..config.clone()
        };
        (limit.name().to_string(), config, modes, cus)
    });
    let mut all = limits.to_vec();
    if config.geometry.is_some() {
        let config = SelectConfig {
            geometry: None,
            ..config.clone()
        };
        all.push(("this kernel only".into(), config, modes, cus));
    }
    if config.whole_layers {
        let config = SelectConfig {
            whole_layers: false,
            ..config.clone()
        };
        all.push(("whole layers only".into(), config, modes, cus));
    }
    if modes.len() == 1 || config.alone {
        let config = SelectConfig {
            alone: false,
            ..config.clone()
        };
        all.push((
            "this way of dispatching only".into(),
            config,
            &[Mode::Launch, Mode::Ring],
            cus,
        ));
    }
    if let [only] = cus {
        all.push((
            format!("{only} compute unit(s) only"),
            config.clone(),
            modes,
            &CUS,
        ));
    }
    let price = |(limit, config, modes, cus): (String, SelectConfig, &[Mode], &[usize])| {
        let answer = search(profile, board, &config, modes, cus)?.best;
        Ok(Price {
            limit,
            token: answer.token_hybrid,
            costs: best.token_hybrid - answer.token_hybrid,
            dispatch: answer.dispatch,
            geometry: answer.geometry,
            layers: answer.parts.len(),
        })
    };
    all.into_iter().map(price).collect()
}
