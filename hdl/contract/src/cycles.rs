//! How many clock cycles a command takes.
//!
//! With a memory that answers after a fixed latency and accepts every cycle, a command takes
//!
//! ```text
//! cycles = fetch + load + stream + drain
//! ```
//!
//! and only `stream` grows with the matrix: one cycle a weight beat.
//!
//! | part | cycles | why |
//! |---|---|---|
//! | fetch | latency + command beats + [`FETCH_CYCLES`] | the record is read and checked |
//! | load | the longer of the activation load and the weight latency, + [`LOAD_CYCLES`] | both are requested as soon as the record is known |
//! | stream | rows * row_beats | one weight beat a cycle |
//! | drain | result beats of the last burst + latency + [`DRAIN_CYCLES`] | pipeline, last results, their write response |

use crate::command::COMMAND_BYTES;
use crate::geometry::Geometry;

/// Cycles of a launch outside its commands: start, done.
pub const LAUNCH_CYCLES: u64 = 4;
/// Cycles from the last beat of a command record to the first read request it causes.
pub const FETCH_CYCLES: u64 = 4;
/// Cycles from the last activation beat to the first weight beat through the lanes.
pub const LOAD_CYCLES: u64 = 2;
/// Cycles from the last weight beat through the lanes to the last result burst's address.
pub const DRAIN_CYCLES: u64 = 16;

/// Cycles of one command with `W: [rows, k]`, behind a memory with `latency` cycles from request
/// to first beat and from the last write beat to its response.
pub fn command_cycles(
    geometry: &Geometry,
    latency: u64,
    rows: usize,
    k: usize,
    keeps_activations: bool,
) -> u64 {
    let command_beats = COMMAND_BYTES.div_ceil(geometry.beat_bytes()) as u64;
    let fetch = latency + command_beats + FETCH_CYCLES;
    let activation_beats = if keeps_activations {
        0
    } else {
        geometry.activation_beats(k) as u64
    };
    let load = latency + activation_beats + LOAD_CYCLES;
    let stream = (rows * geometry.row_beats(k)) as u64;
    let last_burst = geometry.result_beats(rows).min(geometry.burst_beats()) as u64;
    let drain = last_burst + latency + DRAIN_CYCLES;
    fetch + load + stream + drain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_grows_with_the_rows() {
        let g = Geometry::DEFAULT;
        let cycles = |rows| command_cycles(&g, 128, rows, 2560, false);
        assert_eq!(cycles(2560) - cycles(640), (2560 - 640) * 8);
    }

    #[test]
    fn kept_activations_are_not_loaded() {
        let g = Geometry::DEFAULT;
        let cycles = |keep| command_cycles(&g, 128, 640, 2560, keep);
        assert_eq!(cycles(false) - cycles(true), 40);
    }
}
