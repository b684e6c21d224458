//! Sends bytes on an asynchronous serial line: eight data bits, lowest first, no parity, one stop bit.
//!
//! Cycle contract: a byte is taken in a cycle with `valid` and `ready`; its ten bits follow on the line from the next
//! cycle on, and `ready` returns when the stop bit is over.

use rust_hdl::prelude::*;

use crate::constant;

/// Sender.
#[derive(LogicBlock)]
pub struct UartTx {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Gives up the byte; the line goes high.
    pub reset: Signal<In, Bit>,
    /// A byte to send.
    pub octet: Signal<In, Bits<8>>,
    /// It is there.
    pub valid: Signal<In, Bit>,
    /// It would be taken.
    pub ready: Signal<Out, Bit>,
    /// The line.
    pub line: Signal<Out, Bit>,
    inverted: Signal<Local, Bits<8>>,
    // Inverted, lowest bit first: a register that starts at zero leaves the line high.
    bits: DFF<Bits<9>>,
    bits_left: DFF<Bits<4>>,
    cycles_left: DFF<Bits<16>>,
    bit_cycles: Constant<Bits<16>>,
}

impl UartTx {
    /// For a line whose bits are `cycles` clock cycles long.
    pub fn new(cycles: u32) -> Self {
        UartTx {
            clock: Default::default(),
            reset: Default::default(),
            octet: Default::default(),
            valid: Default::default(),
            ready: Default::default(),
            inverted: Default::default(),
            line: Default::default(),
            bits: Default::default(),
            bits_left: Default::default(),
            cycles_left: Default::default(),
            bit_cycles: constant(u64::from(cycles) - 1),
        }
    }
}

impl Logic for UartTx {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, bits, bits_left, cycles_left);
        self.inverted.next = !self.octet.val();
        self.line.next = !self.bits.q.val().get_bit(0);
        self.ready.next = self.bits_left.q.val() == 0;
        if self.bits_left.q.val() == 0 {
            if self.valid.val() {
                // The start bit, low, and the byte; zeros that come behind are the stop bit.
                self.bits.d.next = (bit_cast::<9, 8>(self.inverted.val()) << 1) | 1;
                self.bits_left.d.next = 10.into();
                self.cycles_left.d.next = self.bit_cycles.val();
            }
        } else {
            self.cycles_left.d.next = self.cycles_left.q.val() - 1;
            if self.cycles_left.q.val() == 0 {
                self.cycles_left.d.next = self.bit_cycles.val();
                self.bits.d.next = self.bits.q.val() >> 1;
                self.bits_left.d.next = self.bits_left.q.val() - 1;
            }
        }
        if self.reset.val() {
            self.bits.d.next = 0.into();
            self.bits_left.d.next = 0.into();
        }
    }
}
