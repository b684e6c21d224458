//! Activation loader: says where each beat of activations belongs.
//!
//! `open` with the beats of one vector and the number of vectors starts a load; vectors follow each
//! other in memory, each of whole beats. Beats come whenever the memory hands them over, in order.
//!
//! Cycle contract: `loading` is set from the cycle after `open` to that of the last beat; `loaded` is set in
//! the cycle after the last beat, with `failed` if any beat came with a bus error. `vector`, `trit` and `word`
//! say where the beat of this cycle goes.

use rust_hdl::prelude::*;

/// Counters of a load; `A` is the width of a word address.
#[derive(LogicBlock)]
pub struct ActivationLoader<const A: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Ends a load at once.
    pub reset: Signal<In, Bit>,
    /// Begins a load; only while `loading` is clear.
    pub open: Signal<In, Bit>,
    /// Beats of a vector, not 0.
    pub vector_beats: Signal<In, Bits<12>>,
    /// Vectors, not 0.
    pub vectors: Signal<In, Bits<3>>,
    /// A beat is there, in this cycle.
    pub beat_valid: Signal<In, Bit>,
    /// It came with a bus error.
    pub beat_error: Signal<In, Bit>,
    /// The next beat belongs to this load.
    pub loading: Signal<Out, Bit>,
    /// Vector of the beat.
    pub vector: Signal<Out, Bits<2>>,
    /// Which of the T beats of a word it is.
    pub trit: Signal<Out, Bits<3>>,
    /// Word of the beat.
    pub word: Signal<Out, Bits<A>>,
    /// The load has ended, in this cycle only.
    pub loaded: Signal<Out, Bit>,
    /// It met a bus error.
    pub failed: Signal<Out, Bit>,
    running: DFF<Bit>,
    ended: DFF<Bit>,
    error: DFF<Bit>,
    // The complement: counting up costs no tables.
    beats_left: DFF<Bits<12>>,
    vectors_left: DFF<Bits<3>>,
    vector_count: DFF<Bits<2>>,
    trit_count: DFF<Bits<3>>,
    word_count: DFF<Bits<A>>,
    taking: Signal<Local, Bit>,
    last_trit: Constant<Bits<3>>,
    one_left: Constant<Bits<12>>,
}

impl<const A: usize> ActivationLoader<A> {
    /// A loader for `trits` beats a word.
    pub fn new(trits: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            open: Default::default(),
            vector_beats: Default::default(),
            vectors: Default::default(),
            beat_valid: Default::default(),
            beat_error: Default::default(),
            loading: Default::default(),
            vector: Default::default(),
            trit: Default::default(),
            word: Default::default(),
            loaded: Default::default(),
            failed: Default::default(),
            running: Default::default(),
            ended: Default::default(),
            error: Default::default(),
            beats_left: Default::default(),
            vectors_left: Default::default(),
            vector_count: Default::default(),
            trit_count: Default::default(),
            word_count: Default::default(),
            taking: Default::default(),
            last_trit: crate::constant(trits as u64 - 1),
            one_left: crate::constant(0xffe),
        }
    }
}

impl<const A: usize> Logic for ActivationLoader<A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            running,
            ended,
            error,
            beats_left,
            vectors_left,
            vector_count,
            trit_count,
            word_count
        );
        self.taking.next = self.running.q.val() & self.beat_valid.val();
        self.ended.d.next = false;
        if self.taking.val() {
            self.error.d.next = self.error.q.val() | self.beat_error.val();
            self.beats_left.d.next = self.beats_left.q.val() + 1;
            self.trit_count.d.next = self.trit_count.q.val() + 1;
            if self.trit_count.q.val() == self.last_trit.val() {
                self.trit_count.d.next = 0.into();
                self.word_count.d.next = self.word_count.q.val() + 1;
            }
            if self.beats_left.q.val() == self.one_left.val() {
                self.beats_left.d.next = !self.vector_beats.val();
                self.trit_count.d.next = 0.into();
                self.word_count.d.next = 0.into();
                self.vector_count.d.next = self.vector_count.q.val() + 1;
                self.vectors_left.d.next = self.vectors_left.q.val() - 1;
                if self.vectors_left.q.val() == 1 {
                    self.running.d.next = false;
                    self.ended.d.next = true;
                }
            }
        }
        self.loading.next = self.running.q.val();
        self.vector.next = self.vector_count.q.val();
        self.trit.next = self.trit_count.q.val();
        self.word.next = self.word_count.q.val();
        self.loaded.next = self.ended.q.val();
        self.failed.next = self.error.q.val();

        if self.open.val() {
            self.running.d.next = true;
            self.error.d.next = false;
            self.beats_left.d.next = !self.vector_beats.val();
            self.vectors_left.d.next = self.vectors.val();
            self.vector_count.d.next = 0.into();
            self.trit_count.d.next = 0.into();
            self.word_count.d.next = 0.into();
        }
        if self.reset.val() {
            self.running.d.next = false;
            self.ended.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    type Uut = ActivationLoader<4>;

    #[test]
    fn every_beat_has_its_place() {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        for (seed, (trits, beats, vectors)) in
            [(4u64, 9u64, 1u64), (5, 10, 3), (5, 1, 2), (4, 3, 4)]
                .into_iter()
                .enumerate()
        {
            let mut rng = seeded(seed as u64);
            let mut uut = Uut::new(trits as usize);
            uut.connect_all();
            uut.vector_beats.next = beats.into();
            uut.vectors.next = vectors.into();
            uut.open.next = true;
            tick(&mut uut, clock);
            uut.open.next = false;
            let (mut beat, mut loaded) = (0, 0);
            let bad = beats * vectors / 2;
            for _ in 0..200 {
                let valid = uut.loading.val() && rng.random_bool(0.6);
                uut.beat_valid.next = valid;
                uut.beat_error.next = valid && beat == bad;
                if valid {
                    let n = beat % beats;
                    assert_eq!(uut.vector.val(), beat / beats);
                    assert_eq!(uut.trit.val(), n % trits);
                    assert_eq!(uut.word.val(), n / trits);
                    beat += 1;
                }
                tick(&mut uut, clock);
                if uut.loaded.val() {
                    loaded += 1;
                    assert!(uut.failed.val());
                    assert_eq!(beat, beats * vectors);
                }
            }
            assert_eq!(loaded, 1);
        }
    }
}
