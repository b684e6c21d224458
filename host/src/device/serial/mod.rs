//! A board behind a serial port, such as an ECP5 board with the kernel and its memories on chip.
//!
//! | module | concern |
//! |---|---|
//! | [`terminal`] | the port: bytes with a deadline |
//! | [`link`] | requests and replies over it: sessions, retries |
//! | `probe` | what board and line are like, for `tercet doctor` |
//! | [`error`] | why the board did not do it |
//!
//! The board's memories are small, so this device keeps the data memory of its image on the host and moves what each
//! command needs: its activations, the command through the registers, its results. Weights are loaded once and must
//! fit as a whole. A board that is reset meanwhile gets its weights again, and the command is run again.

pub mod error;
pub mod link;
mod probe;
pub mod terminal;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tercet_contract::command::{Command, COMMAND_BYTES, FLAG_KEEP_ACTIVATIONS, OPCODE_GEMV};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::layout::align;
use tercet_contract::registers as map;
use tercet_contract::serial::message::{Opcode, BEAT_BYTES, DATA_SPACE};
use tercet_contract::serial::Identity;
use tercet_contract::{Geometry, CONTRACT_VERSION};
use tercet_sim::Ring;

use super::{Counters, Device, DeviceError};
use crate::tier::Tier;
pub use error::SerialError;
use link::Link;
pub use link::LinkCounts;
use terminal::Terminal;

/// Name of the kernel that the boards have.
pub const GEOMETRY: &str = tercet_hdl::board::GEOMETRY;

/// Clock of the boards in hertz.
pub const CLOCK_HZ: u32 = tercet_hdl::board::CLOCK_HZ;

/// Bits a second on the line.
pub const BAUD: u32 = tercet_hdl::board::BAUD;

/// Clock cycles that a bit of the line lasts on a board.
pub const BIT_CYCLES: u16 = tercet_hdl::board::BIT_CYCLES;

/// How often a command is begun again on a board that was reset.
const MOST_RESETS: usize = 3;

/// Where the board is, and how long it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct SerialOptions {
    /// The port, such as `/dev/ttyUSB0`.
    pub path: PathBuf,
    /// Longest time of a request with its retries, and of a command.
    pub timeout: Duration,
}

/// One board.
pub struct SerialDevice {
    link: Link,
    geometry: Geometry,
    identity: Identity,
    timeout: Duration,
    /// Its line is faster than a board's.
    is_simulated: bool,
    weights: Vec<u8>,
    data: Vec<u8>,
    /// Activations that the board has.
    sent: Option<Vec<u8>>,
}

impl SerialDevice {
    /// Opens the port and a session with the board, whose kernel must be that of `geometry`.
    pub fn open(options: &SerialOptions, geometry: &Geometry) -> Result<Self, DeviceError> {
        SerialDevice::connect(options, geometry).map_err(runtime)
    }

    fn connect(options: &SerialOptions, geometry: &Geometry) -> Result<Self, SerialError> {
        let terminal = Terminal::open(&options.path, BAUD)?;
        let mut link = Link::new(terminal, options.timeout);
        let identity = begin(&mut link)?;
        let found = link.read_registers(map::MAGIC, 4)?;
        let geometry_found = map::geometry_of_words(found[2], found[3]);
        if found[..2] != [map::MAGIC_VALUE, CONTRACT_VERSION] || geometry_found.is_none() {
            return Err(SerialError::Kernel { words: found });
        }
        if geometry_found != Some(*geometry) {
            return Err(SerialError::Geometry {
                found: geometry_found.map_or_else(String::new, |g| g.to_string()),
                expected: *geometry,
            });
        }
        Ok(SerialDevice {
            link,
            geometry: *geometry,
            identity,
            timeout: options.timeout,
            is_simulated: identity.bit_cycles != BIT_CYCLES,
            weights: Vec::new(),
            data: Vec::new(),
            sent: None,
        })
    }

