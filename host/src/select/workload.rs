//! What is to be made short: which pass, and its time or its energy.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::cost::{GroupCost, GroupTime, LayerCost};
use super::SelectError;
use crate::board::Board;
use crate::executor::{Phase, Stage};
use crate::model::{GroupId, LinearKind};
use crate::profile::Profile;
use crate::units::Seconds;

/// The pass that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// The prompt of the profile, all its tokens at once.
    Prefill,
    /// One further token of each of some sequences.
    Decode {
        /// Sequences: 1 to 4.
        batch: usize,
        /// Tokens before it, for attention; as profiled if none.
        context: Option<usize>,
    },
}

impl Workload {
    /// One token of one sequence.
    pub const TOKEN: Workload = Workload::Decode {
        batch: 1,
        context: None,
    };

    /// Tokens of the pass.
    pub fn tokens(self, profile: &Profile) -> usize {
        match self {
            Workload::Prefill => profile.prompt_tokens,
            Workload::Decode { batch, .. } => batch,
        }
    }

    /// Prompt or generation.
    pub(super) fn phase(self) -> Phase {
        match self {
            Workload::Prefill => Phase::Prefill,
            Workload::Decode { .. } => Phase::Decode,
        }
    }

    /// Whether every CPU time is measured: not where attention is scaled to a context, or a batch is made up of what
    /// one sequence takes.
    pub fn is_measured(self) -> bool {
        matches!(
            self,
            Workload::Prefill
                | Workload::Decode {
                    batch: 1,
                    context: None
                }
        )
    }
}

impl Default for Workload {
    fn default() -> Self {
        Workload::TOKEN
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::Prefill => f.write_str("prompt"),
            Workload::Decode { batch: 1, .. } => f.write_str("decode token"),
            Workload::Decode { batch, .. } => write!(f, "decode step of {batch} sequences"),
        }
    }
}

/// CPU times of a pass.
pub struct Costs {
    /// The whole pass.
    pub pass: Seconds,
    /// Ternary linears by group, in model order.
    pub groups: BTreeMap<GroupId, GroupCost>,
}

impl Costs {
    /// Those that `profile` has of `workload`.
    ///
    /// Of a batch, the linears are measured with as many tokens; the output head reads its weights once for all of them,
    /// and everything else takes as often as long as for one sequence. Attention grows with the context.
    pub fn of(profile: &Profile, workload: Workload) -> Result<Costs, SelectError> {
        let phase = workload.phase();
        let missing = || SelectError::NoTimes {
            model: profile.model.clone(),
            what: workload.to_string(),
        };
        let measured = profile.pass_median(phase).ok_or_else(missing)?;
        let linears: Vec<_> = profile.linears(phase).collect();
        if linears.is_empty() {
            return Err(missing());
        }
        let mut layers: Vec<LayerCost> = linears
            .iter()
            .map(|l| LayerCost {
                layer: l.layer,
                n: l.n,
                k: l.k,
                cpu: l.movable(),
                beside: l.movable(),
            })
            .collect();
        let mut pass = measured;
        if let Workload::Decode { batch, context } = workload {
            if let Some(context) = context {
                let attention = stage(profile, phase, Stage::Attention);
                pass += Seconds(attention.0 * (context as f64 / mean_context(profile) - 1.0));
            }
            if batch > 1 {
                let times = profile.batch(batch).ok_or_else(missing)?;
                let of_one: Seconds = linears.iter().map(|l| l.times.median_s).sum();
                let of_all: Seconds = times.linears.iter().map(|l| l.time_s).sum();
                let head = profile
                    .head(phase)
                    .map_or_else(Seconds::default, |h| h.times.median_s);
                let others = pass - of_one - head;
                pass = Seconds(others.0 * batch as f64) + head + of_all;
                for (layer, time) in layers.iter_mut().zip(&times.linears) {
                    layer.cpu = time.movable();
                    layer.beside = time.movable();
                }
            }
        }
        let mut groups = BTreeMap::new();
        for layer in layers {
            let id = layer.layer.group();
            let group = groups.entry(id).or_insert_with(|| GroupCost {
                id,
                layers: Vec::new(),
            });
            group.layers.push(layer);
        }
        for group in groups.values_mut() {
            without_closed_gates(group);
        }
        Ok(Costs { pass, groups })
    }
}

