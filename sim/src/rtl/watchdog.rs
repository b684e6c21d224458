//! When a launch counts as hung: nothing moves on the memory ports, or it takes far too long.

use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::Command;

use super::bench::Bench;
use crate::error::SimError;
use crate::kernel::Ring;

/// Cycles without a handshake on any memory port, on top of [`IDLE_LATENCIES`].
const IDLE_CYCLES: u64 = 10_000;
/// Memory latencies without a handshake.
const IDLE_LATENCIES: u64 = 16;

/// Cycles that a launch may take for each beat that its commands name: the kernel is meant to take
/// one, and the heaviest back-pressure costs a factor of 20 (5 % of cycles ready).
const CYCLES_PER_BEAT: u64 = 100;
/// Cycles and memory latencies that a command may take besides.
const COMMAND_CYCLES: u64 = 100_000;
/// See [`COMMAND_CYCLES`].
const COMMAND_LATENCIES: u64 = 100;

/// The bounds of one launch.
pub struct Watchdog {
    started: u64,
    idle_cycles: u64,
    total_cycles: u64,
}

impl Watchdog {
    /// The bounds for a list that starts now.
    pub fn new(bench: &mut Bench, list: u64, count: u32) -> Self {
        let places = (0..u64::from(count)).map(|i| list.saturating_add(i * COMMAND_BYTES as u64));
        Watchdog::of_records(bench, places)
    }

    /// The bounds for `submitted` commands of a ring from command `first` on.
    pub fn for_ring(bench: &mut Bench, ring: Ring, first: u32, submitted: u32) -> Self {
        let entries = u64::from(ring.entries.max(1));
        let places = (0..u64::from(submitted.min(ring.entries))).map(|i| {
            let slot = (u64::from(first) + i) % entries;
            ring.records.saturating_add(slot * COMMAND_BYTES as u64)
        });
        Watchdog::of_records(bench, places)
    }

    fn of_records(bench: &mut Bench, places: impl Iterator<Item = u64>) -> Self {
        let latency = bench.timing().latency();
        let mut beats = 0u64;
        let mut commands = 1u64;
        for at in places {
            let mut record = [0; COMMAND_BYTES];
            if bench.memories().data.read(at, &mut record).is_err() {
                // The kernel stops here with an error of its own.
                break;
            }
            let command = Command::from_bytes(&record);
            commands += 1;
            beats = beats
                .saturating_add(command.weight_beats.into())
                .saturating_add(u64::from(command.k) * u64::from(command.vectors))
                .saturating_add(u64::from(command.rows) * u64::from(command.vectors))
                .saturating_add(command.runs.into());
        }
        Watchdog {
            started: bench.cycle(),
            idle_cycles: IDLE_CYCLES + IDLE_LATENCIES * latency,
            total_cycles: beats
                .saturating_mul(CYCLES_PER_BEAT)
                .saturating_add(commands * (COMMAND_CYCLES + COMMAND_LATENCIES * latency)),
        }
    }

    /// An error if a bound is passed. `ctrl` is the `CTRL` register as read last.
    pub fn check(&self, bench: &Bench, ctrl: u32) -> Result<(), SimError> {
        let now = bench.cycle();
        let idle = now - bench.last_activity().max(self.started);
        let what = if idle > self.idle_cycles {
            format!("{idle} cycles without a transfer on a memory port")
        } else if now - self.started > self.total_cycles {
            format!("not done {} cycles after its start", now - self.started)
        } else {
            return Ok(());
        };
        Err(SimError::Hang {
            what,
            cycle: now,
            state: format!("CTRL reads {ctrl:#x}\n{}", bench.state()),
        })
    }
}
