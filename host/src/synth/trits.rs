//! Ternary weights out of random bits, four trits a byte as in [`crate::checkpoint::packing`].
//!
//! Byte `[r, k]` is made of the 64 bits of position `r K + k`: 16 bits decide one trit. What a weight does with
//! the pairs of the residual stream is in [`super::drift`].

use super::drift::Drift;
use super::random::Stream;
use crate::checkpoint::packing::ROWS_PER_BYTE;
use crate::model::LinearKind;

/// Values of a 16-bit random number.
const RANGE: f64 = 65536.0;

/// A ternary weight.
pub(super) struct Trits {
    /// Rows of the unpacked weight.
    n: usize,
    /// 16-bit numbers below are -1.
    minus: u32,
    /// 16-bit numbers from `minus` to here are 0, the others +1.
    zero: u32,
    pairs: Pairs,
}

/// What a ternary weight does with the pairs of the residual stream.
enum Pairs {
    /// Reads their difference: column c + 1 is minus column c.
    ReadDifference,
    /// Reads their sum, with another limit for -1.
    ReadSum { minus: u32 },
    /// Writes opposite values: row c + 1 is minus row c.
    WriteOpposite,
}

impl Trits {
    /// The weight of a linear with N = `n`; `lean` is asked for gates only.
    pub(super) fn new(
        n: usize,
        kind: LinearKind,
        zero_share: f64,
        lean: impl FnOnce() -> f64,
    ) -> Self {
        let below = |share: f64| (share * RANGE).round() as u32;
        let minus = below(0.5 * (1.0 - zero_share));
        Trits {
            n,
            minus,
            zero: minus + below(zero_share),
            pairs: match kind {
                LinearKind::O | LinearKind::Down => Pairs::WriteOpposite,
                LinearKind::Gate => Pairs::ReadSum {
                    minus: below(0.5 * (1.0 - zero_share) * (1.0 + lean())),
                },
                _ => Pairs::ReadDifference,
            },
        }
    }

    /// Byte row `row` of packed `W: [N, K]`; K is the length of `out`.
    pub(super) fn fill(&self, drift: &Drift, stream: Stream, row: usize, out: &mut [u8]) {
        let byte_rows = self.n / ROWS_PER_BYTE;
        let (k, (minus, zero)) = (out.len(), (self.minus, self.zero));
        let first = (row * k) as u64;
        for (c, byte) in out.iter_mut().enumerate() {
            *byte = codes(stream.bits(first + c as u64), minus, zero);
        }
        match self.pairs {
            Pairs::ReadDifference => {
                for c in drift.firsts() {
                    out[c + 1] = negated(out[c]);
                }
            }
            Pairs::ReadSum { minus: on_pairs } => {
                let zero = zero - minus + on_pairs;
                for c in drift.firsts().flat_map(|c| [c, c + 1]) {
                    out[c] = codes(stream.bits(first + c as u64), on_pairs, zero);
                }
            }
            Pairs::WriteOpposite => {
                for quarter in 0..ROWS_PER_BYTE {
                    let n = quarter * byte_rows + row;
                    if !drift.is_second(n) {
                        continue;
                    }
                    // Row n - 1 may lie in another quarter of another byte row.
                    let (from, source) = ((n - 1) / byte_rows, (n - 1) % byte_rows);
                    let source = (source * k) as u64;
                    for (c, byte) in out.iter_mut().enumerate() {
                        let opposite = negated(codes(stream.bits(source + c as u64), minus, zero));
                        let code = opposite >> (2 * from) & 3;
                        *byte = *byte & !(3 << (2 * quarter)) | code << (2 * quarter);
                    }
                }
            }
        }
    }
}

/// Four trit codes (0, 1, 2 for -1, 0, +1) out of 64 random bits, packed.
#[inline(always)]
fn codes(bits: u64, minus: u32, zero: u32) -> u8 {
    let code = |i: u32| {
        let number = (bits >> (16 * i)) as u32 & 0xffff;
        (u8::from(number >= minus) + u8::from(number >= zero)) << (2 * i)
    };
    code(0) | code(1) | code(2) | code(3)
}

/// Four codes of the negated trits: 2 - code in each.
#[inline(always)]
fn negated(codes: u8) -> u8 {
    0b10_10_10_10 - codes
}
