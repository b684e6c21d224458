//! Decoder: a weight beat becomes two bits a trit: `neg`, it is -1; and `any`, which of the others it is: 1 if set,
//! 0 if not. Where `neg` is set, `any` may be either, which is why it costs no logic.
//!
//! A beat carries its C codes plane by plane (`tercet_contract::layout`), so one gate drawn here
//! stands for C gates side by side and column `j` of every vector belongs to code `j`. The codes are
//! those of `tercet_contract::trit`; its tables are logic here.
//!
//! | block | trits a code | logic |
//! |---|---|---|
//! | [`DecodeB2`] | 4 | none, the planes are the answer |
//! | [`DecodeB3`] | 5 | a 6-input look-up table for each `neg`, none for `any` |
//!
//! [`TritDecode`] picks one when the kernel is built. All are combinational; the registers behind
//! them are those of `lane_skew`.

use std::fmt::Write as _;

use rust_hdl::prelude::*;
use tercet_contract::trit::B3_NEG;
use tercet_contract::Encoding;

/// B2: plane i is `any` of trit i, plane 4 + i is `neg`. `C` must be `W / 8`.
#[derive(LogicBlock)]
pub struct DecodeB2<const W: usize, const C: usize> {
    /// Weight beat.
    pub beat: Signal<In, Bits<W>>,
    /// Trit 0 is 1 (or -1), a bit a code.
    pub any0: Signal<Out, Bits<C>>,
    /// Trit 1 is 1 (or -1).
    pub any1: Signal<Out, Bits<C>>,
    /// Trit 2 is 1 (or -1).
    pub any2: Signal<Out, Bits<C>>,
    /// Trit 3 is 1 (or -1).
    pub any3: Signal<Out, Bits<C>>,
    /// Trit 0 is -1.
    pub neg0: Signal<Out, Bits<C>>,
    /// Trit 1 is -1.
    pub neg1: Signal<Out, Bits<C>>,
    /// Trit 2 is -1.
    pub neg2: Signal<Out, Bits<C>>,
    /// Trit 3 is -1.
    pub neg3: Signal<Out, Bits<C>>,
    plane_at: Vec<Constant<Bits<16>>>,
}

impl<const W: usize, const C: usize> Default for DecodeB2<W, C> {
    fn default() -> Self {
        Self {
            beat: Default::default(),
            any0: Default::default(),
            any1: Default::default(),
            any2: Default::default(),
            any3: Default::default(),
            neg0: Default::default(),
            neg1: Default::default(),
            neg2: Default::default(),
            neg3: Default::default(),
            plane_at: plane_offsets::<W, C>(),
        }
    }
}

impl<const W: usize, const C: usize> Logic for DecodeB2<W, C> {
    #[hdl_gen]
    fn update(&mut self) {
        self.any0.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[0].val().index());
        self.any1.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[1].val().index());
        self.any2.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[2].val().index());
        self.any3.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[3].val().index());
        self.neg0.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[4].val().index());
        self.neg1.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[5].val().index());
        self.neg2.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[6].val().index());
        self.neg3.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[7].val().index());
    }
}

/// B3: planes 0 to 4 are `any`, each `neg` a table of six planes. `C` must be `W / 8`.
///
/// Written as Verilog text, made of the contract's tables; `update` is its meaning.
#[derive(LogicBlock, Default)]
pub struct DecodeB3<const W: usize, const C: usize> {
    /// Weight beat.
    pub beat: Signal<In, Bits<W>>,
    /// Trit 0 is 1 (or -1), a bit a code.
    pub any0: Signal<Out, Bits<C>>,
    /// Trit 1 is 1 (or -1).
    pub any1: Signal<Out, Bits<C>>,
    /// Trit 2 is 1 (or -1).
    pub any2: Signal<Out, Bits<C>>,
    /// Trit 3 is 1 (or -1).
    pub any3: Signal<Out, Bits<C>>,
    /// Trit 4 is 1 (or -1).
    pub any4: Signal<Out, Bits<C>>,
    /// Trit 0 is -1.
    pub neg0: Signal<Out, Bits<C>>,
    /// Trit 1 is -1.
    pub neg1: Signal<Out, Bits<C>>,
    /// Trit 2 is -1.
    pub neg2: Signal<Out, Bits<C>>,
    /// Trit 3 is -1.
    pub neg3: Signal<Out, Bits<C>>,
    /// Trit 4 is -1.
    pub neg4: Signal<Out, Bits<C>>,
}