    /// What happened on the line so far.
    pub fn counts(&self) -> LinkCounts {
        self.link.counts()
    }

    /// Runs `action`, on a board that was reset again after giving it a session and its weights.
    fn with_resets<T>(
        &mut self,
        mut action: impl FnMut(&mut Self) -> Result<T, SerialError>,
    ) -> Result<T, SerialError> {
        let mut result = action(self);
        for _ in 0..MOST_RESETS {
            if !matches!(result, Err(SerialError::Reset)) {
                break;
            }
            self.sent = None;
            result = begin(&mut self.link).and_then(|_| {
                self.upload()?;
                action(self)
            });
        }
        result
    }

    /// All weights to the board.
    fn upload(&mut self) -> Result<(), SerialError> {
        self.link.write_memory(0, &self.weights)
    }

    fn command(&mut self, mut command: Command) -> Result<(Status, Counters), SerialError> {
        if command.opcode != OPCODE_GEMV || command.flags & !FLAG_KEEP_ACTIVATIONS != 0 {
            return Err(SerialError::Unsupported(
                "other commands than whole products",
            ));
        }
        let g = self.geometry;
        let stride = g.vector_stride(usize::from(command.k));
        let input = align(usize::from(command.vectors) * stride);
        let output = align(g.result_bytes(command.rows as usize));
        let room = self.identity.data as usize;
        if input + output > room {
            return Err(SerialError::Data {
                bytes: input + output,
                room,
            });
        }
        let codes = slice(&self.data, command.activations, input)?.to_vec();
        slice(&self.data, command.results, output)?;
        let results_at = command.results as usize;

        // What an earlier command left in the kernel is not relied on: loading it again costs no time on the line.
        command.flags = 0;
        command.activations = 0;
        command.results = input as u64;
        if self.sent.as_ref() != Some(&codes) {
            self.sent = None;
            self.link.write_memory(DATA_SPACE, &codes)?;
            self.sent = Some(codes);
        }
        let (status, counters) = self.start(&command)?;
        if status.error == 0 && status.done == 1 {
            let results = self.link.read_memory(DATA_SPACE + input as u32, output)?;
            self.data[results_at..][..output].copy_from_slice(&results);
        }
        Ok((status, counters))
    }

    /// One command through the registers, to its end.
    fn start(&mut self, command: &Command) -> Result<(Status, Counters), SerialError> {
        let mut words = vec![0; ((map::COMMAND - map::WEIGHTS) / 4 + map::COMMAND_WORDS) as usize];
        let at = |offset: u32| ((offset - map::WEIGHTS) / 4) as usize;
        words[at(map::COUNT)] = 1;
        words[at(map::MODE)] = map::MODE_IMMEDIATE;
        let record = command.to_bytes();
        for (word, bytes) in words[at(map::COMMAND)..]
            .iter_mut()
            .zip(record.chunks_exact(4))
        {
            *word = u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
        }
        self.link.write_registers(map::WEIGHTS, &words)?;
        self.link.write_registers(map::CTRL, &[map::CTRL_START])?;
        let begun = Instant::now();
        while self.link.read_registers(map::CTRL, 1)?[0] & map::CTRL_DONE == 0 {
            if begun.elapsed() > self.timeout {
                // So that the next one finds a kernel that is idle.
                self.link.request(Opcode::ResetKernel, 0, 0, &[])?;
                return Err(SerialError::Hang {
                    seconds: self.timeout.as_secs_f64(),
                });
            }
        }
        let counted = (map::BLOCKED + 8 - map::ERROR) / 4;
        let words = self.link.read_registers(map::ERROR, counted)?;
        let word = |offset: u32| words[((offset - map::ERROR) / 4) as usize];
        let long = |offset: u32| u64::from(word(offset + 4)) << 32 | u64::from(word(offset));
        let status = Status {
            error: word(map::ERROR),
            done: word(map::COMMANDS_DONE),
        };
        let counters = Counters {
            cycles: long(map::CYCLES),
            weight_beats: long(map::WEIGHT_BEATS),
            starved_cycles: long(map::STARVED),
            blocked_cycles: long(map::BLOCKED),
        };
        Ok((status, counters))
    }

