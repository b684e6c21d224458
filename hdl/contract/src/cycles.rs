//! How many clock cycles a command takes.
//!
//! The memories are taken to accept every cycle and to answer after a fixed latency, counted from the
//! request's handshake to the first beat of data, and from the last beat written to its response.
//! Behind such memories the numbers here are those of the RTL, cycle for cycle; a test in `sim` holds
//! the two together. Stalls and refresh are not seen.
//!
//! A list takes [`LAUNCH_CYCLES`] and the sum of its commands. Of a command:
//!
//! ```text
//! begin    = latency + beats of the record + 6                         the record is read and checked
//! first    = begin + latency + 5 + activation beats                    the first weight beat enters the lanes
//! there(r) = first + r * row_beats - 1 + pipeline                      the result of row r reaches the packer
//! free     = max(free, there of the burst's last row) + its beats + 3  for each burst of results
//! command  = free + latency + 1                                        the last response
//! ```
//!
//! A last beat of results that is not full is filled up, a word a cycle, one cycle after its last row.
//! A run of reads that starts on the last beat of a 1 KiB block loses a cycle, since requests come
//! every second cycle. At most [`WEIGHT_FIFO_BEATS`] beats are asked for and not consumed: a latency
//! beyond that many cycles leaves gaps in the stream.

use crate::command::{Command, COMMAND_BYTES};
use crate::geometry::{Geometry, BURST_BYTES, WEIGHT_FIFO_BEATS};

/// Cycles of a list outside its commands: the step from `ap_start` to the first command.
pub const LAUNCH_CYCLES: u64 = 1;

/// A command's first cycle to its `Begin`, less latency and beats of the record.
const FETCH_CYCLES: u64 = 6;
/// `Begin` to the handshake of the first read request.
const REQUEST_CYCLES: u64 = 3;
/// From one read request to the next, and from room in the FIFO to the request that waits for it.
const REQUEST_PERIOD: u64 = 2;
/// The last activation beat on the bus to the first weight beat into the lanes.
const LOADED_CYCLES: u64 = 3;
/// A weight beat on the bus to the lanes (the FIFO).
const FIFO_CYCLES: u64 = 2;
/// A row's result in the packer to its burst on the bus, less the beats of the burst.
const WRITE_CYCLES: u64 = 3;
/// The packer and the result FIFO.
const PACK_CYCLES: u64 = 3;
/// The last response to the next command.
const SETTLE_CYCLES: u64 = 1;

/// Cycles of a product of `W: [rows, k]` whose buffers start on [`BURST_BYTES`].
///
/// `latency` is in cycles.
///
/// # Panics
/// If [`Command::gemv`] refuses the shape.
pub fn command_cycles(
    geometry: &Geometry,
    latency: u64,
    rows: usize,
    k: usize,
    keeps_activations: bool,
) -> u64 {
    let command = Command::gemv(geometry, rows, k, 0, 0, 0).expect("a shape within the limits");
    let command = match keeps_activations {
        true => command.keep_activations(),
        false => command,
    };
    exact_command_cycles(geometry, latency, &command)
}

/// Cycles of one command that ends without an error; base registers are multiples of [`BURST_BYTES`].
pub fn exact_command_cycles(geometry: &Geometry, latency: u64, command: &Command) -> u64 {
    // A memory cannot answer in the cycle of the request.
    let latency = latency.max(1);
    let record_beats = COMMAND_BYTES.div_ceil(geometry.beat_bytes()) as u64;
    let begin = latency + record_beats + FETCH_CYCLES;
    let reads = Reads {
        geometry,
        latency,
        begin,
    };

    let mut ready = 0;
    if !command.keeps_activations() {
        let beats = geometry.activation_beats(command.k as usize) as u64;
        let load = reads.run(command.activations, beats, 0, 0);
        ready = load.at(beats - 1) + LOADED_CYCLES;
    }
    let weight_beats = u64::from(command.weight_beats);
    let stream = reads.run(command.weights, weight_beats, FIFO_CYCLES, ready);
    let there = |rows: u64| {
        stream.at(rows * u64::from(command.row_beats) - 1) + pipeline_cycles(geometry) + PACK_CYCLES
    };
    last_write(geometry, command, begin, there) + latency + SETTLE_CYCLES
}

/// A weight beat from the FIFO to the row's result in the packer: beat register, decoder, adder tree
/// with its last sum, row accumulator.
fn pipeline_cycles(geometry: &Geometry) -> u64 {
    u64::from(geometry.lanes().next_power_of_two().trailing_zeros()) + 4
}

