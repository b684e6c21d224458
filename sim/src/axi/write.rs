//! AW, W and B of one memory port.
//!
//! - AW: when its [`RequestTimer`] says; any number of bursts may be under way.
//! - W: likewise, unless [`EARLY_BEATS`] beats have come before their address. Beats may come
//!   before, with or after their address; they belong to bursts in address order. A beat is in memory
//!   once it and its address have been taken.
//! - B: one response a burst, in order, when the [`WriteTimer`] says; the worst response of its beats,
//!   or an injected fault. A response offered stays until taken.

use std::collections::VecDeque;

use super::rules::{check_address, check_strobes, Breach, Channel, Held, Port};
use crate::bank::{Bank, Response};
use crate::memory::fault::ChannelFaults;
use crate::memory::{FaultKind, RequestTimer, WriteTimer};
use crate::pins::{Address, WriteData, WriteMaster, WriteSlave};
use crate::timing::MemoryTiming;

/// Beats taken ahead of their address.
pub const EARLY_BEATS: usize = 16;

/// A burst whose beats have not all come.
#[derive(Debug)]
struct Burst {
    start: u64,
    beats: u16,
    /// Beats that are in memory.
    stored: u16,
    id: u8,
    response: Response,
}

/// A burst whose response has not been taken.
#[derive(Debug)]
struct Answer {
    ready_at: u64,
    id: u8,
    response: Response,
}

/// The memory's side of the write channels.
#[derive(Debug)]
pub struct WritePort {
    beat_bytes: usize,
    address_ready: RequestTimer,
    data_ready: RequestTimer,
    timer: WriteTimer,
    faults: ChannelFaults,
    bursts: VecDeque<Burst>,
    early: VecDeque<WriteData>,
    answers: VecDeque<Answer>,
    address: Held<Address>,
    data: Held<WriteData>,
    /// Cycle in which the next response is offered, once it is known.
    offer_at: Option<u64>,
    /// A response stands on B and has not been taken.
    offered: bool,
    /// The cycle after the one in which the latest response was taken.
    free_from: u64,
    beats: u64,
}

impl WritePort {
    /// The write half of `port`, with nothing under way.
    pub fn new(beat_bytes: usize, timing: &MemoryTiming, port: Port) -> Self {
        WritePort {
            beat_bytes,
            address_ready: RequestTimer::new(timing, port, Channel::Aw),
            data_ready: RequestTimer::new(timing, port, Channel::W),
            timer: WriteTimer::new(timing, port, beat_bytes),
            faults: ChannelFaults::default(),
            bursts: VecDeque::new(),
            early: VecDeque::new(),
            answers: VecDeque::new(),
            address: Held::default(),
            data: Held::default(),
            offer_at: None,
            offered: false,
            free_from: 0,
            beats: 0,
        }
    }

    /// Makes responses tell of an error, or not come at all.
    pub fn inject(&mut self, kind: FaultKind, cycle: u64) {
        self.faults.add(kind, cycle);
    }

    /// Removes the injected faults.
    pub fn clear_faults(&mut self) {
        self.faults = ChannelFaults::default();
    }

    /// The channel on which a VALID waits for its handshake.
    pub fn waiting(&self) -> Option<Channel> {
        match (self.address.is_waiting(), self.data.is_waiting()) {
            (true, _) => Some(Channel::Aw),
            (false, true) => Some(Channel::W),
            (false, false) => None,
        }
    }

    /// Bursts of which address or data has been accepted and whose response has not been taken.
    pub fn outstanding(&self) -> usize {
        let ahead = usize::from(self.bursts.is_empty() && !self.early.is_empty());
        self.bursts.len() + self.answers.len() + ahead
    }

    /// Beats handed over since the port was made.
    pub fn beats(&self) -> u64 {
        self.beats
    }

