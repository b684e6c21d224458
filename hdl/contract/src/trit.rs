//! One-byte codes of four (B2) or five (B3) trits.
//!
//! A decoded trit is two bits: `neg` (it is -1) and, where that is clear, `any` (it is 1). In both encodings the
//! code 0 means all trits are zero, so zeroed memory holds zero weights.
//!
//! **B2**: bit `i` is `any` of trit `i`, bit `4 + i` its `neg`. Where `neg` is set, `any` is set too in codes that
//! are written, and not looked at.
//!
//! **B3**: a split code with an escape. Bits 7:6 hold trit 0, bits 5:3 (`p`) trits 1 and 2, bits
//! 2:0 (`q`) trits 3 and 4. Three bits name eight of the nine pairs; the ninth pair, (-1, -1), is
//! reached through the fourth value of the two head bits:
//!
//! ```text
//! head bits   00: t0 = 0   01: t0 = +1   10: t0 = -1   11: escape
//! pair bits   000 (0,0)  001 (0,+)  011 (0,-)  010 (-,0)
//!             100 (+,0)  101 (+,+)  111 (+,-)  110 (-,+)
//! escape      p = 0uu: trits 1,2 are (-,-), q names trits 3,4
//!             p = 1uu: trits 3,4 are (-,-), q names trits 1,2
//!             p = x11: both pairs are (-,-), t0 stands in q1:q0
//!             uu is t0 as in the head bits
//! ```
//!
//! 192 plain codes and 51 escapes cover the 3^5 = 243 combinations. Every decoded bit is a
//! function of few code bits, which is what makes the decoder small (`hdl/src/trit_decode.rs`).
//! The 13 codes left over decode to some trits but are never written.

use crate::geometry::Encoding;

/// Largest number of trits in a code.
pub const MAX_TRITS: usize = 5;

/// `any` and `neg` bits of one decoded trit as -1, 0 or 1.
const fn trit(any: u8, neg: u8) -> i8 {
    if neg != 0 {
        -1
    } else {
        any as i8
    }
}

/// Trits of three pair bits, `special` forcing (-1, -1).
const fn decode_pair(p: u8, special: u8) -> (i8, i8) {
    let (p0, p1, p2) = (p & 1, p >> 1 & 1, p >> 2 & 1);
    let m = p1 & (p0 ^ 1);
    let nz1 = p2 | m | special;
    let neg1 = m | special;
    let nz2 = p0 | (m & p2) | special;
    let neg2 = (p1 & p0) | special;
    (trit(nz1, neg1), trit(nz2, neg2))
}

const fn decode_b3(code: u8) -> [i8; 5] {
    let (head, p, q) = (code >> 6, code >> 3 & 7, code & 7);
    let escape = (head == 3) as u8;
    let both = (p & 3 == 3) as u8;
    let p2 = p >> 2;
    let first = if escape == 0 {
        head
    } else if both == 0 {
        p & 3
    } else {
        q & 3
    };
    let t0 = trit((first & 1) | (first >> 1), first >> 1);
    let (t1, t2) = decode_pair(if escape == 1 { q } else { p }, escape & ((p2 ^ 1) | both));
    let (t3, t4) = decode_pair(q, escape & (p2 | both));
    [t0, t1, t2, t3, t4]
}

const fn decode_b2(code: u8) -> [i8; 5] {
    let mut trits = [0; 5];
    let mut i = 0;
    while i < 4 {
        trits[i] = trit(code >> i & 1, code >> (4 + i) & 1);
        i += 1;
    }
    trits
}

/// Trits of every code. B2 leaves the fifth place zero.
const DECODE: [[[i8; MAX_TRITS]; 256]; 2] = {
    let mut table = [[[0; MAX_TRITS]; 256]; 2];
    let mut code = 0;
    while code < 256 {
        table[0][code] = decode_b2(code as u8);
        table[1][code] = decode_b3(code as u8);
        code += 1;
    }
    table
};

/// Position of a trit vector in [`ENCODE`]: base 3, digit `t + 1`.
const fn position(trits: &[i8; MAX_TRITS]) -> usize {
    let mut p = 0;
    let mut i = MAX_TRITS;
    while i > 0 {
        i -= 1;
        p = p * 3 + (trits[i] + 1) as usize;
    }
    p
}

/// The code of every trit vector: the smallest one that is written and decodes to it.
const ENCODE: [[u8; 243]; 2] = {
    let mut table = [[0u8; 243]; 2];
    let mut encoding = 0;
    while encoding < 2 {
        let mut code = 256;
        while code > 0 {
            code -= 1;
            // A B2 code with `neg` and without `any` is not written.
            if encoding == 0 && (code >> 4) & !code & 0xf != 0 {
                continue;
            }
            table[encoding][position(&DECODE[encoding][code])] = code as u8;
        }
        encoding += 1;
    }
    table
};

/// Trits of a code, each -1, 0 or 1. B2 uses the first four places and leaves the fifth zero.
pub const fn decode(encoding: Encoding, code: u8) -> [i8; MAX_TRITS] {
    DECODE[encoding as usize][code as usize]
}

/// Code of four (B2, the fifth must be zero) or five (B3) trits, each -1, 0 or 1.
pub const fn encode(encoding: Encoding, trits: &[i8; MAX_TRITS]) -> u8 {
    ENCODE[encoding as usize][position(trits)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(trits: usize) -> impl Iterator<Item = [i8; MAX_TRITS]> {
        (0..3usize.pow(trits as u32)).map(move |mut v| {
            let mut t = [0; MAX_TRITS];
            for place in t.iter_mut().take(trits) {
                *place = (v % 3) as i8 - 1;
                v /= 3;
            }
            t
        })
    }

    #[test]
    fn every_trit_vector_has_a_code_of_its_own() {
        for encoding in Encoding::ALL {
            for trits in vectors(encoding.trits_per_byte()) {
                assert_eq!(decode(encoding, encode(encoding, &trits)), trits);
            }
        }
    }

    #[test]
    fn code_zero_is_all_zero_trits() {
        for encoding in Encoding::ALL {
            assert_eq!(encode(encoding, &[0; MAX_TRITS]), 0);
            assert_eq!(decode(encoding, 0), [0; MAX_TRITS]);
        }
    }

    #[test]
    fn codes_of_the_documented_table() {
        let pairs = [
            (0, 0),
            (0, 1),
            (-1, 0),
            (0, -1),
            (1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
        ];
        for (bits, (a, b)) in pairs.into_iter().enumerate() {
            assert_eq!(decode(Encoding::B3, bits as u8), [0, 0, 0, a, b]);
            assert_eq!(decode(Encoding::B3, (bits as u8) << 3), [0, a, b, 0, 0]);
        }
        assert_eq!(decode(Encoding::B3, 0b10_000_000), [-1, 0, 0, 0, 0]);
        assert_eq!(decode(Encoding::B3, 0b11_001_101), [1, -1, -1, 1, 1]);
        assert_eq!(decode(Encoding::B3, 0b11_110_101), [-1, 1, 1, -1, -1]);
        assert_eq!(decode(Encoding::B3, 0b11_011_001), [1, -1, -1, -1, -1]);
        assert_eq!(decode(Encoding::B2, 0b0010_0110), [0, -1, 1, 0, 0]);
    }
}
