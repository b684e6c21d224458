//! The bytes on the socket: packets and the few kinds of fields that their bodies have (proto2).
//!
//! A request is a header of 14 bytes, `09 <u64 bytes of the body> 15 <u32 call>`, and a body; a reply a header of 9
//! bytes, `09 <u64 bytes of the body>`, and a body. Integers are little endian.

use std::io::{self, ErrorKind, Read, Write};

/// Most bytes of a body. XRT cuts transfers into packets, so this is far more than it sends.
pub const MAX_BODY_BYTES: u64 = 256 << 20;

/// Tag of field 1, 64 bits.
const TAG_SIZE: u8 = 1 << 3 | 1;
/// Tag of field 2, 32 bits.
const TAG_CALL: u8 = 2 << 3 | 5;

/// Bytes of a request's header.
const REQUEST_HEADER_BYTES: usize = 14;

/// What was wrong with bytes received.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A header that is none.
    #[error("expected a packet header, found {0:02x?}")]
    Header([u8; REQUEST_HEADER_BYTES]),
    /// A body that is too long.
    #[error("a body of {0} bytes: expected at most {MAX_BODY_BYTES}")]
    TooLong(u64),
    /// A body that is no message.
    #[error("call {call}: the body is no message, at byte {at} of {bytes}")]
    Body {
        /// The call.
        call: u32,
        /// Where reading stopped.
        at: usize,
        /// Bytes of the body.
        bytes: usize,
    },
    /// A field that must be there.
    #[error("call {call}: no field {field}")]
    Missing {
        /// The call.
        call: u32,
        /// The field's number.
        field: u32,
    },
}

