//! Carries out requests (`tercet_contract::serial::message`): registers over AXI4-Lite, memories by the beat.
//!
//! A frame that the receiver has found good stands in the request buffer. Its header is read and judged; then the
//! operation runs, and writes what it read into the reply buffer behind the place of the header; then the header is
//! written and the reply sent. The reply stays in its buffer with the check value of the request: an equal frame
//! is answered from there.
//!
//! Cycle contract: a byte of a request takes two cycles, a byte of a reply one and the time of the line. `busy` is set from the
//! cycle after `frame` until the reply has left. A register access takes the time of the slave.

use rust_hdl::prelude::*;
use tercet_contract::serial::message::{
    Identity, PROTOCOL_VERSION, REPLY_BIT, REPLY_HEADER, REQUEST_HEADER,
};

use super::request_judge::RequestJudge;
use crate::constant;

/// Cycles that the kernel is held in reset.
const RESET_CYCLES: u64 = 16;

/// What the bridge is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum BridgeState {
    Idle,
    Header,
    Judge,
    Begin,
    Gather,
    WriteBeat,
    ReadBeat,
    BeatRead,
    WriteWord,
    WordAnswer,
    ReadWord,
    WordRead,
    Emit,
    Reset,
    Head,
    Send,
    Sending,
}

/// The bridge, for memories of 16-byte beats.
#[derive(LogicBlock)]
pub struct Bridge {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets session, reply and request.
    pub reset: Signal<In, Bit>,
    /// A request stands in the buffer.
    pub frame: Signal<In, Bit>,
    /// Its bytes with its check value.
    pub length: Signal<In, Bits<12>>,
    /// Its check value.
    pub check: Signal<In, Bits<32>>,
    /// A request is under way.
    pub busy: Signal<Out, Bit>,
    /// Request buffer: byte to read.
    pub request_address: Signal<Out, Bits<11>>,
    /// Request buffer: what it reads, a cycle later.
    pub request_byte: Signal<In, Bits<8>>,
    /// Reply buffer: byte to write or read.
    pub reply_address: Signal<Out, Bits<11>>,
    /// Reply buffer: what to write.
    pub reply_byte: Signal<Out, Bits<8>>,
    /// Reply buffer: now.
    pub reply_write: Signal<Out, Bit>,
    /// Sender: begins a frame.
    pub send: Signal<Out, Bit>,
    /// Sender: no byte is left.
    pub body_end: Signal<Out, Bit>,
    /// Sender: has taken the byte that the reply buffer reads.
    pub body_taken: Signal<In, Bit>,
    /// Sender: has sent the frame.
    pub sender_idle: Signal<In, Bit>,
    /// Memory: byte address of the beat; bit 31 chooses the data memory.
    pub memory_address: Signal<Out, Bits<32>>,
    /// Memory: writes the beat, at once.
    pub memory_write: Signal<Out, Bit>,
    /// Memory: asks for the beat.
    pub memory_read: Signal<Out, Bit>,
    /// Memory: it comes in the next cycle.
    pub memory_granted: Signal<In, Bit>,
    /// Memory: the beat to write.
    pub memory_data: Signal<Out, Bits<128>>,
    /// Memory: the beat read.
    pub memory_beat: Signal<In, Bits<128>>,
    /// Holds the kernel in reset.
    pub kernel_reset: Signal<Out, Bit>,
    /// AXI4-Lite: address of both kinds.
    pub register_address: Signal<Out, Bits<12>>,
    /// AXI4-Lite AW: valid.
    pub awvalid: Signal<Out, Bit>,
    /// AXI4-Lite AW: ready.
    pub awready: Signal<In, Bit>,
    /// AXI4-Lite W: data.
    pub wdata: Signal<Out, Bits<32>>,
    /// AXI4-Lite W: valid.
    pub wvalid: Signal<Out, Bit>,
    /// AXI4-Lite W: ready.
    pub wready: Signal<In, Bit>,
    /// AXI4-Lite B: valid.
    pub bvalid: Signal<In, Bit>,
    /// AXI4-Lite B: ready.
    pub bready: Signal<Out, Bit>,
    /// AXI4-Lite AR: valid.
    pub arvalid: Signal<Out, Bit>,
    /// AXI4-Lite AR: ready.
    pub arready: Signal<In, Bit>,
    /// AXI4-Lite R: data.
    pub rdata: Signal<In, Bits<32>>,
    /// AXI4-Lite R: valid.
    pub rvalid: Signal<In, Bit>,
    /// AXI4-Lite R: ready.
    pub rready: Signal<Out, Bit>,

