//! Manifests: what a bitstream is, what it is made from, and how sure that is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artefact::Artefact;

/// What stands beside a bitstream, or beside the scripts of one that is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Board or card, such as `ulx3s-85f`.
    pub target: String,
    /// Order number of the part, or the platform of a card.
    pub part: String,
    /// Kernel.
    pub geometry: String,
    /// How many of it.
    pub compute_units: usize,
    /// Whether there is a file.
    pub state: State,
    /// Clock that it runs at, in MHz; where it is not built, the one asked for.
    pub clock_mhz: f64,
    /// What it is made from.
    pub inputs: Vec<Input>,
    /// What builds it, in order, in the top folder of the sources.
    pub commands: Vec<String>,
    /// Versions of the tools: those that built it, or those that the scripts were written for.
    pub tools: BTreeMap<String, String>,
    /// What it takes of the part; none if nobody knows.
    pub utilisation: Option<Utilisation>,
    /// The result; none where it is not built.
    pub built: Option<Built>,
    /// What was checked, in words.
    pub verified: String,
}

impl Artefact for Manifest {
    const SCHEMA: &'static str = "tercet.bitstream";
    const VERSION: u32 = 1;
    const WRITTEN_BY: &'static str = "scripts/build-bitstream or tercet xclbin package";
}

/// Whether there is a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It lies beside the manifest.
    BuiltHere,
    /// Its tools cannot be had freely: there are scripts and the hashes of what goes in.
    ToBeBuiltByYou,
}

impl State {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            State::BuiltHere => "built here",
            State::ToBeBuiltByYou => "script only, to be built by you",
        }
    }
}

/// A file that a bitstream is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Where it comes from.
    pub from: Origin,
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It lies beside the manifest.
    File,
    /// Verilog that `tercet emit` writes of the manifest's geometry.
    Kernel,
    /// Verilog that `cargo run -p tercet-hdl --example verilog ulx3s` prints.
    Board,
}

/// What a bitstream takes of its part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Utilisation {
    /// By kind of cell.
    pub cells: BTreeMap<String, Used>,
    /// Who counted what.
    pub source: String,
    /// Evidence.
    pub tier: ToolTier,
}

/// Evidence behind what a tool says of a design: neither our model nor a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ToolTier {
    /// Counted after synthesis.
    Synthesised,
    /// Counted and timed after placing and routing.
    PlacedAndRouted,
}

impl ToolTier {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            ToolTier::Synthesised => "synthesised",
            ToolTier::PlacedAndRouted => "placed and routed",
        }
    }
}

/// How many of a kind there are and are used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// In use. Half a block RAM counts as 0.5.
    pub used: f64,
    /// On the part.
    pub available: f64,
}

/// A bitstream that was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Built {
    /// The bitstream, beside the manifest.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// The report of the place and route tool, beside the manifest.
    pub report: String,
    /// Its SHA-256.
    pub report_sha256: String,
    /// Seed of the placer.
    pub seed: u64,
    /// Fastest clock in MHz by the tool's timing analysis, where `clock_mhz` was asked for.
    pub fmax_mhz: f64,
    /// Whether that is enough.
    pub timing_met: bool,
    /// Evidence behind `fmax_mhz`.
    pub tier: ToolTier,
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
