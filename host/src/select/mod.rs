//! Which layers to move to the device, and with which kernel.
//!
//! The aim is the least time of one decode token:
//!
//! ```text
//! t(token) = CPU time now - sum over groups of gain(S_group)
//! gain(S)  = sum of CPU times of S - (dispatch + link in + compute + link out)    gain({}) = 0
//! ```
//!
//! `S` is a subset of the layers of one group; a group's layers share an input, so they share a
//! launch, the transfer of the input and the transfer of the sums. CPU times are warm medians
//! ([measured](crate::tier::Tier::Measured)) less the rescaling that the host does alone after a device
//! ([`LinearProfile::movable`](crate::profile::facts::LinearProfile::movable)); quantising stays on the host.
//! Device times come from [`crate::time_model`], cycles from the cycle model, for the compute units and the
//! mode that are asked for.
//!
//! **Exact.** No term links two groups, so the best choice is the best subset of each group; a group
//! has at most three layers, and all subsets are tried. The geometry is common to all groups; every
//! supported one is tried. The result is the optimum of this model, and "offload nothing" is among
//! the choices. What the model does not see stands in [`crate::time_model`].
//!
//! Modes, numbers of compute units and boards are compared by [`search`].
//!
//! **Forced, and exact too.** With `--force-top N` the best *set* of exactly N layers is wanted, which
//! is not the N layers that are best alone: those of one group share a launch. Groups still do not
//! interact but for N, so a table over groups holds the best gain of each number of layers:
//!
//! ```text
//! best(0, 0) = 0
//! best(g, n) = max over s of  best(g - 1, n - s) + max over subsets S of group g with |S| = s of gain(S)
//! ```

mod cost;
mod render;
pub mod search;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tercet_contract::Geometry;

use crate::board::{fit, Board, Fit};
use crate::device::{check_cus, DeviceError, Dispatching};
use crate::executor::Phase;
use crate::model::LinearId;
use crate::profile::Profile;
use crate::tier::Tier;
use crate::time_model::DeviceTime;
use crate::units::{Bytes, Seconds};

pub use cost::{GroupCost, LayerCost, Subset};
pub use render::{boards_text, flips_text, others_text, plan_toml, render};
pub use target::Target;

/// How layers are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SelectConfig {
    /// Consider this geometry only.
    pub geometry: Option<Geometry>,
    /// Offload the set of N layers with the highest gain, whatever it is. The plan says that this is
    /// not what the model recommends.
    pub force_top: Option<usize>,
    /// How many compute units share the rows of each layer, and how commands reach them.
    pub dispatch: Dispatching,
    /// Whether each layer is dispatched alone, as flows do that offload linear by linear, instead of
    /// with the others of its group. `run` always dispatches groups, which is never slower.
    pub alone: bool,
}

/// Why nothing could be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// No device has as many compute units.
    #[error(transparent)]
    Cus(DeviceError),
    /// No mode or number of compute units to try.
    #[error("nothing to try: expected a mode and a number of compute units")]
    Nothing,
    /// The board has less of something than the compute units need.
    #[error("{0}")]
    DoesNotFit(String),
    /// The profile has no decode times.
    #[error("the profile of {model} has no decode times: profile with --max-tokens 2 or more")]
    NoDecode {
        /// The profiled model.
        model: String,
    },
    /// More layers are asked for than there are.
    #[error("--force-top {asked}: the model has {layers} ternary layers that fit the kernel")]
    ForceTop {
        /// Layers asked for.
        asked: usize,
        /// Layers there are.
        layers: usize,
    },
}

/// One layer of the ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedLayer {
    /// The layer.
    pub layer: LinearId,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// Whether the plan moves it.
    pub offload: bool,
    /// What moving it saves on the CPU: its time less rescaling; measured.
    #[serde(rename = "cpu_s")]
    pub cpu: Seconds,
    /// What it adds on the device, given what the plan moves of its group.
    #[serde(rename = "device_s")]
    pub device: DeviceTime,
    /// `cpu` less `device`; as sure as [`Selection::device_tier`].
    #[serde(rename = "gain_s")]
    pub gain: Seconds,
    /// Why it moves or stays.
    pub reason: String,
}

/// The answer for one board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Selection {
    /// The profiled model.
    pub model: String,
    /// The board.
    pub board: Board,
    /// The kernel.
    pub geometry: Geometry,
    /// How many compute units there are, and how commands reach them.
    pub dispatch: Dispatching,
    /// Whether the plan is the optimum; false if layers were forced.
    pub recommended: bool,
    /// The answer in a sentence.
    pub decision: String,
    /// Decode token on the CPU, measured.
    #[serde(rename = "token_cpu_s")]
    pub token_cpu: Seconds,
    /// Decode token with the plan; as sure as [`Selection::device_tier`].
    #[serde(rename = "token_hybrid_s")]
    pub token_hybrid: Seconds,
    /// Every ternary layer that fits a command of the kernel, highest gain first.
    pub layers: Vec<RankedLayer>,
    /// Layers beyond the kernel's limits; they stay on the CPU.
    pub too_large: Vec<LinearId>,
}

