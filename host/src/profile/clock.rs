//! The clock of the core, and times as they would be at a reference clock.
//!
//! What the system reports may be nominal, of another core or of another moment, and in a virtual
//! machine it is often invented. So a chain of dependent operations is timed: each of them takes one
//! cycle on every core of note, and waits for the one before.

use std::hint::black_box;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Seconds;

/// Clock that times are normalised to, in Hz.
pub const REFERENCE_HZ: f64 = 3.0e9;

/// Operations of one timed chain.
const CHAIN: u64 = 1 << 19;

/// How long chains are timed: long enough for an idle core to rise to its clock.
const MEASURE_FOR: Duration = Duration::from_millis(20);

/// The clock of the core that the calling thread was on, one thread busy; measured.
///
/// With all threads busy a core may be slower than this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Clock that times are normalised to.
    pub reference_hz: f64,
    /// Measured before the model was loaded.
    pub before_hz: f64,
    /// Measured after the last round.
    pub after_hz: f64,
}

impl Clock {
    /// The clock that times are normalised with: the mean of both measurements.
    pub fn actual_hz(&self) -> f64 {
        (self.before_hz + self.after_hz) / 2.0
    }

    /// `time` at the reference clock, if everything took the same number of cycles there:
    /// `time * actual / reference`. Memory does not follow the clock, so this is an estimate.
    pub fn normalised(&self, time: Seconds) -> Seconds {
        Seconds(time.0 * self.actual_hz() / self.reference_hz)
    }
}

/// The clock of this core now, in Hz: of the fastest chain, since interruptions only slow one down.
pub fn measure_hz() -> f64 {
    let begin = Instant::now();
    let mut fastest = f64::INFINITY;
    while begin.elapsed() < MEASURE_FOR {
        let start = Instant::now();
        black_box(chain(black_box(1), black_box(3), CHAIN));
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    CHAIN as f64 / fastest
}

/// `operations` dependent operations of one cycle each. Additions and exclusive-ors in turn: a chain of
/// additions alone is one that compilers shorten.
fn chain(mut x: u64, mut y: u64, operations: u64) -> u64 {
    for _ in 0..operations / 8 {
        for _ in 0..4 {
            x = x.wrapping_add(y);
            y ^= x;
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_scaled_by_actual_over_reference() {
        let clock = Clock {
            reference_hz: REFERENCE_HZ,
            before_hz: 5.0e9,
            after_hz: 4.0e9,
        };
        assert_eq!(clock.normalised(Seconds(2.0)), Seconds(3.0));
    }

    #[test]
    fn a_core_has_a_clock() {
        let hz = measure_hz();
        assert!(hz.is_finite() && hz > 0.0, "{hz}");
    }
}
