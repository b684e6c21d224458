//! The hybrid executor: some linears on a device, the rest on the CPU, the same bits.
//!
//! Activations are quantised and sums rescaled by the code that the CPU executor uses; the device
//! only replaces exact int32 sums, so tokens do not change when a layer moves.

use std::time::Instant;

use super::stage_clock::{Pass, StageClock};
use super::{CpuExecutor, Executor, ExecutorError, Phase, Stage};
use crate::device::{DeviceError, DeviceSession};
use crate::kernel::Cpu;
use crate::model::{rescale, GroupId, LinearKind, Model};

/// The CPU with a device beside it, or alone; stages are timed in either case.
pub struct HybridExecutor {
    cpu: CpuExecutor,
    session: Option<DeviceSession>,
    clock: StageClock,
}

impl HybridExecutor {
    /// Layers of the session's image run on its device; without a session nothing does.
    pub fn new(cpu: CpuExecutor, session: Option<DeviceSession>) -> Self {
        HybridExecutor {
            cpu,
            session,
            clock: StageClock::default(),
        }
    }

    /// The CPU part, to go on with elsewhere.
    pub fn into_cpu(self) -> CpuExecutor {
        self.cpu
    }

    /// The device and what it has done.
    pub fn session(&self) -> Option<&DeviceSession> {
        self.session.as_ref()
    }

    /// Ends what the device writes beside its results, such as a waveform.
    pub fn finish(&mut self) -> Result<(), DeviceError> {
        self.session.as_mut().map_or(Ok(()), |s| s.finish())
    }

    /// Every forward pass so far, stage by stage.
    pub fn passes(&self) -> &[Pass] {
        self.clock.passes()
    }
}

impl Executor for HybridExecutor {
    fn linears(
        &mut self,
        model: &Model,
        group: GroupId,
        phase: Phase,
        x: &[f32],
        y: &mut [&mut [f32]],
    ) -> Result<(), ExecutorError> {
        let Some(session) = self.session.as_mut().filter(|s| s.has(group)) else {
            return self.cpu.linears(model, group, phase, x, y);
        };
        let ids: Vec<_> = group.linear_ids().collect();
        let activations = self.cpu.quantize(x, model.linear(ids[0]).k());
        let codes: Vec<&[i8]> = (0..activations.tokens())
            .map(|t| activations.codes(t))
            .collect();

        let mut sums: Vec<Option<Vec<i32>>> = vec![None; ids.len()];
        let index = |kind: LinearKind| ids.iter().position(|id| id.kind == kind);
        let (before, start) = (session.usage(), Instant::now());
        session
            .run(group, &codes, &mut |t, kind, acc| {
                let i = index(kind).expect("a linear of the group");
                let n = acc.len();
                let all = sums[i].get_or_insert_with(|| vec![0; codes.len() * n]);
                all[t * n..(t + 1) * n].copy_from_slice(acc);
            })
            .map_err(|e| ExecutorError::Device(Box::new(e)))?;
        self.clock.device(session.usage() - before, start.elapsed());

        for ((id, y), sums) in ids.iter().zip(y.iter_mut()).zip(sums) {
            let w = model.linear(*id);
            let acc = sums.unwrap_or_else(|| {
                let mut acc = vec![0; y.len()];
                self.cpu.sums_of(w, &activations, &mut acc);
                acc
            });
            rescale(w, &acc, &activations, y);
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

    fn begin(&mut self, stage: Stage, _block: Option<usize>, phase: Phase) {
        self.clock.begin(stage, phase);
    }

    fn end(&mut self, stage: Stage, _block: Option<usize>, _phase: Phase) {
        self.clock.end(stage);
    }
}
