//! What the layers of a group cost on the CPU and on the device, for one decode token.

use tercet_contract::cycles::{command_cycles, LAUNCH_CYCLES};
use tercet_contract::layout::align;
use tercet_contract::Geometry;

use crate::board::Board;
use crate::model::{GroupId, LinearId};
use crate::time_model::{device_time, DeviceTime, Usage};
use crate::units::{Bytes, Cycles, Seconds};

/// A layer with its measured CPU time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerCost {
    /// The layer.
    pub layer: LinearId,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// Warm median of its ternary sums on the CPU.
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

    /// Work of one launch that runs a subset for one token.
    pub fn usage(&self, subset: Subset, geometry: &Geometry, latency: u64) -> Usage {
        let mut usage = Usage::default();
        for l in self.of(subset) {
            if usage.launches == 0 {
                usage.launches = 1;
                usage.cycles = Cycles(LAUNCH_CYCLES);
                usage.transfers_to = 1;
                usage.bytes_to = Bytes(align(l.k) as u64);
                usage.transfers_from = 1;
            }
            let keeps = usage.commands > 0;
            usage.cycles += Cycles(command_cycles(geometry, latency, l.n, l.k, keeps));
            usage.commands += 1;
            usage.weight_beats += (l.n * geometry.row_beats(l.k)) as u64;
            usage.weight_bytes += Bytes(geometry.matrix_bytes(l.n, l.k) as u64);
            usage.bytes_from += Bytes(align(4 * l.n) as u64);
        }
        usage
    }

    /// Device time of a subset; zero of the empty one.
    pub fn device(&self, subset: Subset, geometry: &Geometry, board: &Board) -> DeviceTime {
        let usage = self.usage(subset, geometry, u64::from(board.latency_cycles()));
        device_time(board, &usage)
    }

    /// Time saved by moving a subset: negative if the device is slower.
    pub fn gain(&self, subset: Subset, geometry: &Geometry, board: &Board) -> Seconds {
        self.cpu(subset) - self.device(subset, geometry, board).total()
    }
}
