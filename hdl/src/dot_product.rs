//! Ternary lanes and adder tree: the dot product of one weight beat with its activations.
//!
//! Lane `l = i * C + j` multiplies trit `i` of code `j` with byte `j` of activation bank `i`. The product
//! is `(a & nz) ^ neg`, which is a, 0 or -a - 1; the missing +1 of every negative lane is counted by a
//! second tree over the `neg` bits, which no activation enters. So a lane is one gate level and
//! needs no adder of its own, and -128 negates without a ninth bit.
//!
//! ```text
//! a[l], nz[l], neg[l] --> (a & nz) ^ neg --\
//!                                           >-- adder tree, a register a level --\
//! a[l+1], ..          --> (a & nz) ^ neg --/                                     + --> sum
//! neg[0..L]           --> count, six bits a table, then the same kind of tree ---/
//! ```
//!
//! Cycle contract: II 1, latency [`latency`] = levels of the adder tree + 1. |sum| <= 128 * lanes.
//!
//! The block is written as Verilog text, since its wiring is regular and wide: drawn lane by
//! lane it would be the bulk of the kernel's source. `update` is its meaning in plain Rust; the
//! simulation tests hold both against the scalar reference.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rust_hdl::prelude::*;

/// Levels of an adder tree that halves `leaves` down to one.
const fn levels(leaves: usize) -> usize {
    let mut n = leaves;
    let mut levels = 0;
    while n > 1 {
        n = n.div_ceil(2);
        levels += 1;
    }
    levels
}

/// Cycles from the inputs to `sum` with this many lanes.
pub const fn latency(lanes: usize) -> usize {
    levels(lanes) + 1
}

/// Lanes and adder tree over T banks of `W` bits, `C = W / 8` lanes each.
#[derive(LogicBlock)]
pub struct DotProduct<const W: usize, const C: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// `activations[i]`: C int8, byte j in bits 8j to 8j + 7.
    pub activations: Vec<Signal<In, Bits<W>>>,
    /// `nz[i]`: trit i of each code is not zero.
    pub nz: Vec<Signal<In, Bits<C>>>,
    /// `neg[i]`: trit i of each code is -1 (only where `nz` is set).
    pub neg: Vec<Signal<In, Bits<C>>>,
    /// Dot product, two's complement.
    pub sum: Signal<Out, Bits<32>>,
    _pipe: VecDeque<i32>,
}

impl<const W: usize, const C: usize> DotProduct<W, C> {
    /// Lanes for `trits` trits a code.
    pub fn new(trits: usize) -> Self {
        assert_eq!(W, 8 * C, "one int8 a code and bank");
        Self {
            clock: Default::default(),
            activations: crate::many(trits),
            nz: crate::many(trits),
            neg: crate::many(trits),
            sum: Default::default(),
            _pipe: VecDeque::from(vec![0; latency(C * trits) - 1]),
        }
    }

    fn trits(&self) -> usize {
        self.nz.len()
    }

    /// The dot product of the inputs as they stand.
    fn model(&self) -> i32 {
        let mut sum = 0;
        for i in 0..self.trits() {
            let (nz, neg) = (self.nz[i].val(), self.neg[i].val());
            for j in 0..C {
                let a = self.activations[i].val().get_bits::<8>(8 * j).to_u8() as i8;
                sum += match (nz.get_bit(j), neg.get_bit(j)) {
                    (false, _) => 0,
                    (true, false) => i32::from(a),
                    (true, true) => -i32::from(a),
                };
            }
        }
        sum
    }
}

impl<const W: usize, const C: usize> Logic for DotProduct<W, C> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self._pipe.push_back(self.model());
            let sum = self._pipe.pop_front().expect("just pushed");
            self.sum.next = u64::from(sum as u32).into();
        }
    }

    fn connect(&mut self) {
        self.sum.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(verilog(C, self.trits()))
    }

    fn timing(&self) -> Vec<TimingInfo> {
        let mut inputs = Vec::new();
        for i in 0..self.trits() {
            for port in ["activations", "nz", "neg"] {
                inputs.push(format!("{port}${i}"));
            }
        }
        vec![TimingInfo {
            name: "dot_product".into(),
            clock: "clock".into(),
            inputs,
            outputs: vec!["sum".into()],
        }]
    }
}

/// One level of a tree: its nodes and their width in bits.
struct Level {
    name: String,
    nodes: usize,
    bits: usize,
}

