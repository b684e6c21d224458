//! The emitted kernel does what every kernel must do, on every bus width and encoding, behind fast,
//! slow and stalling memories.

mod common;

use common::{open_rtl, Subject};
use tercet_contract::Geometry;
use tercet_sim::{Kernel, MemoryTiming};

/// Memories: as in a card, immediate, and two that stall at random.
const TIMINGS: [MemoryTiming; 4] = [
    MemoryTiming {
        latency_cycles: 128,
        stall_seed: None,
        stall_percent: 0,
    },
    MemoryTiming {
        latency_cycles: 1,
        stall_seed: None,
        stall_percent: 0,
    },
    MemoryTiming {
        latency_cycles: 20,
        stall_seed: Some(1),
        stall_percent: 25,
    },
    MemoryTiming {
        latency_cycles: 3,
        stall_seed: Some(2),
        stall_percent: 70,
    },
];

fn kernels() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for g in Geometry::all() {
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

kernel_tests!(kernels() =>
    random_shapes,
    extreme_values,
    rows_do_not_mix,
    kept_activations,
    buffers_around_page_edges,
    long_lists,
    empty_and_impossible_lists,
    bad_commands,
    no_weight_beats,
    row_beats_that_k_does_not_need,
    large_commands_stopped_early,
    activations_of_an_earlier_list,
    buffers_outside_memory,
    lists_outside_memory,
    injected_faults,
);
