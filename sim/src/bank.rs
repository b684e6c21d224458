//! The bytes behind one AXI port, the address they begin at, and injected faults.
//!
//! The two memories are separate address spaces with different, non-zero bases above 4 GiB, so a
//! kernel or host that drops a base register, or its high word, meets DECERR instead of luck.

use tercet_contract::layout::ALIGNMENT;

use crate::error::SimError;
use crate::kernel::Memory;

/// Bus address of byte 0 of the weights memory.
pub const WEIGHTS_BASE: u64 = 0x1_0000_0000;
/// Bus address of byte 0 of the data memory.
pub const DATA_BASE: u64 = 0x2_0000_0000;

/// AXI response code (AXI4 A3.4.4); EXOKAY does not occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Response {
    /// Normal access.
    Okay = 0,
    /// The memory was reached and reports an error.
    SlaveError = 2,
    /// There is no memory at the address.
    DecodeError = 3,
}

/// A range of a memory that answers with an error. Writes to it are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// First byte of the range, from the start of the memory.
    pub offset: u64,
    /// Bytes of the range.
    pub bytes: u64,
    /// What is answered.
    pub response: Response,
}

/// One memory.
#[derive(Debug)]
pub struct Bank {
    memory: Memory,
    base: u64,
    bytes: Vec<u8>,
    faults: Vec<Fault>,
}

impl Bank {
    /// An empty memory at its base address.
    pub fn new(memory: Memory) -> Self {
        Bank {
            memory,
            base: match memory {
                Memory::Weights => WEIGHTS_BASE,
                Memory::Data => DATA_BASE,
            },
            bytes: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Bus address of byte 0.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Moves byte 0 to another bus address.
    pub fn place(&mut self, base: u64) {
        self.base = base;
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the memory has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Sets the size, rounded up to whole lines of [`ALIGNMENT`] bytes; new bytes are zero.
    pub fn resize(&mut self, bytes: usize) -> Result<(), SimError> {
        let too_large = || SimError::TooLarge {
            memory: self.memory,
            bytes,
        };
        let size = bytes
            .checked_next_multiple_of(ALIGNMENT)
            .ok_or_else(too_large)?;
        if let Some(more) = size.checked_sub(self.bytes.len()) {
            self.bytes
                .try_reserve_exact(more)
                .map_err(|_| too_large())?;
        }
        self.bytes.resize(size, 0);
        Ok(())
    }

    /// Makes a range answer with an error.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Removes the injected faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Host access: writes at an offset, without faults.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SimError> {
        let range = self.range(offset, bytes.len())?;
        self.bytes[range].copy_from_slice(bytes);
        Ok(())
    }

    /// Host access: reads at an offset, without faults.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), SimError> {
        bytes.copy_from_slice(&self.bytes[self.range(offset, bytes.len())?]);
        Ok(())
    }

    /// Bus access: the bytes at `address`, or why there are none.
    pub fn bus_read(&self, address: u64, bytes: usize) -> Result<&[u8], Response> {
        let offset = self.bus_offset(address, bytes)?;
        Ok(&self.bytes[offset..offset + bytes])
    }

    /// Bus access: writes the bytes of `bytes` whose bit in `strobe` is set.
    pub fn bus_write(&mut self, address: u64, bytes: &[u8], strobe: u64) -> Response {
        match self.bus_offset(address, bytes.len()) {
            Ok(offset) => {
                let line = &mut self.bytes[offset..offset + bytes.len()];
                for (i, (to, from)) in line.iter_mut().zip(bytes).enumerate() {
                    if strobe >> i & 1 == 1 {
                        *to = *from;
                    }
                }
                Response::Okay
            }
            Err(response) => response,
        }
    }

    /// Offset of a bus access that lies wholly within the memory and meets no fault.
    fn bus_offset(&self, address: u64, bytes: usize) -> Result<usize, Response> {
        let offset = address
            .checked_sub(self.base)
            .ok_or(Response::DecodeError)?;
        let end = offset
            .checked_add(bytes as u64)
            .ok_or(Response::DecodeError)?;
        let hit = |f: &&Fault| offset < f.offset.saturating_add(f.bytes) && f.offset < end;
        if let Some(fault) = self.faults.iter().find(hit) {
            return Err(fault.response);
        }
        if end > self.bytes.len() as u64 {
            return Err(Response::DecodeError);
        }
        Ok(offset as usize)
    }

    fn range(&self, offset: u64, bytes: usize) -> Result<std::ops::Range<usize>, SimError> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| Some(start..start.checked_add(bytes)?))
            .filter(|range| range.end <= self.bytes.len())
            .ok_or(SimError::Range {
                memory: self.memory,
                offset,
                bytes,
                size: self.bytes.len(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank(bytes: usize) -> Bank {
        let mut bank = Bank::new(Memory::Data);
        bank.resize(bytes).unwrap();
        bank
    }

    #[test]
    fn sizes_are_whole_lines_and_contents_survive() {
        let mut bank = bank(65);
        assert_eq!(bank.len(), 128);
        bank.write(127, &[9]).unwrap();
        bank.resize(1000).unwrap();
        let mut byte = [0];
        bank.read(127, &mut byte).unwrap();
        assert_eq!((bank.len(), byte), (1024, [9]));
        assert!(matches!(
            bank.resize(usize::MAX - 100),
            Err(SimError::TooLarge { .. })
        ));
    }

    #[test]
    fn host_accesses_outside_are_named() {
        let error = bank(64).write(60, &[0; 5]).unwrap_err().to_string();
        assert!(
            error.contains("bytes 60..65") && error.contains("64"),
            "{error}"
        );
        assert!(bank(64).write(u64::MAX, &[0; 5]).is_err());
    }

    #[test]
    fn strobes_choose_bytes() {
        let mut bank = bank(64);
        let response = bank.bus_write(DATA_BASE, &[1, 2, 3, 4], 0b1010);
        assert_eq!(response, Response::Okay);
        assert_eq!(bank.bus_read(DATA_BASE, 4), Ok(&[0, 2, 0, 4][..]));
    }

    #[test]
    fn bus_accesses_outside_or_in_a_fault_get_their_response() {
        let mut bank = bank(256);
        assert_eq!(bank.bus_read(0, 64), Err(Response::DecodeError));
        assert_eq!(
            bank.bus_read(DATA_BASE + 256, 64),
            Err(Response::DecodeError)
        );
        assert_eq!(bank.bus_read(u64::MAX, 64), Err(Response::DecodeError));
        bank.inject(Fault {
            offset: 100,
            bytes: 1,
            response: Response::SlaveError,
        });
        assert!(bank.bus_read(DATA_BASE, 64).is_ok());
        assert_eq!(bank.bus_read(DATA_BASE + 64, 64), Err(Response::SlaveError));
        assert_eq!(
            bank.bus_write(DATA_BASE + 64, &[1; 64], u64::MAX),
            Response::SlaveError
        );
        bank.clear_faults();
        assert_eq!(bank.bus_read(DATA_BASE + 64, 2), Ok(&[0, 0][..]));
    }
}
