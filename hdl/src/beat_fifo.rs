//! First-in first-out store of beats between a bus and the data path.
//!
//! First-word fall-through: `data_out` shows the oldest beat while `valid` is set, and `read`
//! takes it. Writing to a full FIFO is the writer's fault and is not checked: both users reserve
//! space before they ask for data. While `hold` is set `data_out` does not move, whatever is written; nothing
//! is to be read then, nor in the cycle after.
//!
//! Cycle contract: a beat written in cycle t is `valid` from t + `LATENCY` (2) on; one write and one read
//! each cycle are sustained; `level` counts what was written and not read, one cycle late.
//!
//! ```text
//! cycle     0    1    2    3
//! write     _/‾‾‾\_________
//! valid     ___________/‾‾‾
//! data_out  ----------< D0
//! ```

use rust_hdl::prelude::*;

use crate::hold_ram::HoldRam;

/// Cycles from `write` to `valid` of the same beat.
#[cfg(test)]
const LATENCY: usize = 2;

/// FIFO of `2^N` beats of `W` bits; `P` must be `N + 1`.
#[derive(LogicBlock)]
pub struct BeatFifo<const W: usize, const N: usize, const P: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Empties the FIFO.
    pub reset: Signal<In, Bit>,
    /// Stores `data_in`.
    pub write: Signal<In, Bit>,
    /// Beat to store.
    pub data_in: Signal<In, Bits<W>>,
    /// Takes the beat shown; ignored while `valid` is clear.
    pub read: Signal<In, Bit>,
    /// Keeps `data_out` as it is.
    pub hold: Signal<In, Bit>,
    /// Oldest beat.
    pub data_out: Signal<Out, Bits<W>>,
    /// `data_out` holds a beat.
    pub valid: Signal<Out, Bit>,
    /// Beats inside, 0 to 2^N.
    pub level: Signal<Out, Bits<P>>,
    ram: HoldRam<W, N>,
    write_pointer: DFF<Bits<P>>,
    read_pointer: DFF<Bits<P>>,
    // The read side sees a beat one cycle after it was written: the RAM has it by then.
    not_empty: DFF<Bit>,
    level_register: DFF<Bits<P>>,
    next_read: Signal<Local, Bits<P>>,
    after_read: Signal<Local, Bits<P>>,
}

impl<const W: usize, const N: usize, const P: usize> Default for BeatFifo<W, N, P> {
    fn default() -> Self {
        assert_eq!(P, N + 1, "pointers carry one wrap bit");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write: Default::default(),
            data_in: Default::default(),
            read: Default::default(),
            hold: Default::default(),
            data_out: Default::default(),
            valid: Default::default(),
            level: Default::default(),
            ram: Default::default(),
            write_pointer: Default::default(),
            read_pointer: Default::default(),
            not_empty: Default::default(),
            level_register: Default::default(),
            next_read: Default::default(),
            after_read: Default::default(),
        }
    }
}

impl<const W: usize, const N: usize, const P: usize> Logic for BeatFifo<W, N, P> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            write_pointer,
            read_pointer,
            not_empty,
            level_register
        );
        self.ram.clock.next = self.clock.val();
        self.ram.hold.next = self.hold.val();

        self.ram.write_enable.next = self.write.val();
        self.ram.write_data.next = self.data_in.val();
        self.ram.write_address.next = bit_cast::<N, P>(self.write_pointer.q.val());
        if self.write.val() {
            self.write_pointer.d.next = self.write_pointer.q.val() + 1;
        }

        // `read` comes late: both cases are ready when it does.
        self.after_read.next = self.read_pointer.q.val() + 1;
        self.next_read.next = self.read_pointer.q.val();
        self.not_empty.d.next = self.read_pointer.q.val() != self.write_pointer.q.val();
        if self.read.val() & self.not_empty.q.val() {
            self.next_read.next = self.after_read.val();
            self.not_empty.d.next = self.after_read.val() != self.write_pointer.q.val();
        }
        self.read_pointer.d.next = self.next_read.val();
        // The RAM answers a cycle later, so it is asked for the beat that will then be oldest.
        self.ram.read_address.next = bit_cast::<N, P>(self.next_read.val());
        self.data_out.next = self.ram.read_data.val();
        self.valid.next = self.not_empty.q.val();

        self.level_register.d.next = self.write_pointer.q.val() - self.read_pointer.q.val();
        self.level.next = self.level_register.q.val();

        if self.reset.val() {
            self.write_pointer.d.next = 0.into();
            self.not_empty.d.next = false;
            self.read_pointer.d.next = 0.into();
            self.level_register.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;
    use std::collections::VecDeque;

    type Fifo = BeatFifo<8, 3, 4>;

    fn fifo() -> Fifo {
        let mut uut = Fifo::default();
        uut.connect_all();
        uut
    }

    #[test]
    fn a_beat_is_valid_after_the_documented_latency() {
        let mut uut = fifo();
        uut.write.next = true;
        uut.data_in.next = 0x5a.into();
        for cycle in 0..LATENCY {
            assert!(!uut.valid.val(), "cycle {cycle}");
            tick(&mut uut, |u, level| u.clock.next = level.into());
            uut.write.next = false;
        }
        assert!(uut.valid.val());
        assert_eq!(uut.data_out.val(), 0x5a);
    }

    #[test]
    fn order_and_level_under_random_gaps() {
        for seed in 0..4 {
            let mut rng = seeded(seed);
            let mut uut = fifo();
            let mut inside: VecDeque<u64> = VecDeque::new();
            let mut next = 0u64;
            for cycle in 0..2000 {
                let write = inside.len() < 8 && rng.random_bool(0.6);
                let read = rng.random_bool(0.5);
                uut.write.next = write;
                uut.data_in.next = next.into();
                uut.read.next = read;
                // Inputs settle before the outputs of this cycle are looked at.
                simulate(&mut uut, 10);
                if uut.valid.val() {
                    let front = *inside.front().expect("valid means a beat is inside");
                    assert_eq!(uut.data_out.val(), front, "seed {seed} cycle {cycle}");
                    if read {
                        inside.pop_front();
                    }
                }
                if write {
                    inside.push_back(next);
                    next = (next + 1) % 256;
                }
                tick(&mut uut, |u, level| u.clock.next = level.into());
            }
            assert!(next > 0);
        }
    }
}