    /// Forgets everything under way: the kernel is in reset.
    pub fn reset(&mut self) {
        self.bursts.clear();
        self.early.clear();
        self.answers.clear();
        self.address.clear();
        self.data.clear();
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
    pub fn drive(&mut self, cycle: u64, pins: &mut WriteSlave) {
        pins.awready = self.address_ready.ready(cycle, self.address.is_waiting());
        pins.wready =
            self.early.len() < EARLY_BEATS && self.data_ready.ready(cycle, self.data.is_waiting());
        if !self.offered {
            if let Some(answer) = self.answers.front() {
                let at = *self
                    .offer_at
                    .get_or_insert_with(|| self.timer.offer(answer.ready_at, self.free_from));
                if at <= cycle && self.faults.answers(cycle) {
                    self.offered = true;
                    pins.bid = answer.id;
                    pins.bresp = self.faults.error(cycle).unwrap_or(answer.response) as u8;
                }
            }
        }
        pins.bvalid = self.offered;
    }

    /// Registers what was handed over at the clock edge. Returns whether anything was.
    pub fn sample(
        &mut self,
        cycle: u64,
        bank: &mut Bank,
        master: &WriteMaster,
        slave: &WriteSlave,
    ) -> Result<bool, (Channel, Breach)> {
        let mut active = false;
        if self.offered && master.bready {
            self.offered = false;
            self.offer_at = None;
            self.free_from = cycle + 1;
            self.answers.pop_front();
            active = true;
        }
        if self
            .address
            .check(master.awvalid, slave.awready, master.aw)
            .map_err(|breach| (Channel::Aw, breach))?
        {
            check_address(&master.aw, self.beat_bytes).map_err(|b| (Channel::Aw, b))?;
            self.bursts.push_back(Burst {
                start: master.aw.addr,
                beats: u16::from(master.aw.len) + 1,
                stored: 0,
                id: master.aw.id,
                response: Response::Okay,
            });
            active = true;
        }
        if self
            .data
            .check(master.wvalid, slave.wready, master.w)
            .map_err(|breach| (Channel::W, breach))?
        {
            check_strobes(master.w.strb, self.beat_bytes).map_err(|b| (Channel::W, b))?;
            self.early.push_back(master.w);
            self.beats += 1;
            active = true;
        }
        self.store(cycle, bank).map_err(|b| (Channel::W, b))?;
        Ok(active)
    }

    /// Moves the beats that have an address into memory.
    fn store(&mut self, cycle: u64, bank: &mut Bank) -> Result<(), Breach> {
        while let (Some(burst), Some(beat)) = (self.bursts.front_mut(), self.early.front()) {
            let address = burst.start + u64::from(burst.stored) * self.beat_bytes as u64;
            burst.stored += 1;
            let left = burst.beats - burst.stored;
            if beat.last != (left == 0) {
                return Err(Breach::Last {
                    found: beat.last,
                    left,
                });
            }
            let mut bytes = [0; 4 * crate::pins::BUS_WORDS];
            for (bytes, word) in bytes.chunks_exact_mut(4).zip(beat.data) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            match bank.bus_write(address, &bytes[..self.beat_bytes], beat.strb) {
                Response::Okay => {}
                error => burst.response = error,
            }
            if left == 0 {
                let ready_at = self.timer.response(cycle, burst.start, burst.beats.into());
                self.answers.push_back(Answer {
                    ready_at,
                    id: burst.id,
                    response: burst.response,
                });
                self.bursts.pop_front();
            }
            self.early.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::DATA_BASE;
    use crate::kernel::Memory;

    const LATENCY: u32 = 5;

    fn address(addr: u64, beats: u8) -> Address {
        Address {
            addr,
            len: beats - 1,
            size: 4,
            burst: 1,
            ..Address::default()
        }
    }

    fn beat(value: u32, last: bool) -> WriteData {
        WriteData {
            strb: 0x00f0,
            data: [value; crate::pins::BUS_WORDS],
            last,
        }
    }

    /// Plays one master cycle after the other; returns the cycle and code of each response.
    fn play(bank: &mut Bank, script: &[(Option<Address>, Option<WriteData>)]) -> Vec<(u64, u8)> {
        let timing = MemoryTiming {
            latency_cycles: LATENCY,
            ..MemoryTiming::default()
        };
        let mut port = WritePort::new(16, &timing, Port::Data);
        let mut pins = WriteSlave::default();
        let mut responses = Vec::new();
        for cycle in 0..script.len() as u64 + 20 {
            let (aw, w) = script.get(cycle as usize).copied().unwrap_or_default();
            let master = WriteMaster {
                aw: aw.unwrap_or_default(),
                w: w.unwrap_or_default(),
                awvalid: aw.is_some(),
                wvalid: w.is_some(),
                bready: true,
            };
            port.drive(cycle, &mut pins);
            if pins.bvalid {
                responses.push((cycle, pins.bresp));
            }
            port.sample(cycle, bank, &master, &pins).unwrap();
        }
        assert_eq!(port.outstanding(), 0);
        responses
    }

    #[test]
    fn data_may_come_before_its_address() {
        let mut bank = Bank::new(Memory::Data);
        bank.resize(64).unwrap();
        let burst = Some(address(DATA_BASE, 2));
        let (one, two) = (Some(beat(1, false)), Some(beat(2, true)));
        let last_at = |script: &[_]| script.len() as u64 - 1;
        for script in [
            vec![(burst, one), (None, two)],
            vec![(None, one), (None, two), (burst, None)],
            vec![(burst, None), (None, one), (None, two)],
        ] {
            bank.write(0, &[0; 64]).unwrap();
            let responses = play(&mut bank, &script);
            assert_eq!(responses, [(last_at(&script) + u64::from(LATENCY), 0)]);
            let mut line = [0; 32];
            bank.read(0, &mut line).unwrap();
            let want: Vec<u8> = (0..32)
                .map(|i| match i {
                    4 => 1,
                    20 => 2,
                    _ => 0,
                })
                .collect();
            assert_eq!(line, want[..]);
        }
    }

    #[test]
    fn the_worst_beat_decides_the_response() {
        let mut bank = Bank::new(Memory::Data);
        bank.resize(64).unwrap();
        let burst = Some(address(DATA_BASE + 48, 2));
        let script = [(burst, Some(beat(1, false))), (None, Some(beat(2, true)))];
        assert_eq!(play(&mut bank, &script)[0].1, Response::DecodeError as u8);
    }

    #[test]
    fn a_misplaced_last_is_a_breach() {
        let mut bank = Bank::new(Memory::Data);
        let mut port = WritePort::new(16, &MemoryTiming::default(), Port::Data);
        let mut pins = WriteSlave::default();
        port.drive(0, &mut pins);
        let master = WriteMaster {
            aw: address(DATA_BASE, 2),
            w: beat(0, true),
            awvalid: true,
            wvalid: true,
            bready: true,
        };
        let breach = port.sample(0, &mut bank, &master, &pins).unwrap_err();
        let last = Breach::Last {
            found: true,
            left: 1,
        };
        assert_eq!(breach, (Channel::W, last));
    }
}
