//! How much of a layer a device has: all of it, or its first rows, the CPU computing the others meanwhile.

use std::collections::BTreeMap;

use crate::model::LinearId;

/// The rows of a layer that a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All rows.
    Whole,
    /// So many from the first on; the CPU has the others.
    First(usize),
}

impl Part {
    /// Rows on the device, of a layer of `n`.
    pub fn rows(self, n: usize) -> usize {
        match self {
            Part::Whole => n,
            Part::First(rows) => rows.min(n),
        }
    }
}

/// Layers on a device. The CPU computes all others, and what is not [`Part::Whole`] of these.
pub type DeviceLayers = BTreeMap<LinearId, Part>;

/// All rows of these layers.
pub fn whole(layers: impl IntoIterator<Item = LinearId>) -> DeviceLayers {
    layers.into_iter().map(|l| (l, Part::Whole)).collect()
}
