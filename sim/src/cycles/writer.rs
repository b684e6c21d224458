//! The write master: when results reach the memory and commands settle.

use tercet_contract::geometry::BURST_BYTES;
use tercet_contract::{Command, Geometry};

use super::front_end::Begin;
use super::QUEUE_CYCLES;
use crate::axi::{Channel, Port};
use crate::bank::DATA_BASE;
use crate::memory::{RequestTimer, WriteTimer};
use crate::timing::MemoryTiming;

/// A beat written into the result FIFO to its place in the level that the writer sees.
const LEVEL_CYCLES: u64 = 2;

/// State between commands.
pub struct Writer {
    address_timer: RequestTimer,
    data_timer: RequestTimer,
    answers: WriteTimer,
    beat_bytes: u64,
    burst_beats: u64,
    result_words: u64,
    beat_words: u64,
    completion: Option<u64>,

    /// Cycle from which the writer can take a command from its queue.
    free: u64,
    /// Handshake of the last answer.
    answered: Option<u64>,
    /// Cycles in which commands settled.
    settled: Vec<u64>,

    /// Cycles in which the beats of results of all commands left the FIFO, by their number modulo its places.
    left: Vec<u64>,
    /// Beats that have left.
    beats_left: u64,
    /// Beats that hold a place or have held one.
    placed: u64,

    /// The command under way: bus address of its next burst, beats to write, cycle of the next plan.
    address: u64,
    beats_to_write: u64,
    plan: u64,
    /// Beats of the burst being gathered, and how many of them are still to come.
    burst: u64,
    to_gather: u64,
}

impl Writer {
    /// A writer with nothing to do.
    pub fn new(geometry: &Geometry, timing: &MemoryTiming, completion: Option<u64>) -> Self {
        Writer {
            address_timer: RequestTimer::new(timing, Port::Data, Channel::Aw),
            data_timer: RequestTimer::new(timing, Port::Data, Channel::W),
            answers: WriteTimer::new(timing, Port::Data, geometry.beat_bytes()),
            beat_bytes: geometry.beat_bytes() as u64,
            burst_beats: geometry.burst_beats() as u64,
            result_words: geometry.batch() as u64,
            beat_words: geometry.beat_words() as u64,
            completion,
            free: 0,
            answered: None,
            settled: Vec::new(),
            left: vec![0; geometry.result_fifo_beats()],
            beats_left: 0,
            placed: 0,
            address: 0,
            beats_to_write: 0,
            plan: 0,
            burst: 0,
            to_gather: 0,
        }
    }

    /// The first cycle in which fewer than `most` commands are in flight.
    pub fn settled_before(&self, most: usize) -> u64 {
        match self.settled.len().checked_sub(most) {
            // The count falls in the cycle after the command settled. All commands begun so far have been
            // timed to their end.
            Some(first) => self.settled[first] + 1,
            None => 0,
        }
    }

    /// The first cycle in which nothing is in flight, nothing being written and every answer in.
    pub fn quiet(&self) -> u64 {
        let settled = self.settled.last().map_or(0, |s| s + 1);
        let answered = self.answered.map_or(0, |b| b + 1);
        settled.max(self.free).max(answered)
    }

    /// Handshake of the last answer.
    pub fn last_answer(&self) -> Option<u64> {
        self.answered
    }

    /// A command whose queue entry is there from cycle `entry` on is the next.
    pub fn open(&mut self, command: &Command, entry: u64) {
        self.address = DATA_BASE + command.results;
        self.beats_to_write =
            (u64::from(command.rows) * self.result_words).div_ceil(self.beat_words);
        self.plan = self.free.max(entry) + 1;
        self.plan_burst();
    }

    /// A STOP: no results, and it settles like any command.
    pub fn stop(&mut self, begin: Begin) {
        self.plan = self.free.max(begin.cycle + QUEUE_CYCLES) + 1;
        self.beats_to_write = 0;
        self.finish();
    }

    fn plan_burst(&mut self) {
        let in_block = self.address % BURST_BYTES as u64 / self.beat_bytes;
        self.burst = (self.burst_beats - in_block).min(self.beats_to_write);
        self.to_gather = self.burst;
    }

    /// The first cycle in which there is a place for the next beat of results.
    pub fn place(&mut self) -> u64 {
        let places = self.left.len() as u64;
        let place = match self.placed.checked_sub(places) {
            Some(needed) => {
                debug_assert!(needed < self.beats_left, "places are known in order");
                self.left[(needed % places) as usize] + 1
            }
            None => 0,
        };
        self.placed += 1;
        place
    }

    /// The next beat of results is written into the FIFO in `cycle`.
    pub fn result(&mut self, cycle: u64) {
        self.to_gather -= 1;
        if self.to_gather > 0 {
            return;
        }
        let gather = (self.plan + 1).max(cycle + LEVEL_CYCLES);
        let address = self.address_timer.first_ready(gather + 1);
        let mut last = address;
        for _ in 0..self.burst {
            last = self.data_timer.first_ready(last + 1);
            let places = self.left.len() as u64;
            self.left[(self.beats_left % places) as usize] = last;
            self.beats_left += 1;
        }
        self.answer(last, self.address, self.burst as u32);
        self.address += self.burst * self.beat_bytes;
        self.beats_to_write -= self.burst;
        self.plan = last + 1;
        if self.beats_to_write > 0 {
            self.plan_burst();
        }
    }

    /// A burst is complete in `cycle`: its answer is taken when it comes.
    fn answer(&mut self, cycle: u64, address: u64, beats: u32) {
        let ready = self.answers.response(cycle, address, beats);
        let not_before = self.answered.map_or(0, |b| b + 1);
        self.answered = Some(self.answers.offer(ready, not_before));
    }

    /// The command's results are all written: it settles, and its completion follows.
    pub fn finish(&mut self) {
        debug_assert_eq!(self.beats_to_write, 0, "all beats of the command");
        // The plan finds nothing left.
        let settle = (self.plan + 1).max(self.answered.map_or(0, |b| b + 1));
        self.settled.push(settle);
        self.free = settle + 1;
        if let Some(at) = self.completion {
            let address = self.address_timer.first_ready(settle + 1);
            let data = self.data_timer.first_ready(address + 1);
            self.answer(data, DATA_BASE + at, 1);
            self.free = data + 1;
        }
    }
}
