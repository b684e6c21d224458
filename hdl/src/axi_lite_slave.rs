//! AXI4-Lite slave: turns bus transfers into register writes and look-ups.
//!
//! | channel | rule |
//! |---|---|
//! | AW, W | whole words only: a write with a strobe clear is answered and has no effect. Taken together: one cycle after both are valid with no answer pending, `awready` and `wready` rise for one cycle |
//! | B | always OKAY; held until `bready` |
//! | AR | taken while no read answer is pending |
//! | R | always OKAY; held until `rready` |
//! | reset | nothing is taken, no answer pending |
//!
//! Cycle contract: a write acts in the cycle in which it is taken (`write`), its answer comes one
//! later. A read shows its address with `look_up` one cycle after AR and takes `word` in that cycle;
//! R is valid one later.

use rust_hdl::prelude::*;

/// The bus side of the control registers: 12 address bits, 32 data bits.
#[derive(LogicBlock, Default)]
pub struct AxiLiteSlave {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets pending answers.
    pub reset: Signal<In, Bit>,
    /// AW: address.
    pub awaddr: Signal<In, Bits<12>>,
    /// AW: valid.
    pub awvalid: Signal<In, Bit>,
    /// AW: ready.
    pub awready: Signal<Out, Bit>,
    /// W: data.
    pub wdata: Signal<In, Bits<32>>,
    /// W: strobes.
    pub wstrb: Signal<In, Bits<4>>,
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
    /// AR: address.
    pub araddr: Signal<In, Bits<12>>,
    /// AR: valid.
    pub arvalid: Signal<In, Bit>,
    /// AR: ready.
    pub arready: Signal<Out, Bit>,
    /// R: data.
    pub rdata: Signal<Out, Bits<32>>,
    /// R: response.
    pub rresp: Signal<Out, Bits<2>>,
    /// R: valid.
    pub rvalid: Signal<Out, Bit>,
    /// R: ready.
    pub rready: Signal<In, Bit>,

    /// A register is written in this cycle.
    pub write: Signal<Out, Bit>,
    /// Its address.
    pub write_address: Signal<Out, Bits<12>>,
    /// Bits to set: the data where strobed, else 0.
    pub written: Signal<Out, Bits<32>>,
    /// A register is read in this cycle.
    pub look_up: Signal<Out, Bit>,
    /// Its address.
    pub read_address: Signal<Out, Bits<12>>,
    /// Its value.
    pub word: Signal<In, Bits<32>>,

    // Both channels were valid in the cycle before, and so still are.
    taking: DFF<Bit>,
    bvalid_register: DFF<Bit>,
    rvalid_register: DFF<Bit>,
    rdata_register: DFF<Bits<32>>,
    address_register: DFF<Bits<12>>,
    pending: DFF<Bit>,
    can_read: Signal<Local, Bit>,
}

impl Logic for AxiLiteSlave {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            taking,
            bvalid_register,
            rvalid_register,
            rdata_register,
            address_register,
            pending
        );

        self.taking.d.next = self.awvalid.val()
            & self.wvalid.val()
            & !self.taking.q.val()
            & !self.bvalid_register.q.val();
        self.awready.next = self.taking.q.val();
        self.wready.next = self.taking.q.val();
        self.write.next = self.taking.q.val() & (self.wstrb.val() == 15);
        self.write_address.next = self.awaddr.val();
        self.written.next = self.wdata.val();
        if self.bready.val() {
            self.bvalid_register.d.next = false;
        }
        if self.taking.q.val() {
            self.bvalid_register.d.next = true;
        }
        self.bresp.next = 0.into();
        self.bvalid.next = self.bvalid_register.q.val();

        self.can_read.next =
            !self.pending.q.val() & !self.rvalid_register.q.val() & !self.reset.val();
        self.arready.next = self.can_read.val();
        if self.can_read.val() & self.arvalid.val() {
            self.address_register.d.next = self.araddr.val();
            self.pending.d.next = true;
        }
        self.look_up.next = self.pending.q.val();
        self.read_address.next = self.address_register.q.val();
        if self.rready.val() {
            self.rvalid_register.d.next = false;
        }
        if self.pending.q.val() {
            self.pending.d.next = false;
            self.rdata_register.d.next = self.word.val();
            self.rvalid_register.d.next = true;
        }
        self.rdata.next = self.rdata_register.q.val();
        self.rresp.next = 0.into();
        self.rvalid.next = self.rvalid_register.q.val();

        if self.reset.val() {
            self.taking.d.next = false;
            self.bvalid_register.d.next = false;
            self.rvalid_register.d.next = false;
            self.pending.d.next = false;
        }
    }
}
