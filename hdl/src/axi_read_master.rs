//! AXI4 read master: fetches runs of beats in bursts.
//!
//! A run is an address and a number of beats; while one is being asked for, the next may already wait. Bursts
//! end at multiples of `BURST_BYTES`, which divides 4 KiB, so none crosses a 4 KiB boundary. Several bursts are
//! outstanding; a burst is asked for only once the consumer has room for all of it.
//!
//! Rules per channel:
//!
//! | channel | rule |
//! |---|---|
//! | AR | `arvalid` never waits for `arready`; address and length are held while it is stalled; one burst at most every second cycle |
//! | R | `rready` is `!hold`, constantly set where `hold` is tied low; beats are handed on in the cycle in which they are taken |
//! | order | one ID, so data return in the order of the requests (AXI4 A5.3) |
//! | errors | SLVERR or DECERR is handed on beside its beat; the run goes on |
//! | reset | AR is idle; what was outstanding is forgotten, so memory must be reset as well |
//!
//! `abort` drops what has not been asked for; `idle` returns once the rest has arrived. `freed` gives
//! back the room of one beat, `free_all` of all of them; a consumer that takes every beat as it comes needs neither.
//!
//! Cycle contract: a run is taken in a cycle with `run` and `ready`. If nothing is before it, its first `arvalid`
//! stands 4 cycles later (waiting, active, planned, issued). The last burst of a run and the first of a waiting
//! one are 3 cycles apart.

use rust_hdl::prelude::*;
use tercet_contract::geometry::BURST_BYTES;

/// Bits of the byte offset inside a burst-sized block.
const BLOCK_BITS: usize = BURST_BYTES.trailing_zeros() as usize;

/// Read master for a bus of `W` bits.
#[derive(LogicBlock)]
pub struct AxiReadMaster<const W: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Back to idle.
    pub reset: Signal<In, Bit>,
    /// A run is offered.
    pub run: Signal<In, Bit>,
    /// It can be taken.
    pub ready: Signal<Out, Bit>,
    /// Byte address of the run, a multiple of the beat size.
    pub address: Signal<In, Bits<48>>,
    /// Beats of the run, not 0.
    pub beats: Signal<In, Bits<32>>,
    /// Asks for nothing more.
    pub abort: Signal<In, Bit>,
    /// Takes no beat.
    pub hold: Signal<In, Bit>,
    /// The consumer has room for one more beat.
    pub freed: Signal<In, Bit>,
    /// The consumer is empty.
    pub free_all: Signal<In, Bit>,
    /// A beat of data.
    pub beat: Signal<Out, Bits<W>>,
    /// `beat` is there, in this cycle only.
    pub beat_valid: Signal<Out, Bit>,
    /// It came with SLVERR or DECERR.
    pub beat_error: Signal<Out, Bit>,
    /// Nothing is asked for and nothing outstanding.
    pub idle: Signal<Out, Bit>,
    /// AR: address.
    pub araddr: Signal<Out, Bits<48>>,
    /// AR: beats of the burst less one.
    pub arlen: Signal<Out, Bits<8>>,
    /// AR: valid.
    pub arvalid: Signal<Out, Bit>,
    /// AR: ready.
    pub arready: Signal<In, Bit>,
    /// R: data.
    pub rdata: Signal<In, Bits<W>>,
    /// R: response.
    pub rresp: Signal<In, Bits<2>>,
    /// R: valid.
    pub rvalid: Signal<In, Bit>,
    /// R: ready.
    pub rready: Signal<Out, Bit>,

    // The run that waits.
    waiting: DFF<Bit>,
    waiting_address: DFF<Bits<48>>,
    waiting_beats: DFF<Bits<32>>,
    // The run that is being asked for.
    active: DFF<Bit>,
    next_address: DFF<Bits<48>>,
    // The complement: counting up costs no tables.
    remaining: DFF<Bits<32>>,
    planned: DFF<Bit>,
    burst: DFF<Bits<7>>,
    // It is what remains of the run.
    is_rest: DFF<Bit>,
    arvalid_register: DFF<Bit>,
    araddr_register: DFF<Bits<48>>,
    arlen_register: DFF<Bits<8>>,
    // Beats that may still be asked for: the consumer's room less what was asked for and not yet freed.
    room_left: DFF<Bits<9>>,
    // Beats asked for and not yet received.
    in_flight: DFF<Bits<9>>,
    idle_register: DFF<Bit>,

    to_boundary: Signal<Local, Bits<7>>,
    offset: Signal<Local, Bits<10>>,
    burst_bytes: Signal<Local, Bits<48>>,
    burst_less_one: Signal<Local, Bits<7>>,
    left: Signal<Local, Bits<32>>,
    rest: Signal<Local, Bit>,
    accepts: Signal<Local, Bit>,
    address_before: Signal<Local, Bits<48>>,
    address_step: Signal<Local, Bits<48>>,
    remaining_before: Signal<Local, Bits<32>>,
    remaining_step: Signal<Local, Bits<32>>,
    can_issue: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    asked: Signal<Local, Bits<9>>,
    received: Signal<Local, Bits<9>>,
    returned: Signal<Local, Bits<9>>,

    at_once: Constant<Bit>,
    room: Constant<Bits<9>>,
    burst_beats: Constant<Bits<7>>,
    beat_shift: Constant<Bits<4>>,
}

