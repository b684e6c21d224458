//! Every tensor of a synthetic checkpoint, and how each of its rows is filled.
//!
//! Scales are chosen so that numbers stay where they are, whatever the depth:
//!
//! - A linear has `weight_scale = 1 / sqrt(K (1 - z))`, `z` the zero share: inputs of variance 1 give outputs of
//!   variance 1. Those that read the residual stream through a norm make up for what its drift
//!   ([`super::drift`]) takes of the norm's output.
//! - Norm gains are `1 + 0.05 normal`. So `o` and `down`, behind sub-norms, each add variance 1 to the residual
//!   stream, and before the MLP of block `b` it has variance `s^2 + 2 b + 1`, `s` that of the embedding.
//! - `s = min(1, sqrt(2 L / H))`: the embedding is also the output head, so a token's own logit stands
//!   `s sqrt(H / (s^2 + 2 L))`, about 1, standard deviations out. More, and every token would repeat itself.
//! - The last norm's gain makes logits of standard deviation [`LOGIT_STD`].

use half::bf16;
use safetensors::Dtype;

use super::drift::Drift;
use super::random::Stream;
use super::shape::Shape;
use super::trits::Trits;
use super::{SynthError, SynthOptions};
use crate::checkpoint::packing::ROWS_PER_BYTE;
use crate::model::{LinearId, LinearKind};

/// Standard deviation of norm gains around their mean.
const GAIN_JITTER: f32 = 0.05;

/// Standard deviation of logits.
const LOGIT_STD: f64 = 3.0;

/// Most zeros among ternary weights.
const MAX_ZERO_SHARE: f64 = 0.95;

/// A tensor about to be written.
pub(super) struct Tensor {
    /// Name in the checkpoint.
    pub name: String,
    /// u8 for packed trits, bf16 for all else.
    pub dtype: Dtype,
    /// Rows and columns, or one length.
    pub shape: Vec<usize>,
    stream: Stream,
    content: Content,
}

/// What a tensor holds.
enum Content {
    /// `drift + std * normal` in the first channel of a pair, the mirror image in the second.
    Embedding { std: f32, drift: f32 },
    /// `gain * (1 + jitter)`.
    Gains { gain: f32, pairs: GainPairs },
    /// One number.
    Scale(bf16),
    /// Packed trits.
    Trits(Trits),
}

/// What the gains of a norm are in the pairs of the residual stream.
#[derive(Clone, Copy)]
enum GainPairs {
    /// Nothing special: this norm is not of the residual stream.
    None,
    /// The same in both channels.
    Equal,
    /// 0.
    Zero,
}

/// All tensors, in file order: bf16 first, so that every tensor is aligned.
pub(super) struct Tensors {
    /// The tensors.
    pub list: Vec<Tensor>,
    drift: Drift,
}

impl Tensors {
    /// Chooses every scale; refuses shares out of reach.
    pub(super) fn new(options: &SynthOptions) -> Result<Self, SynthError> {
        let SynthOptions {
            shape,
            seed,
            zero_share,
            closed_gates,
            ..
        } = options;
        if !(0.0..=MAX_ZERO_SHARE).contains(zero_share) {
            let expected = format!("0 to {MAX_ZERO_SHARE}");
            return Err(SynthError::option("zero-share", zero_share, expected));
        }
        if !(*closed_gates > 0.0 && *closed_gates < 1.0) {
            let expected = "a share above 0 and below 1";
            return Err(SynthError::option("closed-gates", closed_gates, expected));
        }
        let (layers, hidden) = (shape.layers as f64, shape.hidden as f64);
        let std = (2.0 * layers / hidden).sqrt().min(1.0);
        let last = std * std + 2.0 * layers - 1.0;
        let drift = Drift::new(shape, *closed_gates, *zero_share, last)?;

        let mut builder = Builder {
            seed: *seed,
            list: Vec::new(),
        };
        let embedding = Content::Embedding {
            std: std as f32,
            drift: drift.value,
        };
        builder.bf16(
            "model.embed_tokens.weight".into(),
            vec![shape.vocab, shape.hidden],
            embedding,
        );
        let last_norm = Content::Gains {
            gain: (LOGIT_STD / (std * hidden.sqrt())) as f32,
            pairs: GainPairs::Zero,
        };
        builder.bf16("model.norm.weight".into(), vec![shape.hidden], last_norm);
        for block in 0..shape.layers {
            let before_attention = std * std + 2.0 * block as f64;
            builder.block(shape, &drift, *zero_share, block, before_attention);
        }
        // A stable sort: bf16 before u8, otherwise as they were.
        builder.list.sort_by_key(|t| t.dtype == Dtype::U8);
        Ok(Tensors {
            list: builder.list,
            drift,
        })
    }

