//! Which memory stands behind a port, and the figures of each kind.
//!
//! What is modelled, of HBM (one pseudo-channel a port) and DDR (one channel a port) alike:
//!
//! - **Rows.** A beat whose row is open waits for nothing but the latency; another row is precharged and
//!   activated first. Rows are found by address: `address / row_bytes` counts rows of all banks; the
//!   bank is that number modulo `banks`, the row within the bank the quotient. So a stream goes from bank
//!   to bank, and the controller, which knows every burst that it has accepted, opens the next row while
//!   the data of this one moves. A jump to another row of the same bank waits until that bank's last
//!   access, and until `row_cycle_cycles` after its last activation. Before its first use every row is
//!   closed; refresh does not close rows, as its time includes opening them again (assumed).
//! - **Rate.** A channel moves `rate_bytes` bytes in `rate_cycles` kernel cycles, exactly, however wide
//!   the bus is.
//! - **Refresh.** Every `refresh_interval_cycles` the data bus is closed for `refresh_cycles`, first a
//!   whole interval after the start of a launch.
//! - **Writes** are drained at the same rate, and a burst answered when it has been; WREADY is not held
//!   back.
//!
//! Not modelled: ports and directions are independent, each with rows, refresh and the full rate of its
//! own, so a kernel that reads and writes one channel at a time is told less time than it takes, and
//! there is no turnaround between reads and writes; the switch between ports and channels; bursts out of
//! order; granularity below a row (column-to-column delay within a bank group).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::timing::MAX_LATENCY_CYCLES;

/// Most banks of a channel.
pub const MAX_BANKS: usize = 64;

/// Rows are whole beats of the widest bus.
const WIDEST_BEAT_BYTES: u32 = 64;

/// The memory behind every port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemoryModel {
    /// [`MemoryTiming::latency_cycles`](crate::MemoryTiming::latency_cycles), then a beat a cycle.
    #[default]
    Fixed,
    /// An HBM pseudo-channel a port.
    Hbm(HbmParameters),
    /// A DDR channel a port.
    Ddr(DdrParameters),
}

impl MemoryModel {
    /// The DRAM; `None` for [`MemoryModel::Fixed`].
    pub fn dram(&self) -> Option<&DramParameters> {
        match self {
            MemoryModel::Fixed => None,
            MemoryModel::Hbm(HbmParameters(dram)) | MemoryModel::Ddr(DdrParameters(dram)) => {
                Some(dram)
            }
        }
    }

    /// Refuses parameters that describe no memory.
    pub fn validate(&self) -> Result<(), MemoryModelError> {
        self.dram().map_or(Ok(()), DramParameters::validate)
    }
}

/// One HBM2 pseudo-channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct HbmParameters(pub DramParameters);

impl HbmParameters {
    /// HBM2 as on Alveo cards, seen by a kernel of `clock_mhz` MHz. A clock of 0 is refused by
    /// [`MemoryModel::validate`].
    pub const fn at(clock_mhz: u32) -> Self {
        HbmParameters(HBM2.at(clock_mhz))
    }
}

/// One DDR4 channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DdrParameters(pub DramParameters);

impl DdrParameters {
    /// DDR4-2400 as on Alveo cards, seen by a kernel of `clock_mhz` MHz. A clock of 0 is refused by
    /// [`MemoryModel::validate`].
    pub const fn at(clock_mhz: u32) -> Self {
        DdrParameters(DDR4_2400.at(clock_mhz))
    }
}

/// A DRAM channel in time: nanoseconds, tenths where a figure needs them.
struct DramFigures {
    read_latency_ns: u32,
    write_latency_ns: u32,
    row_miss_ns: u32,
    row_cycle_ns: u32,
    activate_gap_tenth_ns: u32,
    banks: u32,
    row_bytes: u32,
    refresh_interval_ns: u32,
    refresh_ns: u32,
    rate_mb_per_s: u32,
}

/// HBM2, 4 Gb a channel, one pseudo-channel.
const HBM2: DramFigures = DramFigures {
    // Measured by AWS on F2 from the kernel (aws-fpga cl_mem_perf: 280 ns reads, 172 ns writes); taken as
    // those of an open row, which is assumed.
    read_latency_ns: 280,
    write_latency_ns: 172,
    // tRP + tRCD = 14 + 14 cycles of 1 ns (DRAMsim3, HBM2_4Gb_x128).
    row_miss_ns: 28,
    // tRAS + tRP = 34 + 14 cycles of 1 ns (DRAMsim3, HBM2_4Gb_x128).
    row_cycle_ns: 48,
    // tFAW / 4 = 30 / 4 cycles of 1 ns (DRAMsim3, HBM2_4Gb_x128): four activations a window.
    activate_gap_tenth_ns: 75,
    // 4 bank groups of 4 (DRAMsim3, HBM2_4Gb_x128).
    banks: 16,
    // 64 columns of 128 bits (DRAMsim3, HBM2_4Gb_x128); that a pseudo-channel has such rows of its own is
    // assumed.
    row_bytes: 1024,
    // Base refresh interval (AMD PG276, "Raw Throughput Evaluation").
    refresh_interval_ns: 3900,
    // tRFC of 4 Gb channels (DRAMsim3, HBM2_4Gb_x128).
    refresh_ns: 260,
    // Theoretical, 460 GB/s over 32 (AMD UG1393).
    rate_mb_per_s: 14_375,
};

