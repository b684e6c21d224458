//! AXI4 write slave in front of a RAM, with a second writer beside it that comes first.
//!
//! | channel | rule |
//! |---|---|
//! | AW | one burst at a time, INCR, whole beats; taken while none is under way |
//! | W | a beat a cycle, with strobes, but not while the second writer writes |
//! | B | after the last beat, held until `bready`; DECERR for a burst that begins behind the memory, which is not written |
//!
//! Cycle contract: a beat is in the RAM a cycle after it was taken; B is valid a cycle after the last beat.

use rust_hdl::prelude::*;

use crate::constant;

/// Slave for `2^A` beats of 16 bytes.
#[derive(LogicBlock)]
pub struct WriteSlave<const A: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets the burst.
    pub reset: Signal<In, Bit>,
    /// AW: byte address.
    pub awaddr: Signal<In, Bits<64>>,
    /// AW: valid.
    pub awvalid: Signal<In, Bit>,
    /// AW: ready.
    pub awready: Signal<Out, Bit>,
    /// W: data.
    pub wdata: Signal<In, Bits<128>>,
    /// W: strobes.
    pub wstrb: Signal<In, Bits<16>>,
    /// W: last beat.
    pub wlast: Signal<In, Bit>,
    /// W: valid.
    pub wvalid: Signal<In, Bit>,
    /// W: ready.
    pub wready: Signal<Out, Bit>,
    /// B: response.
    pub bresp: Signal<Out, Bits<2>>,
    /// B: valid.
    pub bvalid: Signal<Out, Bit>,
    /// B: ready.
    pub bready: Signal<In, Bit>,
    /// The second writer writes.
    pub other_write: Signal<In, Bit>,
    /// This beat.
    pub other_address: Signal<In, Bits<A>>,
    /// This value.
    pub other_data: Signal<In, Bits<128>>,
    /// RAM: beat to write.
    pub ram_address: Signal<Out, Bits<A>>,
    /// RAM: its new value.
    pub ram_data: Signal<Out, Bits<128>>,
    /// RAM: bytes to write.
    pub ram_strobe: Signal<Out, Bits<16>>,
    active: DFF<Bit>,
    answer: DFF<Bit>,
    outside: DFF<Bit>,
    at: DFF<Bits<A>>,
    taken: Signal<Local, Bit>,
    behind: Signal<Local, Bits<64>>,
    memory_bits: Constant<Bits<7>>,
    decode_error: Constant<Bits<2>>,
    all_bytes: Constant<Bits<16>>,
}

impl<const A: usize> Default for WriteSlave<A> {
    fn default() -> Self {
        WriteSlave {
            clock: Default::default(),
            reset: Default::default(),
            awaddr: Default::default(),
            awvalid: Default::default(),
            awready: Default::default(),
            wdata: Default::default(),
            wstrb: Default::default(),
            wlast: Default::default(),
            wvalid: Default::default(),
            wready: Default::default(),
            bresp: Default::default(),
            bvalid: Default::default(),
            bready: Default::default(),
            other_write: Default::default(),
            other_address: Default::default(),
            other_data: Default::default(),
            ram_address: Default::default(),
            ram_data: Default::default(),
            ram_strobe: Default::default(),
            active: Default::default(),
            answer: Default::default(),
            outside: Default::default(),
            at: Default::default(),
            taken: Default::default(),
            behind: Default::default(),
            memory_bits: constant(A as u64 + 4),
            decode_error: constant(3),
            all_bytes: constant(0xffff),
        }
    }
}

impl<const A: usize> Logic for WriteSlave<A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, active, answer, outside, at);
        self.awready.next = !self.active.q.val() & !self.answer.q.val();
        self.wready.next = self.active.q.val() & !self.other_write.val();
        self.taken.next = self.active.q.val() & !self.other_write.val() & self.wvalid.val();
        self.bvalid.next = self.answer.q.val();
        self.bresp.next = 0.into();
        if self.outside.q.val() {
            self.bresp.next = self.decode_error.val();
        }
        self.behind.next = self.awaddr.val() >> self.memory_bits.val();
        if self.answer.q.val() & self.bready.val() {
            self.answer.d.next = false;
        }
        if self.awvalid.val() & !self.active.q.val() & !self.answer.q.val() {
            self.active.d.next = true;
            self.at.d.next = self.awaddr.val().get_bits::<A>(4);
            self.outside.d.next = self.behind.val() != 0;
        }
        self.ram_address.next = self.at.q.val();
        self.ram_data.next = self.wdata.val();
        self.ram_strobe.next = 0.into();
        if self.taken.val() {
            self.at.d.next = self.at.q.val() + 1;
            if self.wlast.val() {
                self.active.d.next = false;
                self.answer.d.next = true;
            }
            if !self.outside.q.val() {
                self.ram_strobe.next = self.wstrb.val();
            }
        }
        if self.other_write.val() {
            self.ram_address.next = self.other_address.val();
            self.ram_data.next = self.other_data.val();
            self.ram_strobe.next = self.all_bytes.val();
        }
        if self.reset.val() {
            self.active.d.next = false;
            self.answer.d.next = false;
        }
    }
}
