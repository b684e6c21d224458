//! Run list: the entries of a list of weight runs, one at a time.
//!
//! `open` names how many entries follow; their beats come from the data port, `W / 64` entries each. One beat is
//! held; while it is, `full` holds back the next on the bus.
//!
//! Cycle contract: an entry is offered from the cycle after its beat was taken, or after the entry before it;
//! one can be taken every cycle. `full` falls in the cycle after the last entry of the beat was taken.
//! `active` falls in the cycle after the last entry of the list was taken.

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
    /// Entries are still to come.
    pub active: Signal<Out, Bit>,
    held: DFF<Bits<W>>,
    full_register: DFF<Bit>,
    place: DFF<Bits<4>>,
    // The complement: counting up costs no tables.
    entries_left: DFF<Bits<32>>,
    active_register: DFF<Bit>,
    bit_at: Signal<Local, Bits<16>>,
    entry: Signal<Local, Bits<64>>,
    taking: Signal<Local, Bit>,
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
            active: Default::default(),
            held: Default::default(),
            full_register: Default::default(),
            place: Default::default(),
            entries_left: Default::default(),
            active_register: Default::default(),
            bit_at: Default::default(),
            entry: Default::default(),
            taking: Default::default(),
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
            active_register
        );
        self.bit_at.next = bit_cast::<16, 4>(self.place.q.val()) << 6;
        self.entry.next = self.held.q.val().get_bits::<64>(self.bit_at.val().index());
        self.first_beat.next = self.entry.val().get_bits::<32>(0);
        self.beats.next = self.entry.val().get_bits::<32>(32);
        self.valid.next = self.full_register.q.val();
        self.full.next = self.full_register.q.val();
        self.active.next = self.active_register.q.val();
        self.taking.next = self.full_register.q.val() & self.take.val();
        if self.beat_valid.val() {
            self.held.d.next = self.beat.val();
            self.full_register.d.next = true;
        }
        if self.taking.val() {
            self.place.d.next = self.place.q.val() + 1;
            self.entries_left.d.next = self.entries_left.q.val() + 1;
            if self.place.q.val() == self.last_place.val() {
                self.place.d.next = 0.into();
                self.full_register.d.next = false;
            }
            if self.entries_left.q.val() == self.one_left.val() {
                self.full_register.d.next = false;
                self.active_register.d.next = false;
            }
        }
        if self.open.val() {
            self.active_register.d.next = true;
            self.entries_left.d.next = !self.entries.val();
            self.place.d.next = 0.into();
        }
        if self.reset.val() {
            self.full_register.d.next = false;
            self.active_register.d.next = false;
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
                    seen += 1;
                }
                tick(&mut uut, clock);
            }
            assert_eq!(seen, entries);
            assert!(!uut.active.val());
        }
    }
}
