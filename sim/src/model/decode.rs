//! Weight codes to trits, 64 codes at a time.
//!
//! A beat holds its codes plane by plane, so each decoded bit of 64 trits is a few boolean
//! operations on 64-bit words. The codes are those of `tercet_contract::trit`, which a test
//! compares for all 256 of them.

use tercet_contract::trit::{CodeTable, B3_NEG};

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
            table(&B3_NEG[0], code),
            table(&B3_NEG[1], code),
            table(&B3_NEG[2], code),
            table(&B3_NEG[3], code),
            table(&B3_NEG[4], code),
        ];
        std::array::from_fn(|i| TritPlane {
            nz: code[i] | neg[i],
            neg: neg[i],
        })
    }
}

/// A table of the contract for 64 codes.
#[inline(always)]
fn table(table: &CodeTable, code: &CodePlanes) -> u64 {
    let [a, b, c, d, e, f] = table.inputs.map(|p| code[p]);
    (((((((), a), b), c), d), e), f).look_up(table.ones)
}

/// Inputs of a truth table, 64 places at a time: none, or some and one more, which chooses between the halves of the
/// table. As types, so that all the halving is inlined and what a constant table decides is decided when this is
/// compiled; a loop over the inputs is left a loop.
trait Inputs {
    /// Bits of the table.
    const SIZE: u32;
    /// Bit `p` of `ones` where the inputs, the first one lowest, are the number `p`.
    fn look_up(&self, ones: u64) -> u64;
}

impl Inputs for () {
    const SIZE: u32 = 1;

    #[inline(always)]
    fn look_up(&self, ones: u64) -> u64 {
        if ones & 1 == 1 {
            u64::MAX
        } else {
            0
        }
    }
}

impl<I: Inputs> Inputs for (I, u64) {
    const SIZE: u32 = 2 * I::SIZE;

    #[inline(always)]
    fn look_up(&self, ones: u64) -> u64 {
        let (rest, last) = self;
        let (low, high) = (rest.look_up(ones), rest.look_up(ones >> I::SIZE));
        low ^ (last & (low ^ high))
    }
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
