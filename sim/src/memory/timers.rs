//! The timers of one half-port.
//!
//! Cycles given to a timer never decrease from call to call on the same channel.

use std::collections::VecDeque;

use super::dram::Dram;
use super::stall::Stalls;
use crate::axi::{Channel, Port};
use crate::timing::MemoryTiming;

/// READY of one channel: AR, AW or W of a memory, R or B of the host.
#[derive(Clone, Copy, Debug)]
pub struct RequestTimer {
    stalls: Stalls,
    after_valid: bool,
}

impl RequestTimer {
    /// The READY of a channel.
    pub fn new(timing: &MemoryTiming, port: Port, channel: Channel) -> Self {
        RequestTimer {
            stalls: Stalls::new(timing, port, channel),
            after_valid: timing.ready_after_valid,
        }
    }

    /// Whether READY stands in `cycle`. `waiting`: VALID stood in the cycle before, and was not met.
    #[inline]
    pub fn ready(&self, cycle: u64, waiting: bool) -> bool {
        (waiting || !self.after_valid) && !self.stalls.stalled(cycle)
    }

    /// The cycle of the handshake of a VALID that rises in cycle `from`, or stands on for the next
    /// payload: the first from there on in which READY stands.
    #[inline]
    pub fn first_ready(&self, from: u64) -> u64 {
        self.first_ready_once_open(from, from)
    }

    /// [`RequestTimer::first_ready`] of a READY that is low before cycle `open` for a reason of its own:
    /// WREADY when too many beats have come before their address
    /// ([`EARLY_BEATS`](crate::axi::write::EARLY_BEATS)).
    #[inline]
    pub fn first_ready_once_open(&self, from: u64, open: u64) -> u64 {
        self.stalls
            .first_free((from + u64::from(self.after_valid)).max(open))
    }
}

/// A burst of reads whose beats have not all been timed.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// Cycle of the address handshake.
    accepted: u64,
    /// Of the next beat.
    address: u64,
    beats_left: u32,
    /// Beats to come from the row that was opened last.
    beats_in_row: u32,
}

/// When the beats of reads are offered.
#[derive(Clone, Debug)]
pub struct ReadTimer {
    stalls: Stalls,
    latency: u64,
    beat_bytes: u64,
    dram: Option<Box<Dram>>,
    bursts: VecDeque<Burst>,
}

impl ReadTimer {
    /// The read data channel of a port that is `beat_bytes` wide.
    pub fn new(timing: &MemoryTiming, port: Port, beat_bytes: usize) -> Self {
        let dram = timing.model.dram();
        let latency = dram.map_or(timing.latency(), |d| d.read_latency_cycles.max(1).into());
        ReadTimer {
            stalls: Stalls::new(timing, port, Channel::R),
            latency,
            beat_bytes: beat_bytes as u64,
            dram: dram.map(|d| Box::new(Dram::new(d, beat_bytes, latency))),
            bursts: VecDeque::new(),
        }
    }

    /// Goes back to the start of a launch.
    pub fn restart(&mut self) {
        self.bursts.clear();
        if let Some(dram) = &mut self.dram {
            dram.restart();
        }
    }

    /// Forgets the bursts under way.
    pub fn clear(&mut self) {
        self.bursts.clear();
    }

    /// A burst of `beats` beats, at least one, whose address was handed over in `cycle`.
    #[inline]
    pub fn accept(&mut self, cycle: u64, address: u64, beats: u32) {
        debug_assert!(beats > 0, "a burst of no beats");
        self.bursts.push_back(Burst {
            accepted: cycle,
            address,
            beats_left: beats,
            beats_in_row: 0,
        });
    }

    /// The first cycle in which the next beat of the oldest burst is offered; the call after is about
    /// the beat after. `not_before` is the cycle after the one in which the beat before was taken (0 for
    /// the first), or any later bound. `None` if every beat of every burst has been timed.
    #[inline]
    pub fn next_beat(&mut self, not_before: u64) -> Option<u64> {
        let burst = self.bursts.front_mut()?;
        let cycle = match &mut self.dram {
            None => (burst.accepted + self.latency).max(not_before),
            Some(dram) => {
                let mut ready = 0;
                if burst.beats_in_row == 0 {
                    ready = dram.open(burst.accepted, burst.address) + self.latency;
                    burst.beats_in_row = dram.beats_in_row(burst.address) as u32;
                }
                burst.beats_in_row -= 1;
                burst.address = burst.address.wrapping_add(self.beat_bytes);
                dram.beat(ready, not_before)
            }
        };
        burst.beats_left -= 1;
        if burst.beats_left == 0 {
            self.bursts.pop_front();
        }
        Some(self.stalls.first_free(cycle))
    }
}

