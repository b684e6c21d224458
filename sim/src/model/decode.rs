//! Weight codes to trits, 64 codes at a time.
//!
//! A beat holds its codes plane by plane, so each decoded bit of 64 trits is a few boolean
//! operations on 64-bit words. The codes are those of `tercet_contract::trit`, which a test
//! compares for all 256 of them.

use tercet_contract::trit::B3_NEG;

/// Eight words: bit `j` of word `p` is bit `p` of code `j`.
pub type CodePlanes = [u64; 8];

/// Trits number `i` of 64 codes: which are not zero, and which are -1.
#[derive(Clone, Copy, Default)]
pub struct TritPlane {
    /// Bit `j`: trit `i` of code `j` is not zero.
    pub nz: u64,
    /// Bit `j`: trit `i` of code `j` is -1. A subset of `nz`.
    pub neg: u64,
}

/// Most trits in one code.
pub const MAX_TRITS: usize = tercet_contract::trit::MAX_TRITS;

/// One encoding.
pub trait Decoder {
    /// Trits in a code; planes from here on are zero.
    const TRITS: usize;
    /// The trits of 64 codes.
    fn decode(code: &CodePlanes) -> [TritPlane; MAX_TRITS];
}

/// Four trits a byte.
pub struct B2;

/// Five trits a byte.
pub struct B3;

impl Decoder for B2 {
    const TRITS: usize = 4;

    #[inline(always)]
    fn decode(code: &CodePlanes) -> [TritPlane; MAX_TRITS] {
        let mut trits = [TritPlane::default(); MAX_TRITS];
        for i in 0..4 {
            // A `neg` without its `any` is a code that is never written; it reads as -1.
            trits[i] = TritPlane {
                nz: code[i] | code[4 + i],
                neg: code[4 + i],
            };
        }
        trits
    }
}

impl Decoder for B3 {
    const TRITS: usize = 5;

    #[inline(always)]
    fn decode(code: &CodePlanes) -> [TritPlane; MAX_TRITS] {
        let neg = [
            table::<{ B3_NEG[0].ones }>(B3_NEG[0].inputs.map(|p| code[p])),
            table::<{ B3_NEG[1].ones }>(B3_NEG[1].inputs.map(|p| code[p])),
            table::<{ B3_NEG[2].ones }>(B3_NEG[2].inputs.map(|p| code[p])),
            table::<{ B3_NEG[3].ones }>(B3_NEG[3].inputs.map(|p| code[p])),
            table::<{ B3_NEG[4].ones }>(B3_NEG[4].inputs.map(|p| code[p])),
        ];
        std::array::from_fn(|i| TritPlane {
            nz: code[i] | neg[i],
            neg: neg[i],
        })
    }
}

/// A truth table for 64 places at a time: bit `p` of `ONES` is the value where the inputs, the first one lowest, are
/// the number `p`. Each input halves the table; what the constant decides is decided when this is compiled.
#[inline(always)]
fn table<const ONES: u64>(inputs: [u64; 6]) -> u64 {
    let mut values: [u64; 64] =
        std::array::from_fn(|p| if ONES >> p & 1 == 1 { u64::MAX } else { 0 });
    for (i, input) in inputs.into_iter().enumerate() {
        for p in 0..32 >> i {
            let (low, high) = (values[2 * p], values[2 * p + 1]);
            values[p] = low ^ (input & (low ^ high));
        }
    }
    values[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tercet_contract::{trit, Encoding};

    fn agrees<D: Decoder>(encoding: Encoding) {
        for code in 0..=255u8 {
            // The code in every third place, zeros between: places do not disturb each other.
            let places = 0x9249_2492_4924_9249u64;
            let planes = std::array::from_fn(|p| if code >> p & 1 == 1 { places } else { 0 });
            let decoded = D::decode(&planes);
            for (i, want) in trit::decode(encoding, code).into_iter().enumerate() {
                let TritPlane { nz, neg } = decoded[i];
                let plane = |bit: bool| if bit { places } else { 0 };
                assert_eq!(
                    (nz, neg),
                    (plane(want != 0), plane(want < 0)),
                    "{encoding} code {code:#04x} trit {i}"
                );
            }
        }
    }

    #[test]
    fn every_code_decodes_as_in_the_contract() {
        agrees::<B2>(Encoding::B2);
        agrees::<B3>(Encoding::B3);
    }
}