    state: DFF<BridgeState>,
    request_length: DFF<Bits<12>>,
    request_check: DFF<Bits<32>>,
    last_check: DFF<Bits<32>>,
    has_reply: DFF<Bit>,
    session: DFF<Bits<16>>,
    header: DFF<Bits<80>>,
    // Next byte of the request, and whether the buffer shows it.
    request_at: DFF<Bits<11>>,
    fetched: DFF<Bit>,
    bytes_left: DFF<Bits<5>>,
    reply_at: DFF<Bits<11>>,
    reply_length: DFF<Bits<11>>,
    status: DFF<Bits<2>>,
    address: DFF<Bits<32>>,
    count_left: DFF<Bits<16>>,
    beat: DFF<Bits<128>>,
    aw_taken: DFF<Bit>,
    w_taken: DFF<Bit>,
    reset_left: DFF<Bits<5>>,

    judge: RequestJudge,
    gathered: Signal<Local, Bits<128>>,
    header_word: Signal<Local, Bits<80>>,
    from_top: Signal<Local, Bits<128>>,
    header_top: Signal<Local, Bits<80>>,
    reply_head: Signal<Local, Bits<128>>,

    request_header: Constant<Bits<5>>,
    reply_header: Constant<Bits<11>>,
    identity: Constant<Bits<128>>,
    identity_bytes: Constant<Bits<5>>,
    reply_bit: Constant<Bits<128>>,
    reset_cycles: Constant<Bits<5>>,
}

impl Bridge {
    /// For memories of so many bytes and a line whose bits are so many cycles long.
    pub fn new(weights: u32, data: u32, bit_cycles: u16) -> Self {
        let identity = Identity {
            version: PROTOCOL_VERSION,
            beat_bytes: 16,
            weights,
            data,
            bit_cycles,
        }
        .to_bytes();
        Bridge {
            clock: Default::default(),
            reset: Default::default(),
            frame: Default::default(),
            length: Default::default(),
            check: Default::default(),
            busy: Default::default(),
            request_address: Default::default(),
            request_byte: Default::default(),
            reply_address: Default::default(),
            reply_byte: Default::default(),
            reply_write: Default::default(),
            send: Default::default(),
            body_end: Default::default(),
            body_taken: Default::default(),
            sender_idle: Default::default(),
            memory_address: Default::default(),
            memory_write: Default::default(),
            memory_read: Default::default(),
            memory_granted: Default::default(),
            memory_data: Default::default(),
            memory_beat: Default::default(),
            kernel_reset: Default::default(),
            register_address: Default::default(),
            awvalid: Default::default(),
            awready: Default::default(),
            wdata: Default::default(),
            wvalid: Default::default(),
            wready: Default::default(),
            bvalid: Default::default(),
            bready: Default::default(),
            arvalid: Default::default(),
            arready: Default::default(),
            rdata: Default::default(),
            rvalid: Default::default(),
            rready: Default::default(),
            state: Default::default(),
            request_length: Default::default(),
            request_check: Default::default(),
            last_check: Default::default(),
            has_reply: Default::default(),
            session: Default::default(),
            header: Default::default(),
            request_at: Default::default(),
            fetched: Default::default(),
            bytes_left: Default::default(),
            reply_at: Default::default(),
            reply_length: Default::default(),
            status: Default::default(),
            address: Default::default(),
            count_left: Default::default(),
            beat: Default::default(),
            aw_taken: Default::default(),
            w_taken: Default::default(),
            reset_left: Default::default(),
            judge: RequestJudge::new(weights, data),
            gathered: Default::default(),
            header_word: Default::default(),
            from_top: Default::default(),
            header_top: Default::default(),
            reply_head: Default::default(),
            request_header: constant(REQUEST_HEADER as u64),
            reply_header: constant(REPLY_HEADER as u64),
            identity: constant(u64::from_le_bytes(identity)),
            identity_bytes: constant(identity.len() as u64),
            reply_bit: constant(REPLY_BIT.into()),
            reset_cycles: constant(RESET_CYCLES - 1),
        }
    }
}

