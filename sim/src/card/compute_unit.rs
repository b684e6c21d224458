//! One compute unit with its memories, driven access by access.

use tercet_contract::registers as map;
use tercet_contract::Geometry;
use tercet_xclbin::{data_base, weights_base};

use super::{CardError, CardFaults};
use crate::error::SimError;
use crate::kernel::{Kernel, Memory};
use crate::rtl::RtlKernel;
use crate::timing::MemoryTiming;

/// Most cycles that a poll lets pass: tens of milliseconds of simulation.
pub const POLL_CYCLES: u64 = 8192;

/// Cycles between two looks in a poll.
const LOOK_CYCLES: u64 = 64;

/// Cycles without a transfer after which a unit whose ports are quiet counts as waiting for the host: its lanes and
/// buffers hold less than that.
const QUIET_CYCLES: u64 = 1024;

/// Cycles that pass in an access to a unit that waits: so that one that only seemed to wait moves on.
const WAITING_CYCLES: u64 = 16;

/// Most bytes read from the data memory that count as a poll.
const POLLED_BYTES: usize = 4096;

/// A kernel, two memories, and whether it runs.
pub struct ComputeUnit {
    cu: usize,
    kernel: RtlKernel,
    /// Started, and not seen done since.
    running: bool,
    /// Cycle of the last start or doorbell.
    told: u64,
    /// Why no access is possible any more.
    broken: Option<String>,
}

impl ComputeUnit {
    /// An idle unit with empty memories.
    pub fn open(
        cu: usize,
        geometry: &Geometry,
        timing: MemoryTiming,
        faults: &CardFaults,
    ) -> Result<Self, SimError> {
        let mut kernel = RtlKernel::open(geometry, timing, None)?;
        let bench = kernel.bench();
        bench.memories().weights.place(weights_base(cu));
        bench.memories().data.place(data_base(cu));
        if cu == 0 {
            bench.begin_with(faults.memory.clone());
        }
        Ok(ComputeUnit {
            cu,
            kernel,
            running: false,
            told: 0,
            broken: None,
        })
    }

    /// Makes a memory at least so long.
    pub fn grow(&mut self, memory: Memory, bytes: u64) -> Result<(), CardError> {
        let bank = self.kernel.bench().memories().bank(memory);
        let too_large = SimError::TooLarge {
            memory,
            bytes: usize::MAX,
        };
        let bytes = usize::try_from(bytes).map_err(|_| too_large)?;
        if bytes > bank.len() {
            bank.resize(bytes)?;
        }
        Ok(())
    }

    /// Writes within a memory.
    pub fn write_memory(
        &mut self,
        memory: Memory,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), CardError> {
        Ok(self.kernel.write(memory, offset, bytes)?)
    }

    /// Reads within a memory. Few bytes of the data memory may be what a host polls: they are given time to change.
    pub fn read_memory(
        &mut self,
        memory: Memory,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), CardError> {
        self.kernel.read(memory, offset, bytes)?;
        if memory == Memory::Weights || !self.running || self.broken.is_some() {
            return Ok(());
        }
        if bytes.len() > POLLED_BYTES {
            // A unit that broke has memories still.
            let _ = self.advance(LOOK_CYCLES);
            return Ok(self.kernel.read(memory, offset, bytes)?);
        }
        let before = bytes.to_vec();
        let mut passed = 0;
        while *bytes == *before && passed < POLL_CYCLES {
            if !self.advance(LOOK_CYCLES).unwrap_or(false) {
                passed = POLL_CYCLES;
            }
            passed += LOOK_CYCLES;
            self.kernel.read(memory, offset, bytes)?;
        }
        Ok(())
    }

    /// Writes a register.
    pub fn write_register(&mut self, offset: u32, value: u32) -> Result<(), CardError> {
        self.usable()?;
        let starts = offset == map::CTRL && value & map::CTRL_START != 0;
        if starts || (offset == map::TAIL && self.running) {
            let bench = self.kernel.bench();
            bench.start_with_next_write();
            self.told = bench.cycle();
        }
        self.running |= starts;
        let written = self.kernel.registers().write(offset, value);
        self.or_broken(written)
    }

    /// Reads a register. A read of `CTRL` while the unit runs is a poll: time passes until it is done, up to
    /// [`POLL_CYCLES`].
    pub fn read_register(&mut self, offset: u32) -> Result<u32, CardError> {
        self.usable()?;
        let mut passed = 0;
        loop {
            let read = self.kernel.registers().read(offset);
            let value = self.or_broken(read)?;
            if offset != map::CTRL || !self.running {
                return Ok(value);
            }
            // Reading clears `ap_done`; a read that does not return has not seen it.
            let idle = value & (map::CTRL_IDLE | map::CTRL_START) == map::CTRL_IDLE;
            if value & map::CTRL_DONE != 0 || idle {
                self.running = false;
                return Ok(value);
            }
            if passed >= POLL_CYCLES || !self.advance(LOOK_CYCLES)? {
                return Ok(value);
            }
            passed += LOOK_CYCLES;
        }
    }

    /// Lets up to `cycles` clock cycles pass if the unit runs, a few if it waits for the host or hangs. Returns whether
    /// it moves.
    pub fn advance(&mut self, cycles: u64) -> Result<bool, CardError> {
        self.usable()?;
        if !self.running {
            return Ok(false);
        }
        let moves = self.moves();
        let cycles = match moves {
            true => cycles,
            false => cycles.min(WAITING_CYCLES),
        };
        let passed = self.kernel.wait(cycles);
        self.or_broken(passed)?;
        Ok(moves)
    }

    /// Whether something has happened lately. What a memory takes to answer is not looked at if its port is quiet.
    fn moves(&mut self) -> bool {
        let told = self.told;
        let bench = self.kernel.bench();
        let still = bench.cycle() - bench.last_activity().max(told);
        let patience = match bench.memories().is_quiet() {
            true => QUIET_CYCLES,
            false => QUIET_CYCLES + 2 * bench.timing().latency(),
        };
        still <= patience
    }

    fn usable(&self) -> Result<(), CardError> {
        match &self.broken {
            None => Ok(()),
            Some(reason) => Err(CardError::Broken {
                cu: self.cu,
                reason: reason.clone(),
            }),
        }
    }

    /// After an error of the simulation, an access may be under way for ever: there is no way on.
    fn or_broken<T>(&mut self, result: Result<T, SimError>) -> Result<T, CardError> {
        result.map_err(|error| {
            self.broken = Some(error.to_string());
            self.running = false;
            CardError::Simulation(error)
        })
    }
}