/// The cycle after the last beat of results, given when the result of a row (from 1) is there.
fn last_write(
    geometry: &Geometry,
    command: &Command,
    begin: u64,
    there: impl Fn(u64) -> u64,
) -> u64 {
    let words = geometry.bus_bits() as u64 / 32;
    let burst = geometry.burst_beats() as u64;
    let rows = u64::from(command.rows);
    let beats = rows.div_ceil(words);
    let offset = block_beat(geometry, command.results);
    let fill = match rows % words {
        0 => 0,
        full => words - full + 1,
    };
    let mut free = begin + 2;
    let mut done = 0;
    while done < beats {
        let len = (burst - (offset + done) % burst).min(beats - done);
        done += len;
        let ready = match done == beats {
            true => there(rows) + fill,
            false => there(done * words),
        };
        free = free.max(ready) + len + WRITE_CYCLES;
    }
    free
}

/// Beats from the start of the burst-sized block to the beat at byte `offset`.
fn block_beat(geometry: &Geometry, offset: u64) -> u64 {
    offset % BURST_BYTES as u64 / geometry.beat_bytes() as u64
}

/// The read masters of a command.
struct Reads<'a> {
    geometry: &'a Geometry,
    latency: u64,
    begin: u64,
}

/// When the beats of a run of reads are consumed.
enum Run {
    /// One a cycle from the first.
    Even(u64),
    /// Burst by burst.
    Bursts(Vec<Burst>),
}

/// A burst of a run; times are of its first beat.
struct Burst {
    first: u64,
    len: u64,
    request: u64,
    arrival: u64,
    used: u64,
}

impl Run {
    /// The cycle in which a beat (from 0) is consumed.
    fn at(&self, beat: u64) -> u64 {
        match self {
            Run::Even(first) => first + beat,
            Run::Bursts(bursts) => {
                let after = bursts.partition_point(|b| b.first <= beat);
                let burst = &bursts[after - 1];
                burst.used + beat - burst.first
            }
        }
    }
}

impl Reads<'_> {
    /// `beats` beats from byte `offset`, usable `delay` cycles after they arrive and not before `ready`.
    fn run(&self, offset: u64, beats: u64, delay: u64, ready: u64) -> Run {
        let burst = self.geometry.burst_beats() as u64;
        let room = WEIGHT_FIFO_BEATS as u64;
        let offset = block_beat(self.geometry, offset);
        let first = self.begin + REQUEST_CYCLES + self.latency + delay;
        // No request waits for room, and the first burst covers the time to the second.
        let even = self.latency + burst + 3 <= room && (offset < burst - 1 || ready > first);
        if even || beats == 1 {
            return Run::Even(first.max(ready));
        }
        let mut bursts: Vec<Burst> = Vec::new();
        let mut asked = 0;
        // The burst with the beat that makes room for the next request.
        let mut leaving = 0;
        while asked < beats {
            let len = (burst - (offset + asked) % burst).min(beats - asked);
            let mut request = self.begin + REQUEST_CYCLES;
            let (mut arrival, mut used) = (0, ready);
            if let Some(last) = bursts.last() {
                request = last.request + REQUEST_PERIOD;
                arrival = last.arrival + last.len;
                used = last.used + last.len;
            }
            if asked + len > room {
                let beat = asked + len - room - 1;
                while bursts[leaving].first + bursts[leaving].len <= beat {
                    leaving += 1;
                }
                let left = bursts[leaving].used + beat - bursts[leaving].first;
                request = request.max(left + REQUEST_PERIOD);
            }
            arrival = arrival.max(request + self.latency);
            bursts.push(Burst {
                first: asked,
                len,
                request,
                arrival,
                used: used.max(arrival + delay),
            });
            asked += len;
        }
        Run::Bursts(bursts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_grows_with_the_rows() {
        let g = Geometry::DEFAULT;
        let cycles = |rows| command_cycles(&g, 128, rows, 2560, false);
        assert_eq!(cycles(2560) - cycles(512), (2560 - 512) * 8);
    }

    #[test]
    fn kept_activations_are_not_loaded() {
        let g = Geometry::DEFAULT;
        let cycles = |keep| command_cycles(&g, 128, 640, 2560, keep);
        assert_eq!(cycles(false) - cycles(true), 40);
    }

    #[test]
    fn a_latency_beyond_the_fifo_leaves_gaps() {
        let g = Geometry::DEFAULT;
        let beats = 2560 * 8;
        let cycles = |latency| command_cycles(&g, latency, 2560, 2560, false);
        assert!(cycles(200) < beats + 3 * 200 + 100);
        // 256 beats a round trip of about 1000 cycles.
        assert!(cycles(1000) > beats * 1000 / 256);
    }
}
