//! The profiling executor: the CPU's own steps, each under a clock.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::executor::stage_clock::{Pass, StageClock};
use crate::executor::{CpuExecutor, Executor, ExecutorError, Lap, Phase, Stage};
use crate::kernel::Cpu;
use crate::model::{GroupId, LinearId, Model};
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
        let (sums, host) = (&mut self.sums, &mut self.host);
        let mut start = Instant::now();
        self.cpu.measured_linears(model, group, x, y, |lap| {
            let now = Instant::now();
            let calls = match lap {
                Lap::Quantized => host.entry((phase, group)).or_default(),
                Lap::Linear(id) => sums.entry((phase, id)).or_default(),
            };
            calls.add(pass, (now - start).into());
            start = now;
        });
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

    fn begin(&mut self, stage: Stage, _block: Option<usize>, phase: Phase) {
        self.clock.begin(stage, phase);
    }

    fn end(&mut self, stage: Stage, _block: Option<usize>, _phase: Phase) {
        self.clock.end(stage);
    }
}