    /// Fills stored row `row` of a tensor.
    pub(super) fn fill(&self, tensor: &Tensor, row: usize, out: &mut [u8]) {
        match &tensor.content {
            Content::Scale(scale) => out.copy_from_slice(&scale.to_le_bytes()),
            Content::Embedding { std, drift } => {
                let first = (row * out.len() / 2) as u64;
                let value = |c: usize| jitter(tensor.stream, first, c, *std);
                write_bf16(out, value);
                for c in self.drift.firsts() {
                    let random = value(c);
                    put_bf16(out, c, drift + random);
                    put_bf16(out, c + 1, drift - random);
                }
            }
            Content::Gains { gain, pairs } => {
                let value = |c: usize| gain * (1.0 + jitter(tensor.stream, 0, c, GAIN_JITTER));
                write_bf16(out, value);
                for c in self.drift.firsts() {
                    let both = match pairs {
                        GainPairs::None => break,
                        GainPairs::Equal => value(c),
                        GainPairs::Zero => 0.0,
                    };
                    put_bf16(out, c, both);
                    put_bf16(out, c + 1, both);
                }
            }
            Content::Trits(trits) => trits.fill(&self.drift, tensor.stream, row, out),
        }
    }
}

impl Tensor {
    /// Rows as stored.
    pub(super) fn rows(&self) -> usize {
        match self.shape.as_slice() {
            [rows, _] => *rows,
            _ => 1,
        }
    }

    /// Bytes of a row as stored.
    pub(super) fn row_bytes(&self) -> usize {
        self.shape[self.shape.len() - 1] * self.dtype.bitsize() / 8
    }

    /// Bytes of the tensor.
    pub(super) fn bytes(&self) -> u64 {
        self.rows() as u64 * self.row_bytes() as u64
    }
}

/// Collects tensors.
struct Builder {
    seed: u64,
    list: Vec<Tensor>,
}

impl Builder {
    fn bf16(&mut self, name: String, shape: Vec<usize>, content: Content) {
        self.push(name, Dtype::BF16, shape, content);
    }

    fn push(&mut self, name: String, dtype: Dtype, shape: Vec<usize>, content: Content) {
        self.list.push(Tensor {
            stream: Stream::new(self.seed, &name),
            name,
            dtype,
            shape,
            content,
        });
    }

    /// One block; `variance` is that of the residual stream before it, without drift.
    fn block(
        &mut self,
        shape: &Shape,
        drift: &Drift,
        zero_share: f64,
        block: usize,
        variance: f64,
    ) {
        for (norm, width, pairs) in [
            ("input_layernorm", shape.hidden, GainPairs::Equal),
            ("self_attn.attn_sub_norm", shape.hidden, GainPairs::None),
            ("post_attention_layernorm", shape.hidden, GainPairs::Equal),
            ("mlp.ffn_sub_norm", shape.ffn, GainPairs::None),
        ] {
            let gains = Content::Gains { gain: 1.0, pairs };
            let name = format!("model.layers.{block}.{norm}.weight");
            self.bf16(name, vec![width], gains);
        }
        for kind in LinearKind::ALL {
            let (n, k) = shape.linear(kind);
            let variance = match kind {
                LinearKind::Gate | LinearKind::Up => variance + 1.0,
                _ => variance,
            };
            let gain = match kind {
                LinearKind::O | LinearKind::Down => 1.0,
                _ => (drift.mean_square(variance) / variance).sqrt(),
            };
            let scale = gain / (k as f64 * (1.0 - zero_share)).sqrt();
            let id = LinearId { block, kind };
            let name = id.weight_name();
            self.bf16(
                format!("{name}_scale"),
                vec![1],
                Content::Scale(bf16::from_f64(scale)),
            );
            let trits = Trits::new(n, kind, zero_share, || drift.lean(variance));
            self.push(
                name,
                Dtype::U8,
                vec![n / ROWS_PER_BYTE, k],
                Content::Trits(trits),
            );
        }
    }
}

