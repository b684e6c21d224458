//! What the layers of a group cost on the CPU and on the device, for one decode token.

use super::target::Target;
use crate::model::{GroupId, LinearId};
use crate::time_model::{device_time, DeviceTime};
use crate::units::Seconds;

/// A layer with its measured CPU time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerCost {
    /// The layer.
    pub layer: LinearId,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// What moving it saves on the CPU.
    pub cpu: Seconds,
}

/// The layers of a group, in the order in which they share one input.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupCost {
    /// The group.
    pub id: GroupId,
    /// Its layers.
    pub layers: Vec<LayerCost>,
}

/// Some layers of a group: bit `i` stands for layer `i`.
pub type Subset = u32;

impl GroupCost {
    /// Every subset, the empty one first.
    pub fn subsets(&self) -> std::ops::Range<Subset> {
        0..1 << self.layers.len()
    }

    /// The layers of a subset.
    pub fn of(&self, subset: Subset) -> impl Iterator<Item = &LayerCost> {
        let chosen = move |i: usize| subset >> i & 1 == 1;
        self.layers
            .iter()
            .enumerate()
            .filter(move |(i, _)| chosen(*i))
            .map(|(_, l)| l)
    }

    /// CPU time that moving a subset saves.
    pub fn cpu(&self, subset: Subset) -> Seconds {
        self.of(subset).map(|l| l.cpu).sum()
    }

    /// Device time of a subset; zero of the empty one.
    pub fn device(&self, subset: Subset, target: &Target) -> DeviceTime {
        let layers: Vec<_> = self.of(subset).collect();
        if target.alone {
            let mut time = DeviceTime::default();
            for layer in layers {
                time += device_time(target.board, &target.usage(&[layer]));
            }
            return time;
        }
        device_time(target.board, &target.usage(&layers))
    }

    /// Time saved by moving a subset: negative if the device is slower.
    pub fn gain(&self, subset: Subset, target: &Target) -> Seconds {
        self.cpu(subset) - self.device(subset, target).total()
    }
}