/// DDR4-2400, 8 Gb devices, 64 bits.
const DDR4_2400: DramFigures = DramFigures {
    // Assumed: no measured latency of a kernel behind DDR is at hand.
    read_latency_ns: 200,
    write_latency_ns: 150,
    // tRP + tRCD = 16 + 16 cycles of 0.833 ns (DRAMsim3, DDR4_8Gb_x8_2400).
    row_miss_ns: 27,
    // tRAS + tRP = 39 + 16 cycles of 0.833 ns (DRAMsim3, DDR4_8Gb_x8_2400).
    row_cycle_ns: 46,
    // tFAW / 4 = 21 ns / 4 (DRAMsim3, DDR4_8Gb_x8_2400).
    activate_gap_tenth_ns: 53,
    // 4 bank groups of 4 (DRAMsim3, DDR4_8Gb_x8_2400).
    banks: 16,
    // 1024 columns of 8 bits in each of 8 devices (DRAMsim3, DDR4_8Gb_x8_2400).
    row_bytes: 8192,
    // 9364 cycles of 0.833 ns (DRAMsim3, DDR4_8Gb_x8_2400).
    refresh_interval_ns: 7800,
    // tRFC of 8 Gb devices (DRAMsim3, DDR4_8Gb_x8_2400).
    refresh_ns: 350,
    // Theoretical, 77 GB/s over 4 channels (AMD UG1393).
    rate_mb_per_s: 19_250,
};

impl DramFigures {
    /// In cycles of a kernel clock; part cycles count whole, but for the rate, which is exact.
    const fn at(&self, clock_mhz: u32) -> DramParameters {
        const fn cycles(ns: u32, clock_mhz: u32) -> u32 {
            saturate((ns as u64 * clock_mhz as u64).div_ceil(1000))
        }
        DramParameters {
            read_latency_cycles: cycles(self.read_latency_ns, clock_mhz),
            write_latency_cycles: cycles(self.write_latency_ns, clock_mhz),
            row_miss_cycles: cycles(self.row_miss_ns, clock_mhz),
            row_cycle_cycles: cycles(self.row_cycle_ns, clock_mhz),
            activate_gap_cycles: saturate(
                (self.activate_gap_tenth_ns as u64 * clock_mhz as u64).div_ceil(10_000),
            ),
            banks: self.banks,
            row_bytes: self.row_bytes,
            refresh_interval_cycles: cycles(self.refresh_interval_ns, clock_mhz),
            refresh_cycles: cycles(self.refresh_ns, clock_mhz),
            // MB/s over MHz is bytes a cycle.
            rate_bytes: self.rate_mb_per_s,
            rate_cycles: clock_mhz,
        }
    }
}

const fn saturate(cycles: u64) -> u32 {
    if cycles > u32::MAX as u64 {
        u32::MAX
    } else {
        cycles as u32
    }
}

/// A DRAM channel in kernel clock cycles. The module says what each figure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DramParameters {
    /// From the address handshake to the first beat, if its row is open and the bus is free.
    pub read_latency_cycles: u32,
    /// From the last beat of a write burst to its response, if the bus is free.
    pub write_latency_cycles: u32,
    /// Added when another row must be opened: precharge and activation.
    pub row_miss_cycles: u32,
    /// Between two activations in one bank.
    pub row_cycle_cycles: u32,
    /// Between two activations in the channel.
    pub activate_gap_cycles: u32,
    /// Banks of the channel, 1 to [`MAX_BANKS`].
    pub banks: u32,
    /// Bytes of a row: a multiple of 64.
    pub row_bytes: u32,
    /// From one refresh to the next; without effect if `refresh_cycles` is 0.
    pub refresh_interval_cycles: u32,
    /// For which the data bus is closed at each refresh.
    pub refresh_cycles: u32,
    /// Bytes moved in `rate_cycles`.
    pub rate_bytes: u32,
    /// See `rate_bytes`.
    pub rate_cycles: u32,
}

/// Parameters that describe no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryModelError {
    /// Too few banks, or too many.
    #[error("memory of {found} banks: expected 1 to {MAX_BANKS}")]
    Banks {
        /// As given.
        found: u32,
    },
    /// A row that is no whole number of beats.
    #[error("memory rows of {found} bytes: expected a multiple of {WIDEST_BEAT_BYTES}")]
    Row {
        /// As given.
        found: u32,
    },
    /// Memory that refreshes all the time.
    #[error(
        "refresh of {refresh} cycles every {interval} cycles: expected it to be shorter than the interval"
    )]
    Refresh {
        /// Cycles of a refresh.
        refresh: u32,
        /// Cycles between two.
        interval: u32,
    },
    /// Memory that moves next to nothing.
    #[error("data rate of {bytes} bytes in {cycles} cycles: expected at least one byte a cycle")]
    Rate {
        /// Bytes.
        bytes: u32,
        /// In cycles.
        cycles: u32,
    },
    /// A delay with which a simulation would not end in useful time.
    #[error("memory {what} of {found} cycles: expected at most {MAX_LATENCY_CYCLES}")]
    Delay {
        /// Which.
        what: &'static str,
        /// As given.
        found: u32,
    },
}

