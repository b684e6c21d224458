//! The time a device takes, from counted work and a board's figures.
//!
//! ```text
//! t(group)  = dispatch + link(input) + compute + link(output)
//! dispatch  = dispatch_us + (compute units - 1) * next_launch_us            by launches
//!           = ring_dispatch_us + (compute units - 1) * next_doorbell_us     through rings
//! link(b)   = transfers * transfer_us + b / bandwidth
//! compute   = cycles / f + max(0, bytes / port bandwidth - beats / f)
//! ```
//!
//! Cycles come from a simulation or from the cycle model; both assume a memory that
//! delivers a beat a cycle. The second term of `compute` is what a slower memory port adds while
//! weights stream. Several compute units work at the same time: cycles, beats and bytes of `compute` are those
//! of the slowest. Each has memories of its own, so there is a transfer to and from each, one after the other
//! over the one link.
//!
//! **Device and host at once.** Groups follow each other: each needs the results of the one before. Within a group
//! the CPU computes the layers and rows that the device does not have, so of a group the longer time counts:
//!
//! ```text
//! t = max( t(group), CPU time of the group's other layers and rows )
//! ```
//!
//! What it cannot see: overlap of transfers with computing (it assumes none), the part of a core that waiting for the
//! device takes from the CPU's own rows, contention on the host's memory, and launches that take longer than the
//! board's figure (polling against interrupts, a busy host).

use std::ops::{Add, AddAssign, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::units::{Bytes, Cycles, Seconds};

/// Work given to a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Times that the device was given commands and waited for. A session has either launches or
    /// doorbells.
    pub dispatches: u64,
    /// Command lists started, on any compute unit.
    pub launches: u64,
    /// Doorbells of rings rung, on any compute unit.
    pub doorbells: u64,
    /// Commands run.
    pub commands: u64,
    /// Clock cycles from start to done, of the slowest compute unit of each dispatch.
    pub cycles: Cycles,
    /// Weight beats streamed.
    pub weight_beats: u64,
    /// Of these, those of the compute unit with most, of each dispatch.
    pub slowest_beats: u64,
    /// Bytes of these beats.
    pub weight_bytes: Bytes,
    /// Buffers sent to the device.
    pub transfers_to: u64,
    /// Bytes sent to the device.
    pub bytes_to: Bytes,
    /// Buffers fetched from the device.
    pub transfers_from: u64,
    /// Bytes fetched from the device.
    pub bytes_from: Bytes,
}

impl Usage {
    /// The work of compute units in the same dispatch.
    pub fn beside(self, o: Usage) -> Usage {
        Usage {
            dispatches: self.dispatches.max(o.dispatches),
            cycles: Cycles(self.cycles.0.max(o.cycles.0)),
            slowest_beats: self.slowest_beats.max(o.slowest_beats),
            ..self + o
        }
    }

    fn zip(self, o: Usage, f: impl Fn(u64, u64) -> u64) -> Usage {
        Usage {
            dispatches: f(self.dispatches, o.dispatches),
            launches: f(self.launches, o.launches),
            doorbells: f(self.doorbells, o.doorbells),
            commands: f(self.commands, o.commands),
            cycles: Cycles(f(self.cycles.0, o.cycles.0)),
            weight_beats: f(self.weight_beats, o.weight_beats),
            slowest_beats: f(self.slowest_beats, o.slowest_beats),
            weight_bytes: Bytes(f(self.weight_bytes.0, o.weight_bytes.0)),
            transfers_to: f(self.transfers_to, o.transfers_to),
            bytes_to: Bytes(f(self.bytes_to.0, o.bytes_to.0)),
            transfers_from: f(self.transfers_from, o.transfers_from),
            bytes_from: Bytes(f(self.bytes_from.0, o.bytes_from.0)),
        }
    }
}

impl Add for Usage {
    type Output = Usage;
    fn add(self, o: Usage) -> Usage {
        self.zip(o, |a, b| a + b)
    }
}

impl Sub for Usage {
    type Output = Usage;
    /// Work done since `o`, an earlier reading of the same counters.
    fn sub(self, o: Usage) -> Usage {
        self.zip(o, |a, b| a - b)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, o: Usage) {
        *self = *self + o;
    }
}

/// The parts of a device's time, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceTime {
    /// Starting command lists, or ringing doorbells, and seeing that the work is done.
    pub dispatch: Seconds,
    /// Activations to the device.
    pub link_to: Seconds,
    /// The kernel.
    pub compute: Seconds,
    /// Sums from the device.
    pub link_from: Seconds,
}

impl DeviceTime {
    /// All parts, one after the other.
    pub fn total(&self) -> Seconds {
        self.dispatch + self.link_to + self.compute + self.link_from
    }

