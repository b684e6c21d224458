//! Operators of a forward pass, counted: FLOPs and bytes of each, exactly, before any device.
//!
//! | operator | FLOPs | bytes read | bytes written |
//! |---|---|---|---|
//! | linear, `x: [M, K]`, `W: [N, K]` | 2 M N K (+ M N with a bias) | x, W | y |
//! | norm of E elements | 4 E | input, gain | output |
//! | rope of E elements | 3 E | input | output |
//! | scores, values | 2 a score and element of a head, each | q, K; V | attention output |
//! | softmax | 5 a score | none: scores stay on chip, as in fused attention | none |
//! | activation of E elements | SiLU 5 E, squared ReLU 3 E (gated), 4 E (plain) | gate, up | product |
//! | residual of E elements | E | both | sum |
//! | quantising of E elements (BitNet) | 3 E | 16 bit | int8 and a scale a token |
//!
//! A multiply-add is two FLOPs. q, k and v are one product that reads x once, and so are gate and up. Scores are
//! causal: token i sees i tokens. In prefill the output head is computed for the last token of each sequence. K and V
//! are read once a sequence and kv head, not once a query head. Under tensor parallelism of degree tp the counts are
//! those of one rank: q, k, v, gate, up and head split by rows, o and down by columns, kv heads kept whole if there are
//! fewer than ranks, and two all-reduces a block, whose bytes are those that a rank sends over the link in a ring.

use super::config::ModelConfig;
use super::pass::Pass;
use super::tensors::Part;
use super::weights::{row_bytes, WeightPlan};
use crate::profile::Format;

/// Bytes of an activation: 16 bits.
pub const ACTIVATION_BYTES: u128 = 2;

/// FLOPs of a norm for each element: square, add, scale, gain.
const NORM_FLOPS: u128 = 4;
/// Of a rotary embedding: six for each pair.
const ROPE_FLOPS: u128 = 3;
/// Of softmax for each score: maximum, subtraction, exponential, sum, division.
const SOFTMAX_FLOPS: u128 = 5;
/// Of quantising: maximum, scaling, rounding.
const QUANTIZE_FLOPS: u128 = 3;

/// A product of matrices within an operator: `copies` of [m, k] x [k, n].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gemm {
    /// How many products of this shape.
    pub copies: u128,
    /// Rows of the activations.
    pub m: u128,
    /// Columns of the result.
    pub n: u128,
    /// Length of the sums.
    pub k: u128,
    /// Form of the weights; none if both sides are activations.
    pub format: Option<Format>,
    /// Whether the activations are 8-bit codes.
    pub int8: bool,
}

/// One operator on one rank, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its name.
    pub name: &'static str,
    /// Which part of the model it belongs to.
    pub part: Part,
    /// How often it is called in a pass.
    pub calls: u64,
    /// The product, if it is one.
    pub gemm: Option<Gemm>,
    /// FLOPs of a call.
    pub flops: u128,
    /// Bytes of weights that a call reads.
    pub weight_bytes: u128,
    /// All bytes that a call reads.
    pub read: u128,
    /// Bytes that a call writes.
    pub written: u128,
    /// Whether the bytes go over the link between ranks rather than to memory.
    pub link: bool,
}

impl Counted {
    /// Read and written.
    pub fn bytes(&self) -> u128 {
        self.read + self.written
    }
}

