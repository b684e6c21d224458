//! Causal grouped-query attention over the cache.
//!
//! Query head h reads kv head `h / (heads / kv_heads)`; scores are scaled by `head_dim^-1/2`.

use std::cell::RefCell;

use super::kv_cache::KvCache;
use crate::checkpoint::Config;
use crate::kernel::dense::{dot, exp, sum, LANES};
use crate::kernel::threads::Work;
use crate::kernel::{Cpu, Loop};

thread_local! {
    /// Scores of the head a thread is at, `[length]`; kept, so that no token allocates.
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
    cpu.for_each_part(work, out, dim, |i, out| {
        let (token, head) = (i / heads, i % heads);
        let length = (start + token + 1) * dim;
        let (keys, values) = cache.head(block, head / group);
        SCORES.with_borrow_mut(|scores| {
            scores.resize(start + token + 1, 0.0);
            cpu.kernel().vectorize(Head {
                query: &queries[i * dim..(i + 1) * dim],
                keys: &keys[..length],
                values: &values[..length],
                scale,
                scores,
                out,
            });
        });
    });
}

/// One query head: `out = softmax(scale * keys . query) . values`.
struct Head<'a> {
    query: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    scale: f32,
    /// Scratch, one for each key.
    scores: &'a mut [f32],
    out: &'a mut [f32],
}

impl Loop for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let dim = self.query.len();
        let weights = self.scores;
        for (w, key) in weights.iter_mut().zip(self.keys.chunks_exact(dim)) {
            *w = dot(self.query, key) * self.scale;
        }
        let peak = weights.iter().fold(f32::NEG_INFINITY, |m, &w| m.max(w));
        for w in weights.iter_mut() {
            *w = exp(*w - peak);
        }
        let sum = sum(weights);
        for w in weights.iter_mut() {
            *w /= sum;
        }
        // A few elements at a time, so that their sums stay in registers over all values.
        let (groups, rest) = self.out.as_chunks_mut::<LANES>();
        for (i, group) in groups.iter_mut().enumerate() {
            let mut sums = [0.0; LANES];
            for (p, value) in weights.iter().zip(self.values.chunks_exact(dim)) {
                let (lanes, _) = value[i * LANES..].as_chunks::<LANES>();
                for lane in 0..LANES {
                    sums[lane] += p * lanes[0][lane];
                }
            }
            *group = sums;
        }
        let first = dim - rest.len();
        rest.fill(0.0);
        for (p, value) in weights.iter().zip(self.values.chunks_exact(dim)) {
            for (o, v) in rest.iter_mut().zip(&value[first..]) {
                *o += p * v;
            }
        }
    }
}
