//! An emulated card: Verilated compute units, their registers and memories at absolute addresses, as
//! XRT sees them.
//!
//! | what | where |
//! |---|---|
//! | registers of compute unit `i` | [`control_base(i)`](tercet_xclbin::control_base), in the control space |
//! | its weight memory | [`weights_base(i)`](tercet_xclbin::weights_base), [`MEMORY_BYTES`] long |
//! | its data memory | [`data_base(i)`](tercet_xclbin::data_base), as long |
//!
//! Registers are those of the RTL, reached over its AXI4-Lite port; only `UPTIME` is not. A real card counts
//! freely, and hosts find the kernel's clock by two reads and a clock of their own; simulated cycles would tell
//! them the speed of the simulation. So `UPTIME` reads the time since the card was opened in cycles of
//! [`CardConfig::clock_hz`].
//!
//! Time passes in every access, as much as its kind makes useful, and never for long:
//!
//! | access | cycles |
//! |---|---|
//! | a register | until it is answered |
//! | reading `CTRL` of a unit that runs: a poll | until it is done, or nothing moves, or [`POLL_CYCLES`] |
//! | reading few bytes of the data memory of a unit that runs: perhaps a poll too | until they change, or nothing moves, or [`POLL_CYCLES`] |
//!
//! A kernel that hangs stays not done; nothing here waits for it.

mod compute_unit;
mod faults;

use std::time::Instant;

use tercet_contract::registers as map;
use tercet_contract::Geometry;
use tercet_xclbin::{control_base, data_base, weights_base, MEMORY_BYTES};

use crate::error::SimError;
use crate::kernel::Memory;
use crate::timing::MemoryTiming;

use compute_unit::ComputeUnit;
pub use compute_unit::POLL_CYCLES;
pub use faults::CardFaults;

/// Bytes of control space that a compute unit has.
const CONTROL_BYTES: u64 = 1 << map::ADDRESS_BITS;

/// What stands on a card.
#[derive(Clone, Debug)]
pub struct CardConfig {
    /// The kernel of every compute unit.
    pub geometry: Geometry,
    /// Compute units.
    pub cus: usize,
    /// Clock by which `UPTIME` counts, in Hz.
    pub clock_hz: u64,
    /// The memories.
    pub timing: MemoryTiming,
    /// What goes wrong.
    pub faults: CardFaults,
}

impl CardConfig {
    /// A card without faults and with the usual memories.
    pub fn new(geometry: Geometry, cus: usize, clock_hz: u64) -> Self {
        CardConfig {
            geometry,
            cus,
            clock_hz,
            timing: MemoryTiming::default(),
            faults: CardFaults::default(),
        }
    }
}

/// Why a card did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// A card needs compute units.
    #[error("a card of {found} compute units: expected 1 to {max}")]
    ComputeUnits {
        /// Asked for.
        found: usize,
        /// Most.
        max: usize,
    },

    /// Nothing lies there.
    #[error("{bytes} bytes at {address:#x}: no memory of the card holds them")]
    Address {
        /// First byte.
        address: u64,
        /// Bytes.
        bytes: u64,
    },

    /// No register lies there.
    #[error("control address {address:#x} is no register of a compute unit")]
    Register {
        /// The address.
        address: u64,
    },

    /// The compute unit failed in an earlier access, and cannot be used any more.
    #[error("compute unit {cu} is out of order: {reason}")]
    Broken {
        /// Its index.
        cu: usize,
        /// What happened.
        reason: String,
    },

    /// An injected fault: the card answers no more.
    #[error("the card is dead, as was asked for")]
    Dead,

    /// The kernel could not be opened or the memory not be had.
    #[error(transparent)]
    Simulation(#[from] SimError),
}

/// Most compute units: their registers lie below 256 MiB.
pub const MAX_COMPUTE_UNITS: usize = 64;

/// A card in simulation.
pub struct Card {
    units: Vec<ComputeUnit>,
    geometry: Geometry,
    clock_hz: u64,
    faults: CardFaults,
    requests: u64,
    opened: Instant,
}

impl Card {
    /// A card whose kernels are idle and whose memories are empty. Builds the kernel's library if this machine has
    /// not done so before.
    pub fn open(config: &CardConfig) -> Result<Self, CardError> {
        if !(1..=MAX_COMPUTE_UNITS).contains(&config.cus) {
            return Err(CardError::ComputeUnits {
                found: config.cus,
                max: MAX_COMPUTE_UNITS,
            });
        }
        let geometry = config.faults.geometry.unwrap_or(config.geometry);
        let open = |cu| ComputeUnit::open(cu, &geometry, config.timing, &config.faults);
        Ok(Card {
            units: (0..config.cus).map(open).collect::<Result<_, _>>()?,
            geometry,
            clock_hz: config.clock_hz,
            faults: config.faults.clone(),
            requests: 0,
            opened: Instant::now(),
        })
    }