/// When the responses of writes are offered.
#[derive(Clone, Debug)]
pub struct WriteTimer {
    stalls: Stalls,
    latency: u64,
    dram: Option<Box<Dram>>,
}

impl WriteTimer {
    /// The write response channel of a port that is `beat_bytes` wide.
    pub fn new(timing: &MemoryTiming, port: Port, beat_bytes: usize) -> Self {
        let dram = timing.model.dram();
        WriteTimer {
            stalls: Stalls::new(timing, port, Channel::B),
            latency: dram.map_or(timing.latency(), |d| d.write_latency_cycles.max(1).into()),
            dram: dram.map(|d| Box::new(Dram::new(d, beat_bytes, 0))),
        }
    }

    /// Goes back to the start of a launch.
    pub fn restart(&mut self) {
        if let Some(dram) = &mut self.dram {
            dram.restart();
        }
    }

    /// The cycle from which the response of a burst may be offered. `complete` is the cycle in which the
    /// last of its address and its beats was handed over, and everything of the bursts before. To be
    /// called once a burst, in order.
    #[inline]
    pub fn response(&mut self, complete: u64, address: u64, beats: u32) -> u64 {
        let answered = complete + self.latency;
        match &mut self.dram {
            None => answered,
            Some(dram) => answered.max(dram.burst(complete, address, beats.into())),
        }
    }

    /// The first cycle in which that response is offered. `not_before` is the cycle after the one in
    /// which the response before was taken (0 for the first).
    #[inline]
    pub fn offer(&self, response: u64, not_before: u64) -> u64 {
        self.stalls.first_free(response.max(not_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{HbmParameters, MemoryModel};

    #[test]
    fn answers_do_not_depend_on_when_the_timer_is_asked() {
        for model in [MemoryModel::Fixed, MemoryModel::Hbm(HbmParameters::at(300))] {
            let timing = MemoryTiming {
                model,
                ..MemoryTiming::stalling(5)
            };
            let mut early = ReadTimer::new(&timing, Port::Data, 64);
            let mut late = early.clone();
            let bursts: Vec<(u64, u64)> =
                (0..200).map(|i| (3 * i, i * 7919 % 512 * 4096)).collect();
            for &(cycle, address) in &bursts {
                early.accept(cycle, address, 20);
            }
            let mut next = 0;
            for &(cycle, address) in &bursts {
                late.accept(cycle, address, 20);
                for _ in 0..20 {
                    let beat = early.next_beat(next).expect("a beat");
                    assert_eq!(late.next_beat(next), Some(beat));
                    assert!(beat >= next);
                    next = beat + 1;
                }
                assert_eq!(late.next_beat(next), None);
            }
        }
    }

    #[test]
    fn a_ready_that_waits_for_valid_comes_a_cycle_later() {
        let timing = |ready_after_valid| MemoryTiming {
            ready_after_valid,
            ..MemoryTiming::default()
        };
        let at_once = RequestTimer::new(&timing(false), Port::Data, Channel::Ar);
        let waits = RequestTimer::new(&timing(true), Port::Data, Channel::Ar);
        assert!(at_once.ready(3, false));
        assert!(!waits.ready(3, false) && waits.ready(3, true));
        assert_eq!((at_once.first_ready(3), waits.first_ready(3)), (3, 4));
    }

    #[test]
    fn writes_are_answered_when_they_have_drained() {
        let timing = MemoryTiming {
            model: MemoryModel::Hbm(HbmParameters::at(300)),
            ..MemoryTiming::default()
        };
        let mut timer = WriteTimer::new(&timing, Port::Data, 64);
        // 172 ns at 300 MHz.
        assert_eq!(timer.response(0, 0, 1), 52);
        // 100 pages known at once take as long as the rate lets them.
        let last = (1..=100).map(|i| timer.response(10, 4096 * i, 64)).last();
        let at_rate = 100 * 4096 * 300 / 14_375;
        assert!(
            last > Some(at_rate) && last < Some(at_rate * 11 / 10),
            "{last:?}"
        );
    }
}