/// Every operator of a pass in the order they are computed, on one of `tp` ranks.
pub fn operators(c: &ModelConfig, plan: &WeightPlan, pass: &Pass, tp: u64) -> Vec<Counted> {
    let mut list = Counter {
        c,
        plan,
        m: pass.tokens(),
        list: Vec::new(),
    };
    let (hidden, ffn) = (u128::from(c.hidden), u128::from(c.ffn) / u128::from(tp));
    let dim = u128::from(c.head_dim);
    let heads = u128::from(c.heads / tp);
    let kv_heads = u128::from((c.kv_heads / tp).max(1));
    let (q, kv) = (heads * dim, kv_heads * dim);
    let f = &c.family;
    let m = list.m;
    let shape = |n, k, bias| Shape { n, k, bias };
    list.moved("embedding", Part::Embedding, 1, m * hidden);
    list.norm("input_norm", hidden);
    list.quantize("quantize_qkv", Part::Attention, hidden);
    list.linear(
        "qkv_proj",
        Part::Attention,
        shape(q + 2 * kv, hidden, f.qkv_bias),
    );
    if f.qk_norm {
        let e = Elements {
            width: q + kv,
            flops: NORM_FLOPS,
            reads: 1,
            gains: 2 * dim,
        };
        list.elementwise("qk_norm", Part::Norm, e);
    }
    let e = Elements {
        width: q + kv,
        flops: ROPE_FLOPS,
        reads: 1,
        gains: 0,
    };
    list.elementwise("rope", Part::Attention, e);
    list.moved("kv_append", Part::Attention, c.layers, 2 * m * kv);
    list.attention(pass, heads, kv_heads);
    if f.sub_norms {
        // Each rank has its share of the heads.
        list.norm("attn_sub_norm", q);
    }
    list.quantize("quantize_o", Part::Attention, q);
    list.linear("o_proj", Part::Attention, shape(hidden, q, f.o_bias));
    list.all_reduce("all_reduce_attn", Part::Attention, tp);
    list.residual("residual_attn", Part::Attention, hidden);
    list.norm("post_attn_norm", hidden);
    list.quantize("quantize_gate_up", Part::Mlp, hidden);
    let (up, matrices) = match f.gated {
        true => ("gate_up_proj", 2),
        false => ("up_proj", 1),
    };
    list.linear(up, Part::Mlp, shape(matrices * ffn, hidden, f.mlp_bias));
    let flops = match (f.gated, c.relu2) {
        (true, true) => 3,
        (true, false) => 5,
        (false, _) => 4,
    };
    let e = Elements {
        width: ffn,
        flops,
        reads: matrices,
        gains: 0,
    };
    list.elementwise("activation", Part::Mlp, e);
    if f.sub_norms {
        list.norm("ffn_sub_norm", ffn);
    }
    list.quantize("quantize_down", Part::Mlp, ffn);
    list.linear("down_proj", Part::Mlp, shape(hidden, ffn, f.mlp_bias));
    list.all_reduce("all_reduce_mlp", Part::Mlp, tp);
    list.residual("residual_mlp", Part::Mlp, hidden);
    if f.block_norms > 2 {
        list.norm("branch_norms", 2 * hidden);
    }
    // Only the last token of a sequence is asked for its successor.
    list.m = u128::from(pass.batch);
    list.norm("final_norm", hidden);
    list.once();
    let vocab = u128::from(c.vocab).div_ceil(u128::from(tp));
    list.product(
        "lm_head",
        Part::LmHead,
        shape(vocab, hidden, false),
        plan.others,
        false,
    );
    list.once();
    list.list
}

/// Elements of each token that are read and computed one by one, and written once.
struct Elements {
    width: u128,
    flops: u128,
    /// How often they are read: operands.
    reads: u128,
    /// Gains, read once.
    gains: u128,
}

/// Shape of a product's weights, `[n, k]`, and whether it adds a bias.
struct Shape {
    n: u128,
    k: u128,
    bias: bool,
}

struct Counter<'a> {
    c: &'a ModelConfig,
    plan: &'a WeightPlan,
    /// Tokens.
    m: u128,
    list: Vec<Counted>,
}

