//! Ternary products of the host, and how fast memory can be read for them.
//!
//! | name | what |
//! |---|---|
//! | `gemv/<isa>/<form>-<where>-<threads>t/<N>x<K>` | one token |
//! | `gemm128/<isa>/rows-<threads>t/<N>x<K>` | 128 tokens; without the scalar kernel, which takes seconds |
//! | `bandwidth/read/<threads>` | a pass over a buffer far beyond the caches |
//!
//! Forms are `rows` and `columns` (every weight is read) and `columns30` (30 % of the columns are open).
//! Weights are `hot` if one matrix is read again and again: then it stays in a cache, and throughput counts
//! multiply-adds. They are `cold` if a ring of matrices far beyond the caches is read in turn, as a decode
//! step does: then throughput counts bytes of weights, to be compared with `bandwidth/read`.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    criterion_group, criterion_main, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode,
    Throughput,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet::bench::bandwidth::{buffer_bytes, ReadBuffer};
use tercet::kernel::activations::Activations;
use tercet::kernel::matrix::{Order, TernaryMatrix};
use tercet::kernel::packed::PackedTrits;
use tercet::kernel::products::Scratch;
use tercet::kernel::threads::Work;
use tercet::kernel::{Cpu, Isa, Kernel};
use tercet::system::last_level_cache_bytes;

/// (N, K) of the linears of BitNet b1.58 2B-4T: q and o, k and v, gate and up, down.
const SHAPES: [(usize, usize); 4] = [(2560, 2560), (640, 2560), (6912, 2560), (2560, 6912)];

const THREADS: [usize; 2] = [1, 2];

/// Tokens of the prefill bench.
const TOKENS: usize = 128;

/// A ring of cold weights is at least as large, and four times the last-level caches.
const RING_BYTES: usize = 256 << 20;

/// Weights in memory: one matrix, or a ring of them.
struct Ring {
    matrices: Vec<TernaryMatrix>,
    next: usize,
}

impl Ring {
    fn hot(order: Order, n: usize, k: usize) -> Self {
        let matrices = vec![random_matrix(order, n, k, 0)];
        Ring { matrices, next: 0 }
    }

    fn cold(order: Order, n: usize, k: usize) -> Self {
        let caches = last_level_cache_bytes().map_or(0, |cache| 4 * cache.0 as usize);
        let mut matrices = Ring::hot(order, n, k).matrices;
        let count = RING_BYTES.max(caches).div_ceil(matrices[0].bytes());
        matrices.extend((1..count).map(|i| random_matrix(order, n, k, i)));
        Ring { matrices, next: 0 }
    }

    fn next(&mut self) -> &TernaryMatrix {
        self.next = (self.next + 1) % self.matrices.len();
        &self.matrices[self.next]
    }
}

/// Trits from a multiplicative hash: making them should not take longer than measuring.
fn random_matrix(order: Order, n: usize, k: usize, seed: usize) -> TernaryMatrix {
    let (lines, length) = match order {
        Order::Rows => (n, k),
        Order::Columns => (k, n),
    };
    let packed = PackedTrits::from_codes(lines, length, |line, codes| {
        let mut state = (seed * lines + line) as u64 | 1;
        for code in codes {
            state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            *code = (state % 3) as u8;
        }
        Ok::<(), Infallible>(())
    });
    match packed {
        Ok(packed) => TernaryMatrix::new(order, packed),
        Err(never) => match never {},
    }
}

/// Random codes, none of them zero but for the share that is closed.
fn activations(tokens: usize, k: usize, open: f64) -> Activations {
    let mut rng = StdRng::seed_from_u64(1);
    let codes: Vec<i8> = (0..tokens * k)
        .map(|_| match rng.random_bool(open) {
            true => rng.random_range(1..=127),
            false => 0,
        })
        .collect();
    Activations::from_codes(&codes, k)
}

/// A few samples, soon done.
fn quick<'c>(c: &'c mut Criterion, name: String) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200));
    group
}

fn gemv(c: &mut Criterion) {
    let forms = [
        ("rows", Order::Rows, 1.0),
        ("columns", Order::Columns, 1.0),
        ("columns30", Order::Columns, 0.3),
    ];
    for (n, k) in SHAPES {
        for (form, order, open) in forms {
            let x = activations(1, k, open);
            let opened = x.codes(0).iter().filter(|&&code| code != 0).count();
            for (place, mut ring) in [
                ("hot", Ring::hot(order, n, k)),
                ("cold", Ring::cold(order, n, k)),
            ] {
                let throughput = match place {
                    "hot" => Throughput::Elements((n * opened) as u64),
                    _ => Throughput::Bytes((ring.next().bytes() / k * opened) as u64),
                };
                for (kernel, threads) in each() {
                    let name = format!("gemv/{}/{form}-{place}-{threads}t", kernel.isa());
                    let cpu = Cpu::new(threads, kernel).expect("a few threads");
                    product(quick(c, name), &cpu, &mut ring, &x, throughput.clone());
                }
            }
        }
    }
}

fn gemm(c: &mut Criterion) {
    for (n, k) in SHAPES {
        let x = activations(TOKENS, k, 1.0);
        let mut ring = Ring::hot(Order::Rows, n, k);
        for (kernel, threads) in each().filter(|(kernel, _)| kernel.isa() != Isa::Scalar) {
            let name = format!("gemm{TOKENS}/{}/rows-{threads}t", kernel.isa());
            let cpu = Cpu::new(threads, kernel).expect("a few threads");
            let throughput = Throughput::Elements((n * k * TOKENS) as u64);
            product(quick(c, name), &cpu, &mut ring, &x, throughput);
        }
    }
}

/// Every kernel on every number of threads.
fn each() -> impl Iterator<Item = (Kernel, usize)> {
    Kernel::available().flat_map(|kernel| THREADS.map(|threads| (kernel, threads)))
}

fn product(
    mut group: BenchmarkGroup<WallTime>,
    cpu: &Cpu,
    ring: &mut Ring,
    x: &Activations,
    throughput: Throughput,
) {
    let (n, k) = (ring.next().n(), x.k());
    let mut acc = vec![0i32; n * x.tokens()];
    let mut scratch = Scratch::default();
    group.throughput(throughput);
    group.bench_function(BenchmarkId::from_parameter(format!("{n}x{k}")), |b| {
        let pool = cpu.pool();
        // Inside the pool, as in the forward pass of a large model.
        pool.install(Work::pass(1 << 30, 1), || {
            b.iter(|| {
                cpu.ternary(
                    ring.next(),
                    black_box(x),
                    &mut scratch,
                    &mut acc,
                    |_, sums, acc| {
                        acc.copy_from_slice(sums);
                    },
                );
            })
        });
    });
    group.finish();
}

fn bandwidth(c: &mut Criterion) {
    for threads in THREADS {
        let cpu = Cpu::new(threads, Kernel::detect()).expect("a few threads");
        let mut buffer = ReadBuffer::new(&cpu, buffer_bytes());
        let mut group = quick(c, "bandwidth/read".to_string());
        group.throughput(Throughput::Bytes(buffer.bytes().0));
        group.bench_function(BenchmarkId::from_parameter(threads), |b| {
            b.iter(|| buffer.read(&cpu));
        });
    }
}

criterion_group!(benches, bandwidth, gemv, gemm);
criterion_main!(benches);
