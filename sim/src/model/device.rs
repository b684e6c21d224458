//! One command at a time: fetch, check, load, multiply, store.

use tercet_contract::command::{Run, BYTE_ADDRESS_BITS, COMMAND_BYTES, OPCODE_STOP, RUN_BYTES};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::{Command, Geometry};

use crate::bank::{Bank, Response};
use crate::kernel::Memory;

use super::activations::ActivationRam;
use super::check::{check, Loaded};
use super::row_accumulator::RowAccumulator;

/// Bytes of the widest bus beat.
const MAX_BEAT_BYTES: usize = 64;

/// The memories and the parts of the kernel that hold something.
pub struct Device {
    geometry: Geometry,
    /// Packed weights.
    pub weights: Bank,
    /// Commands, activations, run lists, results.
    pub data: Bank,
    activations: ActivationRam,
    loaded: Option<Loaded>,
    rows: RowAccumulator,
}

impl Device {
    /// A device with empty memories.
    pub fn new(geometry: &Geometry) -> Self {
        Device {
            geometry: *geometry,
            weights: Bank::new(Memory::Weights),
            data: Bank::new(Memory::Data),
            activations: ActivationRam::new(geometry),
            loaded: None,
            rows: RowAccumulator::new(geometry),
        }
    }

    /// A start: no activations are loaded.
    pub fn begin(&mut self) {
        self.loaded = None;
    }

    /// The record at byte `at` of the data memory.
    pub fn fetch(&self, at: u64) -> Result<Command, ErrorCode> {
        let bytes = self
            .data
            .bus_read(address(&self.data, at), COMMAND_BYTES)
            .map_err(|_| ErrorCode::CommandRead)?;
        Ok(Command::from_bytes(
            bytes.try_into().expect("a record's bytes"),
        ))
    }

    /// Runs one command; nothing is written if it fails before its results. Returns the runs of its run list.
    pub fn execute(&mut self, command: &Command) -> Result<Option<Vec<Run>>, ErrorCode> {
        check(&self.geometry, command, self.loaded)?;
        if command.opcode == OPCODE_STOP {
            return Ok(None);
        }
        if !command.keeps_activations() {
            self.load(command)?;
        }
        let runs = match command.has_run_list() {
            true => Some(self.run_list(command)?),
            false => None,
        };
        let needed =
            u64::from(command.rows) * u64::from(command.digits) * u64::from(command.row_beats);
        if needed != u64::from(command.weight_beats) {
            return Err(ErrorCode::BadLength);
        }
        self.multiply(command, runs.as_deref())?;
        self.store(command)?;
        Ok(runs)
    }

    /// Writes the number of completed commands, as ring mode does.
    pub fn complete(&mut self, completion: u64, count: u32) -> Response {
        let address = address(&self.data, completion);
        let mut beat = [0; MAX_BEAT_BYTES];
        beat[..4].copy_from_slice(&count.to_le_bytes());
        let beat = &beat[..self.geometry.beat_bytes()];
        self.data.bus_write(address, beat, 0xf)
    }

    fn load(&mut self, command: &Command) -> Result<(), ErrorCode> {
        let vectors = usize::from(command.vectors);
        let stride = self.geometry.vector_stride(command.k.into());
        let x = self
            .data
            .bus_read(address(&self.data, command.activations), vectors * stride)
            .map_err(|_| ErrorCode::ActivationRead)?;
        for (v, x) in x.chunks_exact(stride).enumerate() {
            self.activations.load(v, x);
        }
        self.loaded = Some(Loaded {
            k: command.k,
            vectors: command.vectors,
        });
        Ok(())
    }

    /// The entries up to the one that completes the matrix. The bus reads all of the list, a beat at a time,
    /// and each beat is looked at before the next is taken.
    fn run_list(&self, command: &Command) -> Result<Vec<Run>, ErrorCode> {
        let beat_bytes = self.geometry.beat_bytes();
        let mut runs = Vec::new();
        let mut beats_to_go = command.weight_beats;
        let mut entries_to_go = command.runs as usize;
        let mut at = address(&self.data, command.run_list);
        while entries_to_go != 0 {
            let beat = self
                .data
                .bus_read(at, beat_bytes)
                .map_err(|_| ErrorCode::CommandRead)?;
            at = wrap(at.wrapping_add(beat_bytes as u64));
            let entries = entries_to_go.min(beat_bytes / RUN_BYTES);
            entries_to_go -= entries;
            for entry in beat.chunks_exact(RUN_BYTES).take(entries) {
                if beats_to_go == 0 {
                    break;
                }
                let run = Run::from_bytes(entry.try_into().expect("an entry's bytes"));
                beats_to_go = beats_to_go
                    .checked_sub(run.beats)
                    .ok_or(ErrorCode::BadLength)?;
                runs.push(run);
            }
        }
        match beats_to_go {
            0 => Ok(runs),
            _ => Err(ErrorCode::BadLength),
        }
    }

    fn multiply(&mut self, command: &Command, runs: Option<&[Run]>) -> Result<(), ErrorCode> {
        self.rows.begin(command);
        let whole = [Run {
            first_beat: 0,
            beats: command.weight_beats,
        }];
        let beat_bytes = self.geometry.beat_bytes();
        for run in runs.unwrap_or(&whole).iter().filter(|r| r.beats != 0) {
            let offset = command.weights + u64::from(run.first_beat) * beat_bytes as u64;
            let beats = self
                .weights
                .bus_read(
                    address(&self.weights, offset),
                    run.beats as usize * beat_bytes,
                )
                .map_err(|_| ErrorCode::WeightRead)?;
            self.rows.feed(beats, &self.activations);
        }
        Ok(())
    }

