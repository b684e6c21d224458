//! The bytes on the serial line of a board.

use std::collections::VecDeque;

use crate::build;
use crate::error::SimError;

use super::library::{BoardPins, BoardSimulation};

/// Clock cycles that a bit lasts in simulation: few, since the line is what takes the time.
pub const BIT_CYCLES: u16 = 4;

/// Cycles without a bit on either line, besides those of a byte, after which a board is taken to wait for a request: more than any request
/// takes before its reply begins.
const QUIET_CYCLES: u64 = 8192;

/// Cycles that the button stays pressed for a reset, and the time that the board then takes to be there.
const RESET_CYCLES: u64 = 8;

/// A Verilated board with its line.
pub struct SerialBoard {
    board: BoardSimulation,
    bit_cycles: u32,
    pins: BoardPins,
    cycle: u64,
    quiet: u64,
    reset_left: u64,
    to_send: VecDeque<u8>,
    /// Bits of the byte that goes to the board, lowest first, and the cycles left of the first one.
    sending: (u16, u32, u32),
    /// Bits of the byte that comes, how many, and cycles until the next is looked at.
    receiving: Option<(u16, u32, u32)>,
    received: Vec<u8>,
}

impl SerialBoard {
    /// The board after configuration; built on first use, about 20 s.
    pub fn open() -> Result<Self, SimError> {
        Self::of_verilog(&tercet_hdl::board::emit_ulx3s(BIT_CYCLES)?, BIT_CYCLES)
    }

    /// Whether [`SerialBoard::open`] finds it built on this machine.
    pub fn is_built() -> Result<bool, SimError> {
        build::is_board_built(&tercet_hdl::board::emit_ulx3s(BIT_CYCLES)?)
    }

    /// The board of another text with the same top module and pins, such as a netlist that synthesis made of it, with
    /// `bit_cycles` clock cycles a bit.
    pub fn of_verilog(verilog: &str, bit_cycles: u16) -> Result<Self, SimError> {
        let library = build::board_library(verilog)?;
        Ok(SerialBoard {
            board: BoardSimulation::open(&library)?,
            bit_cycles: bit_cycles.into(),
            pins: BoardPins::default(),
            cycle: 0,
            quiet: 0,
            reset_left: 0,
            to_send: VecDeque::new(),
            sending: (0, 0, 0),
            receiving: None,
            received: Vec::new(),
        })
    }

    /// Clock cycles so far.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Presses the button.
    pub fn reset(&mut self) {
        self.reset_left = RESET_CYCLES;
        self.quiet = 0;
    }

    /// Queues bytes to the board.
    pub fn send(&mut self, bytes: &[u8]) {
        self.to_send.extend(bytes);
        self.quiet = 0;
    }

    /// Clocks until nothing happens any more, at most `cycles`; bytes that came from the board. Whether it is quiet
    /// says [`SerialBoard::is_quiet`].
    pub fn run(&mut self, cycles: u64) -> Result<Vec<u8>, SimError> {
        for _ in 0..cycles {
            if self.is_quiet() {
                break;
            }
            self.clock()?;
        }
        Ok(std::mem::take(&mut self.received))
    }

    /// Whether the board waits for a request, as far as the line tells.
    pub fn is_quiet(&self) -> bool {
        self.quiet >= QUIET_CYCLES + 10 * u64::from(self.bit_cycles) && self.to_send.is_empty()
    }

    fn clock(&mut self) -> Result<(), SimError> {
        self.drive();
        self.pins.reset = self.reset_left > 0;
        self.reset_left = self.reset_left.saturating_sub(1);
        self.board
            .step(&mut self.pins)
            .map_err(|message| SimError::Stopped {
                cycle: self.cycle,
                message,
            })?;
        self.cycle += 1;
        self.quiet += 1;
        if !self.pins.rx || !self.pins.tx {
            self.quiet = 0;
        }
        self.sample();
        Ok(())
    }

    /// Sets `rx`.
    fn drive(&mut self) {
        let (mut bits, mut count, mut left) = self.sending;
        if count == 0 {
            let Some(byte) = self.to_send.pop_front() else {
                self.pins.rx = true;
                return;
            };
            // Start bit, byte, stop bit.
            (bits, count, left) = (u16::from(byte) << 1 | 1 << 9, 10, self.bit_cycles);
        }
        self.pins.rx = bits & 1 == 1;
        left -= 1;
        if left == 0 {
            (bits, count, left) = (bits >> 1, count - 1, self.bit_cycles);
        }
        self.sending = (bits, count, left);
    }

    /// Looks at `tx`.
    fn sample(&mut self) {
        let Some((mut bits, mut count, mut left)) = self.receiving else {
            if !self.pins.tx {
                self.receiving = Some((0, 0, self.bit_cycles + self.bit_cycles / 2 - 1));
            }
            return;
        };
        left -= 1;
        if left == 0 {
            bits |= u16::from(self.pins.tx) << count;
            count += 1;
            left = self.bit_cycles;
        }
        self.receiving = match count {
            9 => {
                // A missing stop bit: the board was reset within the byte.
                if bits >> 8 == 1 {
                    self.received.push(bits as u8);
                }
                None
            }
            _ => Some((bits, count, left)),
        };
    }
}
