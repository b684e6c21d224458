//! Which layers to move to the device, how much of each, and with which kernel.
//!
//! The aim is the least time of one pass, a decode token unless asked otherwise:
//!
//! ```text
//! t(pass)  = CPU time now - sum over groups of gain(choice of the group)
//! gain(c)  = t({}) - t(c)
//! t(c)     = max( dispatch + link in + compute + link out,  CPU time of what the device does not have )
//! ```
//!
//! A choice says of each layer of a group how many rows are on the device: none, all, or some of them, and then the CPU
//! computes the others meanwhile. A group's layers share an input, so they share a launch, the transfer of the input
//! and the transfer of the sums. CPU times are warm medians
//! ([measured](crate::tier::Tier::Measured)) less the rescaling that the host does alone after a device
//! ([`LinearProfile::movable`](crate::profile::facts::LinearProfile::movable)); quantising stays on the host.
//! Device times come from [`crate::time_model`], cycles from the cycle model, for the compute units and the
//! mode that are asked for.
//!
//! **Exact.** No term links two groups, so the best choice is the best one of each group (`choose`). The geometry is
//! common to all groups; every supported one is tried. What links groups is a limit that they share: where the weights of the
//! best choices are more than the board's memory, or a number of layers is forced (`--force-top`), a table over
//! what is used of the limit finds the best choice within it. The result is the optimum of this model, and "offload
//! nothing" is among the choices. What the model does not see stands in [`crate::time_model`].
//!
//! Modes, numbers of compute units and boards are compared by [`search`].
//!
//! | module | what it is |
//! |---|---|
//! | `workload` | the pass that is looked at, and what of it is minimised |
//! | `cost` | a group's time on both sides |
//! | `target`, `cycles` | the device's work, and its cycles |
//! | `choose` | the best choice |
//! | [`search`] | modes, units and boards; which assumption would change the answer, and what a limit costs |
//! | `config`, `selection` | the question and the answer |
//! | `render`, `plan_file` | tables; the plan that `run` executes |

mod choose;
mod config;
mod cost;
mod cycles;
mod plan_file;
mod render;
pub mod search;
mod selection;
mod target;
mod workload;

use tercet_contract::Geometry;

use crate::board::{fit, Board, Fit};
use crate::device::check_cus;
use crate::model::LinearId;
use crate::profile::Profile;
use crate::time_model::{device_time, DeviceTime, Usage};
use crate::units::{Bytes, Seconds};

pub use choose::SPLIT_ROWS;
use choose::{best_choice, forced, within, Rules};
pub use config::{Limit, SelectConfig, SelectError};
pub use cost::{Choice, GroupCost, GroupTime, LayerCost};
pub use plan_file::plan_toml;
pub use render::{boards_text, flips_text, others_text, prices_text, render};
pub use selection::{HeadEstimate, Predicted, RankedLayer, Selection};
pub use target::Target;
pub use workload::{Costs, Energy, Objective, Workload};

/// Chooses layers and geometry for `board` from the times of `profile`.
pub fn select(
    profile: &Profile,
    board: &Board,
    config: &SelectConfig,
) -> Result<Selection, SelectError> {
    check_cus(config.dispatch.cus).map_err(SelectError::Cus)?;
    if matches!(config.objective, Objective::Energy { .. }) && workload::watts(board).is_none() {
        let board = board.title.clone();
        return Err(SelectError::NoPower { board });
    }
    let costs = Costs::of(profile, config.workload)?;
    let (groups, too_large) = fitting(&costs, config);
    let all: usize = groups.iter().map(|g| g.layers.len()).sum();
    if let Some(asked) = config.force_top.filter(|top| *top > all) {
        return Err(SelectError::ForceTop { asked, layers: all });
    }
    let tokens = config.workload.tokens(profile);
    let candidates = candidates(board, config, tokens)?;
    let plan = best_plan(&groups, board, config, tokens, candidates)?;
    let Plan {
        target,
        mut chosen,
        memory_limited,
        ..
    } = plan;
    let energy = energy(&groups, &mut chosen, &target, config, costs.pass, tokens);

    let predicted = predict(&groups, &chosen, &target, costs.pass);
    let mut layers = Vec::new();
    for (group, choice) in groups.iter().zip(&chosen) {
        layers.extend((0..group.layers.len()).map(|i| rank(group, i, choice, &target)));
    }
    layers.sort_by(|a, b| b.gain.0.total_cmp(&a.gain.0).then(a.layer.cmp(&b.layer)));
    let per_token = |s: Seconds| Seconds(s.0 / tokens.max(1) as f64);
    let mut selection = Selection {
        model: profile.model.clone(),
        board: board.clone(),
        geometry: target.geometry,
        dispatch: target.dispatch,
        workload: config.workload,
        tokens,
        recommended: config.force_top.is_none(),
        decision: String::new(),
        token_cpu: per_token(costs.pass),
        token_hybrid: per_token(predicted.total()),
        predicted,
        energy,
        memory_limited,
        parts: groups
            .iter()
            .zip(&chosen)
            .flat_map(|(g, c)| g.parts(*c))
            .collect(),
        layers,
        too_large,
        head: head(profile, config.workload, &target),
    };
    selection.decision = render::decision(&selection, config, costs.pass - predicted.total());
    Ok(selection)
}

