//! AR and R of one memory port.
//!
//! - AR: when the [`RequestTimer`] says; any number of bursts is taken while others are answered.
//! - R: bursts in the order of their addresses, beats of a burst in order, RLAST on the last, RID as
//!   asked; each when the [`ReadTimer`] says. A beat offered stays until taken.
//! - Each beat has a response of its own: DECERR where there is no memory, or an injected fault.
//!   RDATA of such a beat is a pattern that no test expects, so that using it is seen.

use std::collections::VecDeque;

use super::rules::{check_address, Breach, Channel, Held, Port};
use crate::bank::{Bank, Response};
use crate::memory::fault::ChannelFaults;
use crate::memory::{FaultKind, ReadTimer, RequestTimer};
use crate::pins::{Address, ReadMaster, ReadSlave};
use crate::timing::MemoryTiming;

/// Word of RDATA when the response is an error.
const POISON: u32 = 0x5a5a_5a5a;

/// A burst accepted and not yet answered in full.
#[derive(Debug)]
struct Burst {
    /// Of the next beat.
    address: u64,
    beats_left: u16,
    id: u8,
}

/// The memory's side of the read channels.
#[derive(Debug)]
pub struct ReadPort {
    beat_bytes: usize,
    address_ready: RequestTimer,
    timer: ReadTimer,
    faults: ChannelFaults,
    bursts: VecDeque<Burst>,
    address: Held<Address>,
    /// Cycle in which the next beat is offered, once it is known.
    offer_at: Option<u64>,
    /// A beat stands on R and has not been taken.
    offered: bool,
    /// The cycle after the one in which the latest beat was taken.
    free_from: u64,
    beats: u64,
}

impl ReadPort {
    /// The read half of `port`, with nothing under way.
    pub fn new(beat_bytes: usize, timing: &MemoryTiming, port: Port) -> Self {
        ReadPort {
            beat_bytes,
            address_ready: RequestTimer::new(timing, port, Channel::Ar),
            timer: ReadTimer::new(timing, port, beat_bytes),
            faults: ChannelFaults::default(),
            bursts: VecDeque::new(),
            address: Held::default(),
            offer_at: None,
            offered: false,
            free_from: 0,
            beats: 0,
        }
    }

    /// Makes beats answer with an error, or not at all.
    pub fn inject(&mut self, kind: FaultKind, cycle: u64) {
        self.faults.add(kind, cycle);
    }

    /// Removes the injected faults.
    pub fn clear_faults(&mut self) {
        self.faults = ChannelFaults::default();
    }

    /// Whether a request waits for its handshake.
    pub fn waiting(&self) -> bool {
        self.address.is_waiting()
    }

    /// Bursts accepted and not yet answered in full.
    pub fn outstanding(&self) -> usize {
        self.bursts.len()
    }

    /// Beats handed over since the port was made.
    pub fn beats(&self) -> u64 {
        self.beats
    }

    /// Forgets everything under way: the kernel is in reset.
    pub fn reset(&mut self) {
        self.bursts.clear();
        self.timer.clear();
        self.address.clear();
        self.offer_at = None;
        self.offered = false;
    }

    /// Cycles count from 0 again. Nothing is under way.
    pub fn restart(&mut self) {
        self.timer.restart();
        self.offer_at = None;
        self.free_from = 0;
    }

    /// Sets the memory's pins for this cycle.
    pub fn drive(&mut self, cycle: u64, bank: &Bank, pins: &mut ReadSlave) {
        pins.arready = self.address_ready.ready(cycle, self.address.is_waiting());
        if !self.offered {
            if self.offer_at.is_none() {
                self.offer_at = self.timer.next_beat(self.free_from);
            }
            if self.offer_at.is_some_and(|at| at <= cycle) && self.faults.answers(cycle) {
                let burst = self
                    .bursts
                    .front()
                    .expect("a beat with a cycle has a burst");
                self.offered = true;
                offer(bank, burst, self.beat_bytes, self.faults.error(cycle), pins);
            }
        }
        pins.rvalid = self.offered;
    }

