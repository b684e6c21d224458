//! The CPU's part of a group that a device has some layers or rows of.

use std::collections::BTreeMap;

use super::CpuExecutor;
use crate::kernel::activations::Activations;
use crate::kernel::matrix::TernaryMatrix;
use crate::model::{LinearId, Model};

/// Layers of which the device has the first rows, and the other rows as matrices of their own: they are read as
/// densely as a whole layer.
#[derive(Default)]
pub struct Rests {
    known: BTreeMap<LinearId, TernaryMatrix>,
}

impl Rests {
    /// Copies the rows from `first` on of each layer, unless that has been done.
    pub fn prepare(&mut self, model: &Model, layers: impl Iterator<Item = (LinearId, usize)>) {
        for (id, first) in layers {
            let weights = model.linear(id).weights();
            let rest = || weights.rows(first..weights.n());
            self.known.entry(id).or_insert_with(rest);
        }
    }

    /// Exact sums `[T, N - first]` of the rows from `first` on, of a layer that is prepared or wholly on the CPU.
    pub fn sums(
        &self,
        cpu: &mut CpuExecutor,
        model: &Model,
        (id, first): (LinearId, usize),
        x: &Activations,
    ) -> Vec<i32> {
        let weights = match first {
            0 => model.linear(id).weights(),
            _ => &self.known[&id],
        };
        let mut acc = vec![0; x.tokens() * weights.n()];
        cpu.sums_of(weights, x, &mut acc);
        acc
    }
}
