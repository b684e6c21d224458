//! Stream control: lets weight beats into the lanes and counts them into rows.
//!
//! Commands wait in a queue. A command begins when its activations are in the RAM, in the very cycle after
//! the last beat of the one before if they are there by then. From then on a beat is taken in every
//! cycle in which the FIFO has one; a beat whose row completes a beat of results also needs a credit, which is a
//! place in the result FIFO. Nothing between the lanes and that FIFO can stall, and nothing needs to.
//!
//! A command whose beats carry a bus error, whose activations do, or whose `weight_beats` is not what its
//! rows need, stops the stream for good with `failed`; the front end tells it in its turn.
//!
//! Cycle contract: `take`, `row_end`, `last_digit`, `beat_end` and `word` belong to the same cycle; `word` is that
//! of the next beat to be taken, so the activation RAM can be read ahead. A command is taken from the queue
//! in the cycle in which its predecessor's last beat is taken, or later. `ended` is set in the cycle after
//! a command's last beat. A credit taken by `credit_back` can be used in the next cycle.

use rust_hdl::prelude::*;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::Geometry;

use crate::constant;

/// Places of the fields in a queue entry of 72 bits.
pub mod entry {
    /// Beats of the matrix, 32 bits.
    pub const WEIGHT_BEATS: usize = 0;
    /// N, 20 bits.
    pub const ROWS: usize = 32;
    /// Beats of a weight row, 11 bits.
    pub const ROW_BEATS: usize = 52;
    /// Digits of a weight, 3 bits.
    pub const DIGITS: usize = 63;
    /// The command loads activations, 1 bit.
    pub const LOADS: usize = 66;
    /// Buffer of its activations, 1 bit.
    pub const BUFFER: usize = 67;
}

