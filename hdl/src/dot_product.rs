//! Ternary lanes: the dot product of one weight beat with its activations.
//!
//! A lane's product is -a - 1 if `neg`, else a if `any`, else 0: one gate level, and -128 negates without a
//! ninth bit. The missing +1 of a negative lane is the carry into its adder, which costs nothing. With its highest bit
//! turned over the product is a number from 0 to 255, 128 too large; what all lanes are too large is taken from
//! the count of carries, whose weight is 256. So a lane is an 8-bit adder whose one operand passes through the
//! lane's gates: eight look-up tables, and nothing else grows with the number of lanes but the count of carries.
//!
//! Lanes stand in D chains of S = 4 T stages; stage `d` of every chain takes its operands `d` cycles after
//! stage 0 (`lane_skew`, and the addresses of `activation_ram`):
//!
//! ```text
//! chain c:   x[0][c] --> + --> + -- .. --> sum mod 256 ---> tree of D sums ---\
//!                        ^ x[1][c]  |_ carries                                 + --> sum
//!            carries of four stages ---> count ---> chain of counts --- * 256 -/
//! ```
//!
//! Stage 0 has no adder. The carries that its lanes are owed go into the adders that come later: those of the tree,
//! which are D - 1, and the last.
//!
//! A tree over all lanes needs twice the tables in its first level, since the operand that feeds a
//! carry chain's own input is a table of its own; in a chain it is the register of the stage before.
//!
//! Cycle contract: II 1, latency [`latency`] from the inputs of stage 0. |sum| <= 128 * lanes.
//!
//! The block is written as Verilog text, since its wiring is regular and wide: drawn lane by
//! lane it would be the bulk of the kernel's source. `update` is its meaning in plain Rust; the
//! simulation tests hold both against the scalar reference.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rust_hdl::prelude::*;

use crate::activation_ram::QUARTERS;
use crate::popcount::{popcount, popcount_levels};

/// Levels of an adder tree that halves `leaves` down to one.
pub const fn tree_levels(leaves: usize) -> usize {
    leaves.next_power_of_two().trailing_zeros() as usize
}

/// Stages whose carries are counted together.
const GROUP: usize = QUARTERS;

/// Cycles from the inputs of stage 0 to `sum`, with `columns` chains: the stages before the last, and those of the
/// last stage, of the count of its group's carries, of their chain, and of the sum.
pub const fn latency(trits: usize, columns: usize) -> usize {
    QUARTERS * trits + popcount_levels(GROUP * columns) + 2
}

/// Lanes of one vector: banks of `Q = 8 D` bits, `D` chains, a bus of `W` bits.
#[derive(LogicBlock)]
pub struct DotProduct<const W: usize, const Q: usize, const D: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Clears the delay lines inside, which keeps them registers.
    pub reset: Signal<In, Bit>,
    /// `activations[d]`: D int8 of stage d, d cycles after those of stage 0.
    pub activations: Vec<Signal<In, Bits<Q>>>,
    /// Bits `d * D` on: the trits of stage d are 1 (or -1).
    pub any: Signal<In, Bits<W>>,
    /// The same: they are -1.
    pub neg: Signal<In, Bits<W>>,
    /// Dot product, two's complement.
    pub sum: Signal<Out, Bits<24>>,
    // Partial sums: entry s has met the stages 0 to s. Then what waits for the tree.
    _chain: VecDeque<i32>,
    _wait: VecDeque<i32>,
}

impl<const W: usize, const Q: usize, const D: usize> DotProduct<W, Q, D> {
    /// Lanes for `trits` trits a code.
    pub fn new(trits: usize) -> Self {
        assert_eq!(Q, 8 * D, "one int8 a chain");
        assert!(
            tree_levels(D) <= popcount_levels(GROUP * D) + 1,
            "carries come last"
        );
        let stages = QUARTERS * trits;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            activations: crate::many(stages),
            any: Default::default(),
            neg: Default::default(),
            sum: Default::default(),
            _chain: VecDeque::from(vec![0; stages]),
            _wait: VecDeque::from(vec![0; latency(trits, D) - stages + 1]),
        }
    }

    fn stages(&self) -> usize {
        self.activations.len()
    }

    /// The sum of one stage's products as they stand.
    fn stage_sum(&self, d: usize) -> i32 {
        let (any, neg) = (self.any.val(), self.neg.val());
        let product = |c: usize| {
            let a = self.activations[d].val().get_bits::<8>(8 * c).to_u8() as i8;
            match (any.get_bit(d * D + c), neg.get_bit(d * D + c)) {
                (_, true) => -i32::from(a),
                (true, false) => i32::from(a),
                (false, false) => 0,
            }
        };
        (0..D).map(product).sum()
    }
}

