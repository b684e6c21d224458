//! What a selection says.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;

use super::workload::{Energy, Workload};
use crate::board::Board;
use crate::device::{DeviceLayers, Dispatching};
use crate::model::LinearId;
use crate::tier::Tier;
use crate::time_model::DeviceTime;
use crate::units::{Cycles, Seconds};

/// One layer of the ranking.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RankedLayer {
    /// The layer.
    pub layer: LinearId,
    /// Rows.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// Whether the plan moves it, or some of its rows.
    pub offload: bool,
    /// Rows on the device, from the first.
    pub rows: usize,
    /// What moving all of it saves on the CPU: its time less rescaling; measured.
    #[serde(rename = "cpu_s")]
    pub cpu: Seconds,
    /// What its rows add on the device, or would if it were moved, given what the plan moves of its group.
    #[serde(rename = "device_s")]
    pub device: DeviceTime,
    /// What it saves of its group's time, or would if it were moved; as sure as [`Selection::device_tier`].
    #[serde(rename = "gain_s")]
    pub gain: Seconds,
    /// Why it moves or stays.
    pub reason: String,
}

/// What the model says of the parts of a pass with the plan, to be held against a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// Everything on the CPU.
    #[serde(rename = "host_s")]
    pub host: Seconds,
    /// Everything on the device.
    #[serde(rename = "device_s")]
    pub device: DeviceTime,
    /// What both do at the same time.
    #[serde(rename = "overlap_s")]
    pub overlap: Seconds,
    /// Kernel cycles, of the slowest unit of each dispatch.
    pub cycles: Cycles,
    /// Dispatches.
    pub dispatches: u64,
    /// Rows on the device.
    pub rows: usize,
}

impl Predicted {
    /// The whole pass.
    pub fn total(&self) -> Seconds {
        self.host + self.device.total() - self.overlap
    }
}

/// The answer for one board.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Selection {
    /// The profiled model.
    pub model: String,
    /// The board.
    pub board: Board,
    /// The kernel.
    pub geometry: Geometry,
    /// How many compute units there are, and how commands reach them.
    pub dispatch: Dispatching,
    /// The pass.
    pub workload: Workload,
    /// Its tokens; times of the selection are a pass's, those called token times a token's.
    pub tokens: usize,
    /// Whether the plan is the optimum; false if layers were forced.
    pub recommended: bool,
    /// The answer in a sentence.
    pub decision: String,
    /// A token on the CPU; as sure as [`Selection::cpu_tier`].
    #[serde(rename = "token_cpu_s")]
    pub token_cpu: Seconds,
    /// A token with the plan; as sure as [`Selection::device_tier`].
    #[serde(rename = "token_hybrid_s")]
    pub token_hybrid: Seconds,
    /// The parts of a pass with the plan.
    pub predicted: Predicted,
    /// Joules a token, where energy is minimised.
    pub energy: Option<Energy>,
    /// Whether the board's memory keeps layers on the CPU that would gain.
    pub memory_limited: bool,
    /// Every ternary layer that fits a command of the kernel, highest gain first.
    pub layers: Vec<RankedLayer>,
    /// Layers and rows on the device.
    #[serde(skip)]
    pub parts: DeviceLayers,
    /// Layers beyond the kernel's limits; they stay on the CPU.
    pub too_large: Vec<LinearId>,
    /// The output head, which is not ternary and stays on the CPU.
    pub head: Option<HeadEstimate>,
}

/// What the output head would take on the device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HeadEstimate {
    /// Rows: the vocabulary.
    pub n: usize,
    /// Columns.
    pub k: usize,
    /// On the CPU, measured.
    #[serde(rename = "cpu_s")]
    pub cpu: Seconds,
    /// Trits of a weight: five are 243 levels in 8 bits.
    pub trits: usize,
    /// On the device with so many; as sure as [`Selection::device_tier`].
    #[serde(rename = "device_s")]
    pub device: DeviceTime,
}

impl Selection {
    /// Evidence behind every time with the device in it: cycles are modelled, the rest is the board's.
    pub fn device_tier(&self) -> Tier {
        self.cpu_tier()
            .max(self.board.device_tier(Tier::Modelled, self.dispatch))
    }

    /// Evidence behind the CPU's times.
    pub fn cpu_tier(&self) -> Tier {
        match self.workload.is_measured() {
            true => Tier::Measured,
            false => Tier::Modelled,
        }
    }

    /// Layers that the plan moves, or rows of.
    pub fn offloaded(&self) -> BTreeSet<LinearId> {
        self.parts.keys().copied().collect()
    }

    /// Layers that the plan splits.
    pub fn split(&self) -> usize {
        self.layers
            .iter()
            .filter(|l| l.offload && l.rows < l.n)
            .count()
    }
}
