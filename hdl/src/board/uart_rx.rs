//! Receives bytes from an asynchronous serial line: eight data bits, lowest first, no parity, one stop bit.
//!
//! Cycle contract: a bit is looked at in its middle; `valid` is set for one cycle in the middle of the stop bit. A byte
//! whose stop bit is missing is dropped, and nothing is taken before the line is high again.

use rust_hdl::prelude::*;

use crate::constant;

/// Receiver; the line passes two registers first.
#[derive(LogicBlock)]
pub struct UartRx {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Back to waiting for a start bit.
    pub reset: Signal<In, Bit>,
    /// The line, high when nothing is sent.
    pub line: Signal<In, Bit>,
    /// A byte that has come.
    pub octet: Signal<Out, Bits<8>>,
    /// It is there, in this cycle only.
    pub valid: Signal<Out, Bit>,
    // The line inverted, so that registers that start at zero see a line at rest.
    first: DFF<Bit>,
    low: DFF<Bit>,
    // 0 at rest; 1 in the start bit; 2 to 9 in a data bit; 10 in the stop bit; 11 until the line is high.
    place: DFF<Bits<4>>,
    cycles_left: DFF<Bits<16>>,
    shifted: DFF<Bits<8>>,
    bit_cycles: Constant<Bits<16>>,
    half_bit: Constant<Bits<16>>,
    high_bit: Constant<Bits<8>>,
}

impl UartRx {
    /// For a line whose bits are `cycles` clock cycles long, at least 4.
    pub fn new(cycles: u32) -> Self {
        assert!(cycles >= 4, "cycles of a bit");
        UartRx {
            clock: Default::default(),
            reset: Default::default(),
            line: Default::default(),
            octet: Default::default(),
            valid: Default::default(),
            first: Default::default(),
            low: Default::default(),
            place: Default::default(),
            cycles_left: Default::default(),
            shifted: Default::default(),
            bit_cycles: constant(u64::from(cycles) - 1),
            half_bit: constant(u64::from(cycles) / 2 - 1),
            high_bit: constant(0x80),
        }
    }
}

impl Logic for UartRx {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, first, low, place, cycles_left, shifted);
        self.first.d.next = !self.line.val();
        self.low.d.next = self.first.q.val();
        self.octet.next = self.shifted.q.val();
        self.valid.next = false;
        self.cycles_left.d.next = self.cycles_left.q.val() - 1;

        if self.place.q.val() == 0 {
            self.cycles_left.d.next = self.half_bit.val();
            if self.low.q.val() {
                self.place.d.next = 1.into();
            }
        } else if self.place.q.val() == 11 {
            if !self.low.q.val() {
                self.place.d.next = 0.into();
            }
        } else if self.cycles_left.q.val() == 0 {
            self.cycles_left.d.next = self.bit_cycles.val();
            self.place.d.next = self.place.q.val() + 1;
            if self.place.q.val() == 1 {
                if !self.low.q.val() {
                    self.place.d.next = 0.into();
                }
            } else if self.place.q.val() == 10 {
                if !self.low.q.val() {
                    self.valid.next = true;
                    self.place.d.next = 0.into();
                }
            } else {
                self.shifted.d.next = self.shifted.q.val() >> 1;
                if !self.low.q.val() {
                    self.shifted.d.next = (self.shifted.q.val() >> 1) | self.high_bit.val();
                }
            }
        }

        if self.reset.val() {
            self.place.d.next = 0.into();
            self.valid.next = false;
        }
    }
}
