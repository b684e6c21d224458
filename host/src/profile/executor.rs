//! The profiling executor: the CPU's own steps, each under a clock.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::executor::stage_clock::{Pass, StageClock};
use crate::executor::{CpuExecutor, Executor, ExecutorError, Phase, Stage};
use crate::kernel::Cpu;
use crate::model::{rescale, GroupId, LinearId, Model};
use crate::units::Seconds;

/// Times of one thing, pass by pass.
#[derive(Debug, Default)]
pub struct Calls {
    times: Vec<Seconds>,
    /// Number of the pass that the last time is of.
    pass: usize,
}

impl Calls {
    /// Times, one for each pass.
    pub fn times(&self) -> &[Seconds] {
        &self.times
    }

    /// A call in a pass; the chunks of a long prompt are one.
    fn add(&mut self, pass: usize, time: Seconds) {
        match self.times.last_mut() {
            Some(last) if self.pass == pass => *last += time,
            _ => self.times.push(time),
        }
        self.pass = pass;
    }
}

/// Wraps the CPU executor and times quantisation, sums and rescaling apart.
///
/// A device replaces only the sums; what it cannot save is timed as `host` of the group.
pub struct ProfilingExecutor {
    cpu: CpuExecutor,
    clock: StageClock,
    sums: BTreeMap<(Phase, LinearId), Calls>,
    host: BTreeMap<(Phase, GroupId), Calls>,
}

impl ProfilingExecutor {
    /// Profiles `cpu`.
    pub fn new(cpu: CpuExecutor) -> Self {
        ProfilingExecutor {
            cpu,
            clock: StageClock::default(),
            sums: BTreeMap::new(),
            host: BTreeMap::new(),
        }
    }

    /// Every forward pass so far, stage by stage.
    pub fn passes(&self) -> &[Pass] {
        self.clock.passes()
    }

    /// Times of the ternary sums of each linear.
    pub fn sums(&self) -> &BTreeMap<(Phase, LinearId), Calls> {
        &self.sums
    }

    /// Times of quantising the input and rescaling the outputs of each group.
    pub fn host(&self) -> &BTreeMap<(Phase, GroupId), Calls> {
        &self.host
    }
}

impl Executor for ProfilingExecutor {
    fn linears(
        &mut self,
        model: &Model,
        group: GroupId,
        phase: Phase,
        x: &[f32],
        y: &mut [&mut [f32]],
    ) -> Result<(), ExecutorError> {
        let pass = self.clock.passes().len();
        let mut host = Seconds::default();
        let mut activations = None;
        let mut acc = Vec::new();
        for (id, y) in group.linear_ids().zip(y.iter_mut()) {
            let w = model.linear(id);
            let start = Instant::now();
            let activations = activations.get_or_insert_with(|| self.cpu.quantize(x, w.k()));
            host += start.elapsed().into();

            acc.resize(y.len(), 0);
            let start = Instant::now();
            self.cpu.sums_of(w, activations, &mut acc);
            let sums = start.elapsed();
            let calls = self.sums.entry((phase, id)).or_default();
            calls.add(pass, sums.into());

            let start = Instant::now();
            rescale(w, &acc, activations.scales(), y);
            host += start.elapsed().into();
        }
        let calls = self.host.entry((phase, group)).or_default();
        calls.add(pass, host);
        Ok(())
    }

    fn lm_head(
        &mut self,
        model: &Model,
        phase: Phase,
        x: &[f32],
        logits: &mut [f32],
    ) -> Result<(), ExecutorError> {
        self.cpu.lm_head(model, phase, x, logits)
    }

    fn cpu(&self) -> &Cpu {
        self.cpu.cpu()
    }

    fn begin(&mut self, stage: Stage, _block: Option<usize>, phase: Phase) {
        self.clock.begin(stage, phase);
    }

    fn end(&mut self, stage: Stage, _block: Option<usize>, _phase: Phase) {
        self.clock.end(stage);
    }
}
