//! One compute unit with its image: codes in, commands, sums out.

use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::Command;

use super::image::GroupSlots;
use super::{Counters, Device, DeviceError, DeviceImage};
use crate::model::GroupId;
use crate::time_model::Usage;
use crate::units::{Bytes, Cycles};

/// A unit with its image loaded and, in ring mode, its ring started.
pub(super) struct Unit {
    pub device: Box<dyn Device>,
    pub image: DeviceImage,
    /// Commands submitted to the ring, modulo 2^32.
    tail: u32,
    /// The next slot of the ring.
    slot: usize,
    /// Results of the last dispatch, pass by pass.
    results: Vec<u8>,
    /// Tokens of its first pass.
    first_vectors: usize,
}

/// What one dispatch of a unit took.
#[derive(Clone, Copy, Default)]
pub(super) struct Work {
    pub counters: Counters,
    pub usage: Usage,
}

impl Unit {
    /// Loads the image and starts the ring.
    pub fn start(mut device: Box<dyn Device>, image: DeviceImage) -> Result<Self, DeviceError> {
        assert_eq!(device.geometry(), image.geometry(), "geometry of the image");
        device.load(image.weights(), image.data())?;
        if let Some(ring) = image.ring() {
            device.ring_start(ring)?;
        }
        Ok(Unit {
            device,
            image,
            tail: 0,
            slot: 0,
            results: Vec::new(),
            first_vectors: 0,
        })
    }

    /// One transfer in, one list or dispatch, one transfer out. Nothing if the unit has no row of the group.
    pub fn run(&mut self, group: GroupId, tokens: &[&[i8]]) -> Result<Work, DeviceError> {
        let Some(slots) = self.image.group(group) else {
            return Ok(Work::default());
        };
        let batch = self.image.geometry().batch();
        let passes = tokens.len().div_ceil(batch);
        self.first_vectors = tokens.len() - (passes - 1) * batch;
        let input = codes(slots, tokens, self.first_vectors, batch);
        let list = &slots.lists[self.first_vectors - 1];
        let commands = &list.commands[..passes * slots.linears.len()];
        let count = commands.len() as u32;
        self.results.resize(passes * slots.result_stride, 0);

        let ring = self.image.ring().is_some();
        let (bytes_to, counters);
        if ring {
            (self.tail, self.slot, bytes_to) = submit(
                self.device.as_mut(),
                &self.image,
                (self.tail, self.slot),
                commands,
                &input,
            )?;
            counters = self.device.ring_dispatch(self.tail)?;
        } else {
            self.device.write(self.image.activations(), &input)?;
            bytes_to = input.len();
            counters = self.device.launch(&commands[0], list.offset, count)?;
        }
        self.device.read(self.image.results(), &mut self.results)?;

        let weight_bytes: usize = slots.linears.iter().map(|l| l.weight_bytes).sum();
        let usage = Usage {
            dispatches: 1,
            launches: u64::from(!ring),
            doorbells: u64::from(ring),
            commands: u64::from(count),
            cycles: Cycles(counters.cycles),
            weight_beats: counters.weight_beats,
            slowest_beats: counters.weight_beats,
            weight_bytes: Bytes((passes * weight_bytes) as u64),
            transfers_to: 1,
            bytes_to: Bytes(bytes_to as u64),
            transfers_from: 1,
            bytes_from: Bytes(self.results.len() as u64),
        };
        Ok(Work { counters, usage })
    }

    /// Sums of one token of the last dispatch and the `i`-th linear of the group, in the order of the rows.
    pub fn sums(
        &self,
        slots: &GroupSlots,
        token: usize,
        i: usize,
    ) -> impl Iterator<Item = i32> + '_ {
        let batch = self.image.geometry().batch();
        let (pass, vector) = place(token, self.first_vectors, batch);
        let linear = &slots.linears[i];
        let start = pass * slots.result_stride + linear.result_offset;
        let bytes = &self.results[start..][..4 * batch * linear.rows.len()];
        bytes.chunks_exact(4 * batch).map(move |row| {
            let sum = &row[4 * vector..][..4];
            i32::from_le_bytes(sum.try_into().expect("4 bytes"))
        })
    }

    /// Stops the ring and ends what the device writes beside its results.
    pub fn finish(&mut self) -> Result<(), DeviceError> {
        if let Some(ring) = self.image.ring() {
            let at = ring.records + (self.slot * COMMAND_BYTES) as u64;
            self.device.write(at, &Command::stop().to_bytes())?;
            self.tail = self.tail.wrapping_add(1);
            self.device.ring_stop(self.tail)?;
        }
        self.device.finish()
    }
}

/// Pass of a token, and which vector of the pass it is.
fn place(token: usize, first: usize, batch: usize) -> (usize, usize) {
    match token.checked_sub(first) {
        None => (0, token),
        Some(rest) => (1 + rest / batch, rest % batch),
    }
}

/// The codes of tokens as they stand in the data memory, up to the last one.
fn codes(slots: &GroupSlots, tokens: &[&[i8]], first: usize, batch: usize) -> Vec<u8> {
    let at = |token: usize| {
        let (pass, vector) = place(token, first, batch);
        pass * slots.activation_stride + vector * slots.vector_stride
    };
    let mut bytes = vec![0; at(tokens.len() - 1) + slots.vector_stride];
    for (t, token) in tokens.iter().enumerate() {
        assert_eq!(token.len(), slots.k, "codes of a token");
        for (byte, code) in bytes[at(t)..].iter_mut().zip(*token) {
            *byte = *code as u8;
        }
    }
    bytes
}

/// Writes records and codes in one transfer, since the codes follow the ring. The ring is empty: what
/// it held is complete. Returns its new tail, the next slot, and bytes written.
fn submit(
    device: &mut dyn Device,
    image: &DeviceImage,
    (tail, slot): (u32, usize),
    commands: &[Command],
    codes: &[u8],
) -> Result<(u32, usize, usize), DeviceError> {
    let ring = image.ring().expect("ring mode");
    let entries = ring.entries as usize;
    let wraps = slot + commands.len() > entries;
    let from = if wraps { 0 } else { slot };
    let mut bytes = vec![0; (entries - from) * COMMAND_BYTES];
    for (i, command) in commands.iter().enumerate() {
        let at = ((slot + i) % entries - from) * COMMAND_BYTES;
        bytes[at..][..COMMAND_BYTES].copy_from_slice(&command.to_bytes());
    }
    bytes.extend(codes);
    device.write(ring.records + (from * COMMAND_BYTES) as u64, &bytes)?;
    let tail = tail.wrapping_add(commands.len() as u32);
    Ok((tail, (slot + commands.len()) % entries, bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pass_has_what_is_left_over() {
        // 7 tokens in passes of 3, 4.
        let places: Vec<_> = (0..7).map(|t| place(t, 3, 4)).collect();
        let first = [(0, 0), (0, 1), (0, 2)];
        assert_eq!(places[..3], first);
        assert_eq!(places[3..], [(1, 0), (1, 1), (1, 2), (1, 3)]);
        assert_eq!(place(2, 1, 1), (2, 0));
    }
}
