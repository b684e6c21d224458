//! The kernel as a Rust program: same memories, same commands, same results, same error codes.
//!
//! Results and error codes are those of the contract, bit for bit. Commands run one after the other, so a command
//! that reads what the one before wrote sees it; the kernel, whose commands overlap, may not.
//! Cycles, starved and blocked cycles are those of [`crate::cycles`], which equals the RTL behind the same
//! memories. Of a command that fails, neither cycles nor beats are counted.
//!
//! | module | part of the kernel |
//! |---|---|
//! | `device` | front end and memories: one command |
//! | `check` | command decoder |
//! | `activations` | activation RAM |
//! | `decode` | trit decoders |
//! | `lanes` | lanes, adder tree |
//! | `row_accumulator` | stream control, row accumulator |
//! | [`execution`] | what a launch did, for its cycles |

mod activations;
mod check;
mod decode;
mod device;
pub mod execution;
mod lanes;
mod row_accumulator;

use tercet_contract::command::{is_address, Run, COMMAND_BYTES, OPCODE_STOP};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::registers::COMMAND_WORDS;
use tercet_contract::{Command, Geometry};

use crate::bank::{Bank, Fault, Response};
use crate::cycles::{cycles, Planned};
use crate::error::SimError;
use crate::kernel::{Counters, Kernel, Memory, Ring, Timeline};
use crate::timing::MemoryTiming;

use device::Device;
use execution::{ExecutedCommand, Execution, Failure, Mode};

/// The Rust device model of `ternary_gemv`.
pub struct ModelKernel {
    geometry: Geometry,
    timing: MemoryTiming,
    device: Device,
    ring: Option<RingState>,
    execution: Execution,
    timeline: Timeline,
}

/// A ring that runs.
struct RingState {
    ring: Ring,
    /// Commands completed.
    done: u32,
    /// Record of the next command.
    slot: u32,
    /// A completion could not be written: the next command is told.
    completion_failed: bool,
}

/// What comes after a command.
enum Flow {
    Next,
    End,
}

impl ModelKernel {
    /// A kernel with empty memories.
    pub fn new(geometry: &Geometry, timing: MemoryTiming) -> Self {
        ModelKernel {
            geometry: *geometry,
            timing,
            device: Device::new(geometry),
            ring: None,
            execution: Execution::default(),
            timeline: Timeline::default(),
        }
    }

    /// What the last launch or dispatch did.
    pub fn execution(&self) -> &Execution {
        &self.execution
    }

    fn bank(&mut self, memory: Memory) -> &mut Bank {
        match memory {
            Memory::Weights => &mut self.device.weights,
            Memory::Data => &mut self.device.data,
        }
    }

    /// Runs a list, the first command of which may have come through the registers.
    fn run_list(
        &mut self,
        first: Option<Command>,
        list: u64,
        count: u32,
    ) -> Result<Counters, SimError> {
        self.ring = None;
        check_alignment([list])?;
        self.device.begin();
        self.execution.begin(match first {
            Some(_) => Mode::Immediate,
            None => Mode::List,
        });
        for index in 0..count {
            let record = match first {
                _ if !is_address(list) => Err(ErrorCode::BadAddress),
                Some(first) if index == 0 => Ok(first),
                _ => self.device.fetch(record_at(list, index)),
            };
            if let Flow::End = self.step(index, record) {
                break;
            }
        }
        let immediate = first.is_some();
        let done = self.execution.commands.len() as u32;
        Ok(self.counters(done, None, |index| match index {
            0 if immediate => None,
            _ => Some(record_at(list, index)),
        }))
    }

    /// Runs the commands of a ring up to `tail`. `End` if that ends the ring.
    fn run_ring(&mut self, state: &mut RingState, tail: u32) -> Flow {
        let submitted = tail.wrapping_sub(state.done);
        let Ring {
            records,
            entries,
            completion,
        } = state.ring;
        for _ in 0..submitted {
            let record = if !is_address(records) || !is_address(completion) {
                Err(ErrorCode::BadAddress)
            } else if submitted > entries {
                Err(ErrorCode::BadRing)
            } else {
                self.device.fetch(record_at(records, state.slot))
            };
            // A bad answer is told once the next command has run.
            let flow = self.step(state.done, record);
            if state.completion_failed && self.execution.failure.is_none() {
                self.fail_last(ErrorCode::ResultWrite);
            }
            if self.execution.failure.is_some() {
                return Flow::End;
            }
            state.done = state.done.wrapping_add(1);
            state.slot = if state.slot + 1 == entries {
                0
            } else {
                state.slot + 1
            };
            let answer = self.device.complete(completion, state.done);
            state.completion_failed = answer != Response::Okay;
            if let Flow::End = flow {
                return self.end_of_ring(state);
            }
        }
        match self.end_of_ring(state) {
            Flow::End if state.completion_failed => Flow::End,
            _ => Flow::Next,
        }
    }

