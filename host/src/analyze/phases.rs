//! Operators of both phases on a device, their sums, and the batch from which compute bounds each.

use std::collections::BTreeMap;

use super::config::ModelConfig;
use super::device::Device;
use super::error::{fits, AnalyzeError};
use super::operator::{operators, Counted};
use super::pass::Pass;
use super::report::{BoundShares, Operator, PhaseTotals, SweepRow};
use super::roofline::{place, Bound};
use super::weights::{bits, WeightPlan};
use super::{Workload, MAX_BATCH};
use crate::executor::Phase;

/// Batches of a sweep.
const SWEEP_BATCHES: [u64; 4] = [1, 2, 4, 16];

/// Lengths of a sweep.
const SWEEP_LENGTHS: [u64; 3] = [128, 512, 2048];

/// What is computed, and with which weights.
pub struct Task<'a> {
    /// The model.
    pub config: &'a ModelConfig,
    /// Form of its weights.
    pub plan: WeightPlan,
    /// Batch, lengths, ranks.
    pub workload: Workload,
}

impl Task<'_> {
    /// The pass of a phase that its table shows: the prompt, or the last generated token.
    fn pass(&self, phase: Phase, batch: u64) -> Pass {
        let w = &self.workload;
        match phase {
            Phase::Prefill => Pass::prefill(batch, w.prompt),
            Phase::Decode => Pass::decode(batch, w.prompt + w.generate),
        }
    }

    fn count(&self, pass: &Pass) -> Vec<Counted> {
        operators(self.config, &self.plan, pass, self.workload.tp)
    }

    /// Every operator of a phase on a device.
    pub fn operators(&self, phase: Phase, device: &Device) -> Result<Vec<Operator>, AnalyzeError> {
        let counted = self.count(&self.pass(phase, self.workload.batch));
        let mut bounds = Bounds {
            task: self,
            phase,
            device,
            known: BTreeMap::new(),
        };
        let operators = counted.iter().enumerate();
        operators
            .map(|(i, op)| report(op, phase, device, bounds.compute_bound_from(i)))
            .collect()
    }

    /// Prompts and single steps of decode at several batches and lengths, as far as the context allows.
    pub fn sweep(&self, device: &Device) -> Vec<SweepRow> {
        let most = self.config.max_positions.unwrap_or(u64::MAX);
        let mut rows = Vec::new();
        for phase in [Phase::Prefill, Phase::Decode] {
            for length in SWEEP_LENGTHS.into_iter().filter(|l| *l <= most) {
                for batch in SWEEP_BATCHES {
                    let pass = match phase {
                        Phase::Prefill => Pass::prefill(batch, length),
                        Phase::Decode => Pass::decode(batch, length),
                    };
                    let mut sums = Sums::default();
                    for op in self.count(&pass) {
                        sums.add(&op, device, 1.0);
                    }
                    rows.push(SweepRow {
                        device: device.name.clone(),
                        phase,
                        batch,
                        length,
                        time_s: sums.time,
                        tokens_per_s: sums.tokens_per_s(pass.tokens() as f64),
                    });
                }
            }
        }
        rows
    }

    /// Sums over a phase: the prompt, or all generated tokens.
    pub fn totals(&self, phase: Phase, device: &Device) -> Result<PhaseTotals, AnalyzeError> {
        let w = &self.workload;
        // Every count is linear in the context, so first and last token give the mean of all.
        let (passes, times) = match phase {
            Phase::Prefill => (vec![Pass::prefill(w.batch, w.prompt)], 1.0),
            Phase::Decode => {
                let (first, last) = (w.prompt + 1, w.prompt + w.generate);
                let passes = vec![Pass::decode(w.batch, first), Pass::decode(w.batch, last)];
                (passes, w.generate as f64 / 2.0)
            }
        };
        let mut sums = Sums::default();
        for op in passes.iter().flat_map(|pass| self.count(pass)) {
            sums.add(&op, device, times);
        }
        let new = match phase {
            Phase::Prefill => w.prompt,
            Phase::Decode => w.generate,
        };
        let tokens = fits("tokens", u128::from(w.batch) * u128::from(new))?;
        Ok(PhaseTotals {
            device: device.name.clone(),
            phase,
            tokens,
            flops: sums.flops,
            bytes: sums.bytes,
            time_s: sums.time,
            tokens_per_s: sums.tokens_per_s(tokens as f64),
            flops_share: sums.flops_share.normalised(),
            time_share: sums.time_share.normalised(),
        })
    }
}

