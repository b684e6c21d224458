//! The device model does what every kernel must do.

mod common;

use common::Subject;
use tercet_contract::Geometry;
use tercet_sim::{Kernel, MemoryTiming, ModelKernel, SimError};

fn kernels() -> Vec<Subject> {
    Geometry::all()
        .into_iter()
        .map(|g| Subject {
            name: format!("model {g}"),
            kernel: Box::new(ModelKernel::new(&g, MemoryTiming::default())) as Box<dyn Kernel>,
        })
        .collect()
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

#[test]
fn cycles_with_stalls_are_refused_by_name() {
    let kernel = ModelKernel::new(&Geometry::DEFAULT, MemoryTiming::default());
    assert!(!kernel.counts_stalls());
    assert!(MemoryTiming::default().require_no_stalls().is_ok());
    let error = MemoryTiming::stalling(3).require_no_stalls().unwrap_err();
    assert!(matches!(error, SimError::StallsNotModelled));
    assert!(error.to_string().contains("does not simulate stalls"));
}