/// Verilog body for `columns` codes of `trits` trits.
fn verilog(columns: usize, trits: usize) -> String {
    let lanes = columns * trits;
    let mut v = String::new();
    let mut body = String::new();

    // Lanes: combinational, absorbed into the first adder level.
    for i in 0..trits {
        for j in 0..columns {
            let l = i * columns + j;
            let _ = writeln!(
                v,
                "wire signed [7:0] x{l} = (activations${i}[{hi}:{lo}] & {{8{{nz${i}[{j}]}}}}) ^ {{8{{neg${i}[{j}]}}}};",
                hi = 8 * j + 7,
                lo = 8 * j,
            );
        }
    }
    let mut sum = Level {
        name: "x".into(),
        nodes: lanes,
        bits: 8,
    };

    // Negative lanes: six bits a node, so that a node is three 6-input tables.
    let negatives: Vec<String> = (0..lanes)
        .map(|l| format!("neg${}[{}]", l / columns, l % columns))
        .collect();
    let mut count = Level {
        name: "c1_".into(),
        nodes: lanes.div_ceil(6),
        bits: 3,
    };
    for (g, group) in negatives.chunks(6).enumerate() {
        let _ = writeln!(v, "reg [2:0] c1_{g};");
        let _ = writeln!(body, "c1_{g} <= {};", popcount(group));
    }

    for level in 1..=levels(lanes) {
        sum = halve(&mut v, &mut body, &sum, &format!("s{level}_"), true);
        // The count starts from fewer nodes; once it is one node it waits in registers.
        if level > 1 {
            count = halve(&mut v, &mut body, &count, &format!("c{level}_"), false);
        }
    }
    assert_eq!((sum.nodes, count.nodes), (1, 1), "both trees end together");
    let bits = sum.bits + 1;
    let _ = writeln!(v, "reg signed [{}:0] total;", bits - 1);
    let _ = writeln!(
        body,
        "total <= {}0 + $signed({{1'b0, {}0}});",
        sum.name, count.name
    );
    let _ = writeln!(v, "always @(posedge clock) begin\n{body}end");
    let _ = writeln!(
        v,
        "always @(*) sum = {{{{{}{{total[{}]}}}}, total}};",
        32 - bits,
        bits - 1
    );
    v
}

/// Sum of up to six single bits as a 3-bit expression.
fn popcount(bits: &[String]) -> String {
    let terms: Vec<String> = bits.iter().map(|b| format!("{{2'b00, {b}}}")).collect();
    terms.join(" + ")
}

/// Declares and registers the level above `below`: pairs are added, an odd node is passed on.
fn halve(v: &mut String, body: &mut String, below: &Level, name: &str, signed: bool) -> Level {
    let above = Level {
        name: name.into(),
        nodes: below.nodes.div_ceil(2),
        bits: if below.nodes > 1 {
            below.bits + 1
        } else {
            below.bits
        },
    };
    let kind = if signed { "reg signed" } else { "reg" };
    for n in 0..above.nodes {
        let _ = writeln!(v, "{kind} [{}:0] {name}{n};", above.bits - 1);
        let (a, b) = (2 * n, 2 * n + 1);
        let from = &below.name;
        let _ = if b < below.nodes {
            writeln!(body, "{name}{n} <= {from}{a} + {from}{b};")
        } else {
            writeln!(body, "{name}{n} <= {from}{a};")
        };
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    #[test]
    fn sums_arrive_in_order_after_the_documented_latency() {
        let mut rng = seeded(3);
        let mut uut = DotProduct::<32, 4>::new(5);
        uut.connect_all();
        let mut expected = VecDeque::new();
        for cycle in 0..200 {
            let mut sum = 0i32;
            for i in 0..5 {
                let (mut a, mut nz, mut neg) = (0u64, 0u64, 0u64);
                for j in 0..4 {
                    let value: i8 = *[-128, -1, 0, 1, 127, rng.random()]
                        .get(rng.random_range(0..6usize))
                        .expect("six values");
                    let trit: i32 = rng.random_range(-1..=1);
                    a |= u64::from(value as u8) << (8 * j);
                    nz |= u64::from(trit != 0) << j;
                    neg |= u64::from(trit < 0) << j;
                    sum += trit * i32::from(value);
                }
                uut.activations[i].next = a.into();
                uut.nz[i].next = nz.into();
                uut.neg[i].next = neg.into();
            }
            expected.push_back(sum);
            tick(&mut uut, |u, level| u.clock.next = level.into());
            if cycle + 1 >= latency(20) {
                let want = expected.pop_front().expect("pushed above");
                assert_eq!(uut.sum.val(), u64::from(want as u32), "cycle {cycle}");
            }
        }
    }

    #[test]
    fn tree_levels() {
        assert_eq!(
            (levels(1), levels(2), levels(64), levels(320)),
            (0, 1, 6, 9)
        );
    }
}