    /// The time of one of `parts` equal parts; unchanged for 0.
    pub fn over(&self, parts: usize) -> DeviceTime {
        let n = parts.max(1) as f64;
        DeviceTime {
            dispatch: Seconds(self.dispatch.0 / n),
            link_to: Seconds(self.link_to.0 / n),
            compute: Seconds(self.compute.0 / n),
            link_from: Seconds(self.link_from.0 / n),
        }
    }

    /// Both directions of the link.
    pub fn link(&self) -> Seconds {
        self.link_to + self.link_from
    }
}

impl AddAssign for DeviceTime {
    fn add_assign(&mut self, o: DeviceTime) {
        self.dispatch += o.dispatch;
        self.link_to += o.link_to;
        self.compute += o.compute;
        self.link_from += o.link_from;
    }
}

/// Time that `usage` takes on `board`.
pub fn device_time(board: &Board, usage: &Usage) -> DeviceTime {
    let link = |transfers: u64, bytes: Bytes, gb_s: f64| {
        Seconds::from_us(transfers as f64 * board.transfer_us.value)
            + Seconds(bytes.0 as f64 / (gb_s * 1e9))
    };
    let period = Seconds(1.0 / board.clock_hz());
    let beats = usage.slowest_beats as f64;
    let beat_bytes = usage.weight_bytes.0 as f64 / usage.weight_beats.max(1) as f64;
    let port = beats * beat_bytes / (board.port_gb_s.value * 1e9);
    let stalled = (port - beats * period.0).max(0.0);
    DeviceTime {
        dispatch: dispatch_time(board, usage),
        link_to: link(
            usage.transfers_to,
            usage.bytes_to,
            board.to_device_gb_s.value,
        ),
        compute: Seconds(usage.cycles.0 as f64 * period.0 + stalled),
        link_from: link(
            usage.transfers_from,
            usage.bytes_from,
            board.from_device_gb_s.value,
        ),
    }
}

/// Time to hand over commands and to see that they are done.
fn dispatch_time(board: &Board, usage: &Usage) -> Seconds {
    let (first, next, calls) = match usage.doorbells {
        0 => (&board.dispatch_us, &board.next_launch_us, usage.launches),
        doorbells => (&board.ring_dispatch_us, &board.next_doorbell_us, doorbells),
    };
    let further = calls.saturating_sub(usage.dispatches) as f64;
    Seconds::from_us(usage.dispatches as f64 * first.value + further * next.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_costs_what_the_board_says() {
        let board = Board::find("u55c").unwrap();
        let usage = Usage {
            dispatches: 1,
            launches: 1,
            doorbells: 0,
            commands: 1,
            cycles: Cycles(1000),
            weight_beats: 800,
            slowest_beats: 800,
            weight_bytes: Bytes(800 * 16),
            transfers_to: 1,
            bytes_to: Bytes(11_933),
            transfers_from: 1,
            bytes_from: Bytes(0),
        };
        let t = device_time(&board, &usage);
        assert!((t.dispatch.us() - 75.0).abs() < 1e-9);
        assert!((t.link_to.us() - 6.0).abs() < 1e-9);
        assert!(
            (t.compute.us() - 4.0).abs() < 1e-9,
            "128-bit beats fit the port"
        );
        assert!((t.total().us() - 90.0).abs() < 1e-9);
    }

    #[test]
    fn a_port_slower_than_a_beat_a_cycle_stretches_the_stream() {
        // 64 bytes a cycle at 250 MHz are 16 GB/s; the port gives 13.36.
        let board = Board::find("u55c").unwrap();
        let usage = Usage {
            cycles: Cycles(1_000_000),
            weight_beats: 1_000_000,
            slowest_beats: 1_000_000,
            weight_bytes: Bytes(64_000_000),
            ..Usage::default()
        };
        let t = device_time(&board, &usage);
        assert!((t.compute.0 - 64e6 / 13.36e9).abs() < 1e-9);
        // A port each for four units that share the work.
        let shared = Usage {
            slowest_beats: 250_000,
            cycles: Cycles(250_000),
            ..usage
        };
        let quarter = device_time(&board, &shared).compute.0;
        assert!((quarter - t.compute.0 / 4.0).abs() < 1e-9);
    }

    #[test]
    fn further_units_and_rings_cost_less_than_a_launch() {
        let board = Board::find("u55c").unwrap();
        let time = |launches, doorbells| {
            let usage = Usage {
                dispatches: 1,
                launches,
                doorbells,
                ..Usage::default()
            };
            device_time(&board, &usage).dispatch
        };
        let launch = board.dispatch_us.value;
        assert!((time(1, 0).us() - launch).abs() < 1e-9);
        assert!((time(3, 0).us() - launch - 2.0 * board.next_launch_us.value).abs() < 1e-9);
        let ring = board.ring_dispatch_us.value;
        assert!((time(0, 1).us() - ring).abs() < 1e-9);
        assert!((time(0, 3).us() - ring - 2.0 * board.next_doorbell_us.value).abs() < 1e-9);
    }
}
