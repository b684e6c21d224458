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

    /// One transfer in, one list, one transfer out; the results land in `self.results`.
    fn launch(&mut self, group: GroupId, tokens: &[&[i8]]) -> Result<(), DeviceError> {
        let slots = self.image.group(group).expect("a group of the image");
        let mut input = vec![0u8; tokens.len() * slots.activation_stride];
        for (token, bytes) in tokens.iter().zip(input.chunks_exact_mut(slots.activation_stride)) {
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
