//! What the layers of a group cost on the CPU and on the device, for one pass.
//!
//! ```text
//! t({})     = sum of the CPU times of the group's layers
//! t(choice) = max( dispatch + link + compute of the device's rows,  CPU time of the other rows )
//! ```
//!
//! While the device works, the CPU computes what it has of the same group: its layers, and its rows of a layer that is
//! split. The CPU's time of a layer is proportional to its rows.

use super::target::Target;
use super::workload::Objective;
use crate::device::Part;
use crate::model::{GroupId, LinearId};
use crate::time_model::{device_time, DeviceTime, Usage};
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
    /// What moving it saves on the CPU while nothing of its group is on the device.
    pub cpu: Seconds,
    /// The same while some of its group is: `up` is then computed before the gate is known, all rows of it.
    pub beside: Seconds,
}

/// The layers of a group, in the order in which they share one input.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupCost {
    /// The group.
    pub id: GroupId,
    /// Its layers.
    pub layers: Vec<LayerCost>,
}

/// Most layers of a group.
pub const MAX_LAYERS: usize = 3;

/// Rows of each layer of a group on the device, from the first; layers that are not there have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// In the order of the group's layers.
    pub rows: [usize; MAX_LAYERS],
}

impl Choice {
    /// Everything on the CPU.
    pub const NONE: Choice = Choice {
        rows: [0; MAX_LAYERS],
    };

    /// Whether nothing is on the device.
    pub fn is_none(&self) -> bool {
        *self == Choice::NONE
    }

    /// The same but for one layer.
    pub fn with(mut self, layer: usize, rows: usize) -> Choice {
        self.rows[layer] = rows;
        self
    }

    /// Layers with rows on the device.
    pub fn moved(&self) -> usize {
        self.rows.iter().filter(|r| **r > 0).count()
    }
}

/// The time of a group, and what of it is whose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupTime {
    /// The CPU computes.
    pub cpu: Seconds,
    /// The device's time.
    pub device: DeviceTime,
    /// From the first to the last.
    pub total: Seconds,
}

impl GroupTime {
    /// What both do at the same time.
    pub fn overlap(&self) -> Seconds {
        self.cpu + self.device.total() - self.total
    }
}

impl GroupCost {
    /// Every choice of whole layers; nothing first.
    pub fn whole(&self) -> impl Iterator<Item = Choice> + '_ {
        (0..1u32 << self.layers.len()).map(|subset| {
            let mut choice = Choice::NONE;
            for (i, l) in self.layers.iter().enumerate() {
                choice.rows[i] = if subset >> i & 1 == 1 { l.n } else { 0 };
            }
            choice
        })
    }

    /// CPU time with nothing on the device.
    pub fn cpu(&self) -> Seconds {
        self.layers.iter().map(|l| l.cpu).sum()
    }

    /// CPU time beside the device: of all rows that it does not have.
    fn cpu_beside(&self, choice: &Choice) -> Seconds {
        let left = |(l, rows): (&LayerCost, &usize)| {
            Seconds(l.beside.0 * ((l.n - rows) as f64 / l.n as f64))
        };
        self.layers.iter().zip(&choice.rows).map(left).sum()
    }

    /// Work of the device.
    pub fn usage(&self, choice: &Choice, target: &Target) -> Usage {
        let (mut parts, mut count) = ([(0, 0); MAX_LAYERS], 0);
        for (l, &rows) in self.layers.iter().zip(&choice.rows) {
            if rows > 0 {
                parts[count] = (rows, l.k);
                count += 1;
            }
        }
        target.usage(&parts[..count])
    }

    /// The group's time.
    pub fn time(&self, choice: &Choice, target: &Target) -> GroupTime {
        if choice.is_none() {
            let cpu = self.cpu();
            return GroupTime {
                cpu,
                device: DeviceTime::default(),
                total: cpu,
            };
        }
        let cpu = self.cpu_beside(choice);
        let device = device_time(target.board, &self.usage(choice, target));
        let total = match target.alone {
            // A dispatch for each layer, and the CPU waits.
            true => cpu + device.total(),
            false => Seconds(cpu.0.max(device.total().0)),
        };
        GroupTime { cpu, device, total }
    }

    /// What a choice saves of the objective: seconds or joules a pass; negative if it costs. Standing costs of the
    /// board, which do not depend on the choice as long as there is one, are not in it.
    pub fn gain(&self, choice: &Choice, target: &Target, objective: &Objective) -> f64 {
        let of = |choice| objective.cost(&self.time(choice, target), target.board);
        of(&Choice::NONE) - of(choice)
    }

    /// Packed weight bytes on the device.
    pub fn bytes(&self, choice: &Choice, target: &Target) -> u64 {
        let layers = self.layers.iter().zip(&choice.rows);
        let bytes = |(l, rows): (&LayerCost, &usize)| target.geometry.matrix_bytes(*rows, l.k);
        layers.map(bytes).sum::<usize>() as u64
    }

    /// The parts of its layers on the device.
    pub fn parts(&self, choice: Choice) -> impl Iterator<Item = (LinearId, Part)> + '_ {
        let parts = self.layers.iter().zip(choice.rows);
        parts.filter_map(|(l, rows)| match rows {
            0 => None,
            rows if rows == l.n => Some((l.layer, Part::Whole)),
            rows => Some((l.layer, Part::First(rows))),
        })
    }
}