    /// Registers what was handed over at the clock edge. Returns whether anything was.
    pub fn sample(
        &mut self,
        cycle: u64,
        master: &ReadMaster,
        slave: &ReadSlave,
    ) -> Result<bool, (Channel, Breach)> {
        let mut active = false;
        if self.offered && master.rready {
            self.take_beat(cycle);
            active = true;
        }
        if self
            .address
            .check(master.arvalid, slave.arready, master.ar)
            .map_err(|breach| (Channel::Ar, breach))?
        {
            check_address(&master.ar, self.beat_bytes).map_err(|b| (Channel::Ar, b))?;
            let beats = u16::from(master.ar.len) + 1;
            self.timer.accept(cycle, master.ar.addr, beats.into());
            self.bursts.push_back(Burst {
                address: master.ar.addr,
                beats_left: beats,
                id: master.ar.id,
            });
            active = true;
        }
        Ok(active)
    }

    fn take_beat(&mut self, cycle: u64) {
        self.offered = false;
        self.offer_at = None;
        self.free_from = cycle + 1;
        self.beats += 1;
        let burst = self
            .bursts
            .front_mut()
            .expect("an offered beat has a burst");
        burst.address = burst.address.wrapping_add(self.beat_bytes as u64);
        burst.beats_left -= 1;
        if burst.beats_left == 0 {
            self.bursts.pop_front();
        }
    }
}

/// Puts the next beat of a burst on R. `error` takes the place of what the memory has.
fn offer(
    bank: &Bank,
    burst: &Burst,
    beat_bytes: usize,
    error: Option<Response>,
    pins: &mut ReadSlave,
) {
    pins.rid = burst.id;
    pins.rlast = burst.beats_left == 1;
    let read = error.map_or_else(|| bank.bus_read(burst.address, beat_bytes), Err);
    match read {
        Ok(bytes) => {
            pins.rresp = Response::Okay as u8;
            for (word, bytes) in pins.rdata.iter_mut().zip(bytes.chunks_exact(4)) {
                *word = u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
            }
        }
        Err(response) => {
            pins.rresp = response as u8;
            pins.rdata.fill(POISON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::DATA_BASE;
    use crate::kernel::Memory;

    fn request(addr: u64, beats: u8) -> ReadMaster {
        ReadMaster {
            ar: Address {
                addr,
                len: beats - 1,
                size: 4,
                burst: 1,
                ..Address::default()
            },
            arvalid: true,
            rready: true,
        }
    }

    /// Requests two bursts of two beats and returns (cycle, first word, response, last) of the beats.
    fn two_bursts(timing: MemoryTiming) -> Vec<(u64, u32, u8, bool)> {
        let mut bank = Bank::new(Memory::Data);
        bank.resize(64).unwrap();
        bank.write(0, &(0..64).collect::<Vec<u8>>()).unwrap();
        let mut port = ReadPort::new(16, &timing, Port::Data);
        let mut pins = ReadSlave::default();
        let mut to_ask = vec![DATA_BASE + 48, DATA_BASE];
        let mut seen = Vec::new();
        for cycle in 0..200 {
            let master = match to_ask.last() {
                Some(&addr) => request(addr, 2),
                None => ReadMaster {
                    rready: true,
                    ..ReadMaster::default()
                },
            };
            port.drive(cycle, &bank, &mut pins);
            if pins.rvalid {
                seen.push((cycle, pins.rdata[0], pins.rresp, pins.rlast));
            }
            port.sample(cycle, &master, &pins).unwrap();
            if master.arvalid && pins.arready {
                to_ask.pop();
            }
        }
        assert_eq!((port.outstanding(), port.beats()), (0, 4));
        seen
    }

    #[test]
    fn bursts_follow_each_other_without_a_gap() {
        let timing = MemoryTiming {
            latency_cycles: 10,
            ..MemoryTiming::default()
        };
        let seen = two_bursts(timing);
        let first_word = |byte: u32| u32::from_le_bytes([0, 1, 2, 3]) + byte * 0x0101_0101;
        assert_eq!(
            seen,
            [
                (10, first_word(0), 0, false),
                (11, first_word(16), 0, true),
                (12, first_word(48), 0, false),
                (13, POISON, 3, true),
            ]
        );
    }

    #[test]
    fn stalls_change_when_and_not_what() {
        let free = two_bursts(MemoryTiming::default());
        let mut later = false;
        for seed in 0..20 {
            let stalled = two_bursts(MemoryTiming::stalling(seed));
            later |= stalled[3].0 > free[3].0;
            let what = |beats: &[(u64, u32, u8, bool)]| -> Vec<_> {
                beats.iter().map(|b| (b.1, b.2, b.3)).collect()
            };
            assert_eq!(what(&stalled), what(&free), "seed {seed}");
        }
        assert!(later);
    }
}