impl Logic for Bridge {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            request_length,
            request_check,
            last_check,
            has_reply,
            session,
            header,
            request_at,
            fetched,
            bytes_left,
            reply_at,
            reply_length,
            status,
            address,
            count_left,
            beat,
            aw_taken,
            w_taken,
            reset_left
        );

        self.judge.header.next = self.header.q.val();
        self.judge.length.next = self.request_length.q.val();
        self.judge.session.next = self.session.q.val();

        // Bytes of the request come in at the top, those of a reply leave at the bottom.
        self.request_address.next = self.request_at.q.val();
        self.from_top.next = bit_cast::<128, 8>(self.request_byte.val()) << 120;
        self.gathered.next = (self.beat.q.val() >> 8) | self.from_top.val();
        self.header_top.next = bit_cast::<80, 8>(self.request_byte.val()) << 72;
        self.header_word.next = (self.header.q.val() >> 8) | self.header_top.val();
        self.reply_address.next = self.reply_at.q.val();
        self.reply_byte.next = self.beat.q.val().get_bits::<8>(0);
        self.reply_head.next = bit_cast::<128, 8>(self.judge.opcode.val())
            | self.reply_bit.val()
            | (bit_cast::<128, 8>(self.judge.number.val()) << 8)
            | (bit_cast::<128, 16>(self.session.q.val()) << 16)
            | (bit_cast::<128, 2>(self.status.q.val()) << 32);
        self.reply_write.next = false;
        self.send.next = false;
        self.body_end.next = self.reply_at.q.val() == self.reply_length.q.val();
        self.busy.next = self.state.q.val() != BridgeState::Idle;

        self.memory_address.next = self.address.q.val();
        self.memory_data.next = self.beat.q.val();
        self.memory_write.next = false;
        self.memory_read.next = false;
        self.kernel_reset.next = self.reset.val();
        self.register_address.next = bit_cast::<12, 32>(self.address.q.val());
        self.wdata.next = self.beat.q.val().get_bits::<32>(96);
        self.awvalid.next = false;
        self.wvalid.next = false;
        self.bready.next = false;
        self.arvalid.next = false;
        self.rready.next = false;

        match self.state.q.val() {
            BridgeState::Idle => {
                self.request_length.d.next = self.length.val();
                self.request_check.d.next = self.check.val();
                self.request_at.d.next = 0.into();
                self.fetched.d.next = false;
                self.bytes_left.d.next = self.request_header.val();
                if self.frame.val() {
                    self.state.d.next = BridgeState::Header;
                    if self.has_reply.q.val() & (self.check.val() == self.last_check.q.val()) {
                        self.reply_at.d.next = 0.into();
                        self.state.d.next = BridgeState::Send;
                    }
                }
            }
            BridgeState::Header => {
                self.fetched.d.next = !self.fetched.q.val();
                if self.fetched.q.val() {
                    self.header.d.next = self.header_word.val();
                    self.request_at.d.next = self.request_at.q.val() + 1;
                    self.bytes_left.d.next = self.bytes_left.q.val() - 1;
                    if self.bytes_left.q.val() == 1 {
                        self.state.d.next = BridgeState::Judge;
                    }
                }
            }
            BridgeState::Judge => {
                self.reply_at.d.next = self.reply_header.val();
                self.address.d.next = self.judge.address.val();
                self.count_left.d.next = self.judge.count.val();
                self.status.d.next = self.judge.status.val();
                self.state.d.next = BridgeState::Begin;
                if self.judge.status.val() != 0 {
                    self.state.d.next = BridgeState::Head;
                }
            }
            BridgeState::Begin => {
                self.fetched.d.next = false;
                self.aw_taken.d.next = false;
                self.w_taken.d.next = false;
                self.reset_left.d.next = self.reset_cycles.val();
                self.bytes_left.d.next = 16.into();
                if self.judge.opcode.val() == 1 {
                    self.session.d.next = self.judge.asked_session.val();
                    self.beat.d.next = self.identity.val();
                    self.bytes_left.d.next = self.identity_bytes.val();
                    self.state.d.next = BridgeState::Emit;
                } else if self.judge.opcode.val() == 6 {
                    self.state.d.next = BridgeState::Reset;
                } else if self.count_left.q.val() == 0 {
                    self.state.d.next = BridgeState::Head;
                } else if self.judge.opcode.val() == 2 {
                    self.state.d.next = BridgeState::Gather;
                } else if self.judge.opcode.val() == 3 {
                    self.state.d.next = BridgeState::ReadBeat;
                } else if self.judge.opcode.val() == 4 {
                    self.bytes_left.d.next = 4.into();
                    self.state.d.next = BridgeState::Gather;
                } else {
                    self.bytes_left.d.next = 4.into();
                    self.state.d.next = BridgeState::ReadWord;
                }
            }
            BridgeState::Gather => {
                self.fetched.d.next = !self.fetched.q.val();
                if self.fetched.q.val() {
                    self.beat.d.next = self.gathered.val();
                    self.request_at.d.next = self.request_at.q.val() + 1;
                    self.bytes_left.d.next = self.bytes_left.q.val() - 1;
                    self.count_left.d.next = self.count_left.q.val() - 1;
                    if self.bytes_left.q.val() == 1 {
                        self.state.d.next = BridgeState::WriteBeat;
                        if self.judge.is_register.val() {
                            self.state.d.next = BridgeState::WriteWord;
                        }
                    }
                }
            }
            BridgeState::WriteBeat => {
                self.memory_write.next = true;
                self.address.d.next = self.address.q.val() + 16;
                self.state.d.next = BridgeState::Begin;
            }
            BridgeState::ReadBeat => {
                self.memory_read.next = true;
                if self.memory_granted.val() {
                    self.address.d.next = self.address.q.val() + 16;
                    self.state.d.next = BridgeState::BeatRead;
                }
            }
            BridgeState::BeatRead => {
                self.beat.d.next = self.memory_beat.val();
                self.state.d.next = BridgeState::Emit;
            }
            BridgeState::WriteWord => {
                self.awvalid.next = !self.aw_taken.q.val();
                self.wvalid.next = !self.w_taken.q.val();
                if self.awready.val() {
                    self.aw_taken.d.next = true;
                }
                if self.wready.val() {
                    self.w_taken.d.next = true;
                }
                if self.aw_taken.q.val() & self.w_taken.q.val() {
                    self.state.d.next = BridgeState::WordAnswer;
                }
            }
            BridgeState::WordAnswer => {
                self.bready.next = true;
                if self.bvalid.val() {
                    self.address.d.next = self.address.q.val() + 4;
                    self.state.d.next = BridgeState::Begin;
                }
            }
            BridgeState::ReadWord => {
                self.arvalid.next = true;
                if self.arready.val() {
                    self.state.d.next = BridgeState::WordRead;
                }
            }
            BridgeState::WordRead => {
                self.rready.next = true;
                self.beat.d.next = bit_cast::<128, 32>(self.rdata.val());
                if self.rvalid.val() {
                    self.address.d.next = self.address.q.val() + 4;
                    self.state.d.next = BridgeState::Emit;
                }
            }
            BridgeState::Emit => {
                self.reply_write.next = true;
                self.reply_at.d.next = self.reply_at.q.val() + 1;
                self.beat.d.next = self.beat.q.val() >> 8;
                self.bytes_left.d.next = self.bytes_left.q.val() - 1;
                if self.judge.opcode.val() != 1 {
                    self.count_left.d.next = self.count_left.q.val() - 1;
                }
                if self.bytes_left.q.val() == 1 {
                    self.state.d.next = BridgeState::Begin;
                    if self.judge.opcode.val() == 1 {
                        self.state.d.next = BridgeState::Head;
                    }
                }
            }
            BridgeState::Reset => {
                self.kernel_reset.next = true;
                self.reset_left.d.next = self.reset_left.q.val() - 1;
                if self.reset_left.q.val() == 0 {
                    self.state.d.next = BridgeState::Head;
                }
            }
            BridgeState::Head => {
                // Once: the header as a beat of six bytes.
                self.fetched.d.next = true;
                if !self.fetched.q.val() {
                    self.reply_length.d.next = self.reply_at.q.val();
                    self.reply_at.d.next = 0.into();
                    self.beat.d.next = self.reply_head.val();
                } else {
                    self.reply_write.next = true;
                    self.beat.d.next = self.beat.q.val() >> 8;
                    self.reply_at.d.next = self.reply_at.q.val() + 1;
                    if self.reply_at.q.val() == 5 {
                        self.reply_at.d.next = 0.into();
                        self.has_reply.d.next = true;
                        self.last_check.d.next = self.request_check.q.val();
                        self.state.d.next = BridgeState::Send;
                    }
                }
            }
            BridgeState::Send => {
                self.send.next = true;
                self.state.d.next = BridgeState::Sending;
            }
            BridgeState::Sending => {
                if self.body_taken.val() {
                    self.reply_at.d.next = self.reply_at.q.val() + 1;
                }
                if self.sender_idle.val() {
                    self.state.d.next = BridgeState::Idle;
                }
            }
        }

        if self.reset.val() {
            self.state.d.next = BridgeState::Idle;
            self.session.d.next = 0.into();
            self.has_reply.d.next = false;
        }
    }
}
