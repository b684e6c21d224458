//! Run list: the entries of a list of weight runs, one at a time.
//!
//! `open` names how many entries follow; their beats come from the data port, `W / 64` entries each. One beat is
//! held; while it is, `full` holds back the next on the bus. The entry that is offered has a register of its own.
//!
//! Cycle contract: the first entry of a beat is offered two cycles after the beat was taken, an entry one cycle after
//! the one before it was taken; one can be taken every cycle. `full` falls in the cycle in which the last entry
//! of the beat is first offered, `active` in the cycle after the last entry of the list was taken.

use rust_hdl::prelude::*;
use tercet_contract::command::RUN_BYTES;

use crate::constant;

/// Holds a beat of `W` bits.
#[derive(LogicBlock)]
pub struct RunList<const W: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets the list.
    pub reset: Signal<In, Bit>,
    /// A list begins; only while `active` is clear.
    pub open: Signal<In, Bit>,
    /// Its entries, not 0.
    pub entries: Signal<In, Bits<32>>,
    /// A beat of the list.
    pub beat: Signal<In, Bits<W>>,
    /// `beat` is taken in this cycle; only while `full` is clear.
    pub beat_valid: Signal<In, Bit>,
    /// Takes the entry.
    pub take: Signal<In, Bit>,
    /// No room for a beat.
    pub full: Signal<Out, Bit>,
    /// An entry is there.
    pub valid: Signal<Out, Bit>,
    /// Its first beat.
    pub first_beat: Signal<Out, Bits<32>>,
    /// Its beats.
    pub beats: Signal<Out, Bits<32>>,
    /// It has any.
    pub reads: Signal<Out, Bit>,
    /// Entries are still to come.
    pub active: Signal<Out, Bit>,
    held: DFF<Bits<W>>,
    full_register: DFF<Bit>,
    place: DFF<Bits<4>>,
    // The complement: counting up costs no tables.
    entries_left: DFF<Bits<32>>,
    active_register: DFF<Bit>,
    // The entry that is offered.
    offered: DFF<Bit>,
    first_beat_register: DFF<Bits<32>>,
    beats_register: DFF<Bits<32>>,
    reads_register: DFF<Bit>,
    is_last: DFF<Bit>,
    bit_at: Signal<Local, Bits<16>>,
    entry: Signal<Local, Bits<64>>,
    entry_beats: Signal<Local, Bits<32>>,
    taking: Signal<Local, Bit>,
    moving: Signal<Local, Bit>,
    last_place: Constant<Bits<4>>,
    one_left: Constant<Bits<32>>,
}

impl<const W: usize> Default for RunList<W> {
    fn default() -> Self {
        assert_eq!(8 * RUN_BYTES, 64, "bits of an entry");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            open: Default::default(),
            entries: Default::default(),
            beat: Default::default(),
            beat_valid: Default::default(),
            take: Default::default(),
            full: Default::default(),
            valid: Default::default(),
            first_beat: Default::default(),
            beats: Default::default(),
            reads: Default::default(),
            active: Default::default(),
            held: Default::default(),
            full_register: Default::default(),
            place: Default::default(),
            entries_left: Default::default(),
            active_register: Default::default(),
            offered: Default::default(),
            first_beat_register: Default::default(),
            beats_register: Default::default(),
            reads_register: Default::default(),
            is_last: Default::default(),
            bit_at: Default::default(),
            entry: Default::default(),
            entry_beats: Default::default(),
            taking: Default::default(),
            moving: Default::default(),
            last_place: constant(W as u64 / 64 - 1),
            one_left: constant(u64::from(!1u32)),
        }
    }
}

impl<const W: usize> Logic for RunList<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            held,
            full_register,
            place,
            entries_left,
            active_register,
            offered,
            first_beat_register,
            beats_register,
            reads_register,
            is_last
        );
        self.bit_at.next = bit_cast::<16, 4>(self.place.q.val()) << 6;
        self.entry.next = self.held.q.val().get_bits::<64>(self.bit_at.val().index());
        self.entry_beats.next = self.entry.val().get_bits::<32>(32);
        self.first_beat.next = self.first_beat_register.q.val();
        self.beats.next = self.beats_register.q.val();
        self.reads.next = self.reads_register.q.val();
        self.valid.next = self.offered.q.val();
        self.full.next = self.full_register.q.val();
        self.active.next = self.active_register.q.val();
        self.taking.next = self.offered.q.val() & self.take.val();
        self.moving.next = self.full_register.q.val() & (!self.offered.q.val() | self.take.val());
        if self.taking.val() {
            self.offered.d.next = false;
            if self.is_last.q.val() {
                self.active_register.d.next = false;
            }
        }
        if self.moving.val() {
            self.offered.d.next = true;
            self.first_beat_register.d.next = self.entry.val().get_bits::<32>(0);
            self.beats_register.d.next = self.entry_beats.val();
            self.reads_register.d.next = self.entry_beats.val() != 0;
            self.is_last.d.next = self.entries_left.q.val() == self.one_left.val();
            self.place.d.next = self.place.q.val() + 1;
            self.entries_left.d.next = self.entries_left.q.val() + 1;
            if self.place.q.val() == self.last_place.val() {
                self.place.d.next = 0.into();
                self.full_register.d.next = false;
            }
            if self.entries_left.q.val() == self.one_left.val() {
                self.full_register.d.next = false;
            }
        }
        if self.beat_valid.val() {
            self.held.d.next = self.beat.val();
            self.full_register.d.next = true;
        }
        if self.open.val() {
            self.active_register.d.next = true;
            self.entries_left.d.next = !self.entries.val();
            self.place.d.next = 0.into();
        }
        if self.reset.val() {
            self.full_register.d.next = false;
            self.active_register.d.next = false;
            self.offered.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    type Uut = RunList<128>;

    #[test]
    fn entries_come_out_in_order_whatever_the_gaps() {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut rng = seeded(4);
        let mut uut = Uut::default();
        uut.connect_all();
        for entries in [1u64, 2, 3, 8] {
            uut.open.next = true;
            uut.entries.next = entries.into();
            tick(&mut uut, clock);
            uut.open.next = false;
            let (mut sent, mut seen) = (0, 0);
            for _ in 0..200 {
                let offered = !uut.full.val() && 2 * sent < entries && rng.random_bool(0.5);
                uut.beat_valid.next = offered;
                if offered {
                    let at = |n: u64| -> Bits<128> { (n | (n + 100) << 32).into() };
                    uut.beat.next = at(2 * sent) | (at(2 * sent + 1) << 64);
                    sent += 1;
                }
                uut.take.next = rng.random_bool(0.5);
                simulate(&mut uut, 10);
                if uut.valid.val() && uut.take.val() {
                    assert_eq!(uut.first_beat.val(), seen);
                    assert_eq!(uut.beats.val(), seen + 100);
                    assert!(uut.reads.val());
                    seen += 1;
                }
                tick(&mut uut, clock);
            }
            assert_eq!(seen, entries);
            assert!(!uut.active.val());
        }
    }
}
