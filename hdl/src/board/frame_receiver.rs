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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::rngs::StdRng;
    use rand::Rng;
    use tercet_contract::serial::frame::encode;

    fn clock(uut: &mut FrameReceiver, level: bool) {
        uut.clock.next = level.into();
    }

    /// The bodies, with their check values, that come out for bytes on the line.
    fn received(uut: &mut FrameReceiver, line: &[u8]) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; MAX_FRAME_BYTES];
        let mut frames = Vec::new();
        for byte in line {
            uut.octet.next = u64::from(*byte).into();
            uut.valid.next = true;
            simulate(uut, 10);
            if uut.write_enable.val() {
                let at = uut.write_address.val().to_u64() as usize;
                buffer[at] = uut.write_data.val().to_u8();
            }
            if uut.frame.val() {
                let bytes = &buffer[..uut.length.val().to_u64() as usize];
                let check = u32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
                assert_eq!(uut.check.val().to_u64(), u64::from(check));
                frames.push(bytes.to_vec());
            }
            tick(uut, clock);
            uut.valid.next = false;
            // Bytes of a line are at least so far apart.
            for _ in 0..39 {
                tick(uut, clock);
            }
        }
        frames
    }

    fn body(rng: &mut StdRng) -> Vec<u8> {
        let bytes = [FLAG, ESCAPE, 0, rng.random()];
        let n = rng.random_range(REQUEST_HEADER..60);
        (0..n).map(|_| bytes[rng.random_range(0..4)]).collect()
    }

    #[test]
    fn frames_are_found_between_noise() {
        let mut rng = seeded(1);
        let mut uut = FrameReceiver::default();
        uut.connect_all();
        for _ in 0..10 {
            let body = body(&mut rng);
            let mut line: Vec<u8> = (0..9).map(|_| rng.random()).collect();
            encode(&body, &mut line);
            // The same, damaged: one bit of a byte that is no FLAG.
            let whole = line.len();
            encode(&body, &mut line);
            line[whole + 5] ^= 1;
            let frames = received(&mut uut, &line);
            assert_eq!(frames.len(), 1);
            assert_eq!(frames[0][..body.len()], body);
        }
    }

    #[test]
    fn what_comes_while_the_buffer_is_read_is_dropped() {
        let mut rng = seeded(2);
        let mut uut = FrameReceiver::default();
        uut.connect_all();
        let mut line = Vec::new();
        encode(&body(&mut rng), &mut line);
        let half = line.len() / 2;
        uut.busy.next = true;
        assert!(received(&mut uut, &line[..half]).is_empty());
        uut.busy.next = false;
        assert!(received(&mut uut, &line[half..]).is_empty());
        assert_eq!(received(&mut uut, &line).len(), 1);
    }

    #[test]
    fn a_frame_longer_than_the_buffer_is_dropped() {
        let mut uut = FrameReceiver::default();
        uut.connect_all();
        let mut line = vec![FLAG];
        line.resize(MAX_FRAME_BYTES + 10, 0);
        line.push(FLAG);
        assert!(received(&mut uut, &line).is_empty());
        line.clear();
        encode(&[1; REQUEST_HEADER], &mut line);
        assert_eq!(received(&mut uut, &line).len(), 1);
    }
}