impl<const W: usize, const Q: usize, const D: usize> Logic for DotProduct<W, Q, D> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let mut chain = VecDeque::with_capacity(self.stages());
            for d in 0..self.stages() {
                let before = match d {
                    0 => 0,
                    _ => self._chain[d - 1],
                };
                chain.push_back(before + self.stage_sum(d));
            }
            let total = *chain.back().expect("a chain has stages");
            self._chain = chain;
            self._wait.push_front(total);
            self._wait.pop_back();
            let sum = *self._wait.back().expect("a wait has places");
            self.sum.next = u64::from(sum as u32 & 0xff_ffff).into();
        }
    }

    fn connect(&mut self) {
        self.sum.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(verilog(self.stages(), D))
    }

    fn timing(&self) -> Vec<TimingInfo> {
        let mut inputs = ["reset", "any", "neg"].map(String::from).to_vec();
        inputs.extend((0..self.stages()).map(|d| format!("activations${d}")));
        vec![TimingInfo {
            name: "dot_product".into(),
            clock: "clock".into(),
            inputs,
            outputs: vec!["sum".into()],
        }]
    }
}

/// Verilog body for `columns` chains of `stages` lanes.
fn verilog(stages: usize, columns: usize) -> String {
    let mut v = String::new();
    let mut body = String::new();
    for d in 0..stages {
        for c in 0..columns {
            let (high, low, lane) = (8 * c + 7, 8 * c, d * columns + c);
            // The highest bit is turned over.
            let _ = writeln!(
                v,
                "wire [7:0] x{d}_{c} = (neg[{lane}] ? ~activations${d}[{high}:{low}] : activations${d}[{high}:{low}] & {{8{{any[{lane}]}}}}) ^ 8'h80;"
            );
            let _ = writeln!(v, "reg [7:0] s{d}_{c};");
            let _ = match d {
                0 => writeln!(body, "s0_{c} <= x0_{c};"),
                _ => {
                    let _ = writeln!(v, "reg k{d}_{c};");
                    let before = d - 1;
                    writeln!(
                        body,
                        "{{k{d}_{c}, s{d}_{c}}} <= {{1'b0, s{before}_{c}}} + {{1'b0, x{d}_{c}}} + {{8'b0, neg[{lane}]}};"
                    )
                }
            };
        }
    }

    // Carries wait for those of the last stage of their group, are counted, and the counts are added up from
    // group to group, which are GROUP cycles apart.
    let mut carries = String::new();
    for first in (0..stages).step_by(GROUP) {
        let mut bits = Vec::new();
        for d in first.max(1)..first + GROUP {
            for c in 0..columns {
                bits.push(delay(
                    &mut v,
                    &mut body,
                    &format!("k{d}_{c}"),
                    1,
                    first + GROUP - 1 - d,
                ));
            }
        }
        let group = first / GROUP;
        let (count, mut width) = popcount(&mut v, &mut body, &format!("count{group}"), &bits);
        // The first group has a stage less, and may be counted sooner.
        let sooner = popcount_levels(GROUP * columns) - popcount_levels(bits.len());
        let mut count = delay(&mut v, &mut body, &count, width, sooner);
        while width < 10 {
            count = format!("{{1'b0, {count}}}");
            width += 1;
        }
        let _ = writeln!(v, "reg [9:0] chain{group};");
        let _ = match group {
            // Each lane is 128 too large, half a carry.
            0 => writeln!(body, "chain0 <= {count} - 10'd{};", stages * columns / 2),
            _ => writeln!(body, "chain{group} <= {carries} + {count};"),
        };
        carries = format!("chain{group}");
        if first + GROUP < stages {
            carries = delay(&mut v, &mut body, &carries, 10, GROUP - 1);
        }
    }

    // The D sums, a level each cycle; each adder takes what a lane of stage 0 is owed.
    let mut owed = 0..columns;
    let mut owed_after = |v: &mut String, body: &mut String, cycles: usize| {
        let c = owed.next().expect("as many adders as chains");
        let _ = writeln!(v, "wire owed{c};\nassign owed{c} = neg[{c}];");
        delay(v, body, &format!("owed{c}"), 1, cycles)
    };
    let mut nodes: Vec<String> = (0..columns)
        .map(|c| format!("s{}_{c}", stages - 1))
        .collect();
    let mut bits = 8;
    let mut level = 0;
    while nodes.len() > 1 {
        let mut above = Vec::new();
        for (n, pair) in nodes.chunks(2).enumerate() {
            let carry = owed_after(&mut v, &mut body, stages + level);
            let name = format!("t{level}_{n}");
            let _ = writeln!(v, "reg [{bits}:0] {name};");
            let terms: Vec<String> = pair.iter().map(|p| format!("{{1'b0, {p}}}")).collect();
            let _ = writeln!(
                body,
                "{name} <= {} + {{{bits}'b0, {carry}}};",
                terms.join(" + ")
            );
            above.push(name);
        }
        level += 1;
        nodes = above;
        bits += 1;
    }

    let wait = popcount_levels(GROUP * columns) + 1 - level;
    let sums = delay(&mut v, &mut body, &nodes[0], bits, wait);
    let carry = owed_after(&mut v, &mut body, latency(stages / QUARTERS, columns) - 1);
    let _ = writeln!(v, "reg [17:0] total;");
    let _ = writeln!(
        body,
        "total <= {{{carries}, 8'b0}} + {{{}'b0, {sums}}} + {{17'b0, {carry}}};",
        18 - bits,
    );
    let _ = writeln!(v, "always @(posedge clock) begin\n{body}end");
    // At most 320 lanes of 128: 18 bits hold it.
    let _ = writeln!(v, "always @(*) sum = {{{{6{{total[17]}}}}, total}};");
    v
}

