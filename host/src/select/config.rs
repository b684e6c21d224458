//! What is asked of a selection, and why there may be none.

use schemars::JsonSchema;
use serde::Serialize;
use tercet_contract::Geometry;

use super::workload::{Objective, Workload};
use crate::board::Shortage;
use crate::device::{DeviceError, Dispatching};

/// How layers are chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelectConfig {
    /// Consider this geometry only.
    pub geometry: Option<Geometry>,
    /// Offload the set of N layers with the highest gain, whatever it is. The plan says that this is
    /// not what the model recommends.
    pub force_top: Option<usize>,
    /// How many compute units share the rows of each layer, and how commands reach them.
    pub dispatch: Dispatching,
    /// Whether each layer is dispatched alone and waited for, as flows do that offload linear by linear, instead of
    /// with the others of its group. `run` always dispatches groups, which is never slower.
    pub alone: bool,
    /// Whether layers are moved as a whole or not at all.
    pub whole_layers: bool,
    /// The pass that is to be made short.
    pub workload: Workload,
    /// What of it is minimised.
    pub objective: Objective,
    /// A limit of the board that does not count, to tell what it costs.
    pub without: Option<Limit>,
}

/// A limit of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// LUT, registers, block RAM, UltraRAM and DSP.
    Logic,
    /// Memory channels and ports.
    Channels,
    /// Bytes of memory.
    Memory,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Limit; 3] = [Limit::Logic, Limit::Channels, Limit::Memory];

    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Logic => "logic",
            Limit::Channels => "memory channels and ports",
            Limit::Memory => "memory capacity",
        }
    }

    pub(super) fn of(shortage: &Shortage) -> Limit {
        match shortage.what {
            "memory channels" | "memory ports" => Limit::Channels,
            "memory bytes" => Limit::Memory,
            _ => Limit::Logic,
        }
    }
}

/// Why nothing could be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// No device has as many compute units.
    #[error(transparent)]
    Cus(DeviceError),
    /// No mode or number of compute units to try.
    #[error("nothing to try: expected a mode and a number of compute units")]
    Nothing,
    /// The board has less of something than the compute units need.
    #[error("{0}")]
    DoesNotFit(String),
    /// The profile lacks the times of the pass.
    #[error("the profile of {model} has no times of a {what}: profile again, with --max-tokens 2 or more and --batch 4")]
    NoTimes {
        /// The profiled model.
        model: String,
        /// The pass.
        what: String,
    },
    /// The board's power is not known.
    #[error("the board file of the {board} has no [power]: energy cannot be minimised")]
    NoPower {
        /// The board.
        board: String,
    },
    /// More layers are asked for than there are.
    #[error("--force-top {asked}: the model has {layers} ternary layers that fit the kernel")]
    ForceTop {
        /// Layers asked for.
        asked: usize,
        /// Layers there are.
        layers: usize,
    },
}
