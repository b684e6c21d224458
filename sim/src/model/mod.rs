//! The kernel as a Rust program: same memories, same commands, same results, same error codes.
//!
//! Results and error codes are those of the contract, bit for bit. Cycles come from
//! [`tercet_contract::cycles`]; of a command that fails, neither cycles nor beats are counted.
//! Back-pressure is not modelled: `starved_cycles` and `blocked_cycles` are zero, `cycles` are those of
//! memories that never stall ([`Kernel::counts_stalls`] is false), and the stall seed has no effect.
//! Who must not have that goes through [`MemoryTiming::require_no_stalls`] first.
//!
//! | module | part of the kernel |
//! |---|---|
//! | `check` | command checker |
//! | `activations` | activation RAM |
//! | `decode` | trit decoders |
//! | `lanes` | lanes, adder tree, accumulator |

mod activations;
mod check;
mod decode;
mod lanes;

use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::cycles;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::{Command, Geometry};

use crate::bank::{Bank, Fault};
use crate::error::SimError;
use crate::kernel::{Counters, Kernel, Memory};
use crate::timing::MemoryTiming;

use activations::ActivationRam;

/// Bytes of the widest bus beat.
const MAX_BEAT_BYTES: usize = 64;

/// The Rust device model of `ternary_gemv`.
pub struct ModelKernel {
    geometry: Geometry,
    timing: MemoryTiming,
    weights: Bank,
    data: Bank,
    activations: ActivationRam,
    sums: Vec<i32>,
}

impl ModelKernel {
    /// A kernel with empty memories.
    pub fn new(geometry: &Geometry, timing: MemoryTiming) -> Self {
        ModelKernel {
            geometry: *geometry,
            timing,
            weights: Bank::new(Memory::Weights),
            data: Bank::new(Memory::Data),
            activations: ActivationRam::new(geometry),
            sums: Vec::new(),
        }
    }

    fn bank(&mut self, memory: Memory) -> &mut Bank {
        match memory {
            Memory::Weights => &mut self.weights,
            Memory::Data => &mut self.data,
        }
    }

    /// The record at byte `at` of the data memory.
    fn fetch(&self, at: u64) -> Result<Command, ErrorCode> {
        let bytes = self
            .data
            .bus_read(self.data.base().wrapping_add(at), COMMAND_BYTES)
            .map_err(|_| ErrorCode::CommandRead)?;
        Ok(Command::from_bytes(
            bytes.try_into().expect("a record's bytes"),
        ))
    }

    /// Runs one checked command.
    fn execute(&mut self, command: &Command) -> Result<(), ErrorCode> {
        if !command.keeps_activations() {
            let bytes =
                self.geometry.activation_beats(command.k as usize) * self.geometry.beat_bytes();
            let address = self.data.base().wrapping_add(command.activations);
            let x = self
                .data
                .bus_read(address, bytes)
                .map_err(|_| ErrorCode::ActivationRead)?;
            self.activations.load(x);
        }

        if command.row_beats as usize != self.geometry.row_beats(command.k as usize) {
            return Err(ErrorCode::BadK);
        }
        if u64::from(command.rows) * u64::from(command.row_beats) != u64::from(command.weight_beats)
        {
            return Err(ErrorCode::BadLength);
        }
        let rows = command.rows as usize;
        let row_bytes = command.row_beats as usize * self.geometry.beat_bytes();
        let address = self.weights.base().wrapping_add(command.weights);
        let weights = self
            .weights
            .bus_read(address, rows * row_bytes)
            .map_err(|_| ErrorCode::WeightRead)?;
        self.sums.clear();
        self.sums.resize(rows, 0);
        lanes::multiply(
            &self.geometry,
            weights,
            row_bytes,
            self.activations.groups(),
            &mut self.sums,
        );
        self.store(command.results)
    }

    /// Writes the results, a bus beat at a time: what lies before the first error stays.
    fn store(&mut self, results: u64) -> Result<(), ErrorCode> {
        let mut address = self.data.base().wrapping_add(results);
        let beat_bytes = self.geometry.beat_bytes();
        for sums in self.sums.chunks(beat_bytes / 4) {
            let mut beat = [0; MAX_BEAT_BYTES];
            for (bytes, sum) in beat.chunks_exact_mut(4).zip(sums) {
                bytes.copy_from_slice(&sum.to_le_bytes());
            }
            // Whole beats on the bus, strobes for the bytes that are results.
            let strobe = u64::MAX >> (64 - 4 * sums.len());
            let beat = &beat[..beat_bytes];
            if self.data.bus_write(address, beat, strobe) != crate::bank::Response::Okay {
                return Err(ErrorCode::ResultWrite);
            }
            address = address.wrapping_add(beat_bytes as u64);
        }
        Ok(())
    }

    /// Cycles of one command: the only place where the model asks how long something takes.
    fn cycles(&self, command: &Command) -> u64 {
        cycles::exact_command_cycles(&self.geometry, self.timing.latency(), command)
    }
}

impl Kernel for ModelKernel {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn counts_stalls(&self) -> bool {
        false
    }

    fn resize(&mut self, memory: Memory, bytes: usize) -> Result<(), SimError> {
        self.bank(memory).resize(bytes)
    }

    fn write(&mut self, memory: Memory, offset: u64, bytes: &[u8]) -> Result<(), SimError> {
        self.bank(memory).write(offset, bytes)
    }

    fn read(&mut self, memory: Memory, offset: u64, bytes: &mut [u8]) -> Result<(), SimError> {
        self.bank(memory).read(offset, bytes)
    }

    fn launch(&mut self, list: u64, count: u32) -> Result<Counters, SimError> {
        if !list.is_multiple_of(ALIGNMENT as u64) {
            return Err(SimError::ListAlignment { list });
        }
        let mut counters = Counters {
            cycles: cycles::LAUNCH_CYCLES,
            ..Counters::default()
        };
        let mut loaded_k = None;
        for index in 0..count {
            let at = list.wrapping_add(u64::from(index) * COMMAND_BYTES as u64);
            let outcome = self.fetch(at).and_then(|command| {
                check::check(&self.geometry, &command, loaded_k)?;
                self.execute(&command)?;
                loaded_k = Some(command.k);
                Ok(command)
            });
            match outcome {
                Ok(command) => {
                    counters.cycles += self.cycles(&command);
                    counters.weight_beats += u64::from(command.weight_beats);
                    counters.commands_done += 1;
                }
                Err(code) => {
                    counters.error = Some((code, index));
                    break;
                }
            }
        }
        Ok(counters)
    }

    fn finish(&mut self) -> Result<(), SimError> {
        Ok(())
    }

    fn inject(&mut self, memory: Memory, fault: Fault) {
        self.bank(memory).inject(fault);
    }

    fn clear_faults(&mut self) {
        self.weights.clear_faults();
        self.data.clear_faults();
    }
}
