//! Requests and replies: the bodies of frames, little endian.
//!
//! | byte | request | reply |
//! |---|---|---|
//! | 0 | opcode | opcode of the request + 0x80 |
//! | 1 | sequence number | that of the request |
//! | 2..4 | session | session of the board, 0 if it has none |
//! | 4..6 | count: bytes to write or read | status |
//! | 6..10 | address | payload |
//! | 10.. | payload | |
//!
//! | opcode | request | address | count | payload of the reply |
//! |---|---|---|---|---|
//! | 1 | open: the board takes the session, which is not 0 | - | 0 | [`Identity`] |
//! | 2 | write memory | multiple of a beat | beats in bytes, that of the payload | none |
//! | 3 | read memory | multiple of a beat | beats in bytes | the bytes |
//! | 4 | write registers | multiple of 4 | words in bytes, that of the payload | none |
//! | 5 | read registers | multiple of 4 | words in bytes | the words |
//! | 6 | reset the kernel: memories and session stay | - | 0 | none |
//!
//! Addresses below [`DATA_SPACE`] are bytes of the weights memory, those from there on bytes of the data memory; the kernel
//! sees each at its address 0. Registers are those of [`crate::registers`], words at consecutive offsets. What
//! is not as the table says is answered with a status and has no effect; a frame shorter than a header is dropped.
//!
//! A read of memory waits while the kernel holds up a beat of the same memory, so a host reads when the kernel is idle.

/// First address of the data memory.
pub const DATA_SPACE: u32 = 1 << 31;

/// Bytes of a request before its payload.
pub const REQUEST_HEADER: usize = 10;

/// Bytes of a reply before its payload.
pub const REPLY_HEADER: usize = 6;

/// Most bytes that a request writes or reads.
pub const MAX_COUNT: usize = 1024;

/// Bytes of a beat of the memories.
pub const BEAT_BYTES: usize = 16;

/// Version of this protocol; byte 0 of an [`Identity`].
pub const PROTOCOL_VERSION: u8 = 1;

/// A reply's opcode is that of its request with this bit.
pub const REPLY_BIT: u8 = 0x80;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // the table above
pub enum Opcode {
    Open = 1,
    WriteMemory = 2,
    ReadMemory = 3,
    WriteRegisters = 4,
    ReadRegisters = 5,
    ResetKernel = 6,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// It was carried out.
    Ok = 0,
    /// There is no such opcode.
    Opcode = 1,
    /// The board has another session, or none: it has been reset, or another host has it.
    Session = 2,
    /// Address, count or payload are not as the opcode wants them.
    Range = 3,
}

impl Status {
    fn from_word(word: u16) -> Option<Self> {
        [Status::Ok, Status::Opcode, Status::Session, Status::Range]
            .into_iter()
            .find(|s| *s as u16 == word)
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub opcode: Opcode,
    /// One more than that of the request before, modulo 256.
    pub sequence: u8,
    /// The host's session, not 0.
    pub session: u16,
    /// Bytes to write or read.
    pub count: u16,
    /// Where.
    pub address: u32,
    /// The bytes to write.
    pub payload: Vec<u8>,
}

impl Request {
    /// The body of its frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = vec![self.opcode as u8, self.sequence];
        body.extend(self.session.to_le_bytes());
        body.extend(self.count.to_le_bytes());
        body.extend(self.address.to_le_bytes());
        body.extend(&self.payload);
        body
    }
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Byte 0 of the request.
    pub opcode: u8,
    /// Its sequence number.
    pub sequence: u8,
    /// The board's session.
    pub session: u16,
    /// How it ended.
    pub status: Status,
    /// What was asked for.
    pub payload: Vec<u8>,
}

impl Reply {
    /// Reads the body of a frame; `None` if it is none of a reply.
    pub fn from_bytes(body: &[u8]) -> Option<Self> {
        let (header, payload) = body.split_at_checked(REPLY_HEADER)?;
        let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        (header[0] & REPLY_BIT != 0).then_some(())?;
        Some(Reply {
            opcode: header[0] & !REPLY_BIT,
            sequence: header[1],
            session: word(2),
            status: Status::from_word(word(4))?,
            payload: payload.to_vec(),
        })
    }