impl Selection {
    /// Evidence behind every time with the device in it: cycles are modelled, the rest is the board's.
    pub fn device_tier(&self) -> Tier {
        self.board.device_tier(Tier::Modelled, self.dispatch)
    }

    /// Layers that the plan moves.
    pub fn offloaded(&self) -> BTreeSet<LinearId> {
        self.layers
            .iter()
            .filter(|l| l.offload)
            .map(|l| l.layer)
            .collect()
    }
}

/// Chooses layers and geometry for `board` from the decode times of `profile`.
pub fn select(
    profile: &Profile,
    board: &Board,
    config: &SelectConfig,
) -> Result<Selection, SelectError> {
    check_cus(config.dispatch.cus).map_err(SelectError::Cus)?;
    let no_decode = || SelectError::NoDecode {
        model: profile.model.clone(),
    };
    let token_cpu = profile.pass_median(Phase::Decode).ok_or_else(no_decode)?;
    let (groups, too_large) = groups(profile, config);
    if groups.is_empty() && too_large.is_empty() {
        return Err(no_decode());
    }
    let fitting = groups.iter().map(|g| g.layers.len()).sum();
    if let Some(asked) = config.force_top.filter(|top| *top > fitting) {
        let layers = fitting;
        return Err(SelectError::ForceTop { asked, layers });
    }
    let candidates = candidates(board, config)?;
    let (target, chosen) = best_target(&groups, board, config, candidates);
    check_memory(&groups, &chosen, &target)?;

    let mut layers = Vec::new();
    let mut saved = Seconds::default();
    for (group, &subset) in groups.iter().zip(&chosen) {
        saved += group.gain(subset, &target);
        layers.extend((0..group.layers.len()).map(|i| rank(group, i, subset, &target)));
    }
    layers.sort_by(|a, b| b.gain.0.total_cmp(&a.gain.0).then(a.layer.cmp(&b.layer)));
    let moved = layers.iter().filter(|l| l.offload).count();
    Ok(Selection {
        model: profile.model.clone(),
        board: board.clone(),
        geometry: target.geometry,
        dispatch: target.dispatch,
        recommended: config.force_top.is_none(),
        decision: decision(config, board, moved, layers.len(), saved),
        token_cpu,
        token_hybrid: token_cpu - saved,
        layers,
        too_large,
    })
}

/// Decode costs by group, in model order, and the layers beyond the kernel's limits.
fn groups(profile: &Profile, config: &SelectConfig) -> (Vec<GroupCost>, Vec<LinearId>) {
    let mut groups = BTreeMap::new();
    let mut too_large = Vec::new();
    let fits = |n: usize, k: usize| {
        tercet_contract::Command::gemv(&config.geometry.unwrap_or(Geometry::DEFAULT), n, k, 0, 0, 0)
            .is_ok()
    };
    for l in profile.linears(Phase::Decode) {
        if !fits(l.n, l.k) {
            too_large.push(l.layer);
            continue;
        }
        let group = groups.entry(l.layer.group()).or_insert_with(|| GroupCost {
            id: l.layer.group(),
            layers: Vec::new(),
        });
        group.layers.push(LayerCost {
            layer: l.layer,
            n: l.n,
            k: l.k,
            cpu: l.movable(),
        });
    }
    (groups.into_values().collect(), too_large)
}

/// The geometries to try: the one asked for, or all of which the compute units fit the board. Where the board file
/// does not say what fits, they are tried, unless others are known to.
fn candidates(board: &Board, config: &SelectConfig) -> Result<Vec<Geometry>, SelectError> {
    let every = || {
        std::iter::once(Geometry::DEFAULT)
            .chain(Geometry::standard())
            .collect()
    };
    let asked: Vec<Geometry> = config.geometry.map_or_else(every, |g| vec![g]);
    let cus = config.dispatch.cus;
    let fits = |g: &Geometry| fit(board, g, cus, Bytes(0));
    let (mut known, mut unknown, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for geometry in asked {
        match fits(&geometry) {
            Fit::Fits => known.push(geometry),
            Fit::Unknown(_) => unknown.push(geometry),
            short => refusals.extend(short.refusal(board, &geometry, cus)),
        }
    }
    match (known.is_empty(), unknown.is_empty(), refusals.pop()) {
        (false, ..) => Ok(known),
        (true, true, Some(refusal)) => Err(SelectError::DoesNotFit(refusal)),
        _ => Ok(unknown),
    }
}

/// Whether the weights of the chosen layers fit the board's memory.
fn check_memory(
    groups: &[GroupCost],
    chosen: &[Subset],
    target: &Target,
) -> Result<(), SelectError> {
    let layers = groups.iter().zip(chosen).flat_map(|(g, s)| g.of(*s));
    let bytes: usize = layers.map(|l| target.geometry.matrix_bytes(l.n, l.k)).sum();
    let (board, cus) = (target.board, target.dispatch.cus);
    let fit = fit(board, &target.geometry, cus, Bytes(bytes as u64));
    match fit.refusal(board, &target.geometry, cus) {
        Some(refusal) => Err(SelectError::DoesNotFit(refusal)),
        None => Ok(()),
    }
}

/// The geometry with the highest gain, as a target, and the subset of each group to move to it. The default
/// one, or else the first that fits, stays where no other gains more, as when none gains anything. Kernels for another longest K cost the
/// same and are not tried.
fn best_target<'a>(
    groups: &[GroupCost],
    board: &'a Board,
    config: &SelectConfig,
    candidates: Vec<Geometry>,
) -> (Target<'a>, Vec<Subset>) {
    let mut best: Option<(Seconds, Target, Vec<Subset>)> = None;
    for geometry in candidates {
        let mut target = Target::new(board, geometry, config.dispatch);
        target.alone = config.alone;
        let chosen: Vec<Subset> = match config.force_top {
            None => groups.iter().map(|g| best_subset(g, &target)).collect(),
            Some(top) => forced(groups, &target, top),
        };
        let gains = groups.iter().zip(&chosen).map(|(g, s)| g.gain(*s, &target));
        let gain: Seconds = gains.sum();
        if best.as_ref().is_none_or(|b| gain > b.0) {
            best = Some((gain, target, chosen));
        }
    }
    let (_, target, chosen) = best.expect("there is a geometry");
    (target, chosen)
}