impl<const W: usize> AxiReadMaster<W> {
    /// A master whose consumer has room for `room` beats.
    pub fn new(room: usize) -> Self {
        AxiReadMaster::with(room, false)
    }

    /// A master whose consumer takes every beat as it comes: at most `outstanding` of them are asked for at a time.
    pub fn passing_on(outstanding: usize) -> Self {
        AxiReadMaster::with(outstanding, true)
    }

    fn with(room: usize, at_once: bool) -> Self {
        assert_eq!(BLOCK_BITS, 10, "width of the offset inside a burst");
        let beat_bytes = W / 8;
        let burst_beats = BURST_BYTES / beat_bytes;
        assert!(
            (burst_beats..=256).contains(&room) && burst_beats <= 64,
            "room for one burst at least, in counters of nine bits"
        );
        Self {
            clock: Default::default(),
            reset: Default::default(),
            run: Default::default(),
            ready: Default::default(),
            address: Default::default(),
            beats: Default::default(),
            abort: Default::default(),
            hold: Default::default(),
            freed: Default::default(),
            free_all: Default::default(),
            beat: Default::default(),
            beat_valid: Default::default(),
            idle: Default::default(),
            beat_error: Default::default(),
            araddr: Default::default(),
            arlen: Default::default(),
            arvalid: Default::default(),
            arready: Default::default(),
            rdata: Default::default(),
            rresp: Default::default(),
            rvalid: Default::default(),
            rready: Default::default(),
            waiting: Default::default(),
            waiting_address: Default::default(),
            waiting_beats: Default::default(),
            active: Default::default(),
            next_address: Default::default(),
            remaining: Default::default(),
            planned: Default::default(),
            burst: Default::default(),
            is_rest: Default::default(),
            arvalid_register: Default::default(),
            araddr_register: Default::default(),
            arlen_register: Default::default(),
            room_left: Default::default(),
            in_flight: Default::default(),
            idle_register: Default::default(),
            to_boundary: Default::default(),
            offset: Default::default(),
            burst_bytes: Default::default(),
            burst_less_one: Default::default(),
            left: Default::default(),
            rest: Default::default(),
            accepts: Default::default(),
            address_before: Default::default(),
            address_step: Default::default(),
            remaining_before: Default::default(),
            remaining_step: Default::default(),
            can_issue: Default::default(),
            taken: Default::default(),
            asked: Default::default(),
            received: Default::default(),
            returned: Default::default(),
            at_once: Constant::new(at_once),
            room: Constant::new((room as u64).into()),
            burst_beats: Constant::new((burst_beats as u64).into()),
            beat_shift: Constant::new(u64::from(beat_bytes.trailing_zeros()).into()),
        }
    }
}

