//! Where a figure comes from. Every figure Tercet shows carries one of these, and figures of
//! different tiers are never put together without saying so.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The evidence behind a figure, from the hardest to the softest: a figure computed from others has
/// the greatest, which is the weakest, of their tiers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Measured on this machine, in this run.
    Measured,
    /// Counted on the simulated RTL, cycle by cycle.
    CycleAccurate,
    /// From the device model or the cost model.
    Modelled,
    /// Taken from a public source, which stands beside it.
    Published,
    /// Built on at least one assumption that nobody measured.
    Projected,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Tier::Measured => "measured",
            Tier::CycleAccurate => "cycle-accurate",
            Tier::Modelled => "modelled",
            Tier::Published => "published",
            Tier::Projected => "projected",
        })
    }
}