impl Counter<'_> {
    fn push(&mut self, name: &'static str, part: Part, flops: u128, read: u128, written: u128) {
        self.list.push(Counted {
            name,
            part,
            calls: self.c.layers,
            gemm: None,
            flops,
            weight_bytes: 0,
            read,
            written,
            link: false,
        });
    }

    /// The last operator is called once a pass, not in each block.
    fn once(&mut self) {
        if let Some(last) = self.list.last_mut() {
            last.calls = 1;
        }
    }

    /// Elements copied.
    fn moved(&mut self, name: &'static str, part: Part, calls: u64, elements: u128) {
        let bytes = elements * ACTIVATION_BYTES;
        self.push(name, part, 0, bytes, bytes);
        if let Some(last) = self.list.last_mut() {
            last.calls = calls;
        }
    }

    fn elementwise(&mut self, name: &'static str, part: Part, e: Elements) {
        let elements = self.m * e.width;
        let bytes = |n: u128| n * ACTIVATION_BYTES;
        let read = bytes(e.reads * elements + e.gains);
        self.push(name, part, e.flops * elements, read, bytes(elements));
        if let Some(last) = self.list.last_mut() {
            last.weight_bytes = bytes(e.gains);
        }
    }

    /// A norm with a gain for each element.
    fn norm(&mut self, name: &'static str, width: u128) {
        let gains = width;
        self.elementwise(
            name,
            Part::Norm,
            Elements {
                width,
                flops: NORM_FLOPS,
                reads: 1,
                gains,
            },
        );
    }

    /// A branch added to the residual stream.
    fn residual(&mut self, name: &'static str, part: Part, width: u128) {
        self.elementwise(
            name,
            part,
            Elements {
                width,
                flops: 1,
                reads: 2,
                gains: 0,
            },
        );
    }

    /// 16-bit activations to 8-bit codes and a scale a token, in a ternary model.
    fn quantize(&mut self, name: &'static str, part: Part, width: u128) {
        if self.c.ternary {
            let elements = self.m * width;
            let (read, written) = (ACTIVATION_BYTES * elements, elements + 4 * self.m);
            self.push(name, part, QUANTIZE_FLOPS * elements, read, written);
        }
    }

    /// A linear of the blocks.
    fn linear(&mut self, name: &'static str, part: Part, shape: Shape) {
        let (format, int8) = (self.plan.linears, self.c.ternary);
        self.product(name, part, shape, format, int8);
    }

    fn product(
        &mut self,
        name: &'static str,
        part: Part,
        shape: Shape,
        format: Format,
        int8: bool,
    ) {
        let Shape { n, k, bias } = shape;
        let m = self.m;
        // Codes are a byte each, and every token has a scale.
        let x = match int8 {
            true => m * k + 4 * m,
            false => ACTIVATION_BYTES * m * k,
        };
        let bias_bytes = if bias { ACTIVATION_BYTES * n } else { 0 };
        let weight_bytes = n * row_bytes(format, k) + bias_bytes;
        let adds = if bias { m * n } else { 0 };
        self.push(
            name,
            part,
            2 * m * n * k + adds,
            x + weight_bytes,
            ACTIVATION_BYTES * m * n,
        );
        if let Some(last) = self.list.last_mut() {
            last.weight_bytes = weight_bytes;
            last.gemm = Some(Gemm {
                copies: 1,
                m,
                n,
                k,
                format: Some(format),
                int8,
            });
        }
    }

    /// Scores, softmax and values of all heads.
    fn attention(&mut self, pass: &Pass, heads: u128, kv_heads: u128) {
        let dim = u128::from(self.c.head_dim);
        let batch = u128::from(pass.batch);
        let window = self.c.sliding_window;
        let pairs = batch * heads * pass.pairs(window);
        let seen = match window {
            // The oldest new token looks back a whole window.
            Some(w) => pass.context.min(w.saturating_add(pass.new - 1)),
            None => pass.context,
        };
        let cache = ACTIVATION_BYTES * batch * kv_heads * u128::from(seen) * dim;
        let q = ACTIVATION_BYTES * batch * heads * u128::from(pass.new) * dim;
        // Query heads that share a kv head share its rows: one product for each.
        let gemm = |n, k| Gemm {
            copies: batch * kv_heads,
            m: heads / kv_heads * u128::from(pass.new),
            n,
            k,
            format: None,
            int8: false,
        };
        for (name, flops, read, written, product) in [
            (
                "attn_scores",
                2 * dim * pairs,
                q + cache,
                0,
                Some(gemm(u128::from(seen), dim)),
            ),
            ("attn_softmax", SOFTMAX_FLOPS * pairs, 0, 0, None),
            (
                "attn_values",
                2 * dim * pairs,
                cache,
                q,
                Some(gemm(dim, u128::from(seen))),
            ),
        ] {
            self.push(name, Part::Attention, flops, read, written);
            if let Some(last) = self.list.last_mut() {
                last.gemm = product;
            }
        }
    }

    /// Sums over ranks: in a ring each sends 2 (tp - 1) / tp of the vector.
    fn all_reduce(&mut self, name: &'static str, part: Part, tp: u64) {
        if tp == 1 {
            return;
        }
        let tp = u128::from(tp);
        let elements = self.m * u128::from(self.c.hidden);
        let sent = (2 * ACTIVATION_BYTES * elements * (tp - 1)).div_ceil(tp);
        self.push(name, part, elements * (tp - 1) / tp, 0, sent);
        if let Some(last) = self.list.last_mut() {
            last.link = true;
        }
    }
}
