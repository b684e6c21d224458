//! Decoder: a weight beat becomes two bits a trit: `neg`, it is -1; and `any`, which of the others it is: 1 if set,
//! 0 if not. Where `neg` is set, `any` may be either, which saves a table for most trits.
//!
//! A beat carries its C codes plane by plane (`tercet_contract::layout`), so one gate drawn here
//! stands for C gates side by side and column `j` of every vector belongs to code `j`. The codes are
//! those of `tercet_contract::trit`; what is written there as a table is written here as logic.
//!
//! | block | trits a code | logic |
//! |---|---|---|
//! | [`DecodeB2`] | 4 | none, the planes are the answer |
//! | [`DecodeB3`] | 5 | at most three 6-input tables deep |
//!
//! [`TritDecode`] picks one when the kernel is built. All are combinational; the registers behind
//! them are those of `lane_skew`.

use rust_hdl::prelude::*;
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

/// B3: the split code with an escape. `C` must be `W / 8`.
#[derive(LogicBlock)]
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
    plane_at: Vec<Constant<Bits<16>>>,
    // Head bits, then p and q as in `tercet_contract::trit`.
    h1: Signal<Local, Bits<C>>,
    h0: Signal<Local, Bits<C>>,
    p2: Signal<Local, Bits<C>>,
    p1: Signal<Local, Bits<C>>,
    p0: Signal<Local, Bits<C>>,
    q2: Signal<Local, Bits<C>>,
    q1: Signal<Local, Bits<C>>,
    q0: Signal<Local, Bits<C>>,
    escape: Signal<Local, Bits<C>>,
    plain: Signal<Local, Bits<C>>,
    both: Signal<Local, Bits<C>>,
    only_one: Signal<Local, Bits<C>>,
    first1: Signal<Local, Bits<C>>,
    first0: Signal<Local, Bits<C>>,
    special_p: Signal<Local, Bits<C>>,
    special_q: Signal<Local, Bits<C>>,
    not_p2: Signal<Local, Bits<C>>,
    // The pair bits of trits 1 and 2: p, or q in an escape.
    a2: Signal<Local, Bits<C>>,
    a1: Signal<Local, Bits<C>>,
    a0: Signal<Local, Bits<C>>,
    not_a0: Signal<Local, Bits<C>>,
    not_q0: Signal<Local, Bits<C>>,
    lone_a: Signal<Local, Bits<C>>,
    lone_q: Signal<Local, Bits<C>>,
}

impl<const W: usize, const C: usize> Default for DecodeB3<W, C> {
    fn default() -> Self {
        Self {
            beat: Default::default(),
            any0: Default::default(),
            any1: Default::default(),
            any2: Default::default(),
            any3: Default::default(),
            any4: Default::default(),
            neg0: Default::default(),
            neg1: Default::default(),
            neg2: Default::default(),
            neg3: Default::default(),
            neg4: Default::default(),
            plane_at: plane_offsets::<W, C>(),
            h1: Default::default(),
            h0: Default::default(),
            p2: Default::default(),
            p1: Default::default(),
            p0: Default::default(),
            q2: Default::default(),
            q1: Default::default(),
            q0: Default::default(),
            escape: Default::default(),
            plain: Default::default(),
            both: Default::default(),
            only_one: Default::default(),
            first1: Default::default(),
            first0: Default::default(),
            special_p: Default::default(),
            special_q: Default::default(),
            not_p2: Default::default(),
            a2: Default::default(),
            a1: Default::default(),
            a0: Default::default(),
            not_a0: Default::default(),
            not_q0: Default::default(),
            lone_a: Default::default(),
            lone_q: Default::default(),
        }
    }
}

impl<const W: usize, const C: usize> Logic for DecodeB3<W, C> {
    #[hdl_gen]
    fn update(&mut self) {
        self.q0.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[0].val().index());
        self.q1.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[1].val().index());
        self.q2.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[2].val().index());
        self.p0.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[3].val().index());
        self.p1.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[4].val().index());
        self.p2.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[5].val().index());
        self.h0.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[6].val().index());
        self.h1.next = self
            .beat
            .val()
            .get_bits::<C>(self.plane_at[7].val().index());

        // Head: trit 0 stands in h, or in p1:p0, or in q1:q0 when both pairs are (-1, -1).
        self.escape.next = self.h1.val() & self.h0.val();
        self.plain.next = !self.escape.val();
        self.both.next = self.escape.val() & (self.p1.val() & self.p0.val());
        self.only_one.next = self.escape.val() ^ self.both.val();
        self.first1.next = (self.plain.val() & self.h1.val())
            | ((self.only_one.val() & self.p1.val()) | (self.both.val() & self.q1.val()));
        self.first0.next = (self.plain.val() & self.h0.val())
            | ((self.only_one.val() & self.p0.val()) | (self.both.val() & self.q0.val()));
        self.any0.next = self.first0.val();
        self.neg0.next = self.first1.val();

        // Which pair is (-1, -1).
        self.not_p2.next = !self.p2.val();
        self.special_p.next = (self.escape.val() & self.not_p2.val()) | self.both.val();
        self.special_q.next = (self.escape.val() & self.p2.val()) | self.both.val();

        // Trits 1 and 2.
        self.a2.next = (self.plain.val() & self.p2.val()) | (self.escape.val() & self.q2.val());
        self.a1.next = (self.plain.val() & self.p1.val()) | (self.escape.val() & self.q1.val());
        self.a0.next = (self.plain.val() & self.p0.val()) | (self.escape.val() & self.q0.val());
        self.not_a0.next = !self.a0.val();
        self.lone_a.next = self.a1.val() & self.not_a0.val();
        self.any1.next = self.a2.val();
        self.neg1.next = self.lone_a.val() | self.special_p.val();
        self.any2.next = self.a0.val() | (self.lone_a.val() & self.a2.val());
        self.neg2.next = (self.a1.val() & self.a0.val()) | self.special_p.val();

        // Trits 3 and 4.
        self.not_q0.next = !self.q0.val();
        self.lone_q.next = self.q1.val() & self.not_q0.val();
        self.any3.next = self.q2.val();
        self.neg3.next = self.lone_q.val() | self.special_q.val();
        self.any4.next = self.q0.val() | (self.lone_q.val() & self.q2.val());
        self.neg4.next = (self.q1.val() & self.q0.val()) | self.special_q.val();
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
