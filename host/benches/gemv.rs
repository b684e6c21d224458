//! Ternary products of the host: `gemv/<isa>/<encoding>/<N>x<K>`, one thread, weights in cache
//! where they fit, and `gemm` with 16 tokens. Throughput counts multiply-adds.
//!
//! Encoding `host2` is the two-bit packing of `tercet::kernel::packed`. `plain` is what the compiler makes
//! of int8 weights, unpacked, at its baseline target.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet::kernel::activations::Activations;
use tercet::kernel::packed::PackedTrits;
use tercet::kernel::Kernel;

/// (N, K) of the linears of BitNet b1.58 2B-4T: q and o, k and v, gate and up, down.
const SHAPES: [(usize, usize); 4] = [(2560, 2560), (640, 2560), (6912, 2560), (2560, 6912)];

/// Tokens of the prefill bench.
const TOKENS: usize = 16;

fn random(count: usize, low: i8, high: i8) -> Vec<i8> {
    let mut rng = StdRng::seed_from_u64(1);
    (0..count).map(|_| rng.random_range(low..=high)).collect()
}

fn products(c: &mut Criterion) {
    for (kind, tokens) in [("gemv", 1), ("gemm16", TOKENS)] {
        for (n, k) in SHAPES {
            let trits = random(n * k, -1, 1);
            let packed = PackedTrits::from_trits(n, k, &trits);
            let codes = random(tokens * k, -127, 127);
            let x = Activations::from_codes(&codes, k);
            let mut acc = vec![0; n * tokens];
            for kernel in Kernel::available() {
                let mut group = c.benchmark_group(format!("{kind}/{}/host2", kernel.isa()));
                group.sample_size(10);
                group.throughput(Throughput::Elements((n * k * tokens) as u64));
                group.bench_function(BenchmarkId::from_parameter(format!("{n}x{k}")), |b| {
                    b.iter(|| kernel.ternary(black_box(&packed), 0..n, black_box(&x), &mut acc));
                });
            }
            if tokens == 1 {
                let mut group = c.benchmark_group("gemv/plain/int8");
                group.sample_size(10);
                group.throughput(Throughput::Elements((n * k) as u64));
                group.bench_function(BenchmarkId::from_parameter(format!("{n}x{k}")), |b| {
                    b.iter(|| plain(black_box(&trits), black_box(&codes), &mut acc));
                });
            }
        }
    }
}

/// The loop one would write first: int8 weights, int32 sums.
fn plain(w: &[i8], x: &[i8], acc: &mut [i32]) {
    for (acc, row) in acc.iter_mut().zip(w.chunks_exact(x.len())) {
        let products = row
            .iter()
            .zip(x)
            .map(|(&w, &x)| i32::from(w) * i32::from(x));
        *acc = products.sum();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
