//! Rows, data bus and refresh of one DRAM channel in one direction; [`super::model`] says what is
//! modelled.
//!
//! The position of the data bus is a whole cycle and a part of one, the part counted in `rate_bytes`ths:
//! the rate is exact, and no beat needs a division.

use super::model::{DramParameters, MAX_BANKS};

/// One bank.
#[derive(Clone, Copy, Debug)]
struct Bank {
    /// The open row; `None` before the first use.
    row: Option<u64>,
    /// First cycle in which another row may begin to open.
    free_from: u64,
}

const CLOSED: Bank = Bank {
    row: None,
    free_from: 0,
};

/// The state of a channel.
#[derive(Clone, Debug)]
pub struct Dram {
    parameters: DramParameters,
    beat_bytes: u64,
    /// From a column access to its data on the bus.
    column_cycles: u64,
    /// Bus time of a beat: whole cycles, and parts.
    beat_whole: u64,
    beat_parts: u64,
    /// Parts of a cycle.
    parts: u64,
    /// Earliest time of the next beat.
    bus: u64,
    bus_parts: u64,
    /// First cycle of the refresh that comes next; never without refresh.
    refresh_at: u64,
    banks: [Bank; MAX_BANKS],
    /// Bank of the latest access.
    bank: usize,
    /// First cycle in which any row may begin to open.
    activate_from: u64,
}

impl Dram {
    /// A channel at the start of a launch. `column_cycles` is the time from a column access to its
    /// data; the parameters must be valid.
    pub fn new(parameters: &DramParameters, beat_bytes: usize, column_cycles: u64) -> Self {
        let parts = u64::from(parameters.rate_bytes);
        let beat = beat_bytes as u64 * u64::from(parameters.rate_cycles);
        let mut dram = Dram {
            parameters: *parameters,
            beat_bytes: beat_bytes as u64,
            column_cycles,
            beat_whole: beat / parts,
            beat_parts: beat % parts,
            parts,
            bus: 0,
            bus_parts: 0,
            refresh_at: 0,
            banks: [CLOSED; MAX_BANKS],
            bank: 0,
            activate_from: 0,
        };
        dram.restart();
        dram
    }

    /// Goes back to the start of a launch: rows closed, bus free.
    pub fn restart(&mut self) {
        self.bus = 0;
        self.bus_parts = 0;
        self.refresh_at = match self.parameters.refresh_cycles {
            0 => u64::MAX,
            _ => self.parameters.refresh_interval_cycles.into(),
        };
        self.banks = [CLOSED; MAX_BANKS];
        self.bank = 0;
        self.activate_from = 0;
    }

    /// Beats from `address` to the end of its row.
    pub fn beats_in_row(&self, address: u64) -> u64 {
        let row_bytes = u64::from(self.parameters.row_bytes);
        (row_bytes - address % row_bytes) / self.beat_bytes
    }

    /// Opens the row of `address` for an access known since cycle `known`, unless it is open. Returns
    /// the first cycle in which a column of it may be accessed.
    pub fn open(&mut self, known: u64, address: u64) -> u64 {
        // The bank left now was in use until its last column access.
        let used = self.bus.saturating_sub(self.column_cycles);
        let left = &mut self.banks[self.bank];
        left.free_from = left.free_from.max(used);

        let line = address / u64::from(self.parameters.row_bytes);
        let banks = u64::from(self.parameters.banks);
        self.bank = (line % banks) as usize;
        let row = Some(line / banks);
        let bank = &mut self.banks[self.bank];
        if bank.row == row {
            return known;
        }
        let begin = known.max(bank.free_from).max(self.activate_from);
        bank.row = row;
        bank.free_from = begin + u64::from(self.parameters.row_cycle_cycles);
        self.activate_from = begin + u64::from(self.parameters.activate_gap_cycles);
        begin + u64::from(self.parameters.row_miss_cycles)
    }

    /// The cycle in which a beat leaves the bus, at the earliest in `ready` and in `not_before`. A
    /// receiver that is late holds up the bus; it has at most one cycle of the rate to catch up.
    #[inline]
    pub fn beat(&mut self, ready: u64, not_before: u64) -> u64 {
        self.wait_until(ready.max(not_before.saturating_sub(1)));
        let mut cycle = (self.bus + u64::from(self.bus_parts > 0)).max(not_before);
        if cycle >= self.refresh_at {
            let open = self.outside_refresh(cycle);
            if open > cycle {
                cycle = open;
                self.wait_until(open);
            }
        }
        self.bus += self.beat_whole;
        self.bus_parts += self.beat_parts;
        if self.bus_parts >= self.parts {
            self.bus_parts -= self.parts;
            self.bus += 1;
        }
        cycle
    }

