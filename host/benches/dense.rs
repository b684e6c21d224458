//! The lm_head: `dense/<isa>/bf16/<N>x<K>`, one thread, one token. Throughput counts bytes of weights.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use safetensors::tensor::TensorView;
use safetensors::Dtype;
use tercet::checkpoint::files::TensorFiles;
use tercet::checkpoint::weights::DenseMatrix;
use tercet::kernel::{Cpu, Kernel};

/// A quarter of the head of BitNet b1.58 2B-4T: far beyond any cache.
const N: usize = 32_064;
const K: usize = 2560;

fn lm_head(c: &mut Criterion) {
    // bf16 bytes 0x3c.. are small positive numbers.
    let bytes: Vec<u8> = (0..N * K).flat_map(|i| [i as u8, 0x3c]).collect();
    let view = TensorView::new(Dtype::BF16, vec![N, K], &bytes).expect("a whole matrix");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    safetensors::serialize_to_file([("head", view)], None, file.path()).expect("room on the disk");
    let files = TensorFiles::open_file(file.path()).expect("the file just written");
    let head = DenseMatrix::load(&files, "head", N, K).expect("the matrix just written");

    let x: Vec<f32> = (0..K).map(|i| (i as f32).sin()).collect();
    let mut y = vec![0.0; N];
    for kernel in Kernel::available() {
        let cpu = Cpu::new(1, kernel).expect("one thread");
        let mut group = c.benchmark_group(format!("dense/{}/bf16", kernel.isa()));
        group.sample_size(10);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{N}x{K}")), |b| {
            b.iter(|| cpu.dense(black_box(&head), black_box(&x), &mut y));
        });
    }
}

criterion_group!(benches, lm_head);
criterion_main!(benches);
