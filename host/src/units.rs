//! Quantities whose mixing would be a bug, and how they are printed.
//!
//! Arithmetic stays within a unit; the places that convert between units are
//! [`crate::time_model`] (cycles and bytes to seconds) and the board loader.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A span of time in seconds; negative spans are losses.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Seconds {
    /// In milliseconds.
    pub fn ms(self) -> f64 {
        self.0 * 1e3
    }

    /// In microseconds.
    pub fn us(self) -> f64 {
        self.0 * 1e6
    }

    /// From microseconds.
    pub fn from_us(us: f64) -> Self {
        Seconds(us * 1e-6)
    }

    /// How often this span fits into a second: tokens/s from the time of a token.
    pub fn per_second(self) -> f64 {
        1.0 / self.0
    }
}

impl From<Duration> for Seconds {
    fn from(d: Duration) -> Self {
        Seconds(d.as_secs_f64())
    }
}

impl Add for Seconds {
    type Output = Seconds;
    fn add(self, other: Seconds) -> Seconds {
        Seconds(self.0 + other.0)
    }
}

impl Sub for Seconds {
    type Output = Seconds;
    fn sub(self, other: Seconds) -> Seconds {
        Seconds(self.0 - other.0)
    }
}

impl AddAssign for Seconds {
    fn add_assign(&mut self, other: Seconds) {
        self.0 += other.0;
    }
}

impl Sum for Seconds {
    fn sum<I: Iterator<Item = Seconds>>(items: I) -> Seconds {
        items.fold(Seconds::default(), Add::add)
    }
}

impl fmt::Display for Seconds {
    /// Three significant digits in the unit that suits: `12.3 us`, `1.32 ms`, `4.10 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0.abs() {
            s if s >= 1.0 => (self.0, "s"),
            s if s >= 1e-3 => (self.ms(), "ms"),
            _ => (self.us(), "us"),
        };
        let digits = match value.abs() {
            v if v >= 100.0 => 0,
            v if v >= 10.0 => 1,
            _ => 2,
        };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}

/// A number of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Add for Bytes {
    type Output = Bytes;
    fn add(self, other: Bytes) -> Bytes {
        Bytes(self.0 + other.0)
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        self.0 += other.0;
    }
}

impl fmt::Display for Bytes {
    /// In units of 1000: `512 B`, `1.84 MB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.0 as f64;
        let text = match b {
            b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
            b if b >= 1e6 => format!("{:.2} MB", b / 1e6),
            b if b >= 1e3 => format!("{:.2} kB", b / 1e3),
            _ => format!("{} B", self.0),
        };
        f.pad(&text)
    }
}

/// Clock cycles of the kernel.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Cycles(pub u64);

impl Add for Cycles {
    type Output = Cycles;
    fn add(self, other: Cycles) -> Cycles {
        Cycles(self.0 + other.0)
    }
}

impl AddAssign for Cycles {
    fn add_assign(&mut self, other: Cycles) {
        self.0 += other.0;
    }
}

impl Sum for Cycles {
    fn sum<I: Iterator<Item = Cycles>>(items: I) -> Cycles {
        items.fold(Cycles::default(), Add::add)
    }
}

impl fmt::Display for Cycles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_the_unit_that_suits() {
        for (s, text) in [
            (4.1, "4.10 s"),
            (0.0013222, "1.32 ms"),
            (1.23e-5, "12.3 us"),
            (-75e-6, "-75.0 us"),
            (0.0, "0.00 us"),
            (0.25, "250 ms"),
        ] {
            assert_eq!(Seconds(s).to_string(), text);
        }
        assert_eq!(format!("{:>9}", Seconds(1.0)), "   1.00 s");
    }

    #[test]
    fn bytes_are_printed_in_powers_of_a_thousand() {
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(1_840_000).to_string(), "1.84 MB");
    }
}