/// The subset of a group with the highest gain; the empty one if none gains.
pub fn best_subset(group: &GroupCost, target: &Target) -> Subset {
    let mut best = (Seconds::default(), 0);
    for subset in group.subsets().skip(1) {
        let gain = group.gain(subset, target);
        if gain > best.0 {
            best = (gain, subset);
        }
    }
    best.1
}

/// The set of exactly `top` layers with the highest gain, as a subset of each group.
///
/// # Panics
/// If the groups have fewer layers.
fn forced(groups: &[GroupCost], target: &Target, top: usize) -> Vec<Subset> {
    // best[n]: the highest gain of n layers of the groups so far, and the subsets that give it.
    let mut best: Vec<Option<(Seconds, Vec<Subset>)>> = vec![None; top + 1];
    best[0] = Some((Seconds::default(), Vec::new()));
    for group in groups {
        let mut next = vec![None; top + 1];
        for subset in group.subsets() {
            let gain = group.gain(subset, target);
            let size = subset.count_ones() as usize;
            for n in size..=top {
                let Some((before, chosen)) = &best[n - size] else {
                    continue;
                };
                let gain = *before + gain;
                let better = next[n].as_ref().is_none_or(|(g, _)| gain > *g);
                if better {
                    let with = chosen.iter().copied().chain([subset]).collect();
                    next[n] = Some((gain, with));
                }
            }
        }
        best = next;
    }
    let (_, chosen) = best.pop().flatten().expect("that many layers");
    chosen
}

/// One layer's part in the choice made for its group: what moving it adds to what else moves.
fn rank(group: &GroupCost, i: usize, subset: Subset, target: &Target) -> RankedLayer {
    let (with, without) = (subset | 1 << i, subset & !(1 << i));
    let (a, b) = (group.device(with, target), group.device(without, target));
    let device = DeviceTime {
        dispatch: a.dispatch - b.dispatch,
        link_to: a.link_to - b.link_to,
        compute: a.compute - b.compute,
        link_from: a.link_from - b.link_from,
    };
    let l = group.layers[i];
    let gain = l.cpu - device.total();
    RankedLayer {
        layer: l.layer,
        n: l.n,
        k: l.k,
        offload: subset >> i & 1 == 1,
        cpu: l.cpu,
        device,
        gain,
        reason: reason(l.cpu, &device, gain),
    }
}

fn reason(cpu: Seconds, device: &DeviceTime, gain: Seconds) -> String {
    let overhead = device.dispatch + device.link();
    if gain > Seconds::default() {
        format!("CPU {cpu} against {} in all", device.total())
    } else if overhead >= cpu {
        format!("launch and link cost {overhead}, more than the CPU's {cpu}")
    } else {
        format!(
            "kernel {} and launch and link {overhead} exceed the CPU's {cpu}",
            device.compute
        )
    }
}

fn decision(
    config: &SelectConfig,
    board: &Board,
    moved: usize,
    layers: usize,
    saved: Seconds,
) -> String {
    let title = format!("{} with {}", board.title, config.dispatch);
    match (config.force_top, moved) {
        (Some(_), _) if saved < Seconds::default() => format!(
            "not recommended: {moved} of {layers} layers are forced onto the {title} and cost {} a token",
            Seconds(-saved.0)
        ),
        (Some(_), _) => format!(
            "forced: {moved} of {layers} layers on the {title} save {saved} a token; \
             without --force-top the best choice is made"
        ),
        (None, 0) => format!("offload nothing: on the {title} every choice of layers would cost time"),
        (None, _) => format!("offload {moved} of {layers} layers: the {title} saves {saved} a token"),
    }
}

#[cfg(test)]
mod tests;