impl<const W: usize> Logic for AxiReadMaster<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            waiting,
            waiting_address,
            waiting_beats,
            active,
            next_address,
            remaining,
            planned,
            burst,
            is_rest,
            arvalid_register,
            araddr_register,
            arlen_register,
            room_left,
            in_flight,
            idle_register
        );

        // Plan: the next burst ends with the run or at the next block boundary.
        self.offset.next = self.next_address.q.val().get_bits::<10>(0) >> self.beat_shift.val();
        self.to_boundary.next = self.burst_beats.val() - self.offset.val().get_bits::<7>(0);
        self.left.next = !self.remaining.q.val();
        self.rest.next = self.left.val() <= bit_cast::<32, 7>(self.to_boundary.val());
        if self.active.q.val() & !self.planned.q.val() {
            self.burst.d.next = self.to_boundary.val();
            self.is_rest.d.next = self.rest.val();
            if self.rest.val() {
                self.burst.d.next = self.left.val().get_bits::<7>(0);
            }
            self.planned.d.next = true;
        }

        // Issue: once the request register is free and the consumer has room.
        self.can_issue.next = self.planned.q.val()
            & (!self.arvalid_register.q.val() | self.arready.val())
            & (self.room_left.q.val() >= bit_cast::<9, 7>(self.burst.q.val()))
            & !self.abort.val();
        self.burst_bytes.next = bit_cast::<48, 7>(self.burst.q.val()) << self.beat_shift.val();
        self.burst_less_one.next = self.burst.q.val() - 1;
        self.asked.next = 0.into();
        if self.arready.val() {
            self.arvalid_register.d.next = false;
        }
        if self.can_issue.val() {
            self.arvalid_register.d.next = true;
            self.araddr_register.d.next = self.next_address.q.val();
            self.arlen_register.d.next = bit_cast::<8, 7>(self.burst_less_one.val());
            self.asked.next = bit_cast::<9, 7>(self.burst.q.val());
            self.planned.d.next = false;
            if self.is_rest.q.val() {
                self.active.d.next = false;
            }
        }
        self.araddr.next = self.araddr_register.q.val();
        self.arlen.next = self.arlen_register.q.val();
        self.arvalid.next = self.arvalid_register.q.val();

        // The next run. It is chosen before the adders: behind them it would be a table a bit more.
        self.accepts.next = self.waiting.q.val() & !self.active.q.val();
        self.address_before.next = self.next_address.q.val();
        self.address_step.next = self.burst_bytes.val();
        self.remaining_before.next = self.remaining.q.val();
        self.remaining_step.next = bit_cast::<32, 7>(self.burst.q.val());
        if self.accepts.val() {
            self.address_before.next = self.waiting_address.q.val();
            self.address_step.next = 0.into();
            self.remaining_before.next = !self.waiting_beats.q.val();
            self.remaining_step.next = 0.into();
            self.active.d.next = true;
            self.waiting.d.next = false;
        }
        if self.accepts.val() | self.can_issue.val() {
            self.next_address.d.next = self.address_before.val() + self.address_step.val();
            self.remaining.d.next = self.remaining_before.val() + self.remaining_step.val();
        }
        self.ready.next = !self.waiting.q.val();
        // `run` comes late: the registers follow what is offered until it is.
        if !self.waiting.q.val() {
            self.waiting.d.next = self.run.val();
            self.waiting_address.d.next = self.address.val();
            self.waiting_beats.d.next = self.beats.val();
        }

        // Receive.
        self.rready.next = !self.hold.val();
        self.taken.next = self.rvalid.val() & !self.hold.val();
        self.beat.next = self.rdata.val();
        self.beat_valid.next = self.taken.val();
        self.beat_error.next = self.rresp.val().get_bit(1);
        self.received.next = 0.into();
        if self.taken.val() {
            self.received.next = 1.into();
        }
        self.returned.next = 0.into();
        if self.freed.val() {
            self.returned.next = 1.into();
        }
        // Inside, since `freed` from `beat_valid` would be a loop around this block.
        if self.at_once.val() {
            self.returned.next = self.received.val();
        }
        self.in_flight.d.next = self.in_flight.q.val() + self.asked.val() - self.received.val();
        self.room_left.d.next = self.room_left.q.val() + self.returned.val() - self.asked.val();
        if self.free_all.val() {
            self.room_left.d.next = self.room.val();
        }

        if self.abort.val() {
            self.waiting.d.next = false;
            self.active.d.next = false;
            self.planned.d.next = false;
        }
        self.idle_register.d.next = !self.waiting.q.val()
            & !self.active.q.val()
            & !self.planned.q.val()
            & !self.run.val()
            & !self.arvalid_register.q.val()
            & (self.in_flight.q.val() == 0);
        // A run taken in the cycle before is not in the register yet.
        self.idle.next = self.idle_register.q.val() & !self.waiting.q.val();

        if self.reset.val() {
            self.waiting.d.next = false;
            self.active.d.next = false;
            self.planned.d.next = false;
            self.arvalid_register.d.next = false;
            self.room_left.d.next = self.room.val();
            self.in_flight.d.next = 0.into();
            self.idle_register.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;
    use std::collections::VecDeque;

    type Uut = AxiReadMaster<128>;
    const BEAT_BYTES: u64 = 16;

    /// Runs one read against a memory with random ready and gaps; beat at address a holds a / 16.
    /// Returns the bursts as (address, beats) and the beats received.
    fn run(
        seed: u64,
        address: u64,
        beats: u64,
        room: usize,
        hold_freed: bool,
    ) -> (Vec<(u64, u64)>, Vec<u64>) {
        let clock = |u: &mut Uut, level: bool| u.clock.next = level.into();
        let mut rng = seeded(seed);
        let mut uut = Uut::new(room);
        uut.connect_all();
        uut.reset.next = true;
        tick(&mut uut, clock);
        uut.reset.next = false;
        tick(&mut uut, clock);
        tick(&mut uut, clock);
        assert!(uut.idle.val());
        uut.run.next = true;
        uut.address.next = address.into();
        uut.beats.next = beats.into();
        tick(&mut uut, clock);
        uut.run.next = false;
        let (mut bursts, mut received) = (Vec::new(), Vec::new());
        let mut pending: VecDeque<u64> = VecDeque::new();
        let mut stalled: Option<(u64, u64)> = None;
        for cycle in 0..20_000 {
            uut.arready.next = rng.random_bool(0.5);
            let valid = !pending.is_empty() && rng.random_bool(0.7);
            uut.rvalid.next = valid;
            uut.rdata.next = pending.front().copied().unwrap_or(0).into();
            uut.freed.next = valid && !hold_freed;
            simulate(&mut uut, 10);
            if uut.arvalid.val() {
                let request = (uut.araddr.val().to_u64(), uut.arlen.val().to_u64() + 1);
                assert!(
                    stalled.is_none_or(|s| s == request),
                    "held while stalled, seed {seed} cycle {cycle}"
                );
                stalled = (!uut.arready.val()).then_some(request);
                if uut.arready.val() {
                    bursts.push(request);
                    pending.extend((0..request.1).map(|i| request.0 / BEAT_BYTES + i));
                }
            } else {
                assert!(
                    stalled.is_none(),
                    "arvalid is not withdrawn, seed {seed} cycle {cycle}"
                );
            }
            if valid {
                received.push(pending.pop_front().expect("valid means pending"));
            }
            tick(&mut uut, clock);
            if uut.idle.val() {
                break;
            }
        }
        (bursts, received)
    }

    #[test]
    fn bursts_cover_the_run_and_never_cross_a_block() {
        for (seed, first, beats) in [
            (1, 0, 64),
            (2, 0, 65),
            (3, 60, 8),
            (4, 63, 130),
            (5, 1, 1),
            (6, 17, 300),
        ] {
            let (bursts, received) = run(seed, first * BEAT_BYTES, beats, 256, false);
            let mut next = first;
            for (address, n) in &bursts {
                assert_eq!(address / BEAT_BYTES, next);
                let last = address + n * BEAT_BYTES - 1;
                assert_eq!(
                    address / BURST_BYTES as u64,
                    last / BURST_BYTES as u64,
                    "seed {seed}"
                );
                next += n;
            }
            assert_eq!(
                received,
                (first..first + beats).collect::<Vec<_>>(),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn no_more_is_asked_for_than_the_consumer_has_room_for() {
        let (bursts, received) = run(7, 0, 1000, 128, true);
        assert_eq!(bursts.iter().map(|b| b.1).sum::<u64>(), 128);
        assert_eq!(received.len(), 128);
    }
}