    /// Whether it answers `request`.
    pub fn answers(&self, request: &Request) -> bool {
        self.opcode == request.opcode as u8 && self.sequence == request.sequence
    }
}

/// What a board says of itself when a session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// [`PROTOCOL_VERSION`].
    pub version: u8,
    /// Bytes of a beat.
    pub beat_bytes: u8,
    /// Bytes of the weights memory; a multiple of 1024.
    pub weights: u32,
    /// Bytes of the data memory; a multiple of 1024.
    pub data: u32,
    /// Clock cycles that a bit of the line lasts. In simulation fewer than on a board.
    pub bit_cycles: u16,
}

/// Bytes of an [`Identity`].
pub const IDENTITY_BYTES: usize = 8;

impl Identity {
    /// The payload of the reply: version, beat bytes, then two bytes each: KiB of weights, of data, cycles of a bit.
    pub fn to_bytes(self) -> [u8; IDENTITY_BYTES] {
        let kib = |bytes: u32| ((bytes / 1024) as u16).to_le_bytes();
        let ([w0, w1], [d0, d1]) = (kib(self.weights), kib(self.data));
        let [b0, b1] = self.bit_cycles.to_le_bytes();
        [self.version, self.beat_bytes, w0, w1, d0, d1, b0, b1]
    }

    /// Reads the payload.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [version, beat_bytes, w0, w1, d0, d1, b0, b1] =
            *<&[u8; IDENTITY_BYTES]>::try_from(bytes).ok()?;
        let kib = |low, high| u32::from(u16::from_le_bytes([low, high])) * 1024;
        Some(Identity {
            version,
            beat_bytes,
            weights: kib(w0, w1),
            data: kib(d0, d1),
            bit_cycles: u16::from_le_bytes([b0, b1]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serial::frame::{CRC_BYTES, MAX_FRAME_BYTES};

    #[test]
    fn the_longest_messages_fit_a_frame() {
        const { assert!(REQUEST_HEADER + MAX_COUNT + CRC_BYTES <= MAX_FRAME_BYTES) };
        const { assert!(REPLY_HEADER + MAX_COUNT + CRC_BYTES <= MAX_FRAME_BYTES) };
    }

    #[test]
    fn fields_stand_where_the_table_says() {
        let request = Request {
            opcode: Opcode::WriteMemory,
            sequence: 7,
            session: 0x1234,
            count: 2,
            address: 0x8000_0010,
            payload: vec![9, 8],
        };
        let body = [2, 7, 0x34, 0x12, 2, 0, 0x10, 0, 0, 0x80, 9, 8];
        assert_eq!(request.to_bytes(), body);
        let reply = Reply::from_bytes(&[0x82, 7, 0x34, 0x12, 3, 0]).unwrap();
        assert!(reply.answers(&request));
        assert_eq!((reply.session, reply.status), (0x1234, Status::Range));
    }

    #[test]
    fn bodies_that_are_no_reply_are_refused() {
        assert_eq!(Reply::from_bytes(&[0x82, 7, 0, 0, 0]), None);
        assert_eq!(Reply::from_bytes(&[0x02, 7, 0, 0, 0, 0]), None);
        assert_eq!(Reply::from_bytes(&[0x82, 7, 0, 0, 9, 0]), None);
    }

    #[test]
    fn an_identity_comes_back() {
        let identity = Identity {
            version: PROTOCOL_VERSION,
            beat_bytes: 16,
            weights: 256 << 10,
            data: 32 << 10,
            bit_cycles: 25,
        };
        assert_eq!(Identity::from_bytes(&identity.to_bytes()), Some(identity));
        assert_eq!(Identity::from_bytes(&[1, 2, 3]), None);
    }
}
