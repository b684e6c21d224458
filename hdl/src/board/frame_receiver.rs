//! Finds frames among the bytes of the line (`tercet_contract::serial::frame`).
//!
//! Bytes of a frame go to a buffer as they come, with the escapes undone. The FLAG that ends a good one sets `frame` for
//! one cycle; `length` and `check` belong to it. Frames that are damaged, given up, too long or shorter than a request
//! are dropped. While `busy` is set nothing is taken, and then nothing before the next FLAG.
//!
//! Cycle contract: `frame` comes in the cycle of the FLAG; `busy` is to be set from the next cycle on.

use rust_hdl::prelude::*;
use tercet_contract::serial::frame::{CRC_BYTES, ESCAPE, ESCAPED, FLAG, MAX_FRAME_BYTES};
use tercet_contract::serial::message::REQUEST_HEADER;

use super::crc::Crc32;
use crate::constant;

/// Receiver of frames.
#[derive(LogicBlock)]
pub struct FrameReceiver {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what has come.
    pub reset: Signal<In, Bit>,
    /// A byte of the line.
    pub octet: Signal<In, Bits<8>>,
    /// It is there.
    pub valid: Signal<In, Bit>,
    /// The buffer is being read.
    pub busy: Signal<In, Bit>,
    /// Buffer: where to write.
    pub write_address: Signal<Out, Bits<11>>,
    /// Buffer: what.
    pub write_data: Signal<Out, Bits<8>>,
    /// Buffer: now.
    pub write_enable: Signal<Out, Bit>,
    /// A good frame has ended, in this cycle only.
    pub frame: Signal<Out, Bit>,
    /// Its bytes with its check value.
    pub length: Signal<Out, Bits<12>>,
    /// Its check value.
    pub check: Signal<Out, Bits<32>>,
    crc: Crc32,
    open: DFF<Bit>,
    escaped: DFF<Bit>,
    count: DFF<Bits<12>>,
    last_bytes: DFF<Bits<32>>,
    plain: Signal<Local, Bits<8>>,
    stored: Signal<Local, Bit>,
    is_flag: Signal<Local, Bit>,
    is_escape: Signal<Local, Bit>,
    plain_high: Signal<Local, Bits<32>>,
    flag: Constant<Bits<8>>,
    escape: Constant<Bits<8>>,
    inverted: Constant<Bits<8>>,
    room: Constant<Bits<12>>,
    shortest: Constant<Bits<12>>,
}

impl Default for FrameReceiver {
    fn default() -> Self {
        assert_eq!(MAX_FRAME_BYTES, 1 << 11, "bytes of the buffer");
        FrameReceiver {
            clock: Default::default(),
            reset: Default::default(),
            octet: Default::default(),
            valid: Default::default(),
            busy: Default::default(),
            write_address: Default::default(),
            write_data: Default::default(),
            write_enable: Default::default(),
            frame: Default::default(),
            length: Default::default(),
            check: Default::default(),
            crc: Default::default(),
            open: Default::default(),
            escaped: Default::default(),
            count: Default::default(),
            last_bytes: Default::default(),
            plain: Default::default(),
            stored: Default::default(),
            is_flag: Default::default(),
            is_escape: Default::default(),
            plain_high: Default::default(),
            flag: constant(FLAG.into()),
            escape: constant(ESCAPE.into()),
            inverted: constant(ESCAPED.into()),
            room: constant(MAX_FRAME_BYTES as u64),
            shortest: constant((REQUEST_HEADER + CRC_BYTES) as u64),
        }
    }
}

impl Logic for FrameReceiver {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, open, escaped, count, last_bytes);
        clock!(self, clock, crc);
        self.is_flag.next = self.valid.val() & (self.octet.val() == self.flag.val());
        self.is_escape.next = (self.octet.val() == self.escape.val()) & !self.escaped.q.val();
        self.plain.next = self.octet.val();
        if self.escaped.q.val() {
            self.plain.next = self.octet.val() ^ self.inverted.val();
        }
        self.plain_high.next = bit_cast::<32, 8>(self.plain.val()) << 24;
        self.stored.next = false;
        self.frame.next = false;
        self.length.next = self.count.q.val();
        self.check.next = self.last_bytes.q.val();

        if self.valid.val() & self.open.q.val() & !self.is_flag.val() {
            if self.is_escape.val() {
                self.escaped.d.next = true;
            } else {
                self.escaped.d.next = false;
                if self.count.q.val() == self.room.val() {
                    self.open.d.next = false;
                } else {
                    self.stored.next = true;
                    self.count.d.next = self.count.q.val() + 1;
                    self.last_bytes.d.next = (self.last_bytes.q.val() >> 8) | self.plain_high.val();
                }
            }
        }
        if self.is_flag.val() {
            self.frame.next = self.open.q.val()
                & !self.escaped.q.val()
                & !self.busy.val()
                & self.crc.good.val()
                & (self.count.q.val() >= self.shortest.val());
            self.open.d.next = true;
            self.escaped.d.next = false;
            self.count.d.next = 0.into();
        }
        if self.busy.val() | self.reset.val() {
            self.open.d.next = false;
            self.stored.next = false;
        }

        self.write_address.next = bit_cast::<11, 12>(self.count.q.val());
        self.write_data.next = self.plain.val();
        self.write_enable.next = self.stored.val();
        self.crc.octet.next = self.plain.val();
        self.crc.valid.next = self.stored.val();
        self.crc.start.next = self.is_flag.val() | self.reset.val();
    }
}
