//! The hybrid executor: some linears on a device, the rest on the CPU, the same bits.
//!
//! Activations are quantised and sums rescaled by the code that the CPU executor uses; the device
//! only replaces exact int32 sums, so tokens do not change when a layer moves.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::stage_clock::{Pass, StageClock};
use super::{CpuExecutor, Executor, ExecutorError, Phase, Stage};
use crate::device::{DeviceError, DeviceSession};
use crate::kernel::Cpu;
use crate::model::{rescale, GroupId, LinearId, LinearKind, Model};

/// What happens when a device fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFault {
    /// Its layers move back to the CPU, and the run goes on with the same tokens.
    #[default]
    Cpu,
    /// The run ends with the error.
    Stop,
}

/// How a device is watched, and what happens when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPolicy {
    /// What happens.
    pub on_fault: OnFault,
    /// Every so many dispatches, a row of the results is computed on the CPU too and compared; 0 for never.
    pub check_every: u64,
}

impl Default for FaultPolicy {
    fn default() -> Self {
        FaultPolicy {
            on_fault: OnFault::Cpu,
            check_every: CHECK_EVERY,
        }
    }
}

/// Dispatches between two that are checked, by default.
pub const CHECK_EVERY: u64 = 8;

/// Dispatches at the start of which every one is checked, if any is: what is wrong from the start is found at once.
const CHECKED_FIRST: u64 = 64;

/// A failure that a run has survived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFault {
    /// Layers that the device was asked for; none if it could not be opened.
    pub layers: Vec<LinearId>,
    /// Prompt or generation.
    pub phase: Option<Phase>,
    /// Forward pass in which it failed, from 0.
    pub pass: usize,
    /// Dispatches that had gone well.
    pub dispatches: u64,
    /// What went wrong.
    pub error: String,
}

impl DeviceFault {
    /// A device that could not be opened or loaded.
    pub fn at_start(error: &DeviceError) -> Self {
        DeviceFault {
            layers: Vec::new(),
            phase: None,
            pass: 0,
            dispatches: 0,
            error: error.to_string(),
        }
    }
}

/// The CPU with a device beside it, or alone; stages are timed in either case.
pub struct HybridExecutor {
    cpu: CpuExecutor,
    session: Option<DeviceSession>,
    faults: FaultPolicy,
    /// The failure after which the CPU does everything.
    fault: Option<DeviceFault>,
    dispatches: u64,
    clock: StageClock,
}

impl HybridExecutor {
    /// Layers of the session's image run on its device; without a session nothing does. A device that fails
    /// ends the run.
    pub fn new(cpu: CpuExecutor, session: Option<DeviceSession>) -> Self {
        let stop = FaultPolicy {
            on_fault: OnFault::Stop,
            check_every: 0,
        };
        HybridExecutor::with_faults(cpu, session, stop, None)
    }

    /// The same with a policy; `fault` is what has happened already.
    pub fn with_faults(
        cpu: CpuExecutor,
        session: Option<DeviceSession>,
        faults: FaultPolicy,
        fault: Option<DeviceFault>,
    ) -> Self {
        HybridExecutor {
            cpu,
            session,
            faults,
            fault,
            dispatches: 0,
            clock: StageClock::default(),
        }
    }

    /// The failure that the run has survived.
    pub fn fault(&self) -> Option<&DeviceFault> {
        self.fault.as_ref()
    }

    /// [`HybridExecutor::finish`]; what fails there is a fault like any other.
    pub fn finish_or_note(&mut self) -> Result<(), DeviceError> {
        if self.fault.is_some() {
            return Ok(());
        }
        match self.finish() {
            Err(e) if self.faults.on_fault == OnFault::Cpu && e.is_of_the_device() => {
                self.fault = Some(DeviceFault {
                    pass: self.clock.passes().len(),
                    dispatches: self.dispatches,
                    ..DeviceFault::at_start(&e)
                });
                Ok(())
            }
            ended => ended,
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
        let device = self.session.as_mut().filter(|_| self.fault.is_none());
        let Some(session) = device.filter(|s| s.has(group)) else {
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
        let ran = session.run(group, &codes, &mut |t, kind, acc| {
            let i = index(kind).expect("a linear of the group");
            let n = acc.len();
            let all = sums[i].get_or_insert_with(|| vec![0; codes.len() * n]);
            all[t * n..(t + 1) * n].copy_from_slice(acc);
        });
        // A card's wall time is its time.
        if session.device().is_simulated() {
            self.clock.device(session.usage() - before, start.elapsed());
        }
        let name = session.device().name();
        let checked = ran.and_then(|()| match self.faults.is_checked(self.dispatches) {
            true => check_a_row(name, self.dispatches, model, &ids, &codes, &sums),
            false => Ok(()),
        });
        if let Err(e) = checked {
            if self.faults.on_fault == OnFault::Stop || !e.is_of_the_device() {
                return Err(ExecutorError::Device(Box::new(e)));
            }
            self.fault = Some(DeviceFault {
                layers: ids,
                phase: Some(phase),
                pass: self.clock.passes().len().saturating_sub(1),
                dispatches: self.dispatches,
                error: e.to_string(),
            });
            return self.cpu.linears(model, group, phase, x, y);
        }
        self.dispatches += 1;

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

impl FaultPolicy {
    fn is_checked(self, dispatch: u64) -> bool {
        self.check_every > 0
            && (dispatch < CHECKED_FIRST || dispatch.is_multiple_of(self.check_every))
    }
}

/// Compares a row of the last token, another one in each dispatch, with its exact sum.
fn check_a_row(
    device: &'static str,
    dispatch: u64,
    model: &Model,
    ids: &[LinearId],
    codes: &[&[i8]],
    sums: &[Option<Vec<i32>>],
) -> Result<(), DeviceError> {
    let offloaded: Vec<_> = ids
        .iter()
        .zip(sums)
        .filter_map(|(id, sums)| Some((*id, sums.as_ref()?)))
        .collect();
    if offloaded.is_empty() {
        return Ok(());
    }
    let (layer, sums) = offloaded[dispatch as usize % offloaded.len()];
    let n = sums.len() / codes.len();
    // A stride without a common factor with most sizes, so that rows of all compute units have their turn.
    let row = (dispatch as usize).wrapping_mul(7919) % n;
    let token = codes.len() - 1;
    let expected = model.linear(layer).weights().row_sum(row, codes[token]);
    let found = sums[token * n + row];
    match found == expected {
        true => Ok(()),
        false => Err(DeviceError::WrongResult {
            device,
            layer,
            row,
            found,
            expected,
        }),
    }
}
