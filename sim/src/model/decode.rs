//! Weight codes to trits, 64 codes at a time.
//!
//! A beat holds its codes plane by plane, so each decoded bit of 64 trits is a few boolean
//! operations on 64-bit words. The formulas are those of `tercet_contract::trit`, which a test
//! compares for all 256 codes.

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
        let [q0, q1, q2, p0, p1, p2, head0, head1] = *code;
        let escape = head0 & head1;
        let both = escape & p0 & p1;

        // Trit 0 stands in the head, in p (escape) or in q (escape with both pairs special).
        let one_pair = escape & !both;
        let first0 = (head0 & !escape) | (p0 & one_pair) | (q0 & both);
        let first1 = (head1 & !escape) | (p1 & one_pair) | (q1 & both);

        let pair = |a0: u64, a1: u64, a2: u64, special: u64| {
            let m = a1 & !a0;
            [
                TritPlane {
                    nz: a2 | m | special,
                    neg: m | special,
                },
                TritPlane {
                    nz: a0 | (m & a2) | special,
                    neg: (a1 & a0) | special,
                },
            ]
        };
        let [t1, t2] = pair(
            (p0 & !escape) | (q0 & escape),
            (p1 & !escape) | (q1 & escape),
            (p2 & !escape) | (q2 & escape),
            (escape & !p2) | both,
        );
        let [t3, t4] = pair(q0, q1, q2, (escape & p2) | both);
        let t0 = TritPlane {
            nz: first0 | first1,
            neg: first1,
        };
        [t0, t1, t2, t3, t4]
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
