//! Lane skew: the trits of a beat, each when its stage of the lane chain needs it.
//!
//! The lanes are a systolic chain of S = 4 T stages (`dot_product`): stage `d = 4 i + h` multiplies trit `i` of
//! the codes of quarter `h`, `d` cycles after stage 0. So its bits wait `d` cycles more than those of stage 0.
//! All vectors of a batch share these lines.
//!
//! Cycle contract: II 1. Bits `d * D` on of `any` and `neg` follow the trits by [`LATENCY`] + d cycles.
//!
//! `reset` clears the lines. It keeps synthesis from folding them into look-up tables (SRL16): the kernel has
//! registers to spare, tables it has not. Written as Verilog text like the lanes; `update` is its meaning.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rust_hdl::prelude::*;

use crate::activation_ram::QUARTERS;

/// Cycles from the trits to the inputs of stage 0.
pub const LATENCY: usize = 1;

/// Bits of the trits of one beat: `[trit][code]`.
type Trits = Vec<(u64, u64)>;

/// Delays for beats of `W` bits with `C = W / 8` codes, `D = C / 4` a quarter.
#[derive(LogicBlock)]
pub struct LaneSkew<const W: usize, const C: usize, const D: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Clears the lines.
    pub reset: Signal<In, Bit>,
    /// `any_in[i]`: trit i is 1 (or -1), a bit a code.
    pub any_in: Vec<Signal<In, Bits<C>>>,
    /// `neg_in[i]`: trit i is -1.
    pub neg_in: Vec<Signal<In, Bits<C>>>,
    /// Bits `d * D` on: a bit a code of stage d's quarter; above the last stage zero.
    pub any: Signal<Out, Bits<W>>,
    /// The same for -1.
    pub neg: Signal<Out, Bits<W>>,
    // The beats of the last cycles, the newest first.
    _beats: VecDeque<Trits>,
}

impl<const W: usize, const C: usize, const D: usize> LaneSkew<W, C, D> {
    /// Delays for `trits` trits a code.
    pub fn new(trits: usize) -> Self {
        assert_eq!(
            (W, C),
            (8 * C, QUARTERS * D),
            "codes of a beat and a quarter"
        );
        assert!(trits * C <= W, "the bits of all lanes");
        let depth = LATENCY + QUARTERS * trits;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            any_in: crate::many(trits),
            neg_in: crate::many(trits),
            any: Default::default(),
            neg: Default::default(),
            _beats: VecDeque::from(vec![vec![(0, 0); trits]; depth]),
        }
    }

    fn trits(&self) -> usize {
        self.any_in.len()
    }

    fn lanes(&self) -> usize {
        self.trits() * C
    }
}

impl<const W: usize, const C: usize, const D: usize> Logic for LaneSkew<W, C, D> {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let now = (0..self.trits())
            .map(|i| (self.any_in[i].val().to_u64(), self.neg_in[i].val().to_u64()))
            .collect();
        self._beats.push_front(now);
        self._beats.pop_back();
        if self.reset.val() {
            let none = vec![(0, 0); self.trits()];
            self._beats.iter_mut().for_each(|b| *b = none.clone());
        }
        let (mut nz, mut neg) = (Bits::<W>::default(), Bits::<W>::default());
        for d in 0..QUARTERS * self.trits() {
            let (nz_of_trit, neg_of_trit) = self._beats[d][d / QUARTERS];
            for c in 0..D {
                let code = d % QUARTERS * D + c;
                nz = nz.replace_bit(d * D + c, nz_of_trit >> code & 1 == 1);
                neg = neg.replace_bit(d * D + c, neg_of_trit >> code & 1 == 1);
            }
        }
        self.any.next = nz;
        self.neg.next = neg;
    }

    fn connect(&mut self) {
        self.any.connect();
        self.neg.connect();
    }

    fn hdl(&self) -> Verilog {
        let stages = QUARTERS * self.trits();
        let mut v = String::new();
        let mut body = String::new();
        for d in 0..stages {
            let (trit, low) = (d / QUARTERS, d % QUARTERS * D);
            let high = low + D - 1;
            for port in ["any", "neg"] {
                for place in 0..LATENCY + d {
                    let _ = writeln!(v, "reg [{}:0] {port}{d}_{place};", D - 1);
                    let from = match place {
                        0 => format!("{port}_in${trit}[{high}:{low}]"),
                        _ => format!("{port}{d}_{}", place - 1),
                    };
                    let _ = writeln!(
                        body,
                        "if (reset) {port}{d}_{place} <= 0; else {port}{d}_{place} <= {from};"
                    );
                }
            }
        }
        let concat = |port: &str| {
            let last = (0..stages)
                .rev()
                .map(|d| format!("{port}{d}_{}", LATENCY + d - 1));
            format!("{{{}}}", last.collect::<Vec<_>>().join(", "))
        };

        let _ = writeln!(v, "always @(posedge clock) begin\n{body}end");
        let zeros = W - self.lanes();
        for port in ["any", "neg"] {
            let _ = writeln!(v, "always @(*) {port} = {{{zeros}'b0, {}}};", concat(port));
        }
        Verilog::Custom(v)
    }

    fn timing(&self) -> Vec<TimingInfo> {
        let mut inputs = vec!["reset".to_string()];
        for i in 0..self.trits() {
            inputs.push(format!("any_in${i}"));
            inputs.push(format!("neg_in${i}"));
        }
        vec![TimingInfo {
            name: "lane_skew".into(),
            clock: "clock".into(),
            inputs,
            outputs: vec!["any".into(), "neg".into()],
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    type Uut = LaneSkew<128, 16, 4>;

    #[test]
    fn every_stage_sees_its_trit_in_its_cycle() {
        let mut rng = seeded(8);
        let trits = 5;
        let mut uut = Uut::new(trits);
        uut.connect_all();
        let mut past: Vec<Trits> = Vec::new();
        for cycle in 0..100usize {
            let now: Trits = (0..trits)
                .map(|_| {
                    let nz = rng.random_range(0..1u64 << 16);
                    (nz, nz & rng.random_range(0..1u64 << 16))
                })
                .collect();
            for (i, (nz, neg)) in now.iter().enumerate() {
                uut.any_in[i].next = (*nz).into();
                uut.neg_in[i].next = (*neg).into();
            }
            past.push(now);
            tick(&mut uut, |u, level| u.clock.next = level.into());
            for d in 0..4 * trits {
                if let Some(then) = (cycle + 1).checked_sub(LATENCY + d) {
                    let (nz, neg) = past[then][d / 4];
                    let of = |bits: Bits<128>| bits.get_bits::<4>(4 * d).to_u64();
                    assert_eq!(of(uut.any.val()), nz >> (4 * (d % 4)) & 15, "stage {d}");
                    assert_eq!(of(uut.neg.val()), neg >> (4 * (d % 4)) & 15, "stage {d}");
                }
            }
        }
    }
}
