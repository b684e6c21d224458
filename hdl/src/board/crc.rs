//! CRC-32 of the bytes of a frame (`tercet_contract::serial::crc`).
//!
//! Cycle contract: a byte given in cycle t is in `state` from t + 9 on; the next may come then. Bytes on the line
//! are at least forty cycles apart.

use rust_hdl::prelude::*;
use tercet_contract::serial::crc::{POLYNOMIAL, RESIDUE, START};

use crate::constant;

/// The check value, a bit a cycle.
#[derive(LogicBlock)]
pub struct Crc32 {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Begins anew.
    pub start: Signal<In, Bit>,
    /// A byte.
    pub octet: Signal<In, Bits<8>>,
    /// It is there.
    pub valid: Signal<In, Bit>,
    /// State after the bytes so far.
    pub state: Signal<Out, Bits<32>>,
    /// It is that of bytes followed by their check value.
    pub good: Signal<Out, Bit>,
    register: DFF<Bits<32>>,
    bits_left: DFF<Bits<4>>,
    first_state: Constant<Bits<32>>,
    polynomial: Constant<Bits<32>>,
    residue: Constant<Bits<32>>,
}

impl Default for Crc32 {
    fn default() -> Self {
        Crc32 {
            clock: Default::default(),
            start: Default::default(),
            octet: Default::default(),
            valid: Default::default(),
            state: Default::default(),
            good: Default::default(),
            register: Default::default(),
            bits_left: Default::default(),
            first_state: constant(START.into()),
            polynomial: constant(POLYNOMIAL.into()),
            residue: constant(RESIDUE.into()),
        }
    }
}

impl Logic for Crc32 {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, register, bits_left);
        self.state.next = self.register.q.val();
        self.good.next = self.register.q.val() == self.residue.val();
        if self.bits_left.q.val() != 0 {
            self.bits_left.d.next = self.bits_left.q.val() - 1;
            self.register.d.next = self.register.q.val() >> 1;
            if self.register.q.val().get_bit(0) {
                self.register.d.next = (self.register.q.val() >> 1) ^ self.polynomial.val();
            }
        }
        if self.valid.val() {
            self.register.d.next = self.register.q.val() ^ bit_cast::<32, 8>(self.octet.val());
            self.bits_left.d.next = 8.into();
        }
        if self.start.val() {
            self.register.d.next = self.first_state.val();
            self.bits_left.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tick;
    use tercet_contract::serial::crc::crc32;

    #[test]
    fn the_check_value_is_that_of_the_contract() {
        let mut uut = Crc32::default();
        uut.connect_all();
        let clock = |u: &mut Crc32, level: bool| u.clock.next = level.into();
        uut.start.next = true;
        tick(&mut uut, clock);
        uut.start.next = false;
        let mut bytes = b"123456789".to_vec();
        let check = crc32(&bytes);
        bytes.extend(check.to_le_bytes());
        for (i, byte) in bytes.iter().enumerate() {
            assert!(!uut.good.val());
            if i == 9 {
                assert_eq!(uut.state.val(), u64::from(!check));
            }
            uut.octet.next = u64::from(*byte).into();
            uut.valid.next = true;
            tick(&mut uut, clock);
            uut.valid.next = false;
            for _ in 0..8 {
                tick(&mut uut, clock);
            }
        }
        assert!(uut.good.val());
    }
}
