//! Control registers: the AXI4-Lite port `s_axi_control`.
//!
//! The map is `tercet_contract::registers`. 0x00 to 0x0F behave as `ap_ctrl_hs` does in Vitis kernels.
//!
//! The bus is `AxiLiteSlave`, the counters are `PerformanceCounters`; here are the registers between
//! them. Unknown addresses read 0; writes to them and to read-only registers have no effect; only whole
//! words can be written; reset clears every writable register.

use rust_hdl::prelude::*;
use tercet_contract::registers as map;
use tercet_contract::{Geometry, CONTRACT_VERSION};

use crate::axi_lite_slave::AxiLiteSlave;
use crate::performance_counters::PerformanceCounters;

/// AXI4-Lite registers with `ap_ctrl_hs`.
#[derive(LogicBlock)]
pub struct ControlRegisters {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Clears every register.
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
    /// Interrupt to the host, level.
    pub interrupt: Signal<Out, Bit>,

    /// To the front end: begin.
    pub start: Signal<Out, Bit>,
    /// Base address of the weight memory.
    pub weights_base: Signal<Out, Bits<64>>,
    /// Base address of the data memory.
    pub data_base: Signal<Out, Bits<64>>,
    /// Offset of the list or ring.
    pub list: Signal<Out, Bits<64>>,
    /// Commands in the list, records of the ring.
    pub count: Signal<Out, Bits<32>>,
    /// Commands come through a ring.
    pub ring: Signal<Out, Bit>,
    /// The first command comes through `command_word`.
    pub immediate: Signal<Out, Bit>,
    /// Address of the completion word.
    pub completion: Signal<Out, Bits<64>>,
    /// Commands that there are: `count` of a list, `tail` of a ring.
    pub limit: Signal<Out, Bits<32>>,
    /// A word of the first command is written.
    pub command_write: Signal<Out, Bit>,
    /// Its place in the record.
    pub command_place: Signal<Out, Bits<4>>,
    /// The word.
    pub command_word: Signal<Out, Bits<32>>,
    /// From the front end: nothing is being run.
    pub idle: Signal<In, Bit>,
    /// From the front end: the list or ring has ended.
    pub done: Signal<In, Bit>,
    /// From the front end: commands are under way.
    pub busy: Signal<In, Bit>,
    /// From the front end: error code.
    pub error: Signal<In, Bits<8>>,
    /// From the front end: command that failed.
    pub error_index: Signal<In, Bits<32>>,
    /// Commands completed.
    pub commands_done: Signal<In, Bits<32>>,
    /// A weight beat entered the lanes.
    pub beat_taken: Signal<In, Bit>,
    /// The lanes waited for weights.
    pub starved: Signal<In, Bit>,
    /// Weights waited for results.
    pub blocked: Signal<In, Bit>,

    bus: AxiLiteSlave,
    counters: PerformanceCounters,
    ap_start: DFF<Bit>,
    ap_done: DFF<Bit>,
    ap_ready: DFF<Bit>,
    // Arguments hold still while a list runs. As it was a cycle before: writes are further apart than that.
    may_set: DFF<Bit>,
    gie: DFF<Bit>,
    ier: DFF<Bits<2>>,
    isr: DFF<Bits<2>>,
    // The words of `WEIGHTS` to `COMPLETION`, in the order of `ARGUMENTS`.
    arguments: Vec<DFF<Bits<32>>>,
    argument_at: Vec<Constant<Bits<12>>>,
    _arguments: usize,
    tail_register: DFF<Bits<32>>,
    // Chosen here, beside the registers: the front end has much to do with it in one cycle.
    limit_register: DFF<Bits<32>>,

    starting: Signal<Local, Bit>,
    raised: Signal<Local, Bits<2>>,
    // The four bits of CTRL.
    started: Signal<Local, Bits<32>>,
    finished: Signal<Local, Bits<32>>,
    waiting: Signal<Local, Bits<32>>,
    takes_next: Signal<Local, Bits<32>>,
    status: Signal<Local, Bits<32>>,
    gie_word: Signal<Local, Bits<1>>,
    word: Signal<Local, Bits<32>>,