    /// The kernel of the compute units.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Compute units.
    pub fn compute_units(&self) -> usize {
        self.units.len()
    }

    /// Makes room for a buffer, so that the kernel finds memory there before anything is written to it.
    pub fn allocate(&mut self, address: u64, bytes: u64) -> Result<(), CardError> {
        self.request()?;
        let (unit, memory, offset) = self.locate(address, bytes)?;
        unit.grow(memory, offset + bytes)
    }

    /// Writes to a memory; it grows as far as that takes.
    pub fn write_memory(&mut self, address: u64, bytes: &[u8]) -> Result<(), CardError> {
        self.request()?;
        let lost = self.faults.zero_results;
        let (unit, memory, offset) = self.locate(address, bytes.len() as u64)?;
        unit.grow(memory, offset + bytes.len() as u64)?;
        match memory {
            // Weights that are not there are zeros, and so are all sums.
            Memory::Weights if lost => Ok(()),
            _ => unit.write_memory(memory, offset, bytes),
        }
    }

    /// Reads a memory; bytes never written are zero.
    pub fn read_memory(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), CardError> {
        self.request()?;
        let (unit, memory, offset) = self.locate(address, bytes.len() as u64)?;
        unit.grow(memory, offset + bytes.len() as u64)?;
        unit.read_memory(memory, offset, bytes)
    }

    /// Writes a register of the control space.
    pub fn write_register(&mut self, address: u64, value: u32) -> Result<(), CardError> {
        self.request()?;
        let (unit, offset) = self.register(address)?;
        unit.write_register(offset, value)
    }

    /// Reads a register of the control space.
    pub fn read_register(&mut self, address: u64) -> Result<u32, CardError> {
        self.request()?;
        let uptime = self.uptime();
        let (unit, offset) = self.register(address)?;
        match offset.wrapping_sub(map::UPTIME) {
            0 => Ok(uptime as u32),
            4 => Ok((uptime >> 32) as u32),
            _ => unit.read_register(offset),
        }
    }

    /// Lets up to so many clock cycles pass in every compute unit that has something to do. Returns whether one
    /// has still.
    pub fn advance(&mut self, cycles: u64) -> Result<bool, CardError> {
        let mut moving = false;
        for unit in &mut self.units {
            moving |= unit.advance(cycles)?;
        }
        Ok(moving)
    }

    fn uptime(&self) -> u64 {
        let clock_hz = self.clock_hz as f64 * self.faults.clock_factor.unwrap_or(1.0);
        (self.opened.elapsed().as_secs_f64() * clock_hz) as u64
    }

    /// Counts a request; an error once the card is dead.
    fn request(&mut self) -> Result<(), CardError> {
        if self.faults.dies_after.is_some_and(|n| self.requests >= n) {
            return Err(CardError::Dead);
        }
        self.requests += 1;
        Ok(())
    }

    /// The memory that holds all of a range, and its offset there.
    fn locate(
        &mut self,
        address: u64,
        bytes: u64,
    ) -> Result<(&mut ComputeUnit, Memory, u64), CardError> {
        let within = |base: u64| {
            let offset = address.checked_sub(base)?;
            let end = offset.checked_add(bytes)?;
            (end <= MEMORY_BYTES).then_some(offset)
        };
        for (cu, unit) in self.units.iter_mut().enumerate() {
            for (memory, base) in [
                (Memory::Weights, weights_base(cu)),
                (Memory::Data, data_base(cu)),
            ] {
                if let Some(offset) = within(base) {
                    return Ok((unit, memory, offset));
                }
            }
        }
        Err(CardError::Address { address, bytes })
    }

    /// The compute unit of a control address, and the register.
    fn register(&mut self, address: u64) -> Result<(&mut ComputeUnit, u32), CardError> {
        let none = CardError::Register { address };
        let found = self.units.iter_mut().enumerate().find_map(|(cu, unit)| {
            let offset = address.checked_sub(control_base(cu))?;
            (offset < CONTROL_BYTES).then_some((unit, offset as u32))
        });
        match found {
            Some((unit, offset)) if offset.is_multiple_of(4) => Ok((unit, offset)),
            _ => Err(none),
        }
    }
}
