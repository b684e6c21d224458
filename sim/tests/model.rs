//! The device model does what every kernel must do.

mod common;

use common::Subject;
use tercet_contract::Geometry;
use tercet_sim::{Kernel, MemoryTiming, ModelKernel};

fn kernels() -> Vec<Subject> {
    Geometry::all()
        .into_iter()
        .map(|g| Subject {
            name: format!("model {g}"),
            kernel: Box::new(ModelKernel::new(&g, MemoryTiming::default())) as Box<dyn Kernel>,
        })
        .collect()
}

kernel_tests!(kernels());
