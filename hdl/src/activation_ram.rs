//! Activation RAM: int8 activations arrive in bus beats and are read one per lane at once.
//!
//! T banks (4 for B2, 5 for B3), each one bus beat wide. Beat `n` of the vector goes to bank `n % T`,
//! word `n / T`, so bank `i` holds what trit `i` of each weight code is multiplied with and word `s` of all
//! banks is what weight beat `s` of a row needs. Nothing is moved or swapped on the way.
//!
//! Cycle contract: one beat a cycle in; `read_address` to `activations` takes [`LATENCY`] cycles (the
//! RAM and its output register), II 1. `rewind` makes the next beat number 0. Words that were not
//! written since then keep older values: the weights they meet are padding, hence zero.

use rust_hdl::prelude::*;

/// Cycles from `read_address` to `activations`.
pub const LATENCY: usize = 2;

/// Activation RAM of `2^A` words of T banks of `W` bits.
#[derive(LogicBlock)]
pub struct ActivationRam<const W: usize, const A: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// The next beat written is number 0.
    pub rewind: Signal<In, Bit>,
    /// Stores `beat`.
    pub write: Signal<In, Bit>,
    /// `W / 8` activations.
    pub beat: Signal<In, Bits<W>>,
    /// Word to read.
    pub read_address: Signal<In, Bits<A>>,
    /// Words that hold beats written since `rewind`.
    pub words: Signal<Out, Bits<32>>,
    /// `activations[i]`: bank i of the word.
    pub activations: Vec<Signal<Out, Bits<W>>>,
    banks: Vec<RAM<Bits<W>, A>>,
    output_register: Vec<DFF<Bits<W>>>,
    bank: DFF<Bits<3>>,
    word: DFF<Bits<A>>,
    begun: DFF<Bits<32>>,
    bank_number: Vec<Constant<Bits<3>>>,
    last_bank: Constant<Bits<3>>,
    _banks: usize,
}

impl<const W: usize, const A: usize> ActivationRam<W, A> {
    /// A RAM of `banks` banks, one per trit of a weight code.
    pub fn new(banks: usize) -> Self {
        Self {
            clock: Default::default(),
            rewind: Default::default(),
            write: Default::default(),
            beat: Default::default(),
            read_address: Default::default(),
            words: Default::default(),
            activations: crate::many(banks),
            banks: crate::many(banks),
            output_register: crate::many(banks),
            bank: Default::default(),
            word: Default::default(),
            begun: Default::default(),
            bank_number: (0..banks as u64).map(|i| Constant::new(i.into())).collect(),
            last_bank: Constant::new((banks as u64 - 1).into()),
            _banks: banks,
        }
    }
}

impl<const W: usize, const A: usize> Logic for ActivationRam<W, A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, bank, word, begun);
        if self.write.val() {
            self.bank.d.next = self.bank.q.val() + 1;
            if self.bank.q.val() == 0 {
                self.begun.d.next = self.begun.q.val() + 1;
            }
            if self.bank.q.val() == self.last_bank.val() {
                self.bank.d.next = 0.into();
                self.word.d.next = self.word.q.val() + 1;
            }
        }
        if self.rewind.val() {
            self.bank.d.next = 0.into();
            self.word.d.next = 0.into();
            self.begun.d.next = 0.into();
        }
        self.words.next = self.begun.q.val();
        for i in 0..self._banks {
            self.banks[i].write_clock.next = self.clock.val();
            self.banks[i].read_clock.next = self.clock.val();
            self.output_register[i].clock.next = self.clock.val();
            self.banks[i].write_enable.next =
                self.write.val() & (self.bank.q.val() == self.bank_number[i].val());
            self.banks[i].write_address.next = self.word.q.val();
            self.banks[i].write_data.next = self.beat.val();
            self.banks[i].read_address.next = self.read_address.val();
            self.output_register[i].d.next = self.banks[i].read_data.val();
            self.activations[i].next = self.output_register[i].q.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tick;

    #[test]
    fn beats_land_in_bank_n_mod_t_and_are_read_after_the_latency() {
        for banks in [4u64, 5] {
            let mut uut = ActivationRam::<32, 3>::new(banks as usize);
            uut.connect_all();
            let clock = |u: &mut ActivationRam<32, 3>, level: bool| u.clock.next = level.into();
            for pass in 0..2 {
                uut.rewind.next = true;
                tick(&mut uut, clock);
                uut.rewind.next = false;
                for n in 0..3 * banks {
                    uut.write.next = true;
                    uut.beat.next = (1000 * (pass + 1) + n).into();
                    tick(&mut uut, clock);
                }
                uut.write.next = false;
                assert_eq!(uut.words.val(), 3);
                for word in 0..3 {
                    uut.read_address.next = word.into();
                    for _ in 0..LATENCY {
                        tick(&mut uut, clock);
                    }
                    for bank in 0..banks {
                        let want: Bits<32> = (1000 * (pass + 1) + word * banks + bank).into();
                        assert_eq!(uut.activations[bank as usize].val(), want);
                    }
                }
            }
        }
    }
}