    at_ctrl: Constant<Bits<12>>,
    at_gie: Constant<Bits<12>>,
    at_ier: Constant<Bits<12>>,
    at_isr: Constant<Bits<12>>,
    at_tail: Constant<Bits<12>>,
    at_command: Constant<Bits<12>>,
    command_mask: Constant<Bits<12>>,
    at_magic: Constant<Bits<12>>,
    at_version: Constant<Bits<12>>,
    at_geometry: Constant<Bits<12>>,
    at_max_k: Constant<Bits<12>>,
    at_uptime: Constant<Bits<12>>,
    at_uptime_high: Constant<Bits<12>>,
    at_error: Constant<Bits<12>>,
    at_error_index: Constant<Bits<12>>,
    at_commands_done: Constant<Bits<12>>,
    at_cycles: Constant<Bits<12>>,
    at_cycles_high: Constant<Bits<12>>,
    at_beats: Constant<Bits<12>>,
    at_beats_high: Constant<Bits<12>>,
    at_starved: Constant<Bits<12>>,
    at_starved_high: Constant<Bits<12>>,
    at_blocked: Constant<Bits<12>>,
    at_blocked_high: Constant<Bits<12>>,
    ctrl_start: Constant<Bits<32>>,
    ctrl_done: Constant<Bits<32>>,
    ctrl_idle: Constant<Bits<32>>,
    ctrl_ready: Constant<Bits<32>>,
    magic: Constant<Bits<32>>,
    version: Constant<Bits<32>>,
    geometry: Constant<Bits<32>>,
    max_k: Constant<Bits<32>>,
}

/// Addresses of the words that hold still while the kernel runs.
const ARGUMENTS: [u32; 10] = [
    map::WEIGHTS,
    map::WEIGHTS + 4,
    map::DATA,
    map::DATA + 4,
    map::LIST,
    map::LIST + 4,
    map::COUNT,
    map::MODE,
    map::COMPLETION,
    map::COMPLETION + 4,
];

/// Constant address of a register word.
fn at(offset: u32) -> Constant<Bits<12>> {
    crate::constant(u64::from(offset))
}

fn word_constant(value: u32) -> Constant<Bits<32>> {
    crate::constant(u64::from(value))
}

