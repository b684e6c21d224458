//! The time a device takes, from counted work and a board's figures.
//!
//! ```text
//! t(group)  = dispatch + link(input) + compute + link(output)
//! dispatch  = launches * dispatch_us
//! link(b)   = transfers * transfer_us + b / bandwidth
//! compute   = cycles / f + max(0, weight bytes / port bandwidth - weight beats / f)
//! ```
//!
//! Cycles come from a simulation or from the cycle model of the contract; both assume a memory that
//! delivers a beat a cycle. The second term of `compute` is what a slower memory port adds while
//! weights stream.
//!
//! What it cannot see: overlap of transfers with computing or of the device with the host (it
//! assumes none), contention on the host's memory, and launches that take longer than the
//! board's figure (polling against interrupts, a busy host).

use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::units::{Bytes, Cycles, Seconds};

/// Work given to a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Command lists started.
    pub launches: u64,
    /// Commands in them.
    pub commands: u64,
    /// Clock cycles from start to done.
    pub cycles: Cycles,
    /// Weight beats streamed.
    pub weight_beats: u64,
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
    fn zip(self, o: Usage, f: impl Fn(u64, u64) -> u64) -> Usage {
        Usage {
            launches: f(self.launches, o.launches),
            commands: f(self.commands, o.commands),
            cycles: Cycles(f(self.cycles.0, o.cycles.0)),
            weight_beats: f(self.weight_beats, o.weight_beats),
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceTime {
    /// Starting command lists.
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
    let port = usage.weight_bytes.0 as f64 / (board.port_gb_s.value * 1e9);
    let stalled = (port - usage.weight_beats as f64 * period.0).max(0.0);
    DeviceTime {
        dispatch: Seconds::from_us(usage.launches as f64 * board.dispatch_us.value),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_costs_what_the_board_says() {
        let board = Board::find("u55c").unwrap();
        let usage = Usage {
            launches: 1,
            commands: 1,
            cycles: Cycles(1000),
            weight_beats: 800,
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
            weight_bytes: Bytes(64_000_000),
            ..Usage::default()
        };
        let t = device_time(&board, &usage);
        assert!((t.compute.0 - 64e6 / 13.36e9).abs() < 1e-9);
    }
}