impl<const W: usize, const C: usize> Logic for DecodeB3<W, C> {
    fn update(&mut self) {
        let beat = self.beat.val();
        let any = [
            &mut self.any0,
            &mut self.any1,
            &mut self.any2,
            &mut self.any3,
            &mut self.any4,
        ];
        for (i, any) in any.into_iter().enumerate() {
            any.next = beat.get_bits::<C>(i * C);
        }
        let neg = [
            &mut self.neg0,
            &mut self.neg1,
            &mut self.neg2,
            &mut self.neg3,
            &mut self.neg4,
        ];
        for (neg, table) in neg.into_iter().zip(&B3_NEG) {
            let mut plane = Bits::<C>::default();
            for j in 0..C {
                let code = (0..8).fold(0, |code, p| code | u8::from(beat.get_bit(p * C + j)) << p);
                plane = plane.replace_bit(j, table.of(code));
            }
            neg.next = plane;
        }
    }

    fn connect(&mut self) {
        self.any0.connect();
        self.any1.connect();
        self.any2.connect();
        self.any3.connect();
        self.any4.connect();
        self.neg0.connect();
        self.neg1.connect();
        self.neg2.connect();
        self.neg3.connect();
        self.neg4.connect();
    }

    fn hdl(&self) -> Verilog {
        assert_eq!(W, 8 * C, "a beat is eight planes");
        let mut v = String::new();
        for p in 0..8 {
            let (low, high) = (p * C, p * C + C - 1);
            let _ = writeln!(v, "wire [{}:0] c{p} = beat[{high}:{low}];", C - 1);
        }
        let _ = writeln!(v, "always @(*) begin");
        for (i, table) in B3_NEG.iter().enumerate() {
            let inputs = table.inputs.map(|p| format!("c{p}"));
            let logic = table_logic(table.ones, &inputs);
            let _ = writeln!(v, "any{i} = c{i};");
            let _ = writeln!(v, "neg{i} = {logic}; // table {:016x}", table.ones);
        }
        let _ = writeln!(v, "end");
        Verilog::Custom(v)
    }
}

/// A truth table as Verilog: bit `p` of `ones` is the value where the inputs, the first one lowest, are the number
/// `p`. The last input chooses between the two halves of the table.
///
/// # Panics
/// If no input matters.
fn table_logic(ones: u64, inputs: &[String]) -> String {
    let (x, rest) = inputs.split_last().expect("an input that matters");
    let half = 1 << rest.len();
    let all = (1 << half) - 1;
    let (low, high) = (ones & all, ones >> half & all);
    let of = |ones| table_logic(ones, rest);
    match (low, high) {
        _ if low == high => of(low),
        _ if (low, high) == (0, all) => x.clone(),
        _ if (low, high) == (all, 0) => format!("~{x}"),
        _ if low == 0 => format!("({x} & {})", of(high)),
        _ if high == 0 => format!("(~{x} & {})", of(low)),
        _ if low == all => format!("(~{x} | {})", of(high)),
        _ if high == all => format!("({x} | {})", of(low)),
        _ if low == high ^ all => format!("({x} ^ {})", of(low)),
        _ => format!("(({x} & {}) | (~{x} & {}))", of(high), of(low)),
    }
}

