//! CRC-32 as in Ethernet (IEEE 802.3): polynomial 0x04C11DB7, bits reflected, begun and ended with all ones.

/// The polynomial, lowest power in the highest bit.
pub const POLYNOMIAL: u32 = 0xedb8_8320;

/// State before the first byte.
pub const START: u32 = u32::MAX;

/// State after bytes followed by their own check value, whatever they are.
pub const RESIDUE: u32 = 0xdebb_20e3;

/// The state after one more byte.
pub const fn step(state: u32, byte: u8) -> u32 {
    let mut state = state ^ byte as u32;
    let mut bit = 0;
    while bit < 8 {
        state = (state >> 1) ^ (POLYNOMIAL & (state & 1).wrapping_neg());
        bit += 1;
    }
    state
}

/// The check value of `bytes`; sent lowest byte first.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(START, |state, byte| step(state, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        // The "check" entry of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn bytes_and_their_check_value_leave_the_residue() {
        for text in [&b""[..], b"a", b"some bytes"] {
            let mut bytes = text.to_vec();
            bytes.extend(crc32(text).to_le_bytes());
            assert_eq!(bytes.iter().fold(START, |s, b| step(s, *b)), RESIDUE);
        }
    }
}