impl ControlRegisters {
    /// The registers of a kernel of this geometry.
    pub fn new(geometry: &Geometry) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            awaddr: Default::default(),
            awvalid: Default::default(),
            awready: Default::default(),
            wdata: Default::default(),
            wstrb: Default::default(),
            wvalid: Default::default(),
            wready: Default::default(),
            bresp: Default::default(),
            bvalid: Default::default(),
            bready: Default::default(),
            araddr: Default::default(),
            arvalid: Default::default(),
            arready: Default::default(),
            rdata: Default::default(),
            rresp: Default::default(),
            rvalid: Default::default(),
            rready: Default::default(),
            interrupt: Default::default(),
            start: Default::default(),
            weights_base: Default::default(),
            data_base: Default::default(),
            list: Default::default(),
            count: Default::default(),
            ring: Default::default(),
            immediate: Default::default(),
            completion: Default::default(),
            limit: Default::default(),
            command_write: Default::default(),
            command_place: Default::default(),
            command_word: Default::default(),
            idle: Default::default(),
            done: Default::default(),
            busy: Default::default(),
            error: Default::default(),
            error_index: Default::default(),
            commands_done: Default::default(),
            beat_taken: Default::default(),
            starved: Default::default(),
            blocked: Default::default(),
            bus: Default::default(),
            counters: Default::default(),
            ap_start: Default::default(),
            ap_done: Default::default(),
            ap_ready: Default::default(),
            gie: Default::default(),
            ier: Default::default(),
            isr: Default::default(),
            arguments: crate::many(ARGUMENTS.len()),
            argument_at: ARGUMENTS.map(at).into(),
            _arguments: ARGUMENTS.len(),
            tail_register: Default::default(),
            limit_register: Default::default(),
            starting: Default::default(),
            raised: Default::default(),
            may_set: Default::default(),
            started: Default::default(),
            finished: Default::default(),
            waiting: Default::default(),
            takes_next: Default::default(),
            status: Default::default(),
            gie_word: Default::default(),
            word: Default::default(),
            at_ctrl: at(map::CTRL),
            at_gie: at(map::GIE),
            at_ier: at(map::IER),
            at_isr: at(map::ISR),
            at_tail: at(map::TAIL),
            at_command: at(map::COMMAND),
            command_mask: at(0xfc0),
            at_magic: at(map::MAGIC),
            at_version: at(map::VERSION),
            at_geometry: at(map::GEOMETRY),
            at_max_k: at(map::MAX_K),
            at_uptime: at(map::UPTIME),
            at_uptime_high: at(map::UPTIME + 4),
            at_error: at(map::ERROR),
            at_error_index: at(map::ERROR_INDEX),
            at_commands_done: at(map::COMMANDS_DONE),
            at_cycles: at(map::CYCLES),
            at_cycles_high: at(map::CYCLES + 4),
            at_beats: at(map::WEIGHT_BEATS),
            at_beats_high: at(map::WEIGHT_BEATS + 4),
            at_starved: at(map::STARVED),
            at_starved_high: at(map::STARVED + 4),
            at_blocked: at(map::BLOCKED),
            at_blocked_high: at(map::BLOCKED + 4),
            ctrl_start: word_constant(map::CTRL_START),
            ctrl_done: word_constant(map::CTRL_DONE),
            ctrl_idle: word_constant(map::CTRL_IDLE),
            ctrl_ready: word_constant(map::CTRL_READY),
            magic: word_constant(map::MAGIC_VALUE),
            version: word_constant(CONTRACT_VERSION),
            geometry: word_constant(map::geometry_word(geometry)),
            max_k: word_constant(geometry.max_k() as u32),
        }
    }
}