    /// Moves a burst known since cycle `known` over the bus. Returns the cycle in which it has moved.
    pub fn burst(&mut self, known: u64, address: u64, beats: u64) -> u64 {
        let (mut address, mut left) = (address, beats);
        while left > 0 {
            let beats = left.min(self.beats_in_row(address));
            let ready = self.open(known, address) + self.column_cycles;
            self.wait_until(ready);
            if self.bus >= self.refresh_at {
                let open = self.outside_refresh(self.bus);
                self.wait_until(open);
            }
            let parts = self.bus_parts + beats * self.beat_parts;
            self.bus += beats * self.beat_whole + parts / self.parts;
            self.bus_parts = parts % self.parts;
            // A refresh in between: the rest comes after it.
            while self.bus > self.refresh_at {
                self.bus += u64::from(self.parameters.refresh_cycles);
                self.refresh_at += u64::from(self.parameters.refresh_interval_cycles);
            }
            address = address.wrapping_add(beats * self.beat_bytes);
            left -= beats;
        }
        self.bus + u64::from(self.bus_parts > 0)
    }

    /// Lets the bus idle until a cycle.
    #[inline]
    fn wait_until(&mut self, cycle: u64) {
        if self.bus < cycle {
            self.bus = cycle;
            self.bus_parts = 0;
        }
    }

