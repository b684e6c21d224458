//! Speed of the memory timers: read beats timed a second, in bursts of 64 that follow each other.

#![allow(missing_docs)] // of the function that `criterion_group!` makes

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use std::hint::black_box;
use tercet_sim::axi::Port;
use tercet_sim::memory::ReadTimer;
use tercet_sim::{HbmParameters, MemoryModel, MemoryTiming};

/// Bursts of one run.
const BURSTS: u64 = 1000;
/// Beats of a burst.
const BEATS: u32 = 64;

/// The cycle in which the last beat is taken by a master that always takes.
fn stream(timer: &mut ReadTimer) -> u64 {
    timer.restart();
    let mut next = 0;
    for burst in 0..BURSTS {
        timer.accept(next, 4096 * burst, BEATS);
        for _ in 0..BEATS {
            next = timer.next_beat(next).map_or(0, |cycle| cycle + 1);
        }
    }
    next
}

fn timers(c: &mut Criterion) {
    let hbm = MemoryModel::Hbm(HbmParameters::at(300));
    let mut group = c.benchmark_group("timed-beats");
    group.throughput(Throughput::Elements(BURSTS * u64::from(BEATS)));
    for (name, model, stall_seed) in [
        ("fixed", MemoryModel::Fixed, None),
        ("fixed-stalled", MemoryModel::Fixed, Some(1)),
        ("hbm", hbm, None),
        ("hbm-stalled", hbm, Some(1)),
    ] {
        let timing = MemoryTiming {
            model,
            stall_seed,
            ..MemoryTiming::default()
        };
        let mut timer = ReadTimer::new(&timing, Port::Weights, 64);
        group.bench_function(name, |b| b.iter(|| stream(black_box(&mut timer))));
    }
    group.finish();
}

criterion_group!(benches, timers);
criterion_main!(benches);
