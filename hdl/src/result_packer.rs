//! Result packer: int32 results, one at a time, become full bus beats.
//!
//! Words enter at the top of a shift register, so the first of a beat ends in its lowest bits. After
//! the last result of a command, `flush` pushes zeros until the beat is full; their bytes are not
//! written, since the write master strobes only the words of its run.
//!
//! Cycle contract: a result a cycle; `beat_valid` follows the word that fills the beat by one cycle.
//! `flush` is held until `aligned`; at most `W / 32 - 1` cycles.

use rust_hdl::prelude::*;

/// Packs 32-bit words into beats of `W` bits.
#[derive(LogicBlock)]
pub struct ResultPacker<const W: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets a beat that was begun.
    pub reset: Signal<In, Bit>,
    /// A finished row.
    pub result: Signal<In, Bits<32>>,
    /// `result` is there.
    pub result_valid: Signal<In, Bit>,
    /// Fills the beat with zeros; not together with `result_valid`.
    pub flush: Signal<In, Bit>,
    /// A full beat, word n in bits 32n to 32n + 31.
    pub beat: Signal<Out, Bits<W>>,
    /// `beat` is there, in this cycle only.
    pub beat_valid: Signal<Out, Bit>,
    /// No beat is begun and none is on its way out.
    pub aligned: Signal<Out, Bit>,
    words: DFF<Bits<W>>,
    count: DFF<Bits<8>>,
    full: DFF<Bit>,
    push: Signal<Local, Bit>,
    word: Signal<Local, Bits<32>>,
    last: Constant<Bits<8>>,
    word_bits: Constant<Bits<10>>,
    top_word: Constant<Bits<10>>,
}

impl<const W: usize> Default for ResultPacker<W> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            result: Default::default(),
            result_valid: Default::default(),
            flush: Default::default(),
            beat: Default::default(),
            beat_valid: Default::default(),
            aligned: Default::default(),
            words: Default::default(),
            count: Default::default(),
            full: Default::default(),
            push: Default::default(),
            word: Default::default(),
            last: Constant::new((W as u64 / 32 - 1).into()),
            word_bits: Constant::new(32u64.into()),
            top_word: Constant::new((W as u64 - 32).into()),
        }
    }
}

impl<const W: usize> Logic for ResultPacker<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, words, count, full);
        self.word.next = 0.into();
        if self.result_valid.val() {
            self.word.next = self.result.val();
        }
        self.push.next = self.result_valid.val() | (self.flush.val() & (self.count.q.val() != 0));
        self.full.d.next = false;
        if self.push.val() {
            self.words.d.next = (self.words.q.val() >> self.word_bits.val())
                | (bit_cast::<W, 32>(self.word.val()) << self.top_word.val());
            self.count.d.next = self.count.q.val() + 1;
            if self.count.q.val() == self.last.val() {
                self.count.d.next = 0.into();
                self.full.d.next = true;
            }
        }
        self.beat.next = self.words.q.val();
        self.beat_valid.next = self.full.q.val();
        self.aligned.next = (self.count.q.val() == 0) & !self.full.q.val();
        if self.reset.val() {
            self.count.d.next = 0.into();
            self.full.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    #[test]
    fn words_of_any_number_fill_beats_in_order() {
        let mut rng = seeded(5);
        let mut uut = ResultPacker::<128>::default();
        uut.connect_all();
        for words in 1..=9u64 {
            let mut beats = Vec::new();
            let mut sent = 0;
            for _ in 0..200 {
                let valid = sent < words && rng.random_bool(0.6);
                sent += u64::from(valid);
                uut.result_valid.next = valid;
                uut.result.next = (0xabc0_0000 + sent).into();
                uut.flush.next = sent == words && !valid;
                tick(&mut uut, |u, level| u.clock.next = level.into());
                if uut.beat_valid.val() {
                    beats.push(uut.beat.val());
                }
            }
            assert!(uut.aligned.val());
            let flat: Vec<u64> = beats
                .iter()
                .flat_map(|b| (0..4).map(move |i| b.get_bits::<32>(32 * i).to_u64()))
                .collect();
            let mut want: Vec<u64> = (1..=words).map(|n| 0xabc0_0000 + n).collect();
            want.resize(words.next_multiple_of(4) as usize, 0);
            assert_eq!(flat, want, "{words} words");
        }
    }
}
