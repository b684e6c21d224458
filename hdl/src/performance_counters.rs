//! Performance counters: what a list of commands took, in clock cycles.
//!
//! `start` clears all counters but `uptime`, which runs from reset on. Each of the others counts the cycles in which
//! its input is set, those of the stream a cycle late. 48 bits last for ten days of a 300 MHz clock.

use rust_hdl::prelude::*;

/// Counters behind the registers of the same names.
#[derive(LogicBlock, Default)]
pub struct PerformanceCounters {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Clears everything.
    pub reset: Signal<In, Bit>,
    /// A list begins.
    pub start: Signal<In, Bit>,
    /// Commands are under way.
    pub busy: Signal<In, Bit>,
    /// A weight beat entered the lanes.
    pub beat_taken: Signal<In, Bit>,
    /// The lanes waited for weights.
    pub starved: Signal<In, Bit>,
    /// Weights waited for results.
    pub blocked: Signal<In, Bit>,
    /// Cycles since reset.
    pub uptime: Signal<Out, Bits<48>>,
    /// Cycles with `busy`.
    pub cycles: Signal<Out, Bits<48>>,
    /// Cycles with `beat_taken`.
    pub beats: Signal<Out, Bits<48>>,
    /// Cycles with `starved`.
    pub starved_cycles: Signal<Out, Bits<48>>,
    /// Cycles with `blocked`.
    pub blocked_cycles: Signal<Out, Bits<48>>,
    // The inputs of the stream come late in their cycle.
    was_taken: DFF<Bit>,
    was_starved: DFF<Bit>,
    was_blocked: DFF<Bit>,
    uptime_count: DFF<Bits<48>>,
    cycle_count: DFF<Bits<48>>,
    beat_count: DFF<Bits<48>>,
    starved_count: DFF<Bits<48>>,
    blocked_count: DFF<Bits<48>>,
}

impl Logic for PerformanceCounters {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            was_taken,
            was_starved,
            was_blocked,
            uptime_count,
            cycle_count,
            beat_count,
            starved_count,
            blocked_count
        );
        self.uptime_count.d.next = self.uptime_count.q.val() + 1;
        if self.busy.val() {
            self.cycle_count.d.next = self.cycle_count.q.val() + 1;
        }
        self.was_taken.d.next = self.beat_taken.val();
        self.was_starved.d.next = self.starved.val();
        self.was_blocked.d.next = self.blocked.val();
        if self.was_taken.q.val() {
            self.beat_count.d.next = self.beat_count.q.val() + 1;
        }
        if self.was_starved.q.val() {
            self.starved_count.d.next = self.starved_count.q.val() + 1;
        }
        if self.was_blocked.q.val() {
            self.blocked_count.d.next = self.blocked_count.q.val() + 1;
        }
        if self.start.val() | self.reset.val() {
            self.cycle_count.d.next = 0.into();
            self.beat_count.d.next = 0.into();
            self.starved_count.d.next = 0.into();
            self.blocked_count.d.next = 0.into();
        }
        if self.reset.val() {
            self.uptime_count.d.next = 0.into();
        }
        self.uptime.next = self.uptime_count.q.val();
        self.cycles.next = self.cycle_count.q.val();
        self.beats.next = self.beat_count.q.val();
        self.starved_cycles.next = self.starved_count.q.val();
        self.blocked_cycles.next = self.blocked_count.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tick;

    #[test]
    fn each_counts_its_input_since_the_start() {
        let clock = |u: &mut PerformanceCounters, level: bool| u.clock.next = level.into();
        let mut uut = PerformanceCounters::default();
        uut.connect_all();
        for list in 0..2 {
            uut.start.next = true;
            tick(&mut uut, clock);
            uut.start.next = false;
            for cycle in 1..10 {
                uut.beat_taken.next = cycle % 3 == 0;
                uut.starved.next = cycle % 3 == 1;
                uut.blocked.next = cycle == 2;
                uut.busy.next = true;
                tick(&mut uut, clock);
            }
            uut.beat_taken.next = false;
            uut.busy.next = false;
            tick(&mut uut, clock);
            assert_eq!(uut.cycles.val(), 9, "list {list}");
            assert_eq!(uut.beats.val(), 3);
            assert_eq!(uut.starved_cycles.val(), 3);
            assert_eq!(uut.blocked_cycles.val(), 1);
        }
        assert_eq!(uut.uptime.val(), 22);
    }
}