/// `std * normal` of element `first + c`.
#[inline(always)]
fn jitter(stream: Stream, first: u64, c: usize, std: f32) -> f32 {
    std * stream.normal(first + c as u64)
}

fn write_bf16(out: &mut [u8], value: impl Fn(usize) -> f32) {
    for (c, bytes) in out.chunks_exact_mut(2).enumerate() {
        bytes.copy_from_slice(&bf16::from_f32(value(c)).to_le_bytes());
    }
}

fn put_bf16(out: &mut [u8], c: usize, value: f32) {
    out[2 * c..2 * c + 2].copy_from_slice(&bf16::from_f32(value).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::packing::unpack_row;

    fn tensors(shape: Shape) -> Tensors {
        Tensors::new(&SynthOptions {
            shape,
            ..SynthOptions::default()
        })
        .unwrap()
    }

    /// `W: [N, K]` of block 0, as trits.
    fn weight(tensors: &Tensors, kind: LinearKind) -> Vec<Vec<i8>> {
        let name = LinearId { block: 0, kind }.weight_name();
        let tensor = tensors.list.iter().find(|t| t.name == name).unwrap();
        let (rows, k) = (tensor.rows(), tensor.row_bytes());
        let mut bytes = vec![0; rows * k];
        for (row, out) in bytes.chunks_exact_mut(k).enumerate() {
            tensors.fill(tensor, row, out);
        }
        let n = rows * ROWS_PER_BYTE;
        let row = |row| {
            let mut codes = vec![0; k];
            unpack_row(&bytes, n, row, &mut codes);
            assert!(codes.iter().all(|&c| c < 3));
            codes.into_iter().map(|c| c as i8 - 1).collect()
        };
        (0..n).map(row).collect()
    }

    /// A shape whose pairs straddle the quarters of a packed weight: 52 rows in quarters of 13.
    fn odd() -> Shape {
        Shape {
            hidden: 52,
            heads: 1,
            kv_heads: 1,
            ffn: 1024,
            ..Shape::tiny()
        }
    }

    #[test]
    fn readers_see_differences_and_writers_write_opposites() {
        for shape in [Shape::tiny(), odd()] {
            let t = tensors(shape);
            let firsts: Vec<usize> = t.drift.firsts().collect();
            for kind in [LinearKind::Q, LinearKind::V, LinearKind::Up] {
                for row in weight(&t, kind) {
                    assert!(firsts.iter().all(|&c| row[c] == -row[c + 1]), "{kind}");
                }
            }
            for kind in [LinearKind::O, LinearKind::Down] {
                let w = weight(&t, kind);
                for &c in &firsts {
                    let opposite = w[c].iter().zip(&w[c + 1]).all(|(a, b)| *a == -b);
                    assert!(opposite, "{kind} row {c}");
                }
            }
        }
    }

    #[test]
    fn zeros_have_their_share_and_signs_balance_off_the_pairs() {
        let t = tensors(odd());
        for kind in LinearKind::ALL {
            let w = weight(&t, kind);
            let all = (w.len() * w[0].len()) as f64;
            let count = |f: &dyn Fn(usize, i8) -> bool| {
                let row = |r: &Vec<i8>| r.iter().enumerate().filter(|(c, &t)| f(*c, t)).count();
                w.iter().map(row).sum::<usize>() as f64
            };
            let zeros = count(&|_, t| t == 0) / all;
            assert!((zeros - 0.3).abs() < 0.03, "{kind}: {zeros}");
            if kind == LinearKind::Gate {
                let pair = |c: usize| t.drift.is_second(c) || t.drift.is_second(c + 1);
                let (minus, plus) = (
                    count(&|c, t| pair(c) && t < 0),
                    count(&|c, t| pair(c) && t > 0),
                );
                assert!(minus > 1.1 * plus, "{minus} {plus}");
            }
        }
    }

    #[test]
    fn bf16_comes_first_and_everything_is_aligned() {
        let t = tensors(Shape::tiny());
        let packed = t.list.iter().position(|t| t.dtype == Dtype::U8).unwrap();
        assert!(t.list[packed..].iter().all(|t| t.dtype == Dtype::U8));
        assert_eq!(t.list.len(), 2 + 6 * (4 + 14));
    }
}