/// Registers after `name`, `bits` wide, cleared by `reset`; the name of the last.
fn delay(v: &mut String, body: &mut String, name: &str, bits: usize, cycles: usize) -> String {
    let mut last = name.to_string();
    for place in 0..cycles {
        let next = format!("{name}_after{place}");
        let _ = writeln!(v, "reg [{}:0] {next};", bits - 1);
        let _ = writeln!(body, "if (reset) {next} <= 0; else {next} <= {last};");
        last = next;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    /// One beat: per stage and chain an activation and a trit.
    type Beat = Vec<Vec<(i8, i32)>>;

    #[test]
    fn sums_arrive_in_order_after_the_documented_latency() {
        let (trits, stages) = (5, 20);
        let mut rng = seeded(3);
        let mut uut = DotProduct::<128, 32, 4>::new(trits);
        uut.connect_all();
        let mut beats: Vec<Beat> = Vec::new();
        for cycle in 0..200usize {
            beats.push(
                (0..stages)
                    .map(|_| {
                        let lane = |_| {
                            let edge = [-128, -1, 0, 1, 127, rng.random()];
                            (edge[rng.random_range(0..6usize)], rng.random_range(-1..=1))
                        };
                        (0..4).map(lane).collect()
                    })
                    .collect(),
            );
            let (mut nz, mut neg) = (Bits::<128>::default(), Bits::<128>::default());
            for d in 0..stages {
                let Some(beat) = cycle.checked_sub(d).map(|then| &beats[then]) else {
                    continue;
                };
                let mut a = 0u64;
                for (c, (value, trit)) in beat[d].iter().enumerate() {
                    a |= u64::from(*value as u8) << (8 * c);
                    nz = nz.replace_bit(4 * d + c, *trit != 0);
                    neg = neg.replace_bit(4 * d + c, *trit < 0);
                }
                uut.activations[d].next = a.into();
            }
            uut.any.next = nz;
            uut.neg.next = neg;
            tick(&mut uut, |u, level| u.clock.next = level.into());
            if let Some(then) = (cycle + 1).checked_sub(latency(trits, 4)) {
                let lanes = beats[then].iter().flatten();
                let want: i32 = lanes.map(|(a, t)| i32::from(*a) * t).sum();
                let want = u64::from(want as u32 & 0xff_ffff);
                assert_eq!(uut.sum.val(), want, "cycle {cycle}");
            }
        }
    }

    #[test]
    fn levels_of_trees() {
        assert_eq!((tree_levels(1), tree_levels(4), tree_levels(16)), (0, 2, 4));
    }
}
