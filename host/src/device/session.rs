//! Groups of linears on the compute units of a device: codes in, sums out, everything counted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

use super::unit::{Unit, Work};
use super::{Counters, Device, DeviceError, DeviceImage, TOKENS_PER_LAUNCH};
use crate::model::{GroupId, LinearKind};
use crate::time_model::Usage;

/// A device with its images loaded.
pub struct DeviceSession {
    units: Vec<Unit>,
    usage: Usage,
    counters: Counters,
}

impl DeviceSession {
    /// Loads each image onto its device, one for each compute unit in the order of their shares.
    ///
    /// # Panics
    /// If there is none, or an image was packed for another geometry.
    pub fn start(units: Vec<(Box<dyn Device>, DeviceImage)>) -> Result<Self, DeviceError> {
        assert!(!units.is_empty(), "a compute unit");
        let units = units
            .into_iter()
            .map(|(device, image)| Unit::start(device, image))
            .collect::<Result<_, _>>()?;
        Ok(DeviceSession {
            units,
            usage: Usage::default(),
            counters: Counters::default(),
        })
    }

    /// The first compute unit, which stands for all.
    pub fn device(&self) -> &dyn Device {
        self.units[0].device.as_ref()
    }

    /// Number of compute units.
    pub fn cus(&self) -> usize {
        self.units.len()
    }

    /// Whether any layer of the group is on the device.
    pub fn has(&self, group: GroupId) -> bool {
        self.units.iter().any(|u| u.image.group(group).is_some())
    }

    /// The layers of the group that the device has rows of, and how many, from the first on. The unit with the last
    /// share has some of each of them.
    pub fn layers(&self, group: GroupId) -> Vec<(LinearKind, usize)> {
        let last = self.units.last().and_then(|u| u.image.group(group));
        let linears = last.map_or(&[][..], |slots| &slots.linears);
        linears.iter().map(|l| (l.kind, l.n)).collect()
    }

    /// Work done since the session started. Loading the images and starting and stopping rings is not part
    /// of it.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Counters of the device over all dispatches: cycles of the slowest unit of each, the others summed.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Computes the device's layers of `group` for `codes: [T, K]`, row-major int8. `sums(t, linear,
    /// acc)` receives the exact sums of each token and layer, as many as the device has rows of it.
    ///
    /// # Panics
    /// If none of the group's layers is on the device, or `codes` are no whole tokens.
    pub fn run(
        &mut self,
        group: GroupId,
        codes: &[&[i8]],
        sums: &mut dyn FnMut(usize, LinearKind, &[i32]),
    ) -> Result<(), DeviceError> {
        for (chunk, tokens) in codes.chunks(TOKENS_PER_LAUNCH).enumerate() {
            self.dispatch(group, tokens)?;
            let layers = self.layers(group);
            let mut acc = Vec::new();
            for t in 0..tokens.len() {
                for (kind, _) in &layers {
                    acc.clear();
                    self.gather(group, t, *kind, &mut acc);
                    sums(chunk * TOKENS_PER_LAUNCH + t, *kind, &acc);
                }
            }
        }
        Ok(())
    }

    /// Ends what the device writes beside its results, and stops rings.
    pub fn finish(&mut self) -> Result<(), DeviceError> {
        self.units.iter_mut().try_for_each(Unit::finish)
    }

    /// All rows of one layer, share by share.
    fn gather(&self, group: GroupId, token: usize, kind: LinearKind, acc: &mut Vec<i32>) {
        for unit in &self.units {
            let slots = unit.image.group(group);
            let at = slots.and_then(|s| s.linears.iter().position(|l| l.kind == kind));
            if let (Some(slots), Some(i)) = (slots, at) {
                acc.extend(unit.sums(slots, token, i));
            }
        }
    }

    /// Has every unit compute its share, as many at a time as the machine has cores.
    fn dispatch(&mut self, group: GroupId, tokens: &[&[i8]]) -> Result<(), DeviceError> {
        let work = in_parallel(&mut self.units, |unit| unit.run(group, tokens))?;
        let dispatch = Work {
            counters: work
                .iter()
                .fold(Counters::default(), |sum, w| sum.beside(w.counters)),
            usage: work
                .iter()
                .fold(Usage::default(), |sum, w| sum.beside(w.usage)),
        };
        self.usage += dispatch.usage;
        self.counters = self.counters.then(dispatch.counters);
        Ok(())
    }
}