impl Logic for ControlRegisters {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            ap_start,
            ap_done,
            ap_ready,
            may_set,
            gie,
            ier,
            isr,
            tail_register,
            limit_register
        );
        clock!(self, clock, bus, counters);
        self.bus.reset.next = self.reset.val();
        self.bus.awaddr.next = self.awaddr.val();
        self.bus.awvalid.next = self.awvalid.val();
        self.awready.next = self.bus.awready.val();
        self.bus.wdata.next = self.wdata.val();
        self.bus.wstrb.next = self.wstrb.val();
        self.bus.wvalid.next = self.wvalid.val();
        self.wready.next = self.bus.wready.val();
        self.bresp.next = self.bus.bresp.val();
        self.bvalid.next = self.bus.bvalid.val();
        self.bus.bready.next = self.bready.val();
        self.bus.araddr.next = self.araddr.val();
        self.bus.arvalid.next = self.arvalid.val();
        self.arready.next = self.bus.arready.val();
        self.rdata.next = self.bus.rdata.val();
        self.rresp.next = self.bus.rresp.val();
        self.rvalid.next = self.bus.rvalid.val();
        self.bus.rready.next = self.rready.val();

        self.starting.next = self.ap_start.q.val() & self.idle.val();
        self.start.next = self.starting.val();
        self.counters.reset.next = self.reset.val();
        self.counters.start.next = self.starting.val();
        self.counters.busy.next = self.busy.val();
        self.counters.beat_taken.next = self.beat_taken.val();
        self.counters.starved.next = self.starved.val();
        self.counters.blocked.next = self.blocked.val();

        // Reads. The bits of CTRL are put together first.
        self.started.next = 0.into();
        self.finished.next = 0.into();
        self.waiting.next = 0.into();
        self.takes_next.next = 0.into();
        if self.ap_start.q.val() {
            self.started.next = self.ctrl_start.val();
        }
        if self.ap_done.q.val() {
            self.finished.next = self.ctrl_done.val();
        }
        if self.idle.val() & !self.ap_start.q.val() {
            self.waiting.next = self.ctrl_idle.val();
        }
        if self.ap_ready.q.val() {
            self.takes_next.next = self.ctrl_ready.val();
        }
        self.status.next = (self.started.val() | self.finished.val())
            | (self.waiting.val() | self.takes_next.val());
        self.gie_word.next = 0.into();
        if self.gie.q.val() {
            self.gie_word.next = 1.into();
        }
        self.word.next = 0.into();
        if self.bus.read_address.val() == self.at_ctrl.val() {
            self.word.next = self.status.val();
        }
        if self.bus.read_address.val() == self.at_gie.val() {
            self.word.next = bit_cast::<32, 1>(self.gie_word.val());
        }
        if self.bus.read_address.val() == self.at_ier.val() {
            self.word.next = bit_cast::<32, 2>(self.ier.q.val());
        }
        if self.bus.read_address.val() == self.at_isr.val() {
            self.word.next = bit_cast::<32, 2>(self.isr.q.val());
        }
        for i in 0..self._arguments {
            self.arguments[i].clock.next = self.clock.val();
            self.arguments[i].d.next = self.arguments[i].q.val();
            if self.bus.read_address.val() == self.argument_at[i].val() {
                self.word.next = self.arguments[i].q.val();
            }
        }
        if self.bus.read_address.val() == self.at_tail.val() {
            self.word.next = self.tail_register.q.val();
        }
        if self.bus.read_address.val() == self.at_magic.val() {
            self.word.next = self.magic.val();
        }
        if self.bus.read_address.val() == self.at_version.val() {
            self.word.next = self.version.val();
        }
        if self.bus.read_address.val() == self.at_geometry.val() {
            self.word.next = self.geometry.val();
        }
        if self.bus.read_address.val() == self.at_max_k.val() {
            self.word.next = self.max_k.val();
        }
        if self.bus.read_address.val() == self.at_error.val() {
            self.word.next = bit_cast::<32, 8>(self.error.val());
        }
        if self.bus.read_address.val() == self.at_error_index.val() {
            self.word.next = self.error_index.val();
        }
        if self.bus.read_address.val() == self.at_commands_done.val() {
            self.word.next = self.commands_done.val();
        }
        if self.bus.read_address.val() == self.at_uptime.val() {
            self.word.next = self.counters.uptime.val().get_bits::<32>(0);
        }
        if self.bus.read_address.val() == self.at_uptime_high.val() {
            self.word.next = bit_cast::<32, 16>(self.counters.uptime.val().get_bits::<16>(32));
        }
        if self.bus.read_address.val() == self.at_cycles.val() {
            self.word.next = self.counters.cycles.val().get_bits::<32>(0);
        }
        if self.bus.read_address.val() == self.at_cycles_high.val() {
            self.word.next = bit_cast::<32, 16>(self.counters.cycles.val().get_bits::<16>(32));
        }
        if self.bus.read_address.val() == self.at_beats.val() {
            self.word.next = self.counters.beats.val().get_bits::<32>(0);
        }
        if self.bus.read_address.val() == self.at_beats_high.val() {
            self.word.next = bit_cast::<32, 16>(self.counters.beats.val().get_bits::<16>(32));
        }
        if self.bus.read_address.val() == self.at_starved.val() {
            self.word.next = self.counters.starved_cycles.val().get_bits::<32>(0);
        }
        if self.bus.read_address.val() == self.at_starved_high.val() {
            self.word.next =
                bit_cast::<32, 16>(self.counters.starved_cycles.val().get_bits::<16>(32));
        }
        if self.bus.read_address.val() == self.at_blocked.val() {
            self.word.next = self.counters.blocked_cycles.val().get_bits::<32>(0);
        }
        if self.bus.read_address.val() == self.at_blocked_high.val() {
            self.word.next =
                bit_cast::<32, 16>(self.counters.blocked_cycles.val().get_bits::<16>(32));
        }
        self.bus.word.next = self.word.val();
        if self.bus.look_up.val() & (self.bus.read_address.val() == self.at_ctrl.val()) {
            self.ap_done.d.next = false;
            self.ap_ready.d.next = false;
        }

        // The end of a list; it wins over the read that would clear it.
        self.raised.next = 0.into();
        if self.done.val() {
            self.ap_start.d.next = false;
            self.ap_done.d.next = true;
            self.ap_ready.d.next = true;
            self.raised.next = self.ier.q.val();
        }
        self.isr.d.next = self.isr.q.val() | self.raised.val();

        // Writes.
        self.may_set.d.next = self.idle.val() & !self.ap_start.q.val();
        self.limit_register.d.next = self.arguments[6].q.val();
        if self.arguments[7].q.val().get_bit(0) {
            self.limit_register.d.next = self.tail_register.q.val();
        }
        if self.bus.write.val() {
            if (self.bus.write_address.val() == self.at_ctrl.val())
                & self.bus.written.val().get_bit(0)
            {
                self.ap_start.d.next = true;
            }
            if self.bus.write_address.val() == self.at_gie.val() {
                self.gie.d.next = self.bus.written.val().get_bit(0);
            }
            if self.bus.write_address.val() == self.at_ier.val() {
                self.ier.d.next = self.bus.written.val().get_bits::<2>(0);
            }
            if self.bus.write_address.val() == self.at_isr.val() {
                // An end in this very cycle is not lost.
                self.isr.d.next = (self.isr.q.val() ^ self.bus.written.val().get_bits::<2>(0))
                    | self.raised.val();
            }
            if self.bus.write_address.val() == self.at_tail.val() {
                self.tail_register.d.next = self.bus.written.val();
                if self.arguments[7].q.val().get_bit(0) {
                    self.limit_register.d.next = self.bus.written.val();
                }
            }
            for i in 0..self._arguments {
                if self.may_set.q.val()
                    & (self.bus.write_address.val() == self.argument_at[i].val())
                {
                    self.arguments[i].d.next = self.bus.written.val();
                }
            }
        }
        self.command_write.next = self.bus.write.val()
            & self.may_set.q.val()
            & ((self.bus.write_address.val() & self.command_mask.val()) == self.at_command.val());
        self.command_place.next = self.bus.write_address.val().get_bits::<4>(2);
        self.command_word.next = self.bus.written.val();

        self.weights_base.next = (bit_cast::<64, 32>(self.arguments[1].q.val()) << 32)
            | bit_cast::<64, 32>(self.arguments[0].q.val());
        self.data_base.next = (bit_cast::<64, 32>(self.arguments[3].q.val()) << 32)
            | bit_cast::<64, 32>(self.arguments[2].q.val());
        self.list.next = (bit_cast::<64, 32>(self.arguments[5].q.val()) << 32)
            | bit_cast::<64, 32>(self.arguments[4].q.val());
        self.count.next = self.arguments[6].q.val();
        self.ring.next = self.arguments[7].q.val().get_bit(0);
        self.immediate.next = self.arguments[7].q.val().get_bit(1);
        self.completion.next = (bit_cast::<64, 32>(self.arguments[9].q.val()) << 32)
            | bit_cast::<64, 32>(self.arguments[8].q.val());
        self.limit.next = self.limit_register.q.val();
        self.interrupt.next = self.gie.q.val() & (self.isr.q.val() != 0);

        if self.reset.val() {
            self.ap_start.d.next = false;
            self.ap_done.d.next = false;
            self.ap_ready.d.next = false;
            self.gie.d.next = false;
            self.ier.d.next = 0.into();
            self.isr.d.next = 0.into();
            self.tail_register.d.next = 0.into();
            for i in 0..self._arguments {
                self.arguments[i].d.next = 0.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tick;

    fn clock(u: &mut ControlRegisters, level: bool) {
        u.clock.next = level.into();
    }

    fn registers() -> ControlRegisters {
        let mut uut = ControlRegisters::new(&Geometry::DEFAULT);
        uut.connect_all();
        uut.idle.next = true;
        uut.bready.next = true;
        uut.rready.next = true;
        tick(&mut uut, clock);
        uut
    }

    fn write(uut: &mut ControlRegisters, address: u32, value: u32, strobes: u64) {
        uut.awaddr.next = u64::from(address).into();
        uut.wdata.next = u64::from(value).into();
        uut.wstrb.next = strobes.into();
        uut.awvalid.next = true;
        uut.wvalid.next = true;
        while !uut.awready.val() {
            tick(uut, clock);
        }
        assert!(uut.wready.val(), "both channels are taken together");
        tick(uut, clock);
        uut.awvalid.next = false;
        uut.wvalid.next = false;
        assert!(uut.bvalid.val());
        assert_eq!(uut.bresp.val(), 0);
        tick(uut, clock);
    }

    fn read(uut: &mut ControlRegisters, address: u32) -> u32 {
        uut.araddr.next = u64::from(address).into();
        uut.arvalid.next = true;
        simulate(uut, 10);
        assert!(uut.arready.val());
        tick(uut, clock);
        uut.arvalid.next = false;
        while !uut.rvalid.val() {
            tick(uut, clock);
        }
        let value = uut.rdata.val().to_u32();
        tick(uut, clock);
        value
    }

    #[test]
    fn every_writable_word_keeps_whole_words() {
        let mut uut = registers();
        for r in map::REGISTERS
            .iter()
            .filter(|r| r.offset >= map::WEIGHTS && r.offset <= map::TAIL)
        {
            for offset in (r.offset..r.offset + r.bits / 8).step_by(4) {
                write(&mut uut, offset, 0x1122_3344, 0xf);
                write(&mut uut, offset, 0xaabb_ccdd, 0b0101);
                assert_eq!(
                    read(&mut uut, offset),
                    0x1122_3344,
                    "{} {offset:#x}",
                    r.name
                );
            }
        }
    }

    #[test]
    fn identity_is_readable_and_read_only() {
        let mut uut = registers();
        for (address, want) in [
            (map::MAGIC, map::MAGIC_VALUE),
            (map::VERSION, CONTRACT_VERSION),
            (map::GEOMETRY, map::geometry_word(&Geometry::DEFAULT)),
            (map::MAX_K, Geometry::DEFAULT.max_k() as u32),
        ] {
            write(&mut uut, address, 0, 0xf);
            assert_eq!(read(&mut uut, address), want, "{address:#x}");
        }
        assert_eq!(read(&mut uut, 0xffc), 0, "unknown addresses read 0");
    }

    #[test]
    fn start_done_idle_follow_ap_ctrl_hs() {
        let mut uut = registers();
        assert_eq!(read(&mut uut, map::CTRL), map::CTRL_IDLE);
        write(&mut uut, map::GIE, 1, 0xf);
        write(&mut uut, map::IER, 1, 0xf);
        write(&mut uut, map::CTRL, map::CTRL_START, 0xf);
        assert!(
            uut.start.val(),
            "start stands until the sequencer leaves idle"
        );
        uut.idle.next = false;
        for _ in 0..9 {
            tick(&mut uut, clock);
        }
        assert_eq!(read(&mut uut, map::CTRL), map::CTRL_START);
        uut.done.next = true;
        tick(&mut uut, clock);
        uut.done.next = false;
        uut.idle.next = true;
        tick(&mut uut, clock);
        assert!(!uut.start.val(), "one start is one list");
        assert!(uut.interrupt.val());
        assert_eq!(
            read(&mut uut, map::CTRL),
            map::CTRL_DONE | map::CTRL_IDLE | map::CTRL_READY
        );
        assert_eq!(
            read(&mut uut, map::CTRL),
            map::CTRL_IDLE,
            "done is cleared by reading"
        );
        write(&mut uut, map::ISR, 1, 0xf);
        assert!(!uut.interrupt.val(), "a written 1 toggles the bit");
        // ap_continue, which XRT writes to every kernel, changes nothing.
        write(&mut uut, map::CTRL, 0x10, 0xf);
        assert_eq!(read(&mut uut, map::CTRL), map::CTRL_IDLE);
    }
}