/// Reads a request into `body`. `None` where the other side has closed the connection between two packets.
pub fn read_request(from: &mut impl Read, body: &mut Vec<u8>) -> Result<Option<u32>, WireError> {
    let mut header = [0; REQUEST_HEADER_BYTES];
    loop {
        match from.read(&mut header[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    from.read_exact(&mut header[1..])?;
    if (header[0], header[9]) != (TAG_SIZE, TAG_CALL) {
        return Err(WireError::Header(header));
    }
    let bytes = u64::from_le_bytes(header[1..9].try_into().expect("8 bytes"));
    let call = u32::from_le_bytes(header[10..].try_into().expect("4 bytes"));
    if bytes > MAX_BODY_BYTES {
        return Err(WireError::TooLong(bytes));
    }
    body.clear();
    // Grows with what arrives, whatever the header says.
    from.take(bytes).read_to_end(body)?;
    match body.len() as u64 == bytes {
        true => Ok(Some(call)),
        false => Err(WireError::Io(ErrorKind::UnexpectedEof.into())),
    }
}

/// Sends a reply.
pub fn write_reply(to: &mut impl Write, body: &Message) -> io::Result<()> {
    let mut packet = Vec::with_capacity(9 + body.0.len());
    packet.push(TAG_SIZE);
    packet.extend((body.0.len() as u64).to_le_bytes());
    packet.extend(&body.0);
    to.write_all(&packet)
}

/// A request without a body.
pub fn bare_request(call: u32) -> [u8; REQUEST_HEADER_BYTES] {
    let mut header = [0; REQUEST_HEADER_BYTES];
    header[0] = TAG_SIZE;
    header[9] = TAG_CALL;
    header[10..].copy_from_slice(&call.to_le_bytes());
    header
}

/// A message to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

impl Message {
    /// Adds an integer field.
    pub fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// Adds a field of bytes.
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The fields of a message that calls use: numbers are at most [`Fields::MOST`].
#[derive(Debug)]
pub struct Fields<'a> {
    call: u32,
    numbers: [Option<u64>; Fields::MOST as usize + 1],
    bytes: [Option<&'a [u8]>; Fields::MOST as usize + 1],
}

impl<'a> Fields<'a> {
    /// Highest field number that is kept; others are skipped.
    pub const MOST: u32 = 8;

    /// Reads a message. Of a field that comes twice the last is kept.
    pub fn parse(call: u32, body: &'a [u8]) -> Result<Self, WireError> {
        let mut fields = Fields {
            call,
            numbers: [None; Fields::MOST as usize + 1],
            bytes: [None; Fields::MOST as usize + 1],
        };
        let mut rest = body;
        while !rest.is_empty() {
            let at = body.len() - rest.len();
            fields.field(&mut rest).ok_or(WireError::Body {
                call,
                at,
                bytes: body.len(),
            })?;
        }
        Ok(fields)
    }

    /// An integer field that must be there.
    pub fn number(&self, field: u32) -> Result<u64, WireError> {
        self.numbers[field as usize].ok_or(self.missing(field))
    }

    /// A field of bytes that must be there.
    pub fn bytes(&self, field: u32) -> Result<&'a [u8], WireError> {
        self.bytes[field as usize].ok_or(self.missing(field))
    }

    fn missing(&self, field: u32) -> WireError {
        WireError::Missing {
            call: self.call,
            field,
        }
    }

    fn field(&mut self, rest: &mut &'a [u8]) -> Option<()> {
        let tag = varint(rest)?;
        let field = usize::try_from(tag >> 3).ok()?;
        match tag & 7 {
            0 => {
                let value = varint(rest)?;
                if let Some(slot) = self.numbers.get_mut(field) {
                    *slot = Some(value);
                }
            }
            1 => drop(take(rest, 8)?),
            2 => {
                let bytes = usize::try_from(varint(rest)?).ok()?;
                let bytes = take(rest, bytes)?;
                if let Some(slot) = self.bytes.get_mut(field) {
                    *slot = Some(bytes);
                }
            }
            5 => drop(take(rest, 4)?),
            // Groups are not in use since proto2 began.
            _ => return None,
        }
        Some(())
    }
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(call: u32, body: &[u8]) -> Vec<u8> {
        let mut packet = bare_request(call).to_vec();
        packet[1..9].copy_from_slice(&(body.len() as u64).to_le_bytes());
        packet.extend(body);
        packet
    }

    #[test]
    fn what_is_written_is_read() {
        let message = Message::default()
            .number(2, 0x1_0180_0000)
            .bytes(4, &[1, 2, 3])
            .number(5, u64::MAX);
        let packet = packet(9, &message.0);
        let mut body = Vec::new();
        let call = read_request(&mut packet.as_slice(), &mut body).unwrap();
        assert_eq!(call, Some(9));
        let fields = Fields::parse(9, &body).unwrap();
        assert_eq!(fields.number(2).unwrap(), 0x1_0180_0000);
        assert_eq!(fields.bytes(4).unwrap(), [1, 2, 3]);
        assert_eq!(fields.number(5).unwrap(), u64::MAX);
        let missing = fields.number(3).unwrap_err().to_string();
        assert!(missing.contains("call 9: no field 3"), "{missing}");
    }

    #[test]
    fn fields_of_other_kinds_and_numbers_are_skipped() {
        let body = [
            0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0xd0, 0x0f, 7, 0x10, 5,
        ];
        let fields = Fields::parse(1, &body).unwrap();
        assert_eq!(fields.number(2).unwrap(), 5);
        assert!(fields.number(1).is_err());
    }

    #[test]
    fn lengths_that_lie_are_told_and_allocate_nothing() {
        let mut body = Vec::new();
        let mut long = packet(6, &[0; 4]);
        long[1..9].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = read_request(&mut long.as_slice(), &mut body).unwrap_err();
        assert!(matches!(error, WireError::TooLong(u64::MAX)), "{error}");
        long[1..9].copy_from_slice(&MAX_BODY_BYTES.to_le_bytes());
        assert!(read_request(&mut long.as_slice(), &mut body).is_err());
        assert!(body.capacity() < 1 << 20);
        for broken in [
            &[0x22, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
            &[0x22, 5, 1],
            &[0x10],
            &[
                0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ],
            &[0x0b],
            &[0x09, 1],
        ] {
            let error = Fields::parse(6, broken).unwrap_err();
            assert!(matches!(error, WireError::Body { .. }), "{error}");
        }
    }

    #[test]
    fn connections_end_between_packets_or_are_broken() {
        let mut body = Vec::new();
        assert!(read_request(&mut &[][..], &mut body).unwrap().is_none());
        let whole = packet(1, &[8, 1]);
        for bytes in 1..whole.len() {
            assert!(read_request(&mut &whole[..bytes], &mut body).is_err());
        }
        let other = [0x10; REQUEST_HEADER_BYTES];
        let error = read_request(&mut other.as_slice(), &mut body).unwrap_err();
        assert!(matches!(error, WireError::Header(_)), "{error}");
    }
}