/// Trits of a weight of the head: as many levels as int8 has, nearly.
const HEAD_TRITS: usize = 5;

/// What the output head would take as weights of several trits.
fn head(profile: &Profile, workload: Workload, target: &Target) -> Option<HeadEstimate> {
    let head = profile.head(workload.phase())?;
    Some(HeadEstimate {
        n: head.n,
        k: head.k,
        cpu: head.times.median_s,
        trits: HEAD_TRITS,
        device: target.time_of_digits((head.n, head.k), HEAD_TRITS)?,
    })
}

/// Groups of the layers that fit a command of the kernel, in model order, and the layers that do not.
fn fitting(costs: &Costs, config: &SelectConfig) -> (Vec<GroupCost>, Vec<LinearId>) {
    let geometry = config.geometry.unwrap_or(Geometry::DEFAULT);
    let fits = |l: &LayerCost| tercet_contract::Command::gemv(&geometry, l.n, l.k, 0, 0, 0).is_ok();
    let mut groups: Vec<GroupCost> = costs.groups.values().cloned().collect();
    let mut too_large = Vec::new();
    for group in &mut groups {
        too_large.extend(group.layers.iter().filter(|l| !fits(l)).map(|l| l.layer));
        group.layers.retain(fits);
    }
    groups.retain(|g| !g.layers.is_empty());
    (groups, too_large)
}

/// What is short of a board for compute units, but for the limit that does not count.
fn checked(board: &Board, geometry: &Geometry, weights: Bytes, config: &SelectConfig) -> Fit {
    match fit(board, geometry, config.dispatch.cus, weights) {
        Fit::Short(mut short) => {
            short.retain(|s| config.without != Some(Limit::of(s)));
            match short.is_empty() {
                true => Fit::Fits,
                false => Fit::Short(short),
            }
        }
        other => other,
    }
}

/// The geometries to try: the one asked for, or all of which the compute units fit the board. Where the board file
/// does not say what fits, they are tried, unless others are known to.
fn candidates(
    board: &Board,
    config: &SelectConfig,
    tokens: usize,
) -> Result<Vec<Geometry>, SelectError> {
    let every = || {
        std::iter::once(Geometry::DEFAULT)
            .chain(Geometry::standard())
            .collect()
    };
    let asked: Vec<Geometry> = config.geometry.map_or_else(every, |g| vec![g]);
    let cus = config.dispatch.cus;
    let (mut known, mut unknown, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for geometry in asked {
        match checked(board, &geometry, Bytes(0), config) {
            Fit::Fits => known.push(geometry),
            Fit::Unknown(_) => unknown.push(geometry),
            short => refusals.extend(short.refusal(board, &geometry, cus)),
        }
    }
    match (known.is_empty(), unknown.is_empty(), refusals.pop()) {
        (false, ..) => Ok(undominated(known, tokens)),
        (true, true, Some(refusal)) => Err(SelectError::DoesNotFit(refusal)),
        _ => Ok(undominated(unknown, tokens)),
    }
}

/// Without kernels that a smaller one of them beats: where a pass has no more tokens than a kernel takes, one for
/// more vectors streams as many weights and writes more results.
fn undominated(geometries: Vec<Geometry>, tokens: usize) -> Vec<Geometry> {
    let beats = |a: &Geometry, b: &Geometry| {
        (a.bus_bits(), a.encoding()) == (b.bus_bits(), b.encoding())
            && (tokens..b.batch()).contains(&a.batch())
    };
    let is_beaten = |b: &Geometry| geometries.iter().any(|a| beats(a, b));
    geometries
        .iter()
        .filter(|b| !is_beaten(b))
        .copied()
        .collect()
}

/// The best choices on one kernel.
struct Plan<'a> {
    target: Target<'a>,
    chosen: Vec<Choice>,
    /// What they save of the objective, but for standing costs of the board.
    gain: f64,
    memory_limited: bool,
}

/// The geometry with the highest gain, and the choice for each group. The default
/// one, or else the first that fits, stays where no other gains more, as when none gains anything. Kernels for another longest K cost the
/// same and are not tried.
fn best_plan<'a>(
    groups: &[GroupCost],
    board: &'a Board,
    config: &SelectConfig,
    tokens: usize,
    candidates: Vec<Geometry>,
) -> Result<Plan<'a>, SelectError> {
    let mut best: Option<Plan> = None;
    for geometry in candidates {
        let target = Target::new(board, geometry, config.dispatch)
            .dispatching_alone(config.alone)
            .with_tokens(tokens);
        let plan = plan_on(groups, target, config)?;
        if best.as_ref().is_none_or(|b| plan.gain > b.gain) {
            best = Some(plan);
        }
    }
    Ok(best.expect("there is a geometry"))
}

