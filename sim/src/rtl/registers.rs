//! Register accesses over `s_axi_control`.

use super::bench::Bench;
use crate::error::SimError;

/// Cycles within which the kernel must answer a register access; far above what back-pressure on
/// five channels adds.
const ANSWER_CYCLES: u64 = 10_000;

/// The kernel's registers. Time passes with every access.
pub struct Registers<'a> {
    bench: &'a mut Bench,
}

impl<'a> Registers<'a> {
    /// The registers of the kernel on a bench.
    pub(super) fn new(bench: &'a mut Bench) -> Self {
        Registers { bench }
    }

    /// Reads the word at a byte offset of the register map.
    pub fn read(&mut self, offset: u32) -> Result<u32, SimError> {
        self.bench.host().read(offset);
        self.finish("read", offset)
    }

    /// Writes the word at a byte offset of the register map.
    pub fn write(&mut self, offset: u32, value: u32) -> Result<(), SimError> {
        self.bench.host().write(offset, value);
        self.finish("write", offset).map(|_| ())
    }

    /// Reads a register pair, low word first.
    pub fn read64(&mut self, offset: u32) -> Result<u64, SimError> {
        let low = self.read(offset)?;
        let high = self.read(offset + 4)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Writes a register pair, low word first.
    pub fn write64(&mut self, offset: u32, value: u64) -> Result<(), SimError> {
        self.write(offset, value as u32)?;
        self.write(offset + 4, (value >> 32) as u32)
    }

    /// Clocks until the access has ended.
    fn finish(&mut self, kind: &str, offset: u32) -> Result<u32, SimError> {
        for _ in 0..ANSWER_CYCLES {
            if let Some(value) = self.bench.clock()? {
                return Ok(value);
            }
        }
        Err(SimError::Hang {
            what: format!("no answer to the {kind} of register {offset:#05x}"),
            cycle: self.bench.cycle(),
            state: self.bench.state(),
        })
    }
}
