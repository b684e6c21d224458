//! Speed of simulation: weight beats a second through the device model, clock cycles a second of the
//! Verilated kernel. Weights are random; all-zero ones would flatter both.

#![allow(missing_docs)] // of the function that `criterion_group!` makes

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use tercet_contract::Geometry;
use tercet_sim::simulate::{queue, run_gemv, GemvData, GemvJob, Submission};
use tercet_sim::{Kernel, MemoryTiming, ModelKernel, RtlKernel};

/// Rows of W.
const N: usize = 640;
/// Columns of W.
const K: usize = 2560;

/// Loads a random product, and launches it again and again.
fn launches(
    c: &mut Criterion,
    name: &str,
    kernel: &mut dyn Kernel,
    per_launch: fn(u64, u64) -> u64,
) {
    // With as many vectors as a pass takes.
    let geometry = kernel.geometry();
    let job = GemvJob {
        vectors: geometry.batch(),
        ..GemvJob::new(N, K, 1)
    };
    let data = GemvData::random(&job);
    let run = run_gemv(kernel, &data, Submission::List).expect("a product");
    assert!(run.matches_reference, "{name}");
    let queue = queue(&geometry, &data, Submission::List).expect("a product");
    let command = queue.commands[0].command;
    let mut group = c.benchmark_group(name.split('/').next().expect("a first part"));
    group.sample_size(10);
    let counters = run.counters;
    group.throughput(Throughput::Elements(per_launch(
        counters.weight_beats,
        counters.cycles,
    )));
    group.bench_function(name.split_once('/').expect("two parts").1, |b| {
        b.iter(|| kernel.launch_immediate(&command, 0, 1).expect("a launch"))
    });
    group.finish();
}

fn model(c: &mut Criterion) {
    for g in Geometry::standard() {
        let mut kernel = ModelKernel::new(&g, MemoryTiming::default());
        launches(
            c,
            &format!("model-beats/{g}/{N}x{K}"),
            &mut kernel,
            |beats, _| beats,
        );
    }
}

fn rtl(c: &mut Criterion) {
    for g in Geometry::standard() {
        match RtlKernel::open(&g, MemoryTiming::default(), None) {
            Ok(mut kernel) => launches(
                c,
                &format!("rtl-cycles/{g}/{N}x{K}"),
                &mut kernel,
                |_, cycles| cycles,
            ),
            Err(error) => eprintln!("rtl-cycles/{g} NOT MEASURED: {error}"),
        }
    }
}

criterion_group!(benches, model, rtl);
criterion_main!(benches);