/// The decoder of one encoding. `C` must be `W / 8`.
#[derive(LogicBlock)]
pub struct TritDecode<const W: usize, const C: usize> {
    /// Weight beat.
    pub beat: Signal<In, Bits<W>>,
    /// `any[i]`: trit i is 1 (or -1), a bit a code.
    pub any: Vec<Signal<Out, Bits<C>>>,
    /// `neg[i]`: trit i is -1.
    pub neg: Vec<Signal<Out, Bits<C>>>,
    // Exactly one of these two holds a block; the loops below run once for it.
    b2: Vec<DecodeB2<W, C>>,
    b3: Vec<DecodeB3<W, C>>,
    _b2: usize,
    _b3: usize,
}

impl<const W: usize, const C: usize> TritDecode<W, C> {
    /// The decoder of `encoding`.
    pub fn new(encoding: Encoding) -> Self {
        let trits = encoding.trits_per_byte();
        let (b2, b3) = match encoding {
            Encoding::B2 => (1, 0),
            Encoding::B3 => (0, 1),
        };
        Self {
            beat: Default::default(),
            any: crate::many(trits),
            neg: crate::many(trits),
            b2: crate::many(b2),
            b3: crate::many(b3),
            _b2: b2,
            _b3: b3,
        }
    }
}

impl<const W: usize, const C: usize> Logic for TritDecode<W, C> {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..self._b2 {
            self.b2[i].beat.next = self.beat.val();
            self.any[0].next = self.b2[i].any0.val();
            self.any[1].next = self.b2[i].any1.val();
            self.any[2].next = self.b2[i].any2.val();
            self.any[3].next = self.b2[i].any3.val();
            self.neg[0].next = self.b2[i].neg0.val();
            self.neg[1].next = self.b2[i].neg1.val();
            self.neg[2].next = self.b2[i].neg2.val();
            self.neg[3].next = self.b2[i].neg3.val();
        }
        for i in 0..self._b3 {
            self.b3[i].beat.next = self.beat.val();
            self.any[0].next = self.b3[i].any0.val();
            self.any[1].next = self.b3[i].any1.val();
            self.any[2].next = self.b3[i].any2.val();
            self.any[3].next = self.b3[i].any3.val();
            self.any[4].next = self.b3[i].any4.val();
            self.neg[0].next = self.b3[i].neg0.val();
            self.neg[1].next = self.b3[i].neg1.val();
            self.neg[2].next = self.b3[i].neg2.val();
            self.neg[3].next = self.b3[i].neg3.val();
            self.neg[4].next = self.b3[i].neg4.val();
        }
    }
}

/// Bit offset of each of the eight planes.
fn plane_offsets<const W: usize, const C: usize>() -> Vec<Constant<Bits<16>>> {
    assert_eq!(W, 8 * C, "a beat is eight planes");
    (0..8u64)
        .map(|p| Constant::new((p * C as u64).into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tercet_contract::trit;

    /// A beat of 16 codes, plane by plane.
    fn beat_of(codes: &[u8]) -> Bits<128> {
        let mut beat = Bits::<128>::default();
        for (j, code) in codes.iter().enumerate() {
            for p in 0..8 {
                beat = beat.replace_bit(p * 16 + j, code >> p & 1 == 1);
            }
        }
        beat
    }

    #[test]
    fn every_code_decodes_as_the_contract_says() {
        for encoding in Encoding::ALL {
            let mut uut = TritDecode::<128, 16>::new(encoding);
            uut.connect_all();
            for base in (0..256).step_by(16) {
                let codes: Vec<u8> = (base..base + 16).map(|c| c as u8).collect();
                uut.beat.next = beat_of(&codes);
                simulate(&mut uut, 10);
                for (j, code) in codes.iter().enumerate() {
                    let want = trit::decode(encoding, *code);
                    let places = encoding.trits_per_byte();
                    for (i, want) in want.into_iter().enumerate().take(places) {
                        let (any, neg) = (uut.any[i].val().get_bit(j), uut.neg[i].val().get_bit(j));
                        let got = if neg { -1 } else { any as i8 };
                        assert_eq!(got, want, "{encoding} code {code:#04x} trit {i}");
                    }
                }
            }
        }
    }
}
