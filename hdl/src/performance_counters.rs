//! Performance counters: what a list of commands took, in clock cycles.
//!
//! `start` clears all counters but `uptime`, which runs from reset on. `cycles` counts from `start` to
//! `done`; the others count the cycles in which their input is set. 64 bits never wrap in practice.

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
    /// The list has ended.
    pub done: Signal<In, Bit>,
    /// A weight beat entered the lanes.
    pub beat_taken: Signal<In, Bit>,
    /// The lanes waited for weights.
    pub starved: Signal<In, Bit>,
    /// Weights waited for results.
    pub blocked: Signal<In, Bit>,
    /// Cycles since reset.
    pub uptime: Signal<Out, Bits<64>>,
    /// Cycles from `start` to `done`.
    pub cycles: Signal<Out, Bits<64>>,
    /// Cycles with `beat_taken`.
    pub beats: Signal<Out, Bits<64>>,
    /// Cycles with `starved`.
    pub starved_cycles: Signal<Out, Bits<64>>,
    /// Cycles with `blocked`.
    pub blocked_cycles: Signal<Out, Bits<64>>,
    running: DFF<Bit>,
    uptime_count: DFF<Bits<64>>,
    cycle_count: DFF<Bits<64>>,
    beat_count: DFF<Bits<64>>,
    starved_count: DFF<Bits<64>>,
    blocked_count: DFF<Bits<64>>,
}

impl Logic for PerformanceCounters {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            running,
            uptime_count,
            cycle_count,
            beat_count,
            starved_count,
            blocked_count
        );
        self.uptime_count.d.next = self.uptime_count.q.val() + 1;
        if self.running.q.val() {
            self.cycle_count.d.next = self.cycle_count.q.val() + 1;
        }
        if self.beat_taken.val() {
            self.beat_count.d.next = self.beat_count.q.val() + 1;
        }
        if self.starved.val() {
            self.starved_count.d.next = self.starved_count.q.val() + 1;
        }
        if self.blocked.val() {
            self.blocked_count.d.next = self.blocked_count.q.val() + 1;
        }
        if self.done.val() {
            self.running.d.next = false;
        }
        if self.start.val() {
            self.running.d.next = true;
        }
        if self.start.val() | self.reset.val() {
            self.cycle_count.d.next = 0.into();
            self.beat_count.d.next = 0.into();
            self.starved_count.d.next = 0.into();
            self.blocked_count.d.next = 0.into();
        }
        if self.reset.val() {
            self.running.d.next = false;
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
    fn cycles_run_from_start_to_done() {
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
                uut.done.next = cycle == 9;
                tick(&mut uut, clock);
            }
            uut.beat_taken.next = false;
            uut.done.next = false;
            tick(&mut uut, clock);
            assert_eq!(uut.cycles.val(), 9, "list {list}");
            assert_eq!(uut.beats.val(), 3);
            assert_eq!(uut.starved_cycles.val(), 3);
            assert_eq!(uut.blocked_cycles.val(), 1);
        }
        assert_eq!(uut.uptime.val(), 22);
    }
}
