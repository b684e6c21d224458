//! The hybrid executor: some linears, or some of their rows, on a device, the rest on the CPU, the same bits.
//!
//! What the CPU has of a group, it computes while the device works. A simulated device takes the CPU's cores, so
//! there they take turns, and the clock is told which times stand side by side.
//!
//! Activations are quantised and sums rescaled by the code that the CPU executor uses; the device
//! only replaces exact int32 sums, so tokens do not change when a layer moves.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rest::Rests;
use super::stage_clock::{Pass, StageClock};
use super::{CpuExecutor, Executor, ExecutorError, Phase, Stage};
use crate::device::{DeviceError, DeviceSession};
use crate::kernel::Cpu;
use crate::model::{GroupId, LinearId, LinearKind, Model};
use crate::time_model::Usage;

/// What happens when a device fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What the CPU has of layers that it shares with the device.
    rests: Rests,
    /// What a simulated device gave in the last decode pass.
    record: BTreeMap<GroupId, Recorded>,
    /// Whether that is given again instead of asking the device.
    replays: bool,
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
            rests: Rests::default(),
            record: BTreeMap::new(),
            replays: false,
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

    /// Has `task` run with the device's sums of the last decode pass in the place of the device, and returns the passes:
    /// what the host does then is timed without a simulation beside it. Tokens mean nothing. None if there was no such
    /// pass.
    pub fn replay<E>(
        &mut self,
        task: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<Option<Vec<Pass>>, E> {
        if self.record.is_empty() || self.fault.is_some() {
            return Ok(None);
        }
        let clock = std::mem::take(&mut self.clock);
        self.replays = true;
        let ran = task(self);
        self.replays = false;
        let replayed = std::mem::replace(&mut self.clock, clock);
        ran.map(|()| Some(replayed.passes().to_vec()))
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

        // Rows of each layer on the device; the CPU has the others.
        let on_device = session.layers(group);
        let rows = |id: &LinearId| on_device.iter().find(|(kind, _)| *kind == id.kind);
        let rows: Vec<usize> = ids.iter().map(|id| rows(id).map_or(0, |r| r.1)).collect();
        let parts = ids.iter().copied().zip(rows.iter().copied());
        let left: Vec<(LinearId, usize)> = parts
            .filter(|(id, rows)| *rows < model.linear(*id).n())
            .collect();
        let start = Instant::now();
        let split = left.iter().copied().filter(|(_, rows)| *rows > 0);
        self.rests.prepare(model, split);
        self.clock.device(Usage::default(), start.elapsed());

        let (rests, cpu) = (&self.rests, &mut self.cpu);
        let mut on_cpu = || {
            let sums = |part: &(LinearId, usize)| rests.sums(cpu, model, *part, &activations);
            left.iter().map(sums).collect::<Vec<_>>()
        };
        let (before, name) = (session.usage(), session.device().name());
        let replayed = self.record.get(&group).filter(|_| self.replays);
        let (ran, cpu_sums) = if let Some(recorded) = replayed {
            let start = Instant::now();
            let sums = on_cpu();
            if !left.is_empty() {
                self.clock.together(recorded.usage, start.elapsed());
            }
            (Ok(recorded.repeated(codes.len())), sums)
        } else if session.device().is_simulated() {
            // One after the other, for the simulation would take the CPU's cores; the times are laid side by side.
            let start = Instant::now();
            let ran = device_sums(session, group, &codes);
            let usage = session.usage() - before;
            if let (Ok(sums), 1) = (&ran, codes.len()) {
                let sums = sums.clone();
                self.record.insert(group, Recorded { sums, usage });
            }
            self.clock.device(usage, start.elapsed());
            let start = Instant::now();
            let sums = on_cpu();
            if !left.is_empty() {
                self.clock.together(usage, start.elapsed());
            }
            (ran, sums)
        } else if left.is_empty() {
            (device_sums(session, group, &codes), Vec::new())
        } else {
            // A card's wall time is its time, and the CPU does not wait for it.
            thread::scope(|scope| {
                let device = scope.spawn(|| device_sums(session, group, &codes));
                let sums = on_cpu();
                let ran = device.join();
                (ran.unwrap_or_else(|panic| resume_unwind(panic)), sums)
            })
        };
        let is_checked = !self.replays && self.faults.is_checked(self.dispatches);
        let checked = ran.and_then(|sums| match is_checked {
            true => check_a_row(name, self.dispatches, model, group.block, &codes, sums),
            false => Ok(sums),
        });
        let device_sums = match checked {
            Ok(sums) => sums,
            Err(e) if self.faults.on_fault == OnFault::Stop || !e.is_of_the_device() => {
                return Err(ExecutorError::Device(Box::new(e)));
            }
            Err(e) => {
                self.fault = Some(DeviceFault {
                    layers: ids,
                    phase: Some(phase),
                    pass: self.clock.passes().len().saturating_sub(1),
                    dispatches: self.dispatches,
                    error: e.to_string(),
                });
                return self.cpu.linears(model, group, phase, x, y);
            }
        };
        self.dispatches += u64::from(!self.replays);

        let mut cpu_sums = cpu_sums.into_iter();
        for ((id, y), rows) in ids.iter().zip(y.iter_mut()).zip(rows) {
            let w = model.linear(*id);
            let first = device_sums.get(&id.kind).map_or(&[][..], Vec::as_slice);
            let rest = match rows < w.n() {
                true => cpu_sums.next().expect("the CPU's part of each layer left"),
                false => Vec::new(),
            };
            for (t, y) in y.chunks_exact_mut(w.n()).enumerate() {
                let (y_first, y_rest) = y.split_at_mut(rows);
                let left = w.n() - rows;
                w.rescale(&first[t * rows..][..rows], activations.scale(t), y_first);
                w.rescale(&rest[t * left..][..left], activations.scale(t), y_rest);
            }
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

    fn begin(&mut self, stage: Stage, block: Option<usize>, phase: Phase) {
        self.clock.begin(stage, block, phase);
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

/// What a device gave for one token of a group.
struct Recorded {
    sums: DeviceSums,
    usage: Usage,
}

impl Recorded {
    /// The same for each of several tokens.
    fn repeated(&self, tokens: usize) -> DeviceSums {
        let sums = self.sums.iter();
        sums.map(|(kind, sums)| (*kind, sums.repeat(tokens)))
            .collect()
    }
}

/// Sums of the device's rows of each layer, `[T, rows]`.
type DeviceSums = BTreeMap<LinearKind, Vec<i32>>;

fn device_sums(
    session: &mut DeviceSession,
    group: GroupId,
    codes: &[&[i8]],
) -> Result<DeviceSums, DeviceError> {
    let mut sums = DeviceSums::new();
    // Tokens come one after the other, and with each all its layers.
    session.run(group, codes, &mut |_, kind, acc| {
        sums.entry(kind).or_default().extend_from_slice(acc);
    })?;
    Ok(sums)
}

/// Compares a row of the last token, another one in each dispatch, with its exact sum; the sums if they agree.
fn check_a_row(
    device: &'static str,
    dispatch: u64,
    model: &Model,
    block: usize,
    codes: &[&[i8]],
    sums: DeviceSums,
) -> Result<DeviceSums, DeviceError> {
    let Some((&kind, of_layer)) = sums.iter().nth(dispatch as usize % sums.len().max(1)) else {
        return Ok(sums);
    };
    let layer = LinearId { block, kind };
    let n = of_layer.len() / codes.len();
    // A stride without a common factor with most sizes, so that rows of all compute units have their turn.
    let row = (dispatch as usize).wrapping_mul(7919) % n;
    let token = codes.len() - 1;
    let expected = model.linear(layer).weights().row_sum(row, codes[token]);
    let found = of_layer[token * n + row];
    match found == expected {
        true => Ok(sums),
        false => Err(DeviceError::WrongResult {
            device,
            layer,
            row,
            found,
            expected,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tercet_contract::Geometry;
    use tercet_sim::{MemoryTiming, Ring};

    use super::*;
    use crate::checkpoint::Source;
    use crate::device::{
        Counters, Device, DeviceImage, DeviceLayers, Mode, Part, Share, SimulatedDevice,
    };
    use crate::executor::CpuOptions;
    use crate::tier::Tier;

    /// The device model behind what looks like a card, so that it works while the CPU does.
    struct Card(SimulatedDevice);

    impl Device for Card {
        fn name(&self) -> &'static str {
            "card"
        }

        fn tier(&self) -> Tier {
            Tier::Measured
        }

        fn geometry(&self) -> Geometry {
            self.0.geometry()
        }

        fn is_simulated(&self) -> bool {
            false
        }

        fn load(&mut self, weights: &[u8], data: &[u8]) -> Result<(), DeviceError> {
            self.0.load(weights, data)
        }

        fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DeviceError> {
            self.0.write(offset, bytes)
        }

        fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
            self.0.read(offset, bytes)
        }

        fn launch(
            &mut self,
            first: &tercet_contract::Command,
            list: u64,
            count: u32,
        ) -> Result<Counters, DeviceError> {
            self.0.launch(first, list, count)
        }

        fn ring_start(&mut self, ring: Ring) -> Result<(), DeviceError> {
            self.0.ring_start(ring)
        }

        fn ring_dispatch(&mut self, tail: u32) -> Result<Counters, DeviceError> {
            self.0.ring_dispatch(tail)
        }

        fn ring_stop(&mut self, tail: u32) -> Result<(), DeviceError> {
            self.0.ring_stop(tail)
        }
    }

    /// Outputs of every group of block 0 with `layers` on the device, beside those of the CPU alone.
    fn outputs(layers: &DeviceLayers, card: bool, tokens: usize, mode: Mode, cus: usize) {
        let model = Model::load(&Source::Embedded).unwrap();
        let geometry = Geometry::DEFAULT;
        let unit = |unit| {
            let share = Share { unit, of: cus };
            let image = DeviceImage::build(&model, layers, &geometry, share, mode).unwrap();
            let device = SimulatedDevice::model(&geometry, MemoryTiming::default());
            let device: Box<dyn Device> = match card {
                true => Box::new(Card(device)),
                false => Box::new(device),
            };
            (device, image)
        };
        let session = DeviceSession::start((0..cus).map(unit).collect()).unwrap();
        let mut hybrid = HybridExecutor::new(CpuExecutor::new(2).unwrap(), Some(session));
        // Alone it leaves out rows of `up` that closed gates make zero in any case.
        let options = CpuOptions {
            sparsity: false,
            ..CpuOptions::on_threads(1)
        };
        let mut cpu = CpuExecutor::with_options(options).unwrap();
        let groups: BTreeSet<GroupId> = layers.keys().map(|l| l.group()).collect();
        for group in groups {
            let ids: Vec<LinearId> = group.linear_ids().collect();
            let k = model.linear(ids[0]).k();
            let x: Vec<f32> = (0..tokens * k).map(|i| (i as f32 * 0.37).sin()).collect();
            let results = |executor: &mut dyn Executor| {
                let mut y: Vec<Vec<f32>> = ids
                    .iter()
                    .map(|id| vec![0.0; tokens * model.linear(*id).n()])
                    .collect();
                let mut parts: Vec<&mut [f32]> = y.iter_mut().map(Vec::as_mut_slice).collect();
                executor.begin(Stage::Embed, None, Phase::Prefill);
                executor
                    .linears(&model, group, Phase::Prefill, &x, &mut parts)
                    .unwrap();
                executor.end(Stage::Embed, None, Phase::Prefill);
                y
            };
            let same = results(&mut hybrid) == results(&mut cpu);
            assert!(same, "{group:?}");
        }
        let beside = hybrid
            .passes()
            .iter()
            .flat_map(|p| p.together(None))
            .count();
        assert_eq!(
            beside > 0,
            !card,
            "a card's own time says what was side by side"
        );
        hybrid.finish().unwrap();
    }

    #[test]
    fn rows_on_both_sides_give_the_same_bits() {
        let layer = |name: &str, part| (name.parse().unwrap(), part);
        let layers = DeviceLayers::from([
            layer("layers.0.self_attn.q_proj", Part::First(64)),
            layer("layers.0.self_attn.v_proj", Part::Whole),
            layer("layers.0.mlp.gate_proj", Part::Whole),
            layer("layers.0.mlp.up_proj", Part::First(701)),
            layer("layers.0.mlp.down_proj", Part::First(130)),
        ]);
        for (card, tokens, mode, cus) in [
            (false, 1, Mode::Launch, 1),
            (false, 19, Mode::Ring, 3),
            (true, 1, Mode::Launch, 1),
            (true, 5, Mode::Ring, 2),
            (true, 40, Mode::Launch, 1),
        ] {
            outputs(&layers, card, tokens, mode, cus);
        }
    }
}