    /// Writes the results, a bus beat at a time: what lies before the first error stays.
    fn store(&mut self, command: &Command) -> Result<(), ErrorCode> {
        let mut at = address(&self.data, command.results);
        let (batch, vectors) = (self.geometry.batch(), usize::from(command.vectors));
        let beat_bytes = self.geometry.beat_bytes();
        // Bytes of the vectors that the command has; a beat holds whole rows.
        let row_strobe = u64::MAX >> (64 - 4 * vectors);
        let strobes =
            (0..beat_bytes / (4 * batch)).fold(0, |s, n| s | row_strobe << (4 * batch * n));
        for results in self.rows.results().chunks(beat_bytes / 4) {
            let mut beat = [0; MAX_BEAT_BYTES];
            for (bytes, y) in beat.chunks_exact_mut(4).zip(results) {
                bytes.copy_from_slice(&y.to_le_bytes());
            }
            let rows = u64::MAX >> (64 - 4 * results.len());
            let beat = &beat[..beat_bytes];
            if self.data.bus_write(at, beat, strobes & rows) != Response::Okay {
                return Err(ErrorCode::ResultWrite);
            }
            at = wrap(at.wrapping_add(beat_bytes as u64));
        }
        Ok(())
    }
}

/// Bus address of an offset; the kernel's adders have [`BYTE_ADDRESS_BITS`] bits.
fn address(bank: &Bank, offset: u64) -> u64 {
    wrap(bank.base().wrapping_add(offset))
}

fn wrap(address: u64) -> u64 {
    address & ((1 << BYTE_ADDRESS_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::Fault;
    use crate::simulate::scalar_gemv;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tercet_contract::layout::pack_matrix;

    const RUN_LIST: u64 = 4096;
    const RESULTS: u64 = 8192;

    /// A device with a random `W: [6, k]` and `x`, the command for it, and the trits.
    fn device(g: &Geometry, k: usize) -> (Device, Command, Vec<i8>, Vec<i8>) {
        let mut rng = StdRng::seed_from_u64(3);
        let trits: Vec<i8> = (0..6 * k).map(|_| rng.random_range(-1..=1)).collect();
        let x: Vec<i8> = (0..k).map(|_| rng.random()).collect();
        let mut device = Device::new(g);
        let weights = pack_matrix(g, 6, k, &trits);
        device.weights.resize(weights.len()).unwrap();
        device.weights.write(0, &weights).unwrap();
        device.data.resize(16384).unwrap();
        let codes: Vec<u8> = x.iter().map(|x| *x as u8).collect();
        device.data.write(0, &codes).unwrap();
        let command = Command::gemv(g, 6, k, 0, 0, RESULTS).unwrap();
        (device, command, trits, x)
    }

    fn write_runs(device: &mut Device, runs: &[(u32, u32)]) {
        for (i, (first_beat, beats)) in runs.iter().enumerate() {
            let (first_beat, beats) = (*first_beat, *beats);
            let run = Run { first_beat, beats };
            let at = RUN_LIST + (i * RUN_BYTES) as u64;
            device.data.write(at, &run.to_bytes()).unwrap();
        }
    }

    fn results(device: &Device, rows: usize) -> Vec<i32> {
        let mut bytes = vec![0; 4 * rows];
        device.data.read(RESULTS, &mut bytes).unwrap();
        let word = |b: &[u8]| i32::from_le_bytes(b.try_into().unwrap());
        bytes.chunks(4).map(word).collect()
    }

    #[test]
    fn runs_may_begin_and_end_within_rows() {
        let g: Geometry = "128-b3".parse().unwrap();
        let k = 3 * g.lanes();
        let (mut device, command, trits, x) = device(&g, k);
        // The matrix in odd pieces, an empty one, and one behind the end.
        write_runs(
            &mut device,
            &[(0, 1), (1, 4), (99, 0), (5, 12), (17, 1), (1000, 5)],
        );
        let listed = command.with_run_list(RUN_LIST, 6).unwrap();
        let runs = device.execute(&listed).unwrap().unwrap();
        assert_eq!(runs.len(), 5, "the run behind the end is not looked at");
        assert_eq!(results(&device, 6), scalar_gemv(&trits, &x));
    }

    #[test]
    fn lists_of_the_wrong_length_are_told_as_the_bus_meets_them() {
        let g: Geometry = "128-b3".parse().unwrap();
        let (mut device, command, ..) = device(&g, 3 * g.lanes());
        let listed = command.with_run_list(RUN_LIST, 4).unwrap();
        let fault = Fault {
            offset: RUN_LIST + 16,
            bytes: 1,
            response: Response::SlaveError,
        };
        for (runs, faulty, expected) in [
            (
                [(0, 3), (3, 14), (0, 0), (0, 0)],
                false,
                ErrorCode::BadLength,
            ),
            (
                [(0, 3), (3, 16), (0, 0), (0, 0)],
                false,
                ErrorCode::BadLength,
            ),
            (
                [(0, 3), (3, 16), (0, 0), (0, 0)],
                true,
                ErrorCode::BadLength,
            ),
            (
                [(0, 3), (3, 14), (0, 1), (0, 0)],
                true,
                ErrorCode::CommandRead,
            ),
            (
                [(0, 3), (3, 14), (99, 1), (0, 0)],
                false,
                ErrorCode::WeightRead,
            ),
        ] {
            write_runs(&mut device, &runs);
            if faulty {
                device.data.inject(fault);
            }
            assert_eq!(device.execute(&listed), Err(expected), "{runs:?}");
            device.data.clear_faults();
        }
    }
}
