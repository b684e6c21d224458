//! Packing: `pack/<layout>/<N>x<K>`, for device images (`512-b3`, ..) and for the host (`host2`).

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet::kernel::packed::PackedTrits;
use tercet_contract::{layout, Encoding, Geometry};

const SHAPES: [(usize, usize); 2] = [(640, 2560), (2560, 6912)];

fn packing(c: &mut Criterion) {
    let mut rng = StdRng::seed_from_u64(1);
    for (n, k) in SHAPES {
        let trits: Vec<i8> = (0..n * k).map(|_| rng.random_range(-1..=1)).collect();
        let shape = format!("{n}x{k}");
        let elements = Throughput::Elements((n * k) as u64);
        for encoding in Encoding::ALL {
            let geometry = Geometry::new(512, encoding, 1).expect("a supported geometry");
            let mut group = c.benchmark_group(format!("pack/{geometry}"));
            group.sample_size(10);
            group.throughput(elements.clone());
            group.bench_function(BenchmarkId::from_parameter(&shape), |b| {
                b.iter(|| layout::pack_matrix(&geometry, n, k, black_box(&trits)));
            });
        }
        let mut group = c.benchmark_group("pack/host2");
        group.sample_size(10);
        group.throughput(elements);
        group.bench_function(BenchmarkId::from_parameter(&shape), |b| {
            b.iter(|| PackedTrits::from_trits(n, k, black_box(&trits)));
        });
    }
}

criterion_group!(benches, packing);
criterion_main!(benches);