/// Beside a device, `up` does not know which gates are closed: it takes what the gate takes, which is of the same shape.
fn without_closed_gates(group: &mut GroupCost) {
    let of = |kind| move |l: &&LayerCost| l.layer.kind == kind;
    let Some(gate) = group.layers.iter().find(of(LinearKind::Gate)).copied() else {
        return;
    };
    for up in &mut group.layers {
        if up.layer.kind == LinearKind::Up && up.n == gate.n && up.beside < gate.cpu {
            up.beside = gate.cpu;
        }
    }
}

fn stage(profile: &Profile, phase: Phase, stage: Stage) -> Seconds {
    let times = profile
        .stages
        .iter()
        .find(|s| s.phase == phase && s.stage == stage);
    times.map_or_else(Seconds::default, |s| s.times.median_s)
}

/// Tokens before the median decode token of the profile.
fn mean_context(profile: &Profile) -> f64 {
    (profile.prompt_tokens as f64 + profile.generated_tokens as f64 / 2.0).max(1.0)
}

/// What is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Time of the pass.
    #[default]
    Time,
    /// Energy of the pass: of the CPU while it computes, and of the board.
    Energy {
        /// What the CPU draws more while it computes than while it waits, in W.
        cpu_w: f64,
    },
}

impl Objective {
    /// Seconds, or joules.
    pub fn cost(&self, time: &GroupTime, board: &Board) -> f64 {
        match self {
            Objective::Time => time.total.0,
            Objective::Energy { cpu_w } => {
                let (idle, active) = watts(board).unwrap_or_default();
                let busy = time.device.total().0;
                cpu_w * time.cpu.0 + active * busy + idle * (time.total.0 - busy)
            }
        }
    }

    /// The same of what is on the CPU whatever is chosen: `board` if one is there.
    pub fn rest(&self, time: Seconds, board: Option<&Board>) -> f64 {
        match self {
            Objective::Time => time.0,
            Objective::Energy { cpu_w } => {
                let idle = board.and_then(watts).map_or(0.0, |w| w.0);
                (cpu_w + idle) * time.0
            }
        }
    }
}

/// What a board draws while it waits and while it works, in W. A board whose idle power nobody has told draws its
/// active power all the time.
pub fn watts(board: &Board) -> Option<(f64, f64)> {
    let power = board.extras.power.as_ref()?;
    let active = power.active_w.as_ref().or(power.max_w.as_ref())?.value;
    let idle = power.idle_w.as_ref().map_or(active, |f| f.value);
    Some((idle, active))
}

/// Joules of a pass on a board, and of the same pass without.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Energy {
    /// CPU and board, J a token; what the CPU draws while it waits is not in it.
    pub hybrid_j: f64,
    /// The CPU alone, J a token.
    pub cpu_j: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupKind;

    #[test]
    fn up_beside_a_device_takes_what_the_gate_takes() {
        let id = GroupId {
            block: 0,
            kind: GroupKind::GateUp,
        };
        let us = |layer: LinearKind| {
            if layer == LinearKind::Gate {
                80.0
            } else {
                30.0
            }
        };
        let layer = |layer: crate::model::LinearId| {
            let cpu = Seconds::from_us(us(layer.kind));
            LayerCost {
                layer,
                n: 6912,
                k: 2560,
                cpu,
                beside: cpu,
            }
        };
        let mut group = GroupCost {
            id,
            layers: id.linear_ids().map(layer).collect(),
        };
        without_closed_gates(&mut group);
        let us: Vec<_> = group
            .layers
            .iter()
            .map(|l| (l.cpu.us().round(), l.beside.us().round()))
            .collect();
        assert_eq!(us, [(80.0, 80.0), (30.0, 80.0)]);
    }

    #[test]
    fn a_board_without_idle_power_draws_its_active_power() {
        let board = Board::find("u280").unwrap();
        let (idle, active) = watts(&board).unwrap();
        assert_eq!(idle, active);
        let objective = Objective::Energy { cpu_w: 20.0 };
        let time = GroupTime {
            cpu: Seconds(1.0),
            total: Seconds(1.0),
            ..GroupTime::default()
        };
        let joules = objective.cost(&time, &board);
        assert!((joules - 20.0 - idle).abs() < 1e-9);
        assert_eq!(objective.rest(Seconds(2.0), None), 40.0);
    }
}
