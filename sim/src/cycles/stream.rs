//! The stream: when each weight beat enters the lanes and each beat of results leaves them.

use tercet_contract::Geometry;

use super::front_end::{Begin, FrontEnd};
use super::reader::Reader;
use super::writer::Writer;
use super::{Planned, QUEUE_CYCLES};
use crate::axi::Port;
use crate::bank::WEIGHTS_BASE;
use crate::timing::MemoryTiming;

/// A weight beat on the bus to the lanes: the FIFO.
const FIFO_CYCLES: u64 = 2;

/// The last activation beat on the bus to the first cycle in which its command can open.
const LOADED_CYCLES: u64 = 2;

/// A Begin to the first cycle in which its load can write the RAM.
const LOAD_LEAD_CYCLES: u64 = 5;

/// Stages of the chain of lanes.
fn lane_stages(geometry: &Geometry) -> u64 {
    4 * geometry.encoding().trits_per_byte() as u64
}

/// Cycles from a row's last weight beat to its beat of results in the result FIFO; as documented by `data_path` and
/// its parts.
pub fn lane_cycles(geometry: &Geometry) -> u64 {
    let stages = lane_stages(geometry);
    // Counts of six carries, then pairs of counts.
    let counts = geometry.beat_bytes().div_ceil(6).next_power_of_two();
    let carries = 1 + u64::from(counts.trailing_zeros());
    // Beat register and skew; chain; carries of the last group; two sums; row accumulator; packer.
    2 + stages + carries + 2 + 1 + 1
}

/// State between commands.
pub struct Stream {
    beat_bytes: u64,
    rows_a_result_beat: u64,
    lane_cycles: u64,
    stages: u64,
    reader: Reader,
    opened: u64,
    load_taken: Option<u64>,
    /// Cycle of the last beat taken.
    taken: u64,
    starved: u64,
    blocked: u64,
    first_beat: Option<u64>,
    last_beat: Option<u64>,
}

impl Stream {
    /// A stream with nothing to do.
    pub fn new(geometry: &Geometry, timing: &MemoryTiming) -> Self {
        Stream {
            beat_bytes: geometry.beat_bytes() as u64,
            rows_a_result_beat: (geometry.beat_words() / geometry.batch()) as u64,
            lane_cycles: lane_cycles(geometry),
            stages: lane_stages(geometry),
            reader: Reader::new(geometry, timing, Port::Weights),
            opened: 0,
            load_taken: None,
            taken: 0,
            starved: 0,
            blocked: 0,
            first_beat: None,
            last_beat: None,
        }
    }

    /// The first cycle in which the weight reader takes another run.
    pub fn weights_ready(&self) -> u64 {
        self.reader.ready()
    }

    /// The first cycle in which another load can begin: the stages of the lanes have read the buffer before.
    pub fn buffer_free(&self) -> u64 {
        self.load_taken
            .map_or(0, |taken| taken + self.stages - LOAD_LEAD_CYCLES)
    }

    /// Cycles in which a command was open and no beat was there.
    pub fn starved(&self) -> u64 {
        self.starved
    }

    /// Cycles in which a beat was there and no place for its results.
    pub fn blocked(&self) -> u64 {
        self.blocked
    }

    /// First and last weight beat on the bus.
    pub fn beats_seen(&self) -> (Option<u64>, Option<u64>) {
        (self.first_beat, self.last_beat)
    }

    /// Streams a command.
    pub fn run(
        &mut self,
        planned: &Planned,
        begin: Begin,
        front: &mut FrontEnd,
        writer: &mut Writer,
    ) {
        let command = &planned.command;
        let weights = WEIGHTS_BASE + command.weights;
        if !command.has_run_list() {
            self.reader
                .take(begin.cycle, weights, command.weight_beats.into());
        }
        let mut open = (begin.cycle + QUEUE_CYCLES)
            .max(self.taken)
            .max(self.opened);
        if let Some(last) = begin.last_activation {
            open = open.max(last + LOADED_CYCLES);
            self.load_taken = Some(open);
        }
        self.opened = open;
        writer.open(command, begin.cycle + QUEUE_CYCLES);

        let mut next = open + 1;
        let row_beats = u64::from(command.row_beats) * u64::from(command.digits);
        let mut rows_left = u64::from(command.rows);
        while rows_left > 0 {
            // The rows of one beat of results; the last beat of the last row needs its place.
            let rows = rows_left.min(self.rows_a_result_beat);
            rows_left -= rows;
            let beats = rows * row_beats;
            for beat in 1..=beats {
                if self.reader.needs_burst() && !self.reader.is_asking() {
                    let (taken, run) = front.next_run(&planned.runs, self.reader.ready());
                    let address = weights + u64::from(run.first_beat) * self.beat_bytes;
                    self.reader.take(taken, address, run.beats.into());
                }
                let arrived = self.reader.offer();
                self.reader.handed_over(arrived);
                self.first_beat.get_or_insert(arrived);
                self.last_beat = Some(arrived);
                let there = arrived + FIFO_CYCLES;
                self.starved += there.saturating_sub(next);
                let mut take = next.max(there);
                if beat == beats {
                    let place = writer.place();
                    self.blocked += place.saturating_sub(take);
                    take = take.max(place);
                    writer.result(take + self.lane_cycles);
                }
                self.reader.free(take);
                next = take + 1;
            }
        }
        self.taken = next - 1;
    }
}
