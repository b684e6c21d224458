//! Published costs of real cards, to stand beside what was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tier::Tier;

/// Which cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// A launch through XRT.
    Launch,
    /// A transfer of 4096 bytes.
    SmallTransfer,
    /// Transfers of many megabytes.
    LargeTransfer,
}

/// A cost that someone has published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Which cost.
    pub cost: Cost,
    /// The same in words.
    pub what: String,
    /// As published; of two figures the first is to the card, the second from it.
    pub value: String,
    /// Card, and where it is published.
    pub source: String,
    /// Evidence.
    pub tier: Tier,
}

/// All of them.
pub fn published() -> Vec<Published> {
    let figure = |cost, what: &str, value: &str, source: &str| Published {
        cost,
        what: what.to_string(),
        value: value.to_string(),
        source: source.to_string(),
        tier: Tier::Published,
    };
    vec![
        figure(
            Cost::Launch,
            "launch through XRT",
            "50 to 100 us",
            "U55C, Xilinx/XRT issue 8687",
        ),
        figure(
            Cost::SmallTransfer,
            "transfer of 4096 bytes",
            "about 5 us",
            "U50, Xilinx/XRT issue 6787",
        ),
        figure(
            Cost::LargeTransfer,
            "large transfers",
            "11.9 / 12.0 GB/s",
            "U50, Xilinx/XRT pull request 937",
        ),
    ]
}