    /// Command `i` of a list.
    fn record(&self, list: u64, i: u32) -> Result<Command, SerialError> {
        let at = list + u64::from(i) * COMMAND_BYTES as u64;
        let bytes = slice(&self.data, at, COMMAND_BYTES)?;
        Ok(Command::from_bytes(bytes.try_into().expect("a record")))
    }
}

/// How a command ended.
struct Status {
    error: u32,
    done: u32,
}

/// A session with a kernel that is idle: one that was killed may have left a ring or a command under way.
fn begin(link: &mut Link) -> Result<Identity, SerialError> {
    let identity = link.open()?;
    link.request(Opcode::ResetKernel, 0, 0, &[])?;
    Ok(identity)
}

fn slice(data: &[u8], offset: u64, bytes: usize) -> Result<&[u8], SerialError> {
    usize::try_from(offset)
        .ok()
        .and_then(|at| data.get(at..at.checked_add(bytes)?))
        .ok_or(SerialError::Range {
            offset,
            bytes,
            size: data.len(),
        })
}

fn runtime(source: SerialError) -> DeviceError {
    DeviceError::Runtime {
        device: "serial",
        source: source.into(),
    }
}

impl Device for SerialDevice {
    fn name(&self) -> &'static str {
        "serial"
    }

    fn tier(&self) -> Tier {
        match self.is_simulated {
            true => Tier::CycleAccurate,
            false => Tier::Measured,
        }
    }

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn is_simulated(&self) -> bool {
        self.is_simulated
    }

    fn load(&mut self, weights: &[u8], data: &[u8]) -> Result<(), DeviceError> {
        let room = self.identity.weights as usize;
        if weights.len() > room {
            return Err(runtime(SerialError::Weights {
                bytes: weights.len(),
                room,
            }));
        }
        self.weights = weights.to_vec();
        self.weights
            .resize(weights.len().next_multiple_of(BEAT_BYTES), 0);
        self.data = data.to_vec();
        self.sent = None;
        self.with_resets(Self::upload).map_err(runtime)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        slice(&self.data, offset, bytes.len()).map_err(runtime)?;
        self.data[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        bytes.copy_from_slice(slice(&self.data, offset, bytes.len()).map_err(runtime)?);
        Ok(())
    }

    fn launch(&mut self, first: &Command, list: u64, count: u32) -> Result<Counters, DeviceError> {
        let mut sum = Counters::default();
        for index in 0..count {
            let command = match index {
                0 => *first,
                _ => self.record(list, index).map_err(runtime)?,
            };
            let (status, counters) = self.with_resets(|d| d.command(command)).map_err(runtime)?;
            if status.error != 0 {
                let Some(code) = ErrorCode::from_register(status.error) else {
                    return Err(runtime(SerialError::UnknownErrorCode(status.error)));
                };
                return Err(DeviceError::Kernel {
                    device: self.name(),
                    code,
                    index,
                    count,
                });
            }
            if status.done != 1 {
                return Err(DeviceError::Incomplete {
                    device: self.name(),
                    done: index,
                    count,
                });
            }
            sum = sum.then(counters);
        }
        Ok(sum)
    }

    fn ring_start(&mut self, _: Ring) -> Result<(), DeviceError> {
        Err(runtime(SerialError::Unsupported(
            "rings; use --mode launch",
        )))
    }

    fn ring_dispatch(&mut self, _: u32) -> Result<Counters, DeviceError> {
        Err(runtime(SerialError::Unsupported(
            "rings; use --mode launch",
        )))
    }

    fn ring_stop(&mut self, _: u32) -> Result<(), DeviceError> {
        Err(runtime(SerialError::Unsupported(
            "rings; use --mode launch",
        )))
    }
}

#[cfg(test)]
mod tests;