/// Row and beat counters; `A` is the width of a word address of the activation RAM, `N = A + 1`.
#[derive(LogicBlock)]
pub struct StreamControl<const A: usize, const N: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Back to idle, all credits there.
    pub reset: Signal<In, Bit>,
    /// Takes nothing more.
    pub halt: Signal<In, Bit>,
    /// Queue: the next command.
    pub entry: Signal<In, Bits<72>>,
    /// Queue: it is there.
    pub entry_valid: Signal<In, Bit>,
    /// Queue: takes it.
    pub entry_taken: Signal<Out, Bit>,
    /// The activations of a command are in the RAM, in this cycle.
    pub loaded: Signal<In, Bit>,
    /// They met a bus error.
    pub load_failed: Signal<In, Bit>,
    /// A command that loads activations begins: the buffer before is free.
    pub load_taken: Signal<Out, Bit>,
    /// The FIFO has a beat.
    pub beat_valid: Signal<In, Bit>,
    /// It came with a bus error.
    pub beat_error: Signal<In, Bit>,
    /// A beat of results has left.
    pub credit_back: Signal<In, Bit>,
    /// The beat enters the lanes in this cycle.
    pub take: Signal<Out, Bit>,
    /// It is the last of its weight row.
    pub row_end: Signal<Out, Bit>,
    /// The weight row is that of a last digit.
    pub last_digit: Signal<Out, Bit>,
    /// Its row closes a beat of results.
    pub beat_end: Signal<Out, Bit>,
    /// Its buffer and word in the activation RAM.
    pub word: Signal<Out, Bits<N>>,
    /// A command has been streamed, in this cycle only.
    pub ended: Signal<Out, Bit>,
    /// Why the stream stopped, or 0.
    pub failed: Signal<Out, Bits<8>>,
    /// No beat was there, in this cycle.
    pub starved: Signal<Out, Bit>,
    /// A beat was there and could not be taken, in this cycle.
    pub blocked: Signal<Out, Bit>,

    running: DFF<Bit>,
    row_beats: DFF<Bits<11>>,
    digits: DFF<Bits<3>>,
    buffer: DFF<Bit>,
    word_register: DFF<Bits<A>>,
    // Complements: counting up costs no tables.
    row_beats_left: DFF<Bits<11>>,
    digits_left: DFF<Bits<3>>,
    rows_left: DFF<Bits<20>>,
    beats_left: DFF<Bits<32>>,
    // Rows that still go into the open beat of results.
    places_left: DFF<Bits<5>>,
    // What the next beat is, worked out a beat ahead.
    ends_row: DFF<Bit>,
    is_last_digit: DFF<Bit>,
    is_last_row: DFF<Bit>,
    is_last_beat: DFF<Bit>,
    fills_beat: DFF<Bit>,
    needs_credit: DFF<Bit>,
    // The command ends with it, by its rows or by its beats.
    is_end: DFF<Bit>,
    credits: DFF<Bits<8>>,
    credit: DFF<Bit>,
    loads_waiting: DFF<Bit>,
    load_error: DFF<Bit>,
    bad_beat: DFF<Bit>,
    // Of the command that ended in the cycle before: a beat of it was bad, its length was wrong.
    bad_end: DFF<Bit>,
    wrong_end: DFF<Bit>,
    // The command that opened in the cycle before has no activations.
    bad_load: DFF<Bit>,
    ended_register: DFF<Bit>,
    failed_register: DFF<Bits<8>>,

    ready: Signal<Local, Bit>,
    entry_ends_weight: Signal<Local, Bit>,
    ends_weight_after: Signal<Local, Bit>,
    ends_row_after: Signal<Local, Bit>,
    is_last_digit_after: Signal<Local, Bit>,
    is_last_row_after: Signal<Local, Bit>,
    fills_beat_after: Signal<Local, Bit>,
    taking: Signal<Local, Bit>,
    ends_matrix: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    opens: Signal<Local, Bit>,
    entry_loads: Signal<Local, Bit>,
    entry_row_beats: Signal<Local, Bits<11>>,
    entry_digits: Signal<Local, Bits<3>>,
    entry_rows: Signal<Local, Bits<20>>,
    entry_beats: Signal<Local, Bits<32>>,
    spent: Signal<Local, Bits<8>>,
    returned: Signal<Local, Bits<8>>,
    next_credits: Signal<Local, Bits<8>>,

    beats_at: Constant<Bits<16>>,
    rows_at: Constant<Bits<16>>,
    row_beats_at: Constant<Bits<16>>,
    digits_at: Constant<Bits<16>>,
    loads_at: Constant<Bits<16>>,
    buffer_at: Constant<Bits<16>>,
    all_credits: Constant<Bits<8>>,
    places: Constant<Bits<5>>,
    one_place: Constant<Bit>,
    two_beats_left: Constant<Bits<32>>,
    two_rows_left: Constant<Bits<20>>,
    two_row_beats_left: Constant<Bits<11>>,
    buffer_bit: Constant<Bits<N>>,
    bad_length: Constant<Bits<8>>,
    activation_read: Constant<Bits<8>>,
    weight_read: Constant<Bits<8>>,
}

