//! Groups of linears on a device: codes in, sums out, everything counted.

use super::{Counters, Device, DeviceError, DeviceImage, TOKENS_PER_LAUNCH};
use crate::model::{GroupId, LinearKind};
use crate::time_model::Usage;
use crate::units::{Bytes, Cycles};

/// A device with an image loaded.
pub struct DeviceSession {
    device: Box<dyn Device>,
    image: DeviceImage,
    usage: Usage,
    counters: Counters,
    results: Vec<u8>,
}

impl DeviceSession {
    /// Loads `image` onto `device`.
    ///
    /// # Panics
    /// If the image was packed for another geometry.
    pub fn start(mut device: Box<dyn Device>, image: DeviceImage) -> Result<Self, DeviceError> {
        assert_eq!(device.geometry(), image.geometry(), "geometry of the image");
        device.load(image.weights(), image.data())?;
        Ok(DeviceSession {
            device,
            image,
            usage: Usage::default(),
            counters: Counters::default(),
            results: Vec::new(),
        })
    }

    /// The device.
    pub fn device(&self) -> &dyn Device {
        self.device.as_ref()
    }

    /// Whether any layer of the group is on the device.
    pub fn has(&self, group: GroupId) -> bool {
        self.image.group(group).is_some()
    }

    /// Work done since the session started. Loading the image is not part of it.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Counters of the device summed over all launches.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Computes the device's layers of `group` for `codes: [T, K]`, row-major int8. `sums(t, linear,
    /// acc)` receives the `N` exact sums of each token and layer.
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
            self.launch(group, tokens)?;
            let slots = self.image.group(group).expect("launched");
            let mut acc = Vec::new();
            for (t, results) in self.results.chunks_exact(slots.result_stride).enumerate() {
                for linear in &slots.linears {
                    let bytes = &results[linear.result_offset..][..4 * linear.n];
                    acc.clear();
                    acc.extend(
                        bytes
                            .chunks_exact(4)
                            .map(|b| i32::from_le_bytes(b.try_into().expect("4 bytes"))),
                    );
                    sums(chunk * TOKENS_PER_LAUNCH + t, linear.kind, &acc);
                }
            }
        }
        Ok(())
    }

    /// Ends what the device writes beside its results.
    pub fn finish(&mut self) -> Result<(), DeviceError> {
        self.device.finish()
    }

    /// One transfer in, one list, one transfer out; the results land in `self.results`.
    fn launch(&mut self, group: GroupId, tokens: &[&[i8]]) -> Result<(), DeviceError> {
        let slots = self.image.group(group).expect("a group of the image");
        let mut input = vec![0u8; tokens.len() * slots.activation_stride];
        for (token, bytes) in tokens
            .iter()
            .zip(input.chunks_exact_mut(slots.activation_stride))
        {
            assert_eq!(token.len(), slots.k, "codes of a token");
            for (byte, code) in bytes.iter_mut().zip(*token) {
                *byte = *code as u8;
            }
        }
        let commands = tokens.len() * slots.linears.len();
        self.results.resize(tokens.len() * slots.result_stride, 0);

        self.device.write(0, &input)?;
        let counters = self.device.launch(slots.list, commands as u32)?;
        self.device.read(self.image.results(), &mut self.results)?;

        let weight_bytes: usize = slots.linears.iter().map(|l| l.weight_bytes).sum();
        self.usage += Usage {
            launches: 1,
            commands: commands as u64,
            cycles: Cycles(counters.cycles),
            weight_beats: counters.weight_beats,
            weight_bytes: Bytes((tokens.len() * weight_bytes) as u64),
            transfers_to: 1,
            bytes_to: Bytes(input.len() as u64),
            transfers_from: 1,
            bytes_from: Bytes(self.results.len() as u64),
        };
        self.counters.cycles += counters.cycles;
        self.counters.weight_beats += counters.weight_beats;
        self.counters.starved_cycles += counters.starved_cycles;
        self.counters.blocked_cycles += counters.blocked_cycles;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tercet_contract::layout::align;
    use tercet_contract::Geometry;
    use tercet_sim::MemoryTiming;

    use super::*;
    use crate::checkpoint::Source;
    use crate::device::SimulatedDevice;
    use crate::executor::CpuExecutor;
    use crate::model::{GroupKind, LinearId, Model};

    fn session(model: &Model, layers: &[&str], geometry: &Geometry) -> DeviceSession {
        let layers: BTreeSet<LinearId> = layers.iter().map(|l| l.parse().unwrap()).collect();
        let image = DeviceImage::build(model, &layers, geometry).unwrap();
        let device = SimulatedDevice::model(geometry, MemoryTiming::default());
        DeviceSession::start(Box::new(device), image).unwrap()
    }

    #[test]
    fn sums_are_those_of_the_cpu_on_every_geometry() {
        let model = Model::load(&Source::Embedded).unwrap();
        let cpu = CpuExecutor::new(1).unwrap();
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
        for geometry in Geometry::all() {
            let mut session = session(&model, &chosen, &geometry);
            // More tokens than one list holds: two launches.
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
                    assert_eq!(acc, want, "{geometry} token {t} {kind}");
                    seen += 1;
                })
                .unwrap();
            assert_eq!(
                seen,
                2 * codes.len(),
                "q and v of every token, k stays on the CPU"
            );
            assert_eq!(session.usage().launches, 2);
        }
    }

    #[test]
    fn work_is_counted() {
        let model = Model::load(&Source::Embedded).unwrap();
        let geometry = Geometry::DEFAULT;
        let chosen = ["layers.0.mlp.gate_proj", "layers.0.mlp.up_proj"];
        let mut session = session(&model, &chosen, &geometry);
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
}
