//! AXI4 read slave in front of a RAM, with a second reader beside it.
//!
//! | channel | rule |
//! |---|---|
//! | AR | one burst at a time, INCR, whole beats; taken while none is under way |
//! | R | a beat a cycle; held until `rready`, whatever is written meanwhile. DECERR for a burst that begins behind the memory |
//!
//! The second reader has the RAM in a cycle with `granted`: at once, but for a beat that the bus holds up.
//!
//! Cycle contract: the first beat is valid two cycles after AR was taken; a cycle granted to the second reader costs the
//! bus one. What the RAM reads comes a cycle after its address, as `HoldRam` and `LaneRam` have it.

use rust_hdl::prelude::*;

use crate::constant;

/// Slave for `2^A` beats of 16 bytes.
#[derive(LogicBlock)]
pub struct ReadSlave<const A: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets the burst.
    pub reset: Signal<In, Bit>,
    /// AR: byte address.
    pub araddr: Signal<In, Bits<64>>,
    /// AR: beats less one.
    pub arlen: Signal<In, Bits<8>>,
    /// AR: valid.
    pub arvalid: Signal<In, Bit>,
    /// AR: ready.
    pub arready: Signal<Out, Bit>,
    /// R: response.
    pub rresp: Signal<Out, Bits<2>>,
    /// R: last beat.
    pub rlast: Signal<Out, Bit>,
    /// R: valid; the data are those of the RAM.
    pub rvalid: Signal<Out, Bit>,
    /// R: ready.
    pub rready: Signal<In, Bit>,
    /// The second reader asks.
    pub other_read: Signal<In, Bit>,
    /// For this beat.
    pub other_address: Signal<In, Bits<A>>,
    /// It gets it, from the RAM in the next cycle.
    pub granted: Signal<Out, Bit>,
    /// RAM: beat to read.
    pub ram_address: Signal<Out, Bits<A>>,
    /// RAM: keeps the beat read.
    pub ram_hold: Signal<Out, Bit>,
    active: DFF<Bit>,
    shown: DFF<Bit>,
    outside: DFF<Bit>,
    at: DFF<Bits<A>>,
    beats_left: DFF<Bits<8>>,
    taken: Signal<Local, Bit>,
    last: Signal<Local, Bit>,
    more: Signal<Local, Bit>,
    grant: Signal<Local, Bit>,
    next_at: Signal<Local, Bits<A>>,
    behind: Signal<Local, Bits<64>>,
    memory_bits: Constant<Bits<7>>,
    decode_error: Constant<Bits<2>>,
}

impl<const A: usize> Default for ReadSlave<A> {
    fn default() -> Self {
        ReadSlave {
            clock: Default::default(),
            reset: Default::default(),
            araddr: Default::default(),
            arlen: Default::default(),
            arvalid: Default::default(),
            arready: Default::default(),
            rresp: Default::default(),
            rlast: Default::default(),
            rvalid: Default::default(),
            rready: Default::default(),
            other_read: Default::default(),
            other_address: Default::default(),
            granted: Default::default(),
            ram_address: Default::default(),
            ram_hold: Default::default(),
            active: Default::default(),
            shown: Default::default(),
            outside: Default::default(),
            at: Default::default(),
            beats_left: Default::default(),
            taken: Default::default(),
            last: Default::default(),
            more: Default::default(),
            grant: Default::default(),
            next_at: Default::default(),
            behind: Default::default(),
            memory_bits: constant(A as u64 + 4),
            decode_error: constant(3),
        }
    }
}

impl<const A: usize> Logic for ReadSlave<A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, active, shown, outside, at, beats_left);
        self.taken.next = self.shown.q.val() & self.rready.val();
        self.last.next = self.beats_left.q.val() == 0;
        self.more.next = self.active.q.val() & !(self.taken.val() & self.last.val());
        self.grant.next = self.other_read.val() & (!self.shown.q.val() | self.rready.val());
        self.granted.next = self.grant.val();
        self.ram_hold.next = self.shown.q.val() & !self.rready.val();
        self.next_at.next = self.at.q.val();
        if self.taken.val() {
            self.next_at.next = self.at.q.val() + 1;
            self.beats_left.d.next = self.beats_left.q.val() - 1;
        }
        self.ram_address.next = self.next_at.val();
        if self.grant.val() {
            self.ram_address.next = self.other_address.val();
        }
        self.at.d.next = self.next_at.val();
        self.shown.d.next = self.more.val() & !self.grant.val();
        self.active.d.next = self.more.val();
        self.behind.next = self.araddr.val() >> self.memory_bits.val();
        self.arready.next = !self.active.q.val();
        if self.arvalid.val() & !self.active.q.val() {
            self.active.d.next = true;
            self.at.d.next = self.araddr.val().get_bits::<A>(4);
            self.beats_left.d.next = self.arlen.val();
            self.outside.d.next = self.behind.val() != 0;
        }
        self.rvalid.next = self.shown.q.val();
        self.rlast.next = self.last.val();
        self.rresp.next = 0.into();
        if self.outside.q.val() {
            self.rresp.next = self.decode_error.val();
        }
        if self.reset.val() {
            self.active.d.next = false;
            self.shown.d.next = false;
        }
    }
}
