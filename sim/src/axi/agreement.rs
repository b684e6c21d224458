//! The ports, driven from cycle to cycle, against the timers, asked from transfer to transfer: every
//! handshake in the same cycle.

use super::read::ReadPort;
use super::write::{WritePort, EARLY_BEATS};
use super::{Channel, Port};
use crate::bank::{Bank, DATA_BASE};
use crate::kernel::Memory;
use crate::memory::{
    DdrParameters, HbmParameters, MemoryModel, ReadTimer, RequestTimer, StallPercent, Stalls,
    WriteTimer,
};
use crate::pins::{Address, ReadMaster, ReadSlave, WriteData, WriteMaster, WriteSlave};
use crate::timing::MemoryTiming;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const BEAT_BYTES: usize = 64;
const BURSTS: usize = 60;

/// What a master does: gaps before each VALID, bursts, and in which cycles it takes answers.
struct Master {
    /// (address, beats)
    bursts: Vec<(u64, u32)>,
    /// Idle cycles before each address.
    address_gaps: Vec<u64>,
    /// Idle cycles before each beat of data.
    data_gaps: Vec<u64>,
    /// Cycles in which RREADY or BREADY is low.
    busy: Stalls,
}

impl Master {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let jumps = rng.random_bool(0.5);
        let mut page = 0;
        let bursts: Vec<(u64, u32)> = (0..BURSTS)
            .map(|_| {
                page = if jumps {
                    rng.random_range(0..4096)
                } else {
                    page + 1
                };
                let first = if jumps { rng.random_range(0..64) } else { 0 };
                let beats = if jumps {
                    rng.random_range(1..=64 - first)
                } else {
                    64
                };
                (DATA_BASE + 4096 * page + 64 * first, beats as u32)
            })
            .collect();
        let longest = rng.random_range(0..40);
        let beats: u32 = bursts.iter().map(|(_, beats)| beats).sum();
        let mut gaps = |count: usize, longest: u64| -> Vec<u64> {
            (0..count)
                .map(|_| match rng.random_bool(0.7) {
                    true => 0,
                    false => rng.random_range(0..=longest),
                })
                .collect()
        };
        let busy = MemoryTiming {
            stall_percent: StallPercent::all([0, 20, 60, 90][seed as usize % 4]),
            ..MemoryTiming::stalling(1000 + seed)
        };
        Master {
            address_gaps: gaps(BURSTS, 4 * longest),
            data_gaps: gaps(beats as usize, longest / 8),
            bursts,
            busy: Stalls::new(&busy, Port::Control, Channel::R),
        }
    }

    fn address(&self, index: usize) -> Address {
        let (addr, beats) = self.bursts[index];
        Address {
            addr,
            len: (beats - 1) as u8,
            size: 6,
            burst: 1,
            ..Address::default()
        }
    }

    /// For each beat, the index of its burst and whether it is the last.
    fn beats(&self) -> Vec<(usize, bool)> {
        let of_burst = |(i, (_, beats)): (usize, &(u64, u32))| {
            let beats = *beats;
            (1..=beats).map(move |beat| (i, beat == beats))
        };
        self.bursts.iter().enumerate().flat_map(of_burst).collect()
    }
}

/// Presents payloads one after the other, each after its gap, and notes their handshakes.
struct Requests<'a> {
    gaps: &'a [u64],
    rises: u64,
    handshakes: Vec<u64>,
}

impl<'a> Requests<'a> {
    fn new(gaps: &'a [u64]) -> Self {
        Requests {
            gaps,
            rises: gaps[0],
            handshakes: Vec::new(),
        }
    }

    /// The payload presented in a cycle.
    fn valid(&self, cycle: u64) -> Option<usize> {
        let index = self.handshakes.len();
        (index < self.gaps.len() && cycle >= self.rises).then_some(index)
    }

    fn taken(&mut self, cycle: u64) {
        self.handshakes.push(cycle);
        let gap = self.gaps.get(self.handshakes.len()).copied();
        self.rises = cycle + 1 + gap.unwrap_or(0);
    }
}

/// The same, as the timer has it.
fn timed_requests(
    timer: &RequestTimer,
    gaps: &[u64],
    mut open: impl FnMut(usize) -> u64,
) -> Vec<u64> {
    let mut next = 0;
    let handshake = |(i, gap): (usize, &u64)| {
        let cycle = timer.first_ready_once_open(next + gap, open(i));
        next = cycle + 1;
        cycle
    };
    gaps.iter().enumerate().map(handshake).collect()
}

/// Fixed, HBM and DDR, calm and stalling, with READY before or after VALID.
fn timings(seed: u64) -> Vec<MemoryTiming> {
    let models = [
        MemoryModel::Fixed,
        MemoryModel::Hbm(HbmParameters::at(300)),
        MemoryModel::Hbm(HbmParameters::at(120)),
        MemoryModel::Ddr(DdrParameters::at(450)),
    ];
    let mut timings = Vec::new();
    for model in models {
        for stall_seed in [None, Some(seed)] {
            timings.push(MemoryTiming {
                model,
                latency_cycles: 1 + seed as u32 % 90,
                stall_seed,
                stall_percent: StallPercent::all(25).with(Port::Data, Channel::W, 60),
                ready_after_valid: seed.is_multiple_of(3),
            });
        }
    }
    timings
}