/// Runs `task` on every item, on as many threads as the machine has cores; outcomes are in the order of the items, and
/// the first error of them is the outcome.
pub(crate) fn in_parallel<T: Send, R: Send, E: Send>(
    items: &mut [T],
    task: impl Fn(&mut T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(items.len());
    if threads <= 1 {
        return items.iter_mut().map(task).collect();
    }
    let next = AtomicUsize::new(0);
    let slots: Vec<_> = items
        .iter_mut()
        .map(|item| Mutex::new((item, None)))
        .collect();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut slot = slot.lock().expect("only this thread has this item");
                    let outcome = task(slot.0);
                    slot.1 = Some(outcome);
                }
            });
        }
    });
    let outcome = |slot: Mutex<(&mut T, Option<_>)>| {
        let (_, outcome) = slot
            .into_inner()
            .expect("a task that panics ends the scope");
        outcome.expect("every item had its turn")
    };
    slots.into_iter().map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tercet_contract::layout::align;
    use tercet_contract::Geometry;
    use tercet_sim::MemoryTiming;

    use super::*;
    use crate::checkpoint::Source;
    use crate::device::part::whole;
    use crate::device::{Mode, Share, SimulatedDevice};
    use crate::executor::CpuExecutor;
    use crate::model::{GroupKind, LinearId, Model};

    fn session(
        model: &Model,
        layers: &[&str],
        geometry: &Geometry,
        cus: usize,
        mode: Mode,
    ) -> DeviceSession {
        let layers = whole(layers.iter().map(|l| l.parse().unwrap()));
        let unit = |unit| {
            let share = Share { unit, of: cus };
            let image = DeviceImage::build(model, &layers, geometry, share, mode).unwrap();
            let device = SimulatedDevice::model(geometry, MemoryTiming::default());
            (Box::new(device) as Box<dyn Device>, image)
        };
        DeviceSession::start((0..cus).map(unit).collect()).unwrap()
    }

    /// Tokens of more than one list, on q and v.
    fn same_sums_as_the_cpu(geometry: &Geometry, cus: usize, mode: Mode) {
        let model = Model::load(&Source::Embedded).unwrap();
        let mut cpu = CpuExecutor::new(1).unwrap();
        let mut rng = StdRng::seed_from_u64(5);
        let group = GroupId {
            block: 1,
            kind: GroupKind::Qkv,
        };
        let chosen = [
            "layers.1.self_attn.q_proj",
            "layers.1.self_attn.v_proj",
            "layers.2.mlp.down_proj",
        ];
        let mut session = session(&model, &chosen, geometry, cus, mode);
        let tokens: Vec<Vec<i8>> = (0..TOKENS_PER_LAUNCH + 3)
            .map(|_| (0..256).map(|_| rng.random()).collect())
            .collect();
        let codes: Vec<&[i8]> = tokens.iter().map(Vec::as_slice).collect();
        let mut seen = 0;
        session
            .run(group, &codes, &mut |t, kind, acc| {
                let w = model.linear(LinearId { block: 1, kind });
                let mut want = vec![0; w.n()];
                cpu.sums(w, codes[t], 1, &mut want);
                assert_eq!(acc, want, "{geometry} {cus} CUs, {mode}: token {t} {kind}");
                seen += 1;
            })
            .unwrap();
        assert_eq!(
            seen,
            2 * codes.len(),
            "q and v of every token, k stays on the CPU"
        );
        let usage = session.usage();
        let (launches, doorbells) = match mode {
            Mode::Launch => (2 * cus as u64, 0),
            Mode::Ring => (0, 2 * cus as u64),
        };
        assert_eq!((usage.launches, usage.doorbells), (launches, doorbells));
        assert_eq!(usage.dispatches, 2);
        let passes = TOKENS_PER_LAUNCH / geometry.batch() + 3usize.div_ceil(geometry.batch());
        assert_eq!(usage.commands as usize, 2 * passes * cus);
        session.finish().unwrap();
    }

    #[test]
    fn sums_are_those_of_the_cpu_on_every_geometry() {
        for geometry in Geometry::standard() {
            same_sums_as_the_cpu(&geometry, 1, Mode::Launch);
        }
    }

    #[test]
    fn sums_are_those_of_the_cpu_on_units_with_uneven_shares() {
        for (cus, mode) in [(3, Mode::Launch), (5, Mode::Ring)] {
            same_sums_as_the_cpu(&Geometry::DEFAULT, cus, mode);
        }
    }

    #[test]
    fn sums_are_those_of_the_cpu_through_a_ring() {
        for geometry in ["512-b3", "128-b2-x4"] {
            same_sums_as_the_cpu(&geometry.parse().unwrap(), 1, Mode::Ring);
        }
    }

    #[test]
    fn work_is_counted() {
        let model = Model::load(&Source::Embedded).unwrap();
        let geometry = Geometry::DEFAULT;
        let chosen = ["layers.0.mlp.gate_proj", "layers.0.mlp.up_proj"];
        let mut session = session(&model, &chosen, &geometry, 1, Mode::Launch);
        let group = GroupId {
            block: 0,
            kind: GroupKind::GateUp,
        };
        assert!(session.has(group) && !session.has(GroupId { block: 1, ..group }));
        session.run(group, &[&[1; 256]], &mut |_, _, _| {}).unwrap();
        let usage = session.usage();
        assert_eq!((usage.launches, usage.commands), (1, 2));
        assert_eq!(
            (usage.bytes_to.0, usage.bytes_from.0),
            (256, 2 * align(4 * 768) as u64)
        );
        assert_eq!(usage.weight_beats, 2 * 768);
        assert_eq!(usage.weight_bytes.0, 2 * 768 * 64);
        assert!(usage.cycles.0 > usage.weight_beats);
    }

    #[test]
    fn the_first_error_of_parallel_tasks_is_told() {
        let mut items = [1, 2, 3, 4, 5];
        let double = in_parallel(&mut items, |i| Ok::<i32, ()>(*i * 2));
        assert_eq!(double, Ok(vec![2, 4, 6, 8, 10]));
        let failed = in_parallel(&mut items, |i| if *i > 2 { Err(*i) } else { Ok(()) });
        assert_eq!(failed, Err(3));
    }
}