#[derive(Default)]
struct Sums {
    flops: f64,
    bytes: f64,
    time: f64,
    missing: bool,
    flops_share: BoundShares,
    time_share: BoundShares,
}

impl Sums {
    /// Tokens a second; none if the device does not compute everything.
    fn tokens_per_s(&self, tokens: f64) -> Option<f64> {
        (!self.missing && self.time > 0.0).then(|| tokens / self.time)
    }

    fn add(&mut self, op: &Counted, device: &Device, times: f64) {
        let placed = place(op, device);
        let calls = op.calls as f64 * times;
        let flops = op.flops as f64 * calls;
        self.flops += flops;
        if !op.link {
            self.bytes += op.bytes() as f64 * calls;
        }
        let time = placed.time_s.unwrap_or_default() * calls;
        self.time += time;
        self.missing |= placed.time_s.is_none();
        self.flops_share.add(placed.bound, flops);
        self.time_share.add(placed.bound, time);
    }
}

/// Bounds of every operator at several batches, each batch counted once.
struct Bounds<'a> {
    task: &'a Task<'a>,
    phase: Phase,
    device: &'a Device,
    known: BTreeMap<u64, Vec<Bound>>,
}

impl Bounds<'_> {
    fn is_compute(&mut self, operator: usize, batch: u64) -> bool {
        let (task, phase, device) = (self.task, self.phase, self.device);
        let bounds = self.known.entry(batch).or_insert_with(|| {
            let counted = task.count(&task.pass(phase, batch));
            counted.iter().map(|op| place(op, device).bound).collect()
        });
        bounds[operator] == Bound::Compute
    }

    /// Smallest batch from which compute bounds an operator. Intensity never falls with the batch.
    fn compute_bound_from(&mut self, operator: usize) -> Option<u64> {
        if !self.is_compute(operator, MAX_BATCH) {
            return None;
        }
        let (mut low, mut high) = (1, MAX_BATCH);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.is_compute(operator, middle) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Some(high)
    }
}

fn report(
    op: &Counted,
    phase: Phase,
    device: &Device,
    compute_bound_from_batch: Option<u64>,
) -> Result<Operator, AnalyzeError> {
    let count = |what: &str, value| fits(&format!("{what} of {}", op.name), value);
    let placed = place(op, device);
    let (flops, bytes) = (op.flops, op.bytes());
    let shape = match op.gemm {
        Some(g) => Some([
            count("rows", g.m)?,
            count("columns", g.n)?,
            count("K", g.k)?,
        ]),
        None => None,
    };
    Ok(Operator {
        device: device.name.clone(),
        phase,
        name: op.name.to_string(),
        part: op.part,
        calls: op.calls,
        shape,
        weight_bits: op.gemm.and_then(|g| g.format).map(bits),
        flops: count("FLOPs", flops)?,
        weight_bytes: count("bytes", op.weight_bytes)?,
        bytes_read: count("bytes", op.read)?,
        bytes_written: count("bytes", op.written)?,
        bytes: count("bytes", bytes)?,
        intensity: (bytes > 0 && !op.link).then(|| flops as f64 / bytes as f64),
        padded_flops: count("FLOPs", placed.padded_flops)?,
        moved_bytes: count("bytes", placed.moved_bytes)?,
        bound: placed.bound,
        time_s: placed.time_s,
        compute_bound_from_batch,
    })
}
