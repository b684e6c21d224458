//! What is zero: weights, and the activations that the linears are given.
//!
//! Both are counted outside the timed passes. Weights are exact; activations are those of the prompt and of a few tokens
//! generated from it, so they are of this text.

use std::ops::ControlFlow;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checkpoint::config::HiddenAct;
use crate::executor::{CpuExecutor, Executor, ExecutorError, Phase};
use crate::generate::{generate, GenerateError, GenerateOptions, Sampling};
use crate::kernel::Cpu;
use crate::model::{GroupId, GroupKind, LinearId, LinearKind, Model};

/// Tokens that are generated for the statistics of activations.
const TOKENS: usize = 8;

/// What is zero in a model, and in what it computes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Every ternary linear.
    pub weights: Vec<WeightStatistics>,
    /// Inputs of every group of linears.
    pub activations: Vec<ActivationStatistics>,
}

/// The weights of a linear.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightStatistics {
    /// Which linear.
    pub layer: LinearId,
    /// Share of weights that are 0, 0 to 1.
    pub zero_share: f64,
    /// Share of weights that are +1.
    pub plus_share: f64,
    /// Entropy, bits a weight; at most 1.585.
    pub entropy_bits: f64,
    /// Weight scale as stored.
    pub scale: f32,
}

/// The input of a group of linears.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationStatistics {
    /// Block of the group.
    pub block: usize,
    /// Which group.
    pub group: GroupKind,
    /// Share of int8 codes that are 0: columns that need not be read.
    pub zero_share: f64,
    /// Of gate and up, the share of gates that are closed: rows of `up` that need not be read. None elsewhere, and of an
    /// activation function that closes no gate.
    pub closed_gates: Option<f64>,
}

/// Counts what is zero in the weights, and in generating from `prompt`.
pub(super) fn statistics(
    model: &Model,
    cpu: &mut CpuExecutor,
    prompt: &[u32],
) -> Result<Statistics, GenerateError> {
    let ids: Vec<LinearId> = model.linear_ids().collect();
    let weights = ids.into_par_iter().map(|layer| {
        let linear = model.linear(layer);
        let counts = linear.counts();
        let [_, zero_share, plus_share] = counts.shares();
        WeightStatistics {
            layer,
            zero_share,
            plus_share,
            entropy_bits: counts.entropy_bits(),
            scale: linear.scale(),
        }
    });
    let mut counting = Counting {
        cpu,
        counts: Vec::new(),
    };
    let options = GenerateOptions {
        max_tokens: TOKENS,
        sampling: Sampling::GREEDY,
        stop_ids: Vec::new(),
    };
    generate(model, &mut counting, prompt, &options, &mut |_| {
        ControlFlow::Continue(())
    })?;
    let mut activations: Vec<(GroupId, Counts)> = counting.counts;
    activations.sort_by_key(|(id, _)| *id);
    Ok(Statistics {
        weights: weights.collect(),
        activations: activations
            .into_iter()
            .map(|(id, c)| c.shares(id))
            .collect(),
    })
}

/// What has been counted of a group.
#[derive(Clone, Copy, Default)]
struct Counts {
    codes: u64,
    zeros: u64,
    gates: u64,
    closed: u64,
}

impl Counts {
    fn shares(self, id: GroupId) -> ActivationStatistics {
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        ActivationStatistics {
            block: id.block,
            group: id.kind,
            zero_share: share(self.zeros, self.codes),
            closed_gates: (self.gates > 0).then(|| share(self.closed, self.gates)),
        }
    }
}

/// The CPU, with its inputs looked at.
struct Counting<'a> {
    cpu: &'a mut CpuExecutor,
    counts: Vec<(GroupId, Counts)>,
}

impl Counting<'_> {
    fn of(&mut self, id: GroupId) -> &mut Counts {
        let known = self.counts.iter().position(|(other, _)| *other == id);
        let at = known.unwrap_or_else(|| {
            self.counts.push((id, Counts::default()));
            self.counts.len() - 1
        });
        &mut self.counts[at].1
    }
}

impl Executor for Counting<'_> {
    fn linears(
        &mut self,
        model: &Model,
        group: GroupId,
        phase: Phase,
        x: &[f32],
        y: &mut [&mut [f32]],
    ) -> Result<(), ExecutorError> {
        self.cpu.linears(model, group, phase, x, y)?;
        let ids: Vec<LinearId> = group.linear_ids().collect();
        let codes = self.cpu.quantize(x, model.linear(ids[0]).k());
        let counts = self.of(group);
        for t in 0..codes.tokens() {
            let codes = codes.codes(t);
            counts.codes += codes.len() as u64;
            counts.zeros += codes.iter().filter(|c| **c == 0).count() as u64;
        }
        let gate = ids.iter().position(|id| id.kind == LinearKind::Gate);
        if let Some(gate) = gate.filter(|_| model.config().hidden_act == HiddenAct::Relu2) {
            counts.gates += y[gate].len() as u64;
            counts.closed += y[gate].iter().filter(|g| **g <= 0.0).count() as u64;
        }
        Ok(())
    }

    fn lm_head(
        &mut self,
        model: &Model,
        phase: Phase,
        x: &[f32],
        top: Option<usize>,
        logits: &mut [f32],
    ) -> Result<(), ExecutorError> {
        self.cpu.lm_head(model, phase, x, top, logits)
    }

    fn cpu(&self) -> &Cpu {
        self.cpu.cpu()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Source;

    #[test]
    fn zeros_are_counted_group_by_group() {
        let model = Model::load(&Source::Embedded).unwrap();
        let mut cpu = CpuExecutor::new(1).unwrap();
        let found = statistics(&model, &mut cpu, &[1, 2, 3]).unwrap();
        let blocks = model.config().num_hidden_layers;
        assert_eq!(found.weights.len(), 7 * blocks);
        assert_eq!(found.activations.len(), 4 * blocks);
        for w in &found.weights {
            assert!(w.zero_share > 0.0 && w.zero_share < 1.0, "{w:?}");
            assert!(w.entropy_bits > 0.5 && w.entropy_bits < 1.585, "{w:?}");
        }
        for a in &found.activations {
            assert!((0.0..1.0).contains(&a.zero_share), "{a:?}");
            assert_eq!(a.closed_gates.is_some(), a.group == GroupKind::GateUp);
        }
        // A closed gate makes the input of `down` zero.
        let of = |kind| found.activations.iter().filter(move |a| a.group == kind);
        for (gate, down) in of(GroupKind::GateUp).zip(of(GroupKind::Down)) {
            assert!(down.zero_share >= gate.closed_gates.unwrap() - 1e-9);
        }
    }
}