fn plan_on<'a>(
    groups: &[GroupCost],
    target: Target<'a>,
    config: &SelectConfig,
) -> Result<Plan<'a>, SelectError> {
    let rules = Rules {
        objective: config.objective,
        split: !config.whole_layers,
    };
    let mut chosen: Vec<Choice> = match config.force_top {
        None => groups
            .iter()
            .map(|g| best_choice(g, &target, &rules))
            .collect(),
        Some(top) => forced(groups, &target, &rules.objective, top),
    };
    let bytes = groups
        .iter()
        .zip(&chosen)
        .map(|(g, c)| g.bytes(c, &target))
        .sum();
    let memory = checked(target.board, &target.geometry, Bytes(bytes), config);
    let mut memory_limited = false;
    if let Fit::Short(short) = &memory {
        let capacity = short.iter().find(|s| Limit::of(s) == Limit::Memory);
        match (capacity, config.force_top) {
            (Some(capacity), None) => {
                chosen = within(groups, &target, &rules, capacity.available as u64);
                memory_limited = true;
            }
            _ => {
                let refusal = memory.refusal(target.board, &target.geometry, target.dispatch.cus);
                return Err(SelectError::DoesNotFit(refusal.unwrap_or_default()));
            }
        }
    }
    let gains = groups.iter().zip(&chosen);
    let gain = gains
        .map(|(g, c)| g.gain(c, &target, &rules.objective))
        .sum();
    Ok(Plan {
        target,
        chosen,
        gain,
        memory_limited,
    })
}

/// Energy of a token with the plan and without a board; a plan that takes more than the CPU alone is emptied, unless it
/// is forced. None if time is minimised.
fn energy(
    groups: &[GroupCost],
    chosen: &mut [Choice],
    target: &Target,
    config: &SelectConfig,
    pass: Seconds,
    tokens: usize,
) -> Option<Energy> {
    let Objective::Energy { .. } = config.objective else {
        return None;
    };
    let objective = &config.objective;
    let on_cpu: Seconds = groups.iter().map(GroupCost::cpu).sum();
    let choices = groups.iter().zip(chosen.iter());
    let moved: f64 = choices
        .map(|(g, c)| objective.cost(&g.time(c, target), target.board))
        .sum();
    let alone = objective.rest(pass, None);
    let mut hybrid = moved + objective.rest(pass - on_cpu, Some(target.board));
    let nothing = chosen.iter().all(Choice::is_none);
    if nothing || (hybrid >= alone && config.force_top.is_none()) {
        chosen.fill(Choice::NONE);
        hybrid = alone;
    }
    let per_token = |joules: f64| joules / tokens.max(1) as f64;
    Some(Energy {
        hybrid_j: per_token(hybrid),
        cpu_j: per_token(alone),
    })
}

/// The parts of a pass with some choices.
fn predict(groups: &[GroupCost], chosen: &[Choice], target: &Target, pass: Seconds) -> Predicted {
    let mut predicted = Predicted {
        host: pass,
        ..Predicted::default()
    };
    let mut usage = Usage::default();
    for (group, choice) in groups.iter().zip(chosen).filter(|(_, c)| !c.is_none()) {
        let time = group.time(choice, target);
        usage += group.usage(choice, target);
        predicted.host = predicted.host - group.cpu() + time.cpu;
        predicted.overlap += time.overlap();
        predicted.rows += choice.rows.iter().sum::<usize>();
    }
    predicted.device = device_time(target.board, &usage);
    predicted.cycles = usage.cycles;
    predicted.dispatches = usage.dispatches;
    predicted
}

/// One layer's part in the choice made for its group: what its rows add to what else moves.
fn rank(group: &GroupCost, i: usize, choice: &Choice, target: &Target) -> RankedLayer {
    let l = group.layers[i];
    let rows = choice.rows[i];
    let moved = if rows > 0 { rows } else { l.n };
    let with = group.time(&choice.with(i, moved), target);
    let without = group.time(&choice.with(i, 0), target);
    let (a, b) = (with.device, without.device);
    let device = DeviceTime {
        dispatch: a.dispatch - b.dispatch,
        link_to: a.link_to - b.link_to,
        compute: a.compute - b.compute,
        link_from: a.link_from - b.link_from,
    };
    let gain = without.total - with.total;
    RankedLayer {
        layer: l.layer,
        n: l.n,
        k: l.k,
        offload: rows > 0,
        rows,
        cpu: l.cpu,
        device,
        gain,
        reason: render::reason(&l, rows, &device, gain, with.overlap()),
    }
}

#[cfg(test)]
mod tests;