impl<const A: usize, const N: usize> StreamControl<A, N> {
    /// The stream of a kernel.
    pub fn new(geometry: &Geometry) -> Self {
        assert_eq!(N, A + 1, "a buffer bit above the word");
        assert!(MAX_ROWS < 1 << 20 && geometry.activation_words() <= 1 << 10);
        let places = geometry.beat_words() / geometry.batch();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            halt: Default::default(),
            entry: Default::default(),
            entry_valid: Default::default(),
            entry_taken: Default::default(),
            loaded: Default::default(),
            load_failed: Default::default(),
            load_taken: Default::default(),
            beat_valid: Default::default(),
            beat_error: Default::default(),
            credit_back: Default::default(),
            take: Default::default(),
            row_end: Default::default(),
            last_digit: Default::default(),
            beat_end: Default::default(),
            word: Default::default(),
            ended: Default::default(),
            failed: Default::default(),
            starved: Default::default(),
            blocked: Default::default(),
            running: Default::default(),
            row_beats: Default::default(),
            digits: Default::default(),
            buffer: Default::default(),
            word_register: Default::default(),
            row_beats_left: Default::default(),
            digits_left: Default::default(),
            rows_left: Default::default(),
            beats_left: Default::default(),
            places_left: Default::default(),
            ends_row: Default::default(),
            is_last_digit: Default::default(),
            is_last_row: Default::default(),
            is_last_beat: Default::default(),
            fills_beat: Default::default(),
            needs_credit: Default::default(),
            is_end: Default::default(),
            credits: Default::default(),
            credit: Default::default(),
            loads_waiting: Default::default(),
            load_error: Default::default(),
            bad_beat: Default::default(),
            bad_end: Default::default(),
            wrong_end: Default::default(),
            bad_load: Default::default(),
            ended_register: Default::default(),
            failed_register: Default::default(),
            ready: Default::default(),
            entry_ends_weight: Default::default(),
            ends_weight_after: Default::default(),
            ends_row_after: Default::default(),
            is_last_digit_after: Default::default(),
            is_last_row_after: Default::default(),
            fills_beat_after: Default::default(),
            taking: Default::default(),
            ends_matrix: Default::default(),
            ends: Default::default(),
            opens: Default::default(),
            entry_loads: Default::default(),
            entry_row_beats: Default::default(),
            entry_digits: Default::default(),
            entry_rows: Default::default(),
            entry_beats: Default::default(),
            spent: Default::default(),
            returned: Default::default(),
            next_credits: Default::default(),
            beats_at: constant(entry::WEIGHT_BEATS as u64),
            rows_at: constant(entry::ROWS as u64),
            row_beats_at: constant(entry::ROW_BEATS as u64),
            digits_at: constant(entry::DIGITS as u64),
            loads_at: constant(entry::LOADS as u64),
            buffer_at: constant(entry::BUFFER as u64),
            all_credits: constant(geometry.result_fifo_beats() as u64),
            places: constant(places as u64),
            one_place: Constant::new(places == 1),
            two_beats_left: constant(!2 & ((1 << 32) - 1)),
            two_rows_left: constant(!2 & ((1 << 20) - 1)),
            two_row_beats_left: constant(!2 & ((1 << 11) - 1)),
            buffer_bit: constant(1 << A),
            bad_length: constant(ErrorCode::BadLength as u64),
            activation_read: constant(ErrorCode::ActivationRead as u64),
            weight_read: constant(ErrorCode::WeightRead as u64),
        }
    }
}

