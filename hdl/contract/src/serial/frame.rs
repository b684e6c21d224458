//! Frames: a body of bytes, marked, escaped and checked.
//!
//! ```text
//! FLAG | body, then CRC-32 of the body (4 bytes, lowest first); FLAG and ESCAPE among them escaped | FLAG
//! ```
//!
//! FLAG (0x7e) stands nowhere else, so whoever comes in between finds the next frame at the next FLAG (the framing of
//! HDLC and RFC 1662). A FLAG or ESCAPE of the body is sent as ESCAPE (0x7d) and the byte with bit 5
//! inverted. One FLAG may end a frame and begin the next; what stands between two FLAGs and is no frame, such as
//! nothing, is dropped. ESCAPE before FLAG is a frame given up.

use super::crc::{crc32, step, RESIDUE, START};

/// Begins and ends a frame.
pub const FLAG: u8 = 0x7e;

/// The next byte has [`ESCAPED`] inverted.
pub const ESCAPE: u8 = 0x7d;

/// The bit that an escaped byte has inverted.
pub const ESCAPED: u8 = 0x20;

/// Bytes of the check value.
pub const CRC_BYTES: usize = 4;

/// Most bytes of a body with its check value: what the board's buffer holds.
pub const MAX_FRAME_BYTES: usize = 2048;

/// Appends `body` as a frame to `line`.
///
/// # Panics
/// If it is longer than [`MAX_FRAME_BYTES`] less [`CRC_BYTES`].
pub fn encode(body: &[u8], line: &mut Vec<u8>) {
    assert!(body.len() + CRC_BYTES <= MAX_FRAME_BYTES, "bytes of a body");
    line.push(FLAG);
    for &byte in body.iter().chain(&crc32(body).to_le_bytes()) {
        match byte {
            FLAG | ESCAPE => line.extend([ESCAPE, byte ^ ESCAPED]),
            _ => line.push(byte),
        }
    }
    line.push(FLAG);
}

/// Takes bytes off the line and gives whole bodies.
#[derive(Clone, Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    crc: u32,
    escaped: bool,
    /// A FLAG has been seen and nothing went wrong since.
    inside: bool,
    dropped: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder {
            bytes: Vec::new(),
            crc: START,
            escaped: false,
            inside: false,
            dropped: 0,
        }
    }
}

impl Decoder {
    /// Takes one byte; the body of a frame if it is the FLAG that ends a good one.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte == FLAG {
            return self.end();
        }
        if !self.inside {
            return None;
        }
        if byte == ESCAPE && !self.escaped {
            self.escaped = true;
            return None;
        }
        let byte = if self.escaped { byte ^ ESCAPED } else { byte };
        self.escaped = false;
        if self.bytes.len() == MAX_FRAME_BYTES {
            self.inside = false;
            self.dropped += 1;
            return None;
        }
        self.bytes.push(byte);
        self.crc = step(self.crc, byte);
        None
    }

    /// Frames that were dropped: damaged, too long, given up.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let good = self.inside && !self.escaped && self.crc == RESIDUE && bytes.len() > CRC_BYTES;
        if self.inside && !good && !bytes.is_empty() {
            self.dropped += 1;
        }
        self.crc = START;
        self.escaped = false;
        self.inside = true;
        bytes.truncate(bytes.len().saturating_sub(CRC_BYTES));
        good.then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn body(rng: &mut StdRng) -> Vec<u8> {
        let most = if rng.random_bool(0.1) {
            MAX_FRAME_BYTES - CRC_BYTES
        } else {
            40
        };
        let n = rng.random_range(1..=most);
        // Rich in what has to be escaped.
        let byte = |rng: &mut StdRng| match rng.random_range(0..4) {
            0 => FLAG,
            1 => ESCAPE,
            _ => rng.random(),
        };
        (0..n).map(|_| byte(rng)).collect()
    }

    fn decode(decoder: &mut Decoder, line: &[u8]) -> Vec<Vec<u8>> {
        line.iter().filter_map(|b| decoder.push(*b)).collect()
    }

    #[test]
    fn bodies_come_back_whatever_stood_before() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..500 {
            let noise: Vec<u8> = (0..rng.random_range(0..60)).map(|_| rng.random()).collect();
            let bodies = [body(&mut rng), body(&mut rng)];
            let mut line = noise;
            for body in &bodies {
                encode(body, &mut line);
            }
            assert_eq!(decode(&mut Decoder::default(), &line), bodies);
        }
    }

    #[test]
    fn a_damaged_frame_is_dropped_and_the_next_one_found() {
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..2000 {
            let (first, second) = (body(&mut rng), body(&mut rng));
            let mut line = Vec::new();
            encode(&first, &mut line);
            let at = rng.random_range(0..line.len());
            match rng.random_range(0..3) {
                0 => line[at] ^= 1 << rng.random_range(0..8),
                1 => drop(line.remove(at)),
                _ => line.insert(at, rng.random()),
            }
            encode(&second, &mut line);
            let got = decode(&mut Decoder::default(), &line);
            // Damage beside the first FLAG may leave the body whole.
            let whole = vec![first.clone(), second.clone()];
            assert!(got == [second] || got == whole, "damage at {at}");
        }
    }

    #[test]
    fn what_is_cut_short_is_no_frame() {
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..500 {
            let mut line = Vec::new();
            encode(&body(&mut rng), &mut line);
            line.truncate(rng.random_range(0..line.len()));
            assert!(decode(&mut Decoder::default(), &line).is_empty());
        }
    }

    #[test]
    fn noise_is_no_frame_and_takes_no_memory() {
        let mut rng = StdRng::seed_from_u64(4);
        let mut decoder = Decoder::default();
        decoder.push(FLAG);
        for _ in 0..1_000_000 {
            assert_eq!(decoder.push(rng.random()), None);
            assert!(decoder.bytes.len() <= MAX_FRAME_BYTES);
        }
        assert!(decoder.dropped() > 0);
        for _ in 0..2 * MAX_FRAME_BYTES {
            assert_eq!(decoder.push(0), None);
        }
        assert!(decoder.bytes.len() <= MAX_FRAME_BYTES);
    }
}