impl DramParameters {
    /// Refuses parameters that describe no memory.
    pub fn validate(&self) -> Result<(), MemoryModelError> {
        if self.banks == 0 || self.banks as usize > MAX_BANKS {
            return Err(MemoryModelError::Banks { found: self.banks });
        }
        if self.row_bytes == 0 || !self.row_bytes.is_multiple_of(WIDEST_BEAT_BYTES) {
            return Err(MemoryModelError::Row {
                found: self.row_bytes,
            });
        }
        if self.refresh_cycles > 0 && self.refresh_cycles >= self.refresh_interval_cycles {
            return Err(MemoryModelError::Refresh {
                refresh: self.refresh_cycles,
                interval: self.refresh_interval_cycles,
            });
        }
        if self.rate_cycles == 0 || self.rate_bytes < self.rate_cycles {
            return Err(MemoryModelError::Rate {
                bytes: self.rate_bytes,
                cycles: self.rate_cycles,
            });
        }
        for (what, found) in [
            ("read latency", self.read_latency_cycles),
            ("write latency", self.write_latency_cycles),
            ("row miss", self.row_miss_cycles),
            ("row cycle", self.row_cycle_cycles),
            ("gap between activations", self.activate_gap_cycles),
            ("refresh", self.refresh_cycles),
        ] {
            if found > MAX_LATENCY_CYCLES {
                return Err(MemoryModelError::Delay { what, found });
            }
        }
        Ok(())
    }

    /// The longest that a lone read may take: from a row of a bank just used, through a refresh.
    pub fn longest_read_cycles(&self) -> u64 {
        [
            self.read_latency_cycles.max(1),
            self.row_miss_cycles,
            self.row_cycle_cycles,
            self.refresh_cycles,
        ]
        .into_iter()
        .map(u64::from)
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_in_cycles_of_a_clock() {
        let DramParameters {
            read_latency_cycles,
            row_miss_cycles,
            activate_gap_cycles,
            refresh_interval_cycles,
            refresh_cycles,
            rate_bytes,
            rate_cycles,
            ..
        } = HbmParameters::at(300).0;
        assert_eq!(
            (read_latency_cycles, row_miss_cycles, activate_gap_cycles),
            (84, 9, 3)
        );
        assert_eq!((refresh_interval_cycles, refresh_cycles), (1170, 78));
        // 47.9 bytes a cycle.
        assert_eq!((rate_bytes, rate_cycles), (14_375, 300));
    }

    #[test]
    fn the_given_memories_are_valid_at_any_clock() {
        for clock_mhz in [1, 100, 300, 484, 1000] {
            for model in [
                MemoryModel::Hbm(HbmParameters::at(clock_mhz)),
                MemoryModel::Ddr(DdrParameters::at(clock_mhz)),
            ] {
                assert_eq!(model.validate(), Ok(()), "{clock_mhz} MHz");
            }
        }
        for clock_mhz in [0, u32::MAX] {
            assert!(HbmParameters::at(clock_mhz).0.validate().is_err());
            assert!(DdrParameters::at(clock_mhz).0.validate().is_err());
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let hbm = HbmParameters::at(300).0;
        let wrong = [
            (DramParameters { banks: 0, ..hbm }, "0 banks"),
            (DramParameters { banks: 65, ..hbm }, "65 banks"),
            (
                DramParameters {
                    row_bytes: 0,
                    ..hbm
                },
                "rows of 0 bytes",
            ),
            (
                DramParameters {
                    row_bytes: 100,
                    ..hbm
                },
                "rows of 100 bytes",
            ),
            (
                DramParameters {
                    refresh_cycles: 1170,
                    ..hbm
                },
                "1170 cycles every 1170",
            ),
            (
                DramParameters {
                    rate_bytes: 0,
                    ..hbm
                },
                "0 bytes in 300 cycles",
            ),
            (
                DramParameters {
                    rate_cycles: 0,
                    ..hbm
                },
                "in 0 cycles",
            ),
            (
                DramParameters {
                    read_latency_cycles: 2_000_000,
                    ..hbm
                },
                "read latency of 2000000",
            ),
        ];
        for (parameters, expected) in wrong {
            let text = parameters.validate().unwrap_err().to_string();
            assert!(text.contains(expected), "`{expected}`: {text}");
        }
        let never = DramParameters {
            refresh_cycles: 0,
            refresh_interval_cycles: 0,
            ..hbm
        };
        assert_eq!(never.validate(), Ok(()));
    }
}
