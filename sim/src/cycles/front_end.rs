//! The front end: when each command begins, and when all is over.

use tercet_contract::command::{Run, COMMAND_BYTES, RUN_BYTES};
use tercet_contract::Geometry;

use super::reader::Reader;
use super::stream::Stream;
use super::writer::Writer;
use super::{Planned, MAX_IN_FLIGHT};
use crate::axi::Port;
use crate::bank::DATA_BASE;
use crate::timing::MemoryTiming;

/// A command that begins.
#[derive(Clone, Copy, Debug)]
pub struct Begin {
    /// Cycle in which it enters the queues.
    pub cycle: u64,
    /// Cycle in which its last activation beat came, if it loads any.
    pub last_activation: Option<u64>,
}

/// State between commands.
pub struct FrontEnd {
    geometry: Geometry,
    reader: Reader,
    ring: bool,
    /// Cycle from which the front end stands in Fetch, or in Check for a command in the registers.
    free: u64,
    /// Cycle in which it came to Drain, after a STOP.
    drain: u64,
    runs: Runs,
}

/// The run list of the command under way.
#[derive(Default)]
struct Runs {
    entries: usize,
    next: usize,
    entries_a_beat: usize,
    /// Cycle from which the next entry of the beat can move to the register.
    held_from: u64,
    /// Cycle from which the next beat can be taken.
    held_until: u64,
    /// Cycle in which the last entry was taken.
    taken: u64,
    /// Beats of the matrix that no run has brought.
    beats_to_go: u64,
}

impl FrontEnd {
    /// A front end in the cycle in which the host's word arrives.
    pub fn new(geometry: &Geometry, timing: &MemoryTiming, ring: bool) -> Self {
        FrontEnd {
            geometry: *geometry,
            reader: Reader::new(geometry, timing, Port::Data),
            ring,
            // A list leaves Idle first; a ring sees a cycle later that there is more.
            free: 1,
            drain: 0,
            runs: Runs::default(),
        }
    }

    /// Reads a run of the data port; the cycle of its last beat.
    fn read(&mut self, from: u64, offset: u64, beats: u64) -> (u64, u64) {
        let taken = from.max(self.reader.ready());
        (taken, self.read_taken(taken, offset, beats))
    }

    fn read_taken(&mut self, taken: u64, offset: u64, beats: u64) -> u64 {
        self.reader.take(taken, DATA_BASE + offset, beats);
        let mut last = 0;
        for _ in 0..beats {
            last = self.reader.offer();
            self.reader.handed_over(last);
            self.reader.free(last);
        }
        last
    }

    /// Fetches a command and finds the cycle of its Begin. Its activations are loaded.
    pub fn begin(&mut self, planned: &Planned, stream: &Stream, writer: &Writer) -> Begin {
        let command = &planned.command;
        let checked = match planned.record {
            None => self.free,
            Some(at) => {
                let beats = COMMAND_BYTES.div_ceil(self.geometry.beat_bytes()) as u64;
                self.read(self.free, at, beats).1 + 2
            }
        };
        let mut cycle = checked + 1;
        cycle = cycle.max(writer.settled_before(MAX_IN_FLIGHT));
        if planned.is_stop() {
            return Begin {
                cycle,
                last_activation: None,
            };
        }
        if !command.has_run_list() {
            cycle = cycle.max(stream.weights_ready());
        }
        let mut last_activation = None;
        if !command.keeps_activations() {
            cycle = cycle.max(self.reader.ready()).max(stream.buffer_free());
            let vector_beats = self.geometry.activation_beats(command.k.into()) as u64;
            let beats = vector_beats * u64::from(command.vectors);
            last_activation = Some(self.read_taken(cycle, command.activations, beats));
        }
        self.free = cycle + 1;
        if command.has_run_list() {
            let bytes = planned.command.runs as usize * RUN_BYTES;
            let beats = bytes.div_ceil(self.geometry.beat_bytes()) as u64;
            let taken = (cycle + 1).max(self.reader.ready());
            self.reader.take(taken, DATA_BASE + command.run_list, beats);
            self.runs = Runs {
                entries: planned.command.runs as usize,
                next: 0,
                entries_a_beat: self.geometry.beat_bytes() / RUN_BYTES,
                held_from: 0,
                held_until: 0,
                taken: 0,
                beats_to_go: command.weight_beats.into(),
            };
        }
        Begin {
            cycle,
            last_activation,
        }
    }

    /// The next run of the list that reads anything, and the cycle in which it is taken by a weight reader that is
    /// ready from cycle `ready` on.
    pub fn next_run(&mut self, runs: &[Run], ready: u64) -> (u64, Run) {
        loop {
            let run = runs[self.runs.next];
            let reads = run.beats != 0 && self.runs.beats_to_go != 0;
            let taken = self.take_entry(reads.then_some(ready));
            if reads {
                self.runs.beats_to_go -= u64::from(run.beats);
                return (taken, run);
            }
        }
    }

    /// Takes the next entry, once the weight reader is ready if it reads anything.
    fn take_entry(&mut self, ready: Option<u64>) -> u64 {
        let runs = &mut self.runs;
        if runs.next.is_multiple_of(runs.entries_a_beat) {
            let beat = self.reader.offer().max(runs.held_until);
            self.reader.handed_over(beat);
            self.reader.free(beat);
            runs.held_from = beat + 1;
        }
        // It moves from the beat to its register, where it is offered, once that is free.
        let moved = runs.held_from.max(runs.taken);
        let taken = (moved + 1).max(ready.unwrap_or(0));
        runs.held_from = moved + 1;
        runs.held_until = moved + 1;
        runs.taken = taken;
        runs.next += 1;
        taken
    }

    /// Passes over the entries behind the last beat of the matrix.
    pub fn end_of_runs(&mut self, planned: &Planned, _stream: &mut Stream) {
        if planned.command.has_run_list() {
            while self.runs.next < self.runs.entries {
                self.take_entry(None);
            }
            // One more cycle to see that the list is through.
            self.free = self.runs.taken + 2;
        }
    }

    /// A STOP began.
    pub fn stop(&mut self, begin: Begin) {
        self.drain = begin.cycle + 1;
    }

    /// Cycles under way, when nothing more comes.
    pub fn end(&self, writer: &Writer, stopped: bool) -> u64 {
        let quiet = writer.quiet();
        match (self.ring, stopped) {
            // Up to the first cycle in which the ring is empty and all is quiet, less the one before it was seen that
            // there is more.
            (true, false) => self.free.max(quiet) - 1,
            // Drain, then Finish. A list counts from the cycle after the start.
            (_, true) => self.drain.max(quiet) + 1,
            (false, false) => (self.free + 1).max(quiet) + 1,
        }
    }
}
