//! Causal grouped-query attention over the cache.
//!
//! Query head h reads kv head `h / (heads / kv_heads)`; scores are scaled by `head_dim^-1/2`.

use std::cell::RefCell;

use super::kv_cache::KvCache;
use crate::checkpoint::Config;
use crate::kernel::dense::{exp, sum};
use crate::kernel::threads::Work;
use crate::kernel::{Cpu, Kernel, Loop};

/// Positions whose keys, or values, stay in the L1 cache while each query of a unit passes over them.
const BLOCK: usize = 32;

/// Units of work for each thread that even out without being divisible.
const PIECES: usize = 4;

thread_local! {
    /// Scores of the queries a thread is at, `[queries, length]`; kept, so that no token allocates.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// `out: [T, heads, head_dim]` from rotated queries of the same shape; the cache already holds the keys
/// and values of these T tokens, the first of which stands at position `start`.
pub fn attend(
    cpu: &Cpu,
    config: &Config,
    cache: &KvCache,
    block: usize,
    start: usize,
    queries: &[f32],
    out: &mut [f32],
) {
    let (heads, dim) = (config.num_attention_heads, config.head_dim);
    let group = heads / config.num_key_value_heads;
    let scale = (dim as f32).powf(-0.5);
    let tokens = queries.len() / (heads * dim);
    let work = Work::attention(2 * queries.len() * (start + tokens));
    let together = queries_together(group, tokens * heads, cpu.threads());
    cpu.for_each_part(work, out, together * dim, |i, out| {
        let (token, head) = (i * together / heads, i * together % heads);
        let length = start + token + 1;
        let (keys, values) = cache.head(block, head / group);
        let queries = &queries[i * together * dim..][..together * dim];
        SCORES.with_borrow_mut(|scores| {
            scores.resize(together * length, 0.0);
            Unit {
                kernel: cpu.kernel(),
                queries,
                keys: &keys[..length * dim],
                values: &values[..length * dim],
                scale,
                dim,
            }
            .attend(scores, out);
        });
    });
}

/// Queries of a group that one unit of work takes: as many as leave every thread the same, since all of
/// them read the same keys and values.
fn queries_together(group: usize, queries: usize, threads: usize) -> usize {
    let is_even = |together: usize| {
        let units = queries / together;
        units.is_multiple_of(threads) || units >= PIECES * threads
    };
    let divisors = (1..=group).rev().filter(|q| group.is_multiple_of(*q));
    divisors.into_iter().find(|&q| is_even(q)).unwrap_or(1)
}

/// Some queries that share keys and values.
struct Unit<'a> {
    kernel: Kernel,
    /// `[queries, dim]`.
    queries: &'a [f32],
    /// `[length, dim]`.
    keys: &'a [f32],
    /// `[length, dim]`.
    values: &'a [f32],
    scale: f32,
    dim: usize,
}

impl Unit<'_> {
    /// `out = softmax(scale * keys . query) . values` for each query; `scores: [queries, length]` is
    /// scratch.
    fn attend(&self, scores: &mut [f32], out: &mut [f32]) {
        let (kernel, dim) = (self.kernel, self.dim);
        let length = self.keys.len() / dim;
        let block = BLOCK * dim;
        for (i, keys) in self.keys.chunks(block).enumerate() {
            let queries = self.queries.chunks_exact(dim);
            for (query, scores) in queries.zip(scores.chunks_exact_mut(length)) {
                let scores = &mut scores[i * BLOCK..][..keys.len() / dim];
                kernel.dots(query, keys, scores);
            }
        }
        for scores in scores.chunks_exact_mut(length) {
            let scale = self.scale;
            kernel.vectorize(Softmax { scores, scale });
        }
        out.fill(0.0);
        for (i, values) in self.values.chunks(block).enumerate() {
            let weights = scores.chunks_exact(length);
            for (weights, out) in weights.zip(out.chunks_exact_mut(dim)) {
                let weights = &weights[i * BLOCK..][..values.len() / dim];
                kernel.add_mix(weights, values, out);
            }
        }
    }
}

/// Replaces scores by `softmax(scale * scores)`.
struct Softmax<'a> {
    scores: &'a mut [f32],
    scale: f32,
}

impl Loop for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let weights = self.scores;
        let mut peak = i32::MIN;
        for w in weights.iter_mut() {
            *w *= self.scale;
            peak = peak.max(ordered(*w));
        }
        let peak = float(peak);
        for w in weights.iter_mut() {
            *w = exp(*w - peak);
        }
        let sum = sum(weights);
        for w in weights.iter_mut() {
            *w /= sum;
        }
    }
}

/// Bits in the order of the numbers they are: a maximum of integers is vectorised, one of floats is not.
#[inline(always)]
fn ordered(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// The number of [`ordered`] bits.
#[inline(always)]
fn float(ordered: i32) -> f32 {
    f32::from_bits((ordered ^ ((ordered >> 31) & i32::MAX)) as u32)
}
