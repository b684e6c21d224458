//! One-byte codes of four (B2) or five (B3) trits.
//!
//! A decoded trit is two bits: `neg` (it is -1) and, where that is clear, `any` (it is 1). In both encodings the
//! code 0 means all trits are zero, so zeroed memory holds zero weights.
//!
//! **B2**: bit `i` is `any` of trit `i`, bit `4 + i` its `neg`. Where `neg` is set, `any` is set too in codes that
//! are written, and not looked at.
//!
//! **B3**: bit `i` is `any` of trit `i`, for i from 0 to 4. Its `neg` is a table of six code bits, [`B3_NEG`]: bits 7
//! to 5 and three of the others. Where `neg` is set, `any` is not looked at; it is free to tell other trits apart, and
//! so five such tables can reach all 3^5 = 243 vectors. A decoder is five 6-input look-up tables, and none is
//! smaller. All 256 codes decode to trits; 13 vectors have two codes, of which the smaller is written.
//!
//! The tables have no pattern: a random search found them (`hdl/experiments/decode_search`, seed 3; its readme has
//! the other codes that were looked at, and why five tables are the least).

use crate::geometry::Encoding;

/// Largest number of trits in a code.
pub const MAX_TRITS: usize = 5;

/// One bit as a function of six bits of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeTable {
    /// Code bits that the function looks at; the first is bit 0 of the position in `ones`.
    pub inputs: [usize; 6],
    /// Bit `p` is the function where the inputs are the number `p`.
    pub ones: u64,
}

impl CodeTable {
    /// The function of `code`.
    pub const fn of(&self, code: u8) -> bool {
        let mut position = 0;
        let mut i = 0;
        while i < self.inputs.len() {
            position |= (code >> self.inputs[i] & 1) << i;
            i += 1;
        }
        self.ones >> position & 1 == 1
    }
}

const fn neg_table(low: [usize; 3], ones: u64) -> CodeTable {
    CodeTable {
        inputs: [low[0], low[1], low[2], 5, 6, 7],
        ones,
    }
}

/// B3: trit `i` of a code is -1.
pub const B3_NEG: [CodeTable; MAX_TRITS] = [
    neg_table([0, 3, 4], 0x1489_242b_2459_24a4),
    neg_table([1, 2, 4], 0x408d_3860_6966_2142),
    neg_table([1, 2, 4], 0x008a_2490_b1dd_9700),
    neg_table([0, 1, 2], 0x108f_ff8a_2200_c110),
    neg_table([0, 3, 4], 0x5d48_12ea_1298_1202),
];

/// `any` and `neg` bits of one decoded trit as -1, 0 or 1.
const fn trit(any: u8, neg: bool) -> i8 {
    if neg {
        -1
    } else {
        any as i8
    }
}

const fn decode_b2(code: u8) -> [i8; 5] {
    let mut trits = [0; 5];
    let mut i = 0;
    while i < 4 {
        trits[i] = trit(code >> i & 1, code >> (4 + i) & 1 == 1);
        i += 1;
    }
    trits
}

const fn decode_b3(code: u8) -> [i8; 5] {
    let mut trits = [0; 5];
    let mut i = 0;
    while i < 5 {
        trits[i] = trit(code >> i & 1, B3_NEG[i].of(code));
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
    fn every_b3_code_is_written_or_the_larger_of_two() {
        let mut second = 0;
        for code in 0..=255 {
            let trits = decode(Encoding::B3, code);
            assert!(trits.iter().all(|t| (-1..=1).contains(t)));
            let written = encode(Encoding::B3, &trits);
            assert!(written <= code, "{code:#04x} is written as {written:#04x}");
            second += usize::from(written != code);
        }
        assert_eq!(second, 13);
    }

    #[test]
    fn codes_of_the_documented_bits() {
        // As `hdl/experiments/decode_search/measure.py` decodes them.
        for (code, trits) in [
            (0b000_00000, [0, 0, 0, 0, 0]),
            (0b000_00001, [1, 0, 0, 0, -1]),
            (0b000_00010, [0, -1, 0, 0, 0]),
            (0b000_00100, [0, 0, 1, -1, 0]),
            (0b000_01000, [-1, 0, 0, 1, 0]),
            (0b000_10000, [0, 0, 0, 0, 1]),
            (0b001_00000, [0, -1, -1, -1, 0]),
            (0b010_00000, [-1, 0, -1, 0, 0]),
            (0b100_00000, [-1, 0, 0, 0, 0]),
            (0b111_11111, [1, 1, 1, 1, 1]),
        ] {
            assert_eq!(decode(Encoding::B3, code), trits, "{code:#010b}");
        }
        assert_eq!(decode(Encoding::B2, 0b0010_0110), [0, -1, 1, 0, 0]);
    }
}