#[test]
fn reads_come_when_the_timers_say() {
    for seed in 0..24 {
        let master = Master::new(seed);
        for timing in timings(seed) {
            // The port.
            let bank = Bank::new(Memory::Data);
            let mut port = ReadPort::new(BEAT_BYTES, &timing, Port::Data);
            let mut pins = ReadSlave::default();
            let mut requests = Requests::new(&master.address_gaps);
            let (mut offered, mut taken): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
            let all = master.beats().len();
            for cycle in 0.. {
                let asks = requests.valid(cycle);
                let drives = ReadMaster {
                    ar: asks.map_or(Address::default(), |i| master.address(i)),
                    arvalid: asks.is_some(),
                    rready: !master.busy.stalled(cycle),
                };
                port.drive(cycle, &bank, &mut pins);
                if pins.rvalid && offered.len() == taken.len() {
                    offered.push(cycle);
                }
                port.sample(cycle, &drives, &pins).unwrap();
                if drives.arvalid && pins.arready {
                    requests.taken(cycle);
                }
                if drives.rready && pins.rvalid {
                    taken.push(cycle);
                }
                if taken.len() == all {
                    break;
                }
            }
            assert_eq!(port.outstanding(), 0);

            // The timers, burst by burst.
            let ready = RequestTimer::new(&timing, Port::Data, Channel::Ar);
            let accepted = timed_requests(&ready, &master.address_gaps, |_| 0);
            assert_eq!(accepted, requests.handshakes, "seed {seed}, {timing:?}");
            let mut timer = ReadTimer::new(&timing, Port::Data, BEAT_BYTES);
            let mut next = 0;
            let mut index = 0;
            for ((address, beats), cycle) in master.bursts.iter().zip(accepted) {
                timer.accept(cycle, *address, *beats);
                for _ in 0..*beats {
                    let offer = timer.next_beat(next).expect("a beat");
                    let take = master.busy.first_free(offer);
                    assert_eq!(
                        (offer, take),
                        (offered[index], taken[index]),
                        "beat {index}, seed {seed}, {timing:?}"
                    );
                    (next, index) = (take + 1, index + 1);
                }
            }
        }
    }
}

#[test]
fn writes_are_answered_when_the_timers_say() {
    let mut full = false;
    for seed in 0..24 {
        let master = Master::new(seed);
        let beats = master.beats();
        for timing in timings(seed) {
            // The port.
            let mut bank = Bank::new(Memory::Data);
            let mut port = WritePort::new(BEAT_BYTES, &timing, Port::Data);
            let mut pins = WriteSlave::default();
            let mut requests = Requests::new(&master.address_gaps);
            let mut data = Requests::new(&master.data_gaps);
            let (mut offered, mut taken): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
            for cycle in 0.. {
                let (asks, sends) = (requests.valid(cycle), data.valid(cycle));
                let drives = WriteMaster {
                    aw: asks.map_or(Address::default(), |i| master.address(i)),
                    w: WriteData {
                        last: sends.is_some_and(|i| beats[i].1),
                        ..WriteData::default()
                    },
                    awvalid: asks.is_some(),
                    wvalid: sends.is_some(),
                    bready: !master.busy.stalled(cycle),
                };
                port.drive(cycle, &mut pins);
                if pins.bvalid && offered.len() == taken.len() {
                    offered.push(cycle);
                }
                port.sample(cycle, &mut bank, &drives, &pins).unwrap();
                if drives.awvalid && pins.awready {
                    requests.taken(cycle);
                }
                if drives.wvalid && pins.wready {
                    data.taken(cycle);
                }
                if drives.bready && pins.bvalid {
                    taken.push(cycle);
                }
                if taken.len() == BURSTS {
                    break;
                }
            }
            assert_eq!(port.outstanding(), 0);

            // The timers, burst by burst.
            let ready = |channel| RequestTimer::new(&timing, Port::Data, channel);
            let accepted = timed_requests(&ready(Channel::Aw), &master.address_gaps, |_| 0);
            assert_eq!(accepted, requests.handshakes, "seed {seed}, {timing:?}");
            // A beat far ahead of its address waits for the address of an earlier one.
            let open = |i: usize| match i.checked_sub(EARLY_BEATS) {
                Some(earlier) => accepted[beats[earlier].0] + 1,
                None => 0,
            };
            let sent = timed_requests(&ready(Channel::W), &master.data_gaps, open);
            assert_eq!(sent, data.handshakes, "seed {seed}, {timing:?}");
            full |= (0..beats.len()).any(|i| sent[i] == open(i));

            let mut timer = WriteTimer::new(&timing, Port::Data, BEAT_BYTES);
            let mut next = 0;
            let last_sent = sent.iter().zip(&beats).filter(|(_, (_, last))| *last);
            for (index, (last, _)) in last_sent.enumerate() {
                let (address, beats) = master.bursts[index];
                let complete = accepted[index].max(*last);
                let response = timer.response(complete, address, beats);
                let offer = timer.offer(response, next);
                let take = master.busy.first_free(offer);
                assert_eq!(
                    (offer, take),
                    (offered[index], taken[index]),
                    "burst {index}, seed {seed}, {timing:?}"
                );
                next = take + 1;
            }
        }
    }
    assert!(full, "some beats came too early to be taken");
}
