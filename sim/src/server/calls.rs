//! What XRT's hardware emulation asks of a device process, and what a card answers.

use super::wire::{Fields, Message, WireError, MAX_BODY_BYTES};
use crate::card::{Card, CardError};

/// Numbers of the calls.
mod call {
    pub const CLOSE: u32 = 1;
    pub const ALLOCATE: u32 = 4;
    pub const FREE: u32 = 5;
    pub const TO_DEVICE: u32 = 6;
    pub const FROM_DEVICE: u32 = 7;
    pub const WRITE_CONTROL: u32 = 9;
    pub const READ_CONTROL: u32 = 11;
    pub const SET_ENVIRONMENT: u32 = 20;
}

/// The call that ends a connection, and the message by which the device ends the other.
pub const CLOSE: u32 = call::CLOSE;

/// Most bytes of registers in one access.
const MAX_CONTROL_BYTES: u64 = 64 << 10;

/// The reply to a call, and what the card said against it. A dead card replies nothing.
pub fn answer(
    card: &mut Card,
    call: u32,
    body: &[u8],
) -> Result<(Message, Option<CardError>), WireError> {
    let fields = Fields::parse(call, body)?;
    let done = |result: Result<(), CardError>| {
        let valid = Message::default().number(1, result.is_ok().into());
        (valid, result.err())
    };
    Ok(match call {
        call::SET_ENVIRONMENT | call::FREE | call::CLOSE => done(Ok(())),
        call::ALLOCATE => done(card.allocate(fields.number(1)?, fields.number(2)?)),
        call::TO_DEVICE => {
            let bytes = fields.bytes(4)?;
            let result = card.write_memory(with_offset(&fields, 3)?, bytes);
            let written = if result.is_ok() { bytes.len() } else { 0 };
            (Message::default().number(1, written as u64), result.err())
        }
        call::FROM_DEVICE => {
            let mut bytes = zeros(fields.number(5)?, MAX_BODY_BYTES)?;
            let result = card.read_memory(with_offset(&fields, 4)?, &mut bytes);
            let message = Message::default()
                .number(1, bytes.len() as u64)
                .bytes(2, &bytes);
            (message, result.err())
        }
        call::WRITE_CONTROL => done(write_control(card, fields.number(2)?, fields.bytes(4)?)),
        call::READ_CONTROL => {
            let mut bytes = zeros(fields.number(3)?, MAX_CONTROL_BYTES)?;
            let result = read_control(card, fields.number(2)?, &mut bytes);
            let message = Message::default().number(1, result.is_ok().into());
            (message.bytes(2, &bytes), result.err())
        }
        // Messages to be printed, of which there are none; and what this device does not have.
        _ => (Message::default(), None),
    })
}

/// Address of a transfer: that of its buffer in `field`, and the offset from there, which comes apart.
fn with_offset(fields: &Fields, field: u32) -> Result<u64, WireError> {
    let offset = fields.number(6).unwrap_or(0);
    // No memory holds an address that does not fit.
    Ok(fields.number(field)?.saturating_add(offset))
}

fn zeros(bytes: u64, most: u64) -> Result<Vec<u8>, WireError> {
    match bytes <= most {
        true => Ok(vec![0; bytes as usize]),
        false => Err(WireError::TooLong(bytes)),
    }
}

/// Writes registers; the first comes last, as it starts the kernel with the others as arguments.
fn write_control(card: &mut Card, address: u64, bytes: &[u8]) -> Result<(), CardError> {
    let (words, _) = bytes.as_chunks::<4>();
    let places = (0..).step_by(4).map(|offset| address.wrapping_add(offset));
    let words: Vec<(u64, u32)> = places
        .zip(words.iter().map(|word| u32::from_le_bytes(*word)))
        .collect();
    let Some((first, others)) = words.split_first() else {
        return Ok(());
    };
    for (address, word) in others.iter().chain([first]) {
        card.write_register(*address, *word)?;
    }
    Ok(())
}

fn read_control(card: &mut Card, address: u64, bytes: &mut [u8]) -> Result<(), CardError> {
    let (words, _) = bytes.as_chunks_mut::<4>();
    for (offset, word) in (0..).step_by(4).zip(words) {
        *word = card
            .read_register(address.wrapping_add(offset))?
            .to_le_bytes();
    }
    Ok(())
}
