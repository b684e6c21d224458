//! The emitted kernel does what every kernel must do, on every bus width and encoding and several batches,
//! behind fast, slow and stalling memories.

mod common;

use common::{open_rtl, rtl_geometries, Subject};
use tercet_sim::{Kernel, MemoryTiming, StallPercent};

/// Memories: as in a card, immediate, and two that stall at random.
const TIMINGS: [MemoryTiming; 4] = [
    MemoryTiming::fixed(128),
    MemoryTiming::fixed(1),
    MemoryTiming {
        stall_seed: Some(1),
        stall_percent: StallPercent::all(25),
        ..MemoryTiming::fixed(20)
    },
    MemoryTiming {
        stall_seed: Some(2),
        stall_percent: StallPercent::all(70),
        ..MemoryTiming::fixed(3)
    },
];

fn kernels() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for g in rtl_geometries() {
        for timing in TIMINGS {
            if let Some(kernel) = open_rtl(&g, timing) {
                subjects.push(Subject {
                    name: format!("rtl {g}, {timing:?}"),
                    kernel: Box::new(kernel) as Box<dyn Kernel>,
                });
            }
        }
    }
    subjects
}

kernel_tests!(kernels());
