//! Activation RAM: int8 activations arrive in bus beats and are read one per lane at once.
//!
//! Two buffers, so that the next command's activations are loaded while the lanes use those of this
//! one. A buffer is `2^A` words of S = 4 T banks of a quarter of a bus beat (T is 4 for B2, 5 for B3). Beat `n` of
//! the vector goes to word `n / T`; its quarter `h` goes to bank `d = 4 (n % T) + h`. So bank `d` holds what
//! lane stage `d` multiplies, and word `s` of all banks is what weight beat `s` of a row needs. Nothing is
//! moved or swapped on the way.
//!
//! Cycle contract: one beat a cycle in; `read_address[d]` (buffer and word) to `activations[d]` takes [`LATENCY`]
//! cycles (the RAM and its output register), II 1. The lanes are a systolic chain, so each bank has an
//! address of its own, a cycle later than the bank before. Words that were not written keep older
//! values: the weights they meet are padding, hence zero.

use rust_hdl::prelude::*;

/// Cycles from `read_address` to `activations`.
pub const LATENCY: usize = 2;

/// Quarters of a bus beat, each with banks of its own.
pub const QUARTERS: usize = 4;

/// The banks of one vector: `W` bits of bus, `Q = W / 4` of a bank, `N = A + 1` address bits.
#[derive(LogicBlock)]
pub struct ActivationRam<const W: usize, const Q: usize, const N: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Stores `beat`.
    pub write: Signal<In, Bit>,
    /// Which of the T beats of a word it is.
    pub write_trit: Signal<In, Bits<3>>,
    /// Its buffer (high bit) and word.
    pub write_address: Signal<In, Bits<N>>,
    /// `W / 8` activations.
    pub beat: Signal<In, Bits<W>>,
    /// Buffer (high bit) and word to read from each bank.
    pub read_address: Vec<Signal<In, Bits<N>>>,
    /// The word of each bank.
    pub activations: Vec<Signal<Out, Bits<Q>>>,
    banks: Vec<RAM<Bits<Q>, N>>,
    output_register: Vec<DFF<Bits<Q>>>,
    trit_number: Vec<Constant<Bits<3>>>,
    quarter_at: Vec<Constant<Bits<16>>>,
    _banks: usize,
}

impl<const W: usize, const Q: usize, const N: usize> ActivationRam<W, Q, N> {
    /// A RAM for `trits` trits a weight code.
    pub fn new(trits: usize) -> Self {
        assert_eq!(W, QUARTERS * Q, "a bank is a quarter of a beat");
        let banks = QUARTERS * trits;
        Self {
            clock: Default::default(),
            write: Default::default(),
            write_trit: Default::default(),
            write_address: Default::default(),
            beat: Default::default(),
            read_address: crate::many(banks),
            activations: crate::many(banks),
            banks: crate::many(banks),
            output_register: crate::many(banks),
            trit_number: (0..banks)
                .map(|d| crate::constant((d / QUARTERS) as u64))
                .collect(),
            quarter_at: (0..banks)
                .map(|d| crate::constant((d % QUARTERS * Q) as u64))
                .collect(),
            _banks: banks,
        }
    }
}

impl<const W: usize, const Q: usize, const N: usize> Logic for ActivationRam<W, Q, N> {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..self._banks {
            self.banks[i].write_clock.next = self.clock.val();
            self.banks[i].read_clock.next = self.clock.val();
            self.output_register[i].clock.next = self.clock.val();
            self.banks[i].write_enable.next =
                self.write.val() & (self.write_trit.val() == self.trit_number[i].val());
            self.banks[i].write_address.next = self.write_address.val();
            self.banks[i].write_data.next = self
                .beat
                .val()
                .get_bits::<Q>(self.quarter_at[i].val().index());
            self.banks[i].read_address.next = self.read_address[i].val();
            self.output_register[i].d.next = self.banks[i].read_data.val();
            self.activations[i].next = self.output_register[i].q.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tick;

    type Uut = ActivationRam<32, 8, 4>;

    #[test]
    fn quarters_of_beats_land_in_their_banks_and_buffers() {
        for trits in [4u64, 5] {
            let mut uut = Uut::new(trits as usize);
            uut.connect_all();
            let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
            let value = |address: u64, bank: u64| (address * 16 + bank) & 0xff;
            for address in 0..16u64 {
                for trit in 0..trits {
                    let beat = (0..4).fold(0, |b, h| b | value(address, 4 * trit + h) << (8 * h));
                    uut.write.next = true;
                    uut.write_trit.next = trit.into();
                    uut.write_address.next = address.into();
                    uut.beat.next = beat.into();
                    tick(&mut uut, clock);
                }
            }
            uut.write.next = false;
            for address in 0..16u64 {
                for bank in 0..4 * trits as usize {
                    uut.read_address[bank].next = ((address + bank as u64) % 16).into();
                }
                for _ in 0..LATENCY {
                    tick(&mut uut, clock);
                }
                for bank in 0..4 * trits {
                    let want = value((address + bank) % 16, bank);
                    assert_eq!(uut.activations[bank as usize].val(), want);
                }
            }
        }
    }
}
