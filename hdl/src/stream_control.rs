//! Stream control: lets weight beats into the lanes and counts them into rows.
//!
//! From `start` on, a beat is taken in every cycle in which the FIFO has one and results may leave.
//! It says to which word of the activation RAM the beat belongs and whether it ends a row. A command
//! whose `weight_beats` is not `rows * row_beats` ends with `bad_length` instead of waiting for beats
//! or rows that never come.
//!
//! Cycle contract: `take`, `row_end` and `word` belong to the same cycle. `word` is the address of the beat
//! that is oldest in the FIFO, whether or not it is taken, and hence can be read ahead.
//! `starved` and `blocked` count cycles for the registers.

use rust_hdl::prelude::*;

/// Row and beat counters; `A` is the width of the activation RAM address.
#[derive(LogicBlock, Default)]
pub struct StreamControl<const A: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Back to idle.
    pub reset: Signal<In, Bit>,
    /// Begins a command; the four numbers below are held while `active`.
    pub start: Signal<In, Bit>,
    /// Ends it at once.
    pub abort: Signal<In, Bit>,
    /// N.
    pub rows: Signal<In, Bits<32>>,
    /// Beats of a row.
    pub row_beats: Signal<In, Bits<32>>,
    /// Beats of the matrix.
    pub weight_beats: Signal<In, Bits<32>>,
    /// The FIFO has a beat.
    pub beat_valid: Signal<In, Bit>,
    /// There may be no room for more results.
    pub hold: Signal<In, Bit>,
    /// The beat enters the lanes in this cycle.
    pub take: Signal<Out, Bit>,
    /// It is the last of its row.
    pub row_end: Signal<Out, Bit>,
    /// Its word in the activation RAM.
    pub word: Signal<Out, Bits<A>>,
    /// A command is being streamed.
    pub active: Signal<Out, Bit>,
    /// No beat was there, in this cycle.
    pub starved: Signal<Out, Bit>,
    /// A beat was there and could not be taken, in this cycle.
    pub blocked: Signal<Out, Bit>,
    /// The last command ended at odds with its `weight_beats`.
    pub bad_length: Signal<Out, Bit>,
    running: DFF<Bit>,
    slice: DFF<Bits<32>>,
    rows_left: DFF<Bits<32>>,
    beats_left: DFF<Bits<32>>,
    bad: DFF<Bit>,
    taking: Signal<Local, Bit>,
    ends_row: Signal<Local, Bit>,
    ends_matrix: Signal<Local, Bit>,
    no_more_beats: Signal<Local, Bit>,
}

impl<const A: usize> Logic for StreamControl<A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, running, slice, rows_left, beats_left, bad);
        self.taking.next = self.running.q.val() & self.beat_valid.val() & !self.hold.val();
        self.ends_row.next = (self.slice.q.val() + 1) == self.row_beats.val();
        self.ends_matrix.next = self.ends_row.val() & (self.rows_left.q.val() == 1);
        self.no_more_beats.next = self.beats_left.q.val() == 1;
        if self.taking.val() {
            self.beats_left.d.next = self.beats_left.q.val() - 1;
            self.slice.d.next = self.slice.q.val() + 1;
            if self.ends_row.val() {
                self.slice.d.next = 0.into();
                self.rows_left.d.next = self.rows_left.q.val() - 1;
            }
            if self.ends_matrix.val() | self.no_more_beats.val() {
                self.running.d.next = false;
                self.bad.d.next = self.ends_matrix.val() != self.no_more_beats.val();
            }
        }
        self.take.next = self.taking.val();
        self.row_end.next = self.ends_row.val();
        self.word.next = bit_cast::<A, 32>(self.slice.q.val());
        self.active.next = self.running.q.val();
        self.starved.next = self.running.q.val() & !self.beat_valid.val();
        self.blocked.next = self.running.q.val() & self.beat_valid.val() & self.hold.val();
        self.bad_length.next = self.bad.q.val();

        if self.start.val() {
            self.running.d.next = true;
            self.slice.d.next = 0.into();
            self.rows_left.d.next = self.rows.val();
            self.beats_left.d.next = self.weight_beats.val();
            self.bad.d.next = false;
        }
        if self.abort.val() | self.reset.val() {
            self.running.d.next = false;
        }
        if self.reset.val() {
            self.bad.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    type Uut = StreamControl<8>;

    /// Runs one command and returns (beats taken, row ends, bad_length).
    fn run(seed: u64, rows: u64, row_beats: u64, weight_beats: u64) -> (u64, u64, bool) {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut rng = seeded(seed);
        let mut uut = Uut::default();
        uut.connect_all();
        uut.rows.next = rows.into();
        uut.row_beats.next = row_beats.into();
        uut.weight_beats.next = weight_beats.into();
        uut.start.next = true;
        tick(&mut uut, clock);
        uut.start.next = false;
        let (mut beats, mut ends) = (0, 0);
        for _ in 0..2000 {
            uut.beat_valid.next = rng.random_bool(0.8);
            uut.hold.next = rng.random_bool(0.2);
            simulate(&mut uut, 10);
            if uut.take.val() {
                assert_eq!(uut.word.val(), beats % row_beats);
                assert_eq!(uut.row_end.val(), beats % row_beats == row_beats - 1);
                beats += 1;
                ends += u64::from(uut.row_end.val());
            }
            tick(&mut uut, clock);
        }
        assert!(!uut.active.val(), "the command ends");
        (beats, ends, uut.bad_length.val())
    }

    #[test]
    fn takes_every_beat_once_and_ends_every_row() {
        assert_eq!(run(1, 7, 3, 21), (21, 7, false));
        assert_eq!(run(2, 9, 1, 9), (9, 9, false));
        assert_eq!(run(3, 1, 1, 1), (1, 1, false));
    }

    #[test]
    fn a_wrong_number_of_beats_ends_the_command_with_an_error() {
        assert_eq!(run(1, 7, 3, 20), (20, 6, true));
        assert_eq!(run(1, 7, 3, 22), (21, 7, true));
    }
}
