//! The profiling executor: the CPU's own steps, each under a clock.

use std::time::Instant;

use crate::executor::stage_clock::{Pass, StageClock};
use crate::executor::{CpuExecutor, Executor, ExecutorError, Lap, Phase, Stage};
use crate::kernel::Cpu;
use crate::model::{GroupId, GroupKind, LinearId, LinearKind, Model};
use crate::units::{Bytes, Seconds};

/// Most times that room is made for in advance; beyond it a list grows as lists do.
const MAX_RESERVED: usize = 1 << 16;

/// Times of one thing, pass by pass.
#[derive(Debug, Default)]
pub struct Calls {
    times: Vec<Seconds>,
    /// Number of the pass that the last time is of.
    pass: usize,
}

impl Calls {
    fn with_room(passes: usize) -> Self {
        Calls {
            times: Vec::with_capacity(passes.min(MAX_RESERVED)),
            pass: 0,
        }
    }

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

/// Wraps the CPU executor and times quantisation, each linear and the output head.
///
/// A lap costs two readings of the clock at most and an index: the lists are there before the first
/// pass, and have room for every pass that is announced.
pub struct ProfilingExecutor {
    cpu: CpuExecutor,
    clock: StageClock,
    /// `[phase][block][kind]`.
    linears: Vec<Calls>,
    /// Quantising the input, `[phase][block][group]`.
    quantizing: Vec<Calls>,
    /// `[phase]`.
    heads: [Calls; 2],
    /// Bytes of the head's weights read so far, `[phase]`.
    head_bytes: [u64; 2],
    blocks: usize,
}

impl ProfilingExecutor {
    /// Profiles `cpu` on a model of `blocks` blocks, for about so many passes of each [`Phase`].
    pub fn new(cpu: CpuExecutor, blocks: usize, passes: [usize; 2]) -> Self {
        let lists = |each: usize| -> Vec<Calls> {
            let phases = passes.into_iter();
            phases
                .flat_map(|passes| (0..blocks * each).map(move |_| Calls::with_room(passes)))
                .collect()
        };
        ProfilingExecutor {
            cpu,
            clock: StageClock::default(),
            linears: lists(LinearKind::ALL.len()),
            quantizing: lists(GroupKind::ALL.len()),
            heads: passes.map(Calls::with_room),
            head_bytes: [0; 2],
            blocks,
        }
    }

    /// The executor that is profiled, to compute without being watched.
    pub fn unwatched(&mut self) -> &mut CpuExecutor {
        &mut self.cpu
    }

    /// The executor that was profiled, to go on with elsewhere.
    pub fn into_cpu(self) -> CpuExecutor {
        self.cpu
    }

    /// Every forward pass so far, stage by stage.
    pub fn passes(&self) -> &[Pass] {
        self.clock.passes()
    }

    /// Times of a linear, from int8 codes to results: sums and their rescaling.
    pub fn linear(&self, phase: Phase, id: LinearId) -> &Calls {
        &self.linears[self.at(phase, id.block, LinearKind::ALL.len()) + id.kind as usize]
    }

    /// Times of quantising the input of a group.
    pub fn quantizing(&self, phase: Phase, id: GroupId) -> &Calls {
        &self.quantizing[self.at(phase, id.block, GroupKind::ALL.len()) + id.kind as usize]
    }

    /// Times of the output head.
    pub fn head(&self, phase: Phase) -> &Calls {
        &self.heads[phase as usize]
    }

    /// Bytes of the head's weights that a call read, on average.
    pub fn head_bytes(&self, phase: Phase) -> Bytes {
        let calls = self.head(phase).times().len().max(1) as u64;
        Bytes(self.head_bytes[phase as usize] / calls)
    }

    fn at(&self, phase: Phase, block: usize, each: usize) -> usize {
        (phase as usize * self.blocks + block) * each
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
        let first = self.at(phase, group.block, LinearKind::ALL.len());
        let quantizing = self.at(phase, group.block, GroupKind::ALL.len()) + group.kind as usize;
        let (linears, quantizing) = (&mut self.linears, &mut self.quantizing[quantizing]);
        let mut start = Instant::now();
        self.cpu.measured_linears(model, group, x, y, |lap| {
            let now = Instant::now();
            let calls = match lap {
                Lap::Quantized => &mut *quantizing,
                Lap::Linear(id) => &mut linears[first + id.kind as usize],
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
        let pass = self.clock.passes().len();
        let (read, start) = (self.cpu.bytes_read(), Instant::now());
        self.cpu.lm_head(model, phase, x, top, logits)?;
        self.heads[phase as usize].add(pass, start.elapsed().into());
        self.head_bytes[phase as usize] += self.cpu.bytes_read() - read;
        Ok(())
    }

    fn cpu(&self) -> &Cpu {
        self.cpu.cpu()
    }

    fn begin(&mut self, stage: Stage, block: Option<usize>, phase: Phase) {
        self.clock.begin(stage, block, phase);
    }

    fn end(&mut self, stage: Stage, _block: Option<usize>, _phase: Phase) {
        self.clock.end(stage);
    }
}
