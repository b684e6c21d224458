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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::uart_rx::UartRx;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    /// A sender and a receiver on one line.
    #[derive(LogicBlock)]
    struct Line {
        clock: Signal<In, Clock>,
        noise: Signal<In, Bit>,
        octet: Signal<In, Bits<8>>,
        valid: Signal<In, Bit>,
        ready: Signal<Out, Bit>,
        received: Signal<Out, Bits<8>>,
        received_valid: Signal<Out, Bit>,
        sender: UartTx,
        receiver: UartRx,
    }

    impl Logic for Line {
        #[hdl_gen]
        fn update(&mut self) {
            clock!(self, clock, sender, receiver);
            self.sender.reset.next = false;
            self.receiver.reset.next = false;
            self.sender.octet.next = self.octet.val();
            self.sender.valid.next = self.valid.val();
            self.ready.next = self.sender.ready.val();
            self.receiver.line.next = self.sender.line.val() & !self.noise.val();
            self.received.next = self.receiver.octet.val();
            self.received_valid.next = self.receiver.valid.val();
        }
    }

    fn line(cycles: u32) -> Line {
        let mut line = Line {
            clock: Default::default(),
            noise: Default::default(),
            octet: Default::default(),
            valid: Default::default(),
            ready: Default::default(),
            received: Default::default(),
            received_valid: Default::default(),
            sender: UartTx::new(cycles),
            receiver: UartRx::new(cycles),
        };
        line.connect_all();
        line
    }

    fn clock(line: &mut Line, level: bool) {
        line.clock.next = level.into();
    }

    #[test]
    fn bytes_cross_the_line_in_ten_bits() {
        for cycles in [4, 5, 25] {
            let mut rng = seeded(1);
            let mut uut = line(cycles);
            for _ in 0..20 {
                let byte: u8 = rng.random();
                uut.octet.next = u64::from(byte).into();
                uut.valid.next = true;
                tick(&mut uut, clock);
                uut.valid.next = false;
                let mut received = Vec::new();
                let mut busy = 0;
                while !uut.ready.val() {
                    tick(&mut uut, clock);
                    busy += 1;
                    if uut.received_valid.val() {
                        received.push(uut.received.val().to_u8());
                    }
                }
                assert_eq!((received, busy), (vec![byte], 10 * cycles), "{cycles}");
            }
        }
    }

    #[test]
    fn a_byte_without_its_stop_bit_is_dropped_and_the_next_one_found() {
        let mut uut = line(4);
        // Low for three bytes: no stop bit.
        uut.noise.next = true;
        for _ in 0..120 {
            tick(&mut uut, clock);
            assert!(!uut.received_valid.val());
        }
        uut.noise.next = false;
        for _ in 0..10 {
            tick(&mut uut, clock);
            assert!(!uut.received_valid.val());
        }
        uut.octet.next = 0x5a.into();
        uut.valid.next = true;
        tick(&mut uut, clock);
        uut.valid.next = false;
        let mut received = 0;
        for _ in 0..60 {
            tick(&mut uut, clock);
            if uut.received_valid.val() {
                assert_eq!(uut.received.val(), 0x5a);
                received += 1;
            }
        }
        assert_eq!(received, 1);
    }
}