impl<const A: usize, const N: usize> Logic for StreamControl<A, N> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            running,
            row_beats,
            digits,
            buffer,
            word_register,
            row_beats_left,
            digits_left,
            rows_left,
            beats_left,
            places_left,
            ends_row,
            is_last_digit,
            is_last_row,
            is_last_beat,
            fills_beat,
            needs_credit,
            is_end,
            credits,
            credit,
            loads_waiting,
            load_error,
            bad_beat,
            bad_end,
            wrong_end,
            bad_load,
            ended_register,
            failed_register
        );
        self.entry_beats.next = self.entry.val().get_bits::<32>(self.beats_at.val().index());
        self.entry_rows.next = self.entry.val().get_bits::<20>(self.rows_at.val().index());
        self.entry_row_beats.next = self
            .entry
            .val()
            .get_bits::<11>(self.row_beats_at.val().index());
        self.entry_digits.next = self.entry.val().get_bits::<3>(self.digits_at.val().index());
        self.entry_ends_weight.next =
            (self.entry_row_beats.val() == 1) & (self.entry_digits.val() == 1);
        self.entry_loads.next = self.entry.val().get_bit(self.loads_at.val().index());

        // The beat of this cycle.
        self.ends_matrix.next =
            self.ends_row.q.val() & self.is_last_digit.q.val() & self.is_last_row.q.val();
        self.taking.next = self.running.q.val()
            & self.beat_valid.val()
            & (self.credit.q.val() | !self.needs_credit.q.val());
        self.ends.next = self.taking.val() & self.is_end.q.val();
        self.take.next = self.taking.val();
        self.row_end.next = self.ends_row.q.val();
        self.last_digit.next = self.is_last_digit.q.val();
        self.beat_end.next = self.fills_beat.q.val() | self.is_last_row.q.val();
        self.word.next = bit_cast::<N, A>(self.word_register.q.val());
        if self.buffer.q.val() {
            self.word.next = bit_cast::<N, A>(self.word_register.q.val()) | self.buffer_bit.val();
        }
        self.starved.next = self.running.q.val() & !self.beat_valid.val();
        self.blocked.next = self.running.q.val()
            & self.beat_valid.val()
            & (self.needs_credit.q.val() & !self.credit.q.val());

        // Whether the next command begins.
        self.ready.next = self.entry_valid.val()
            & (!self.entry_loads.val() | self.loads_waiting.q.val())
            & (self.failed_register.q.val() == 0)
            & !self.halt.val();
        self.opens.next = self.ready.val() & (!self.running.q.val() | self.ends.val());
        self.entry_taken.next = self.opens.val();
        self.load_taken.next = self.opens.val() & self.entry_loads.val();
        // Credits.
        self.spent.next = 0.into();
        if self.taking.val() & self.needs_credit.q.val() {
            self.spent.next = 1.into();
        }
        self.returned.next = 0.into();
        if self.credit_back.val() {
            self.returned.next = 1.into();
        }
        self.next_credits.next = self.credits.q.val() + self.returned.val() - self.spent.val();
        self.credits.d.next = self.next_credits.val();
        self.credit.d.next = self.next_credits.val() != 0;

        // The beat after it.
        self.ends_row_after.next = self.row_beats_left.q.val() == self.two_row_beats_left.val();
        self.is_last_digit_after.next = self.is_last_digit.q.val();
        self.is_last_row_after.next = self.is_last_row.q.val();
        self.fills_beat_after.next = self.fills_beat.q.val();
        if self.ends_row.q.val() {
            self.ends_row_after.next = self.row_beats.q.val() == 1;
            self.is_last_digit_after.next = self.digits_left.q.val() == 2;
            if self.is_last_digit.q.val() {
                self.is_last_digit_after.next = self.digits.q.val() == 1;
                self.is_last_row_after.next = self.rows_left.q.val() == self.two_rows_left.val();
                self.fills_beat_after.next = (self.places_left.q.val() == 2) | self.one_place.val();
                if self.fills_beat.q.val() {
                    self.fills_beat_after.next = self.one_place.val();
                }
            }
        }
        self.ends_weight_after.next = self.ends_row_after.val() & self.is_last_digit_after.val();
        self.ended_register.d.next = false;
        if self.taking.val() {
            self.bad_beat.d.next = self.bad_beat.q.val() | self.beat_error.val();
            self.beats_left.d.next = self.beats_left.q.val() + 1;
            self.is_last_beat.d.next = self.beats_left.q.val() == self.two_beats_left.val();
            self.row_beats_left.d.next = self.row_beats_left.q.val() + 1;
            self.word_register.d.next = self.word_register.q.val() + 1;
            if self.ends_row.q.val() {
                self.word_register.d.next = 0.into();
                self.row_beats_left.d.next = !self.row_beats.q.val();
                self.digits_left.d.next = self.digits_left.q.val() - 1;
                if self.is_last_digit.q.val() {
                    self.digits_left.d.next = self.digits.q.val();
                    self.rows_left.d.next = self.rows_left.q.val() + 1;
                    self.places_left.d.next = self.places_left.q.val() - 1;
                    if self.fills_beat.q.val() {
                        self.places_left.d.next = self.places.val();
                    }
                }
            }
            self.ends_row.d.next = self.ends_row_after.val();
            self.is_last_digit.d.next = self.is_last_digit_after.val();
            self.is_last_row.d.next = self.is_last_row_after.val();
            self.fills_beat.d.next = self.fills_beat_after.val();
            self.needs_credit.d.next = self.ends_weight_after.val()
                & (self.fills_beat_after.val() | self.is_last_row_after.val());
            self.is_end.d.next = (self.ends_weight_after.val() & self.is_last_row_after.val())
                | (self.beats_left.q.val() == self.two_beats_left.val());
        }
        if self.ends.val() {
            self.running.d.next = false;
            self.ended_register.d.next = true;
            self.bad_end.d.next = self.bad_beat.q.val() | self.beat_error.val();
            self.wrong_end.d.next = self.ends_matrix.val() != self.is_last_beat.q.val();
        }
        // What a command came to is looked at a cycle after its end: the error bit comes late in its cycle. The
        // next command may have begun by then, and is stopped.
        self.ended.next = false;
        if self.ended_register.q.val() & (self.failed_register.q.val() == 0) {
            if self.wrong_end.q.val() {
                self.failed_register.d.next = self.bad_length.val();
            } else if self.bad_end.q.val() {
                self.failed_register.d.next = self.weight_read.val();
            } else {
                self.ended.next = true;
            }
        }
        // It can only fail if the one before it, which may have ended as it opened, did not.
        self.bad_load.d.next = self.opens.val() & self.entry_loads.val() & self.load_error.q.val();
        if self.bad_load.q.val() & (self.failed_register.q.val() == 0) {
            self.failed_register.d.next = self.activation_read.val();
            if self.ended_register.q.val() & self.wrong_end.q.val() {
                self.failed_register.d.next = self.bad_length.val();
            } else if self.ended_register.q.val() & self.bad_end.q.val() {
                self.failed_register.d.next = self.weight_read.val();
            }
        }
        self.failed.next = self.failed_register.q.val();

        // The next command.
        if self.opens.val() {
            self.running.d.next = true;
            self.bad_beat.d.next = false;
            self.row_beats.d.next = self.entry_row_beats.val();
            self.row_beats_left.d.next = !self.entry_row_beats.val();
            self.ends_row.d.next = self.entry_row_beats.val() == 1;
            self.word_register.d.next = 0.into();
            self.digits.d.next = self.entry_digits.val();
            self.digits_left.d.next = self.entry_digits.val();
            self.is_last_digit.d.next = self.entry_digits.val() == 1;
            self.rows_left.d.next = !self.entry_rows.val();
            self.is_last_row.d.next = self.entry_rows.val() == 1;
            self.beats_left.d.next = !self.entry_beats.val();
            self.is_last_beat.d.next = self.entry_beats.val() == 1;
            self.places_left.d.next = self.places.val();
            self.fills_beat.d.next = self.one_place.val();
            self.needs_credit.d.next = self.entry_ends_weight.val()
                & (self.one_place.val() | (self.entry_rows.val() == 1));
            self.is_end.d.next = (self.entry_ends_weight.val() & (self.entry_rows.val() == 1))
                | (self.entry_beats.val() == 1);
            self.buffer.d.next = self.entry.val().get_bit(self.buffer_at.val().index());
            if self.entry_loads.val() {
                self.loads_waiting.d.next = false;
                if self.load_error.q.val() {
                    self.running.d.next = false;
                }
            }
        }
        if self.loaded.val() {
            self.loads_waiting.d.next = true;
            self.load_error.d.next = self.load_failed.val();
        }
        if self.halt.val() {
            self.running.d.next = false;
        }
        if self.reset.val() {
            self.running.d.next = false;
            self.ended_register.d.next = false;
            self.bad_load.d.next = false;
            self.failed_register.d.next = 0.into();
            self.loads_waiting.d.next = false;
            self.credits.d.next = self.all_credits.val();
            self.credit.d.next = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::rngs::StdRng;
    use rand::Rng;

    type Uut = StreamControl<8, 9>;

    fn geometry() -> Geometry {
        "128-b2-x2".parse().expect("a supported geometry")
    }

    fn queue_entry(rows: u64, row_beats: u64, digits: u64, beats: u64, loads: bool) -> Bits<72> {
        let field = |value: u64, at: usize| -> Bits<72> {
            let value: Bits<72> = value.into();
            value << at as u64
        };
        field(beats, entry::WEIGHT_BEATS)
            | field(rows, entry::ROWS)
            | field(row_beats, entry::ROW_BEATS)
            | field(digits, entry::DIGITS)
            | field(u64::from(loads), entry::LOADS)
    }

    fn fresh() -> Uut {
        let mut uut = Uut::new(&geometry());
        uut.connect_all();
        uut.reset.next = true;
        tick(&mut uut, |u, level| u.clock.next = level.into());
        uut.reset.next = false;
        uut
    }

    /// Runs the commands (rows, row beats, digits, weight beats) behind random beats and credits;
    /// returns beats, weight rows, rows and result beats, and the code at the end.
    fn run(commands: &[(u64, u64, u64, u64)], rng: &mut StdRng) -> ([u64; 4], u32) {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut uut = fresh();
        let (mut seen, mut next, mut out) = ([0; 4], 0, 0i64);
        for _ in 0..4000 {
            let command = commands.get(next);
            uut.entry_valid.next = command.is_some();
            if let Some((rows, row_beats, digits, beats)) = command {
                uut.entry.next = queue_entry(*rows, *row_beats, *digits, *beats, false);
            }
            uut.beat_valid.next = rng.random_bool(0.8);
            let back = out > 0 && rng.random_bool(0.3);
            uut.credit_back.next = back;
            out -= i64::from(back);
            simulate(&mut uut, 10);
            if uut.entry_taken.val() {
                next += 1;
            }
            if uut.take.val() {
                let row = uut.row_end.val();
                let last = row && uut.last_digit.val();
                let full = last && uut.beat_end.val();
                seen[0] += 1;
                seen[1] += u64::from(row);
                seen[2] += u64::from(last);
                seen[3] += u64::from(full);
                out += i64::from(full);
                assert!(
                    out <= geometry().result_fifo_beats() as i64,
                    "credits bound results"
                );
            }
            tick(&mut uut, clock);
        }
        (seen, uut.failed.val().to_u32())
    }

    #[test]
    fn beats_rows_digits_and_result_beats_are_counted() {
        let mut rng = seeded(1);
        // Two results a row in beats of four words.
        assert_eq!(run(&[(7, 3, 1, 21)], &mut rng), ([21, 7, 7, 4], 0));
        assert_eq!(
            run(&[(9, 1, 1, 9), (2, 2, 5, 20)], &mut rng),
            ([29, 19, 11, 6], 0)
        );
        assert_eq!(run(&[(1, 1, 1, 1); 3], &mut rng), ([3, 3, 3, 3], 0));
    }

    #[test]
    fn a_wrong_number_of_beats_stops_the_stream() {
        let mut rng = seeded(2);
        let bad = ErrorCode::BadLength as u32;
        let (seen, code) = run(&[(7, 3, 1, 20)], &mut rng);
        assert_eq!((seen[0], code), (20, bad));
        let (seen, code) = run(&[(7, 3, 1, 22)], &mut rng);
        assert_eq!((seen[0], code), (21, bad));
        // Commands behind it may have begun by the time it is seen, and no more.
        let (seen, code) = run(
            &[(7, 3, 1, 22), (1, 1, 1, 1), (1, 1, 1, 1), (9, 9, 1, 81)],
            &mut rng,
        );
        assert!(seen[0] <= 24, "{seen:?}");
        assert_eq!(code, bad);
    }

    #[test]
    fn commands_follow_each_other_without_a_bubble() {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut uut = fresh();
        uut.entry_valid.next = true;
        uut.entry.next = queue_entry(2, 2, 1, 4, false);
        uut.beat_valid.next = true;
        uut.credit_back.next = false;
        tick(&mut uut, clock);
        for cycle in 0..12 {
            assert!(uut.take.val(), "cycle {cycle}");
            assert_eq!(uut.entry_taken.val(), cycle % 4 == 3);
            tick(&mut uut, clock);
        }
    }

    #[test]
    fn a_command_waits_for_its_activations() {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut uut = fresh();
        uut.entry_valid.next = true;
        uut.entry.next = queue_entry(1, 1, 1, 1, true);
        uut.beat_valid.next = true;
        for _ in 0..5 {
            tick(&mut uut, clock);
            assert!(!uut.take.val());
        }
        uut.loaded.next = true;
        tick(&mut uut, clock);
        uut.loaded.next = false;
        simulate(&mut uut, 10);
        assert!(uut.load_taken.val());
        tick(&mut uut, clock);
        assert!(uut.take.val());
    }
}
