//! The lm_head: `dense/<isa>/bf16-<threads>t/<N>x<K>`, one token. Throughput counts bytes of weights.

// `criterion_group!` makes a public function without documentation.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{
    criterion_group, criterion_main, BenchmarkId, Criterion, SamplingMode, Throughput,
};
use safetensors::tensor::TensorView;
use safetensors::Dtype;
use tercet::checkpoint::files::TensorFiles;
use tercet::checkpoint::weights::DenseMatrix;
use tercet::kernel::{Cpu, Kernel};

/// The head of BitNet b1.58 2B-4T: far beyond any cache.
const N: usize = 128_256;
const K: usize = 2560;

fn lm_head(c: &mut Criterion) {
    // bf16 bytes 0x3c.. are small positive numbers.
    let bytes: Vec<u8> = (0..N * K).flat_map(|i| [i as u8, 0x3c]).collect();
    let view = TensorView::new(Dtype::BF16, vec![N, K], &bytes).expect("a whole matrix");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    safetensors::serialize_to_file([("head", view)], None, file.path()).expect("room on the disk");
    drop(bytes);
    let files = TensorFiles::open_file(file.path()).expect("the file just written");
    let head = DenseMatrix::load(&files, "head", N, K).expect("the matrix just written");

    let x: Vec<f32> = (0..K).map(|i| (i as f32).sin()).collect();
    let mut y = vec![0.0; N];
    for kernel in Kernel::available() {
        for threads in [1, 2] {
            let cpu = Cpu::new(threads, kernel).expect("a few threads");
            let mut group = c.benchmark_group(format!("dense/{}/bf16-{threads}t", kernel.isa()));
            group
                .sample_size(10)
                .sampling_mode(SamplingMode::Flat)
                .warm_up_time(Duration::from_millis(100))
                .measurement_time(Duration::from_secs(1));
            group.throughput(Throughput::Bytes(head.bytes() as u64));
            group.bench_function(BenchmarkId::from_parameter(format!("{N}x{K}")), |b| {
                b.iter(|| cpu.dense(black_box(&head), black_box(&x), &mut y));
            });
        }
    }
}

criterion_group!(benches, lm_head);
criterion_main!(benches);