    /// Nothing follows the last command: a bad answer to its completion is told at once.
    fn end_of_ring(&mut self, state: &RingState) -> Flow {
        if state.completion_failed && self.execution.failure.is_none() {
            self.execution.failure = Some(Failure {
                code: ErrorCode::ResultWrite,
                index: state.done,
                command: None,
            });
        }
        Flow::End
    }

    /// Runs one command and notes what became of it.
    fn step(&mut self, index: u32, record: Result<Command, ErrorCode>) -> Flow {
        let outcome = match record {
            Ok(command) => self.device.execute(&command),
            Err(code) => Err(code),
        };
        match (outcome, record) {
            (Ok(runs), Ok(command)) => self.completed(command, runs, index),
            (Err(code), record) | (_, record @ Err(code)) => {
                self.execution.failure = Some(Failure {
                    code,
                    index,
                    command: record.ok(),
                });
                Flow::End
            }
        }
    }

    fn completed(&mut self, command: Command, runs: Option<Vec<Run>>, index: u32) -> Flow {
        self.execution.commands.push(ExecutedCommand {
            command,
            runs,
            index,
        });
        match command.opcode {
            OPCODE_STOP => Flow::End,
            _ => Flow::Next,
        }
    }

    /// The command that completed last has failed after all.
    fn fail_last(&mut self, code: ErrorCode) {
        if let Some(last) = self.execution.commands.pop() {
            self.execution.failure = Some(Failure {
                code,
                index: last.index,
                command: Some(last.command),
            });
        }
    }

    /// Counters of the last launch or dispatch. `record` gives where the record of a command lay; `completion` is that
    /// of a ring.
    fn counters(
        &mut self,
        commands_done: u32,
        completion: Option<u64>,
        record: impl Fn(u32) -> Option<u64>,
    ) -> Counters {
        let planned: Vec<Planned> = self
            .execution
            .commands
            .iter()
            .map(|executed| Planned {
                command: executed.command,
                record: record(executed.index),
                runs: executed.runs.clone().unwrap_or_default(),
            })
            .collect();
        let (counters, timeline) = cycles(&self.geometry, &self.timing, completion, &planned);
        self.timeline = timeline;
        Counters {
            commands_done,
            error: self.execution.failure.as_ref().map(|f| (f.code, f.index)),
            ..counters
        }
    }
}

/// Offset of a record of a list or ring.
fn record_at(first: u64, place: u32) -> u64 {
    first.wrapping_add(u64::from(place) * COMMAND_BYTES as u64)
}

fn check_alignment(offsets: impl IntoIterator<Item = u64>) -> Result<(), SimError> {
    match offsets
        .into_iter()
        .find(|o| !o.is_multiple_of(ALIGNMENT as u64))
    {
        Some(list) => Err(SimError::ListAlignment { list }),
        None => Ok(()),
    }
}

impl Kernel for ModelKernel {
    fn geometry(&self) -> Geometry {
        self.geometry
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
        self.run_list(None, list, count)
    }

    fn launch_immediate(
        &mut self,
        first: &Command,
        list: u64,
        count: u32,
    ) -> Result<Counters, SimError> {
        // The registers hold the beginning of a record only.
        let mut record = [0; COMMAND_BYTES];
        let held = 4 * COMMAND_WORDS as usize;
        record[..held].copy_from_slice(&first.to_bytes()[..held]);
        self.run_list(Some(Command::from_bytes(&record)), list, count)
    }

    fn ring_start(&mut self, ring: Ring) -> Result<(), SimError> {
        self.ring = None;
        check_alignment([ring.records, ring.completion])?;
        self.device.begin();
        self.ring = Some(RingState {
            ring,
            done: 0,
            slot: 0,
            completion_failed: false,
        });
        Ok(())
    }

    fn ring_dispatch(&mut self, tail: u32) -> Result<Counters, SimError> {
        let Some(mut state) = self.ring.take() else {
            return Err(SimError::NoRing);
        };
        self.execution.begin(Mode::Ring);
        let flow = self.run_ring(&mut state, tail);
        // The host looks at the completion word.
        self.device.data.read(state.ring.completion, &mut [0; 4])?;
        let ring = state.ring;
        let counters = self.counters(state.done, Some(ring.completion), |index| {
            Some(record_at(ring.records, index % ring.entries))
        });
        if let Flow::Next = flow {
            self.ring = Some(state);
        }
        Ok(counters)
    }

    fn timeline(&self) -> Timeline {
        self.timeline
    }

    fn finish(&mut self) -> Result<(), SimError> {
        Ok(())
    }

    fn inject(&mut self, memory: Memory, fault: Fault) {
        self.bank(memory).inject(fault);
    }

    fn clear_faults(&mut self) {
        self.device.weights.clear_faults();
        self.device.data.clear_faults();
    }
}