    /// The first cycle from `cycle` on that no refresh closes. `cycle` is not before the next refresh.
    fn outside_refresh(&mut self, cycle: u64) -> u64 {
        let interval = u64::from(self.parameters.refresh_interval_cycles);
        let begun = cycle - (cycle - self.refresh_at) % interval;
        self.refresh_at = begun + interval;
        cycle.max(begun + u64::from(self.parameters.refresh_cycles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{DdrParameters, HbmParameters};

    /// No refresh, rows of 1 KiB in 4 banks, 32 bytes a cycle.
    const QUIET: DramParameters = DramParameters {
        read_latency_cycles: 10,
        write_latency_cycles: 10,
        row_miss_cycles: 8,
        row_cycle_cycles: 50,
        activate_gap_cycles: 1,
        banks: 4,
        row_bytes: 1024,
        refresh_interval_cycles: 0,
        refresh_cycles: 0,
        rate_bytes: 32,
        rate_cycles: 1,
    };

    /// Cycles of the first beats at addresses known since cycle 0, of 32 bytes each.
    fn beats(dram: &mut Dram, addresses: &[u64]) -> Vec<u64> {
        let mut next = 0;
        addresses
            .iter()
            .map(|&address| {
                let ready = dram.open(0, address) + 10;
                let cycle = dram.beat(ready, next);
                next = cycle + 1;
                cycle
            })
            .collect()
    }

    #[test]
    fn an_open_row_costs_nothing_and_another_bank_overlaps() {
        let mut dram = Dram::new(&QUIET, 32, 10);
        // A miss, a hit, and another bank, opened meanwhile.
        assert_eq!(beats(&mut dram, &[0, 32, 1024]), [18, 19, 20]);
    }

    #[test]
    fn another_row_of_the_same_bank_waits_for_the_row_cycle() {
        let mut dram = Dram::new(&QUIET, 32, 10);
        // The next row of bank 0 is 4 KiB on: it may open in cycle 50.
        assert_eq!(beats(&mut dram, &[0, 4096]), [18, 50 + 8 + 10]);
        // A row in use to the end of a long stay closes only after it: a miss after the last beat.
        let mut dram = Dram::new(&QUIET, 32, 10);
        let stay: Vec<u64> = (0..200).map(|i| i % 32 * 32).chain([4096]).collect();
        let cycles = beats(&mut dram, &stay);
        assert_eq!((cycles[199], cycles[200]), (217, 218 + 8));
    }

    #[test]
    fn activations_of_a_channel_are_spaced() {
        let parameters = DramParameters {
            activate_gap_cycles: 7,
            ..QUIET
        };
        let mut dram = Dram::new(&parameters, 32, 10);
        assert_eq!(beats(&mut dram, &[0, 1024, 2048, 3072]), [18, 25, 32, 39]);
    }

    #[test]
    fn the_rate_is_exact() {
        // 64-byte beats at 14.375 GB/s and 300 MHz: 14375 beats in 19200 cycles.
        let hbm = DramParameters {
            refresh_cycles: 0,
            ..HbmParameters::at(300).0
        };
        let mut dram = Dram::new(&hbm, 64, 0);
        dram.open(0, 0);
        let first = dram.beat(100, 0);
        let mut last = first;
        for _ in 0..3 * 14_375 {
            last = dram.beat(0, last + 1);
        }
        assert_eq!(last - first, 3 * 19_200);
        let mut dram = Dram::new(&hbm, 64, 0);
        let moved = (0..14_375u64).map(|i| dram.burst(0, 64 * i, 1)).last();
        let opened = u64::from(hbm.row_miss_cycles);
        assert_eq!(moved, Some(opened + 19_200));
    }

    #[test]
    fn a_bus_wider_than_the_rate_needs_is_not_held_back() {
        let mut dram = Dram::new(&QUIET, 16, 10);
        let first = dram.beat(10, 0);
        for cycle in first + 1..first + 100 {
            assert_eq!(dram.beat(0, cycle), cycle);
        }
    }

    #[test]
    fn refresh_closes_the_bus() {
        let parameters = DramParameters {
            refresh_interval_cycles: 100,
            refresh_cycles: 20,
            ..QUIET
        };
        let mut dram = Dram::new(&parameters, 32, 10);
        let mut cycles = vec![dram.beat(10, 0)];
        for _ in 0..300 {
            cycles.push(dram.beat(0, cycles[cycles.len() - 1] + 1));
        }
        let expected: Vec<u64> = (10..)
            .filter(|c| *c < 100 || c % 100 >= 20)
            .take(301)
            .collect();
        assert_eq!(cycles, expected);
        // After a long silence too.
        assert_eq!(dram.beat(0, 1_000_000_005), 1_000_000_020);
        assert_eq!(dram.beat(0, 1_000_000_021), 1_000_000_021);
        let mut dram = Dram::new(&parameters, 32, 0);
        assert_eq!(dram.burst(90, 0, 20), 90 + 8 + 20 + 20);
    }

    /// GB/s of a stream of 4 KiB bursts that are always known in time.
    fn stream_gb_per_s(parameters: &DramParameters, clock_mhz: f64) -> f64 {
        let mut dram = Dram::new(parameters, 64, parameters.read_latency_cycles.into());
        let (bytes, mut cycle, mut known) = (1 << 24, 0, std::collections::VecDeque::from([0; 8]));
        for address in (0..bytes).step_by(64) {
            let mut ready = 0;
            if dram.beats_in_row(address) * 64 == u64::from(parameters.row_bytes) {
                ready = dram.open(known[0], address);
            }
            cycle = dram.beat(ready, cycle + 1);
            if address % 4096 == 0 {
                known.pop_front();
                known.push_back(cycle);
            }
        }
        bytes as f64 / cycle as f64 * clock_mhz / 1000.0
    }

    #[test]
    fn streams_come_near_what_was_measured_on_cards() {
        // One port of a U280 at 484 MHz, read: HBM 13.36 GB/s, DDR 18.16 GB/s.
        let hbm = stream_gb_per_s(&HbmParameters::at(484).0, 484.0);
        let ddr = stream_gb_per_s(&DdrParameters::at(484).0, 484.0);
        assert!((hbm / 13.36 - 1.0).abs() < 0.02, "{hbm}");
        assert!((ddr / 18.16 - 1.0).abs() < 0.02, "{ddr}");
    }

    #[test]
    fn random_beats_are_bound_by_activations() {
        let hbm = HbmParameters::at(300).0;
        let mut dram = Dram::new(&hbm, 64, hbm.read_latency_cycles.into());
        let (mut cycle, mut address) = (0, 1u64);
        for _ in 0..10_000 {
            address = address.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // A deep queue: every address is known long before.
            let ready = dram.open(0, (address >> 36) * 64) + 84;
            cycle = dram.beat(ready, cycle + 1);
        }
        // At most one beat a gap between activations; conflicts of banks cost more.
        let gap = u64::from(hbm.activate_gap_cycles);
        assert!(cycle > 10_000 * gap, "{cycle}");
        assert!(cycle < 10_000 * u64::from(hbm.row_cycle_cycles), "{cycle}");
    }
}
