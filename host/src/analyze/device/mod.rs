//! Devices that a roofline is drawn for: peaks and bandwidths, each figure with its basis and source.
//!
//! | module | which |
//! |---|---|
//! | `file` | GPUs and CPUs from data files (`host/devices/*.toml`, or the user's own) |
//! | `boards` | FPGA boards, from [`crate::board`] |
//! | `this_machine` | the CPU of this machine, measured now or in a profile |

mod boards;
mod file;
mod this_machine;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::Geometry;

use super::error::AnalyzeError;
use crate::board::{self, Basis, Board, Figure};
use crate::profile::Profile;
use crate::tier::Tier;

/// Device that times are for when none is named.
pub const DEFAULT_DEVICE: &str = "a100";

/// Name of this machine's CPU.
pub const THIS_CPU: &str = "cpu";

/// What computes, and how fast.
#[derive(Clone, Debug, PartialEq)]
pub enum Engine {
    /// A processor for every operator.
    Processor {
        /// Products of 16-bit weights, 1e12 FLOP/s.
        f16_tflops: Figure,
        /// Products of 8-bit activations with weights of at most 8 bits.
        int8_tops: Option<Figure>,
        /// Everything that is no product.
        f32_tflops: Figure,
        /// Products are computed in tiles of [m, n, k]; what does not fill one is padded.
        tile: [u64; 3],
    },
    /// The ternary kernel, a compute unit on each memory channel: linears of 2 or 1.6 bits and nothing else.
    TernaryKernel {
        /// The board.
        board: Box<Board>,
        /// Memory channels, each with a compute unit.
        channels: u64,
        /// Compute units of the default geometry that fit; none if nobody knows.
        most_cus: Option<usize>,
    },
}

/// A device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Short name, as on the command line.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What computes.
    pub engine: Engine,
    /// Memory bandwidth by data sheet.
    pub peak_gb_s: Figure,
    /// Memory bandwidth that times are computed with.
    pub sustained_gb_s: Figure,
    /// Memory.
    pub capacity_gb: Option<Figure>,
    /// Link between ranks of a tensor-parallel group, each direction.
    pub link_gb_s: Option<Figure>,
}

impl Device {
    /// A device by name, a device file by path, or this machine's CPU, which a profile may speak for.
    pub fn find(name: &str, profile: Option<&Profile>) -> Result<Device, AnalyzeError> {
        if name == THIS_CPU {
            return this_machine::device(profile);
        }
        if let Some(text) = file::text(name) {
            return Ok(file::parse(name, text)?);
        }
        if board::available().contains(&name) {
            return Ok(boards::device(Board::find(name)?));
        }
        if !name.contains('/') && !name.ends_with(".toml") {
            return Err(AnalyzeError::Device {
                name: name.to_string(),
                known: names().join(", "),
            });
        }
        let text = std::fs::read_to_string(name).map_err(|source| AnalyzeError::DeviceRead {
            path: name.to_string(),
            source,
        })?;
        match text.contains("tercet.board/") {
            true => Ok(boards::device(Board::find(name)?)),
            false => Ok(file::parse(name, &text)?),
        }
    }

    /// Highest rate of products of 16-bit weights, or of ternary ones on a board, in FLOP/s.
    pub fn peak_flops(&self) -> f64 {
        match &self.engine {
            Engine::Processor { f16_tflops, .. } => f16_tflops.value * 1e12,
            Engine::TernaryKernel {
                board, channels, ..
            } => {
                let lanes = Geometry::DEFAULT.lanes() as f64;
                2.0 * *channels as f64 * lanes * board.clock_hz()
            }
        }
    }

    /// FLOPs a byte from which the data sheet's peaks say that compute bounds.
    pub fn ridge(&self) -> f64 {
        self.peak_flops() / (self.peak_gb_s.value * 1e9)
    }

    /// The same at the bandwidth that times are computed with.
    pub fn sustained_ridge(&self) -> f64 {
        self.peak_flops() / (self.sustained_gb_s.value * 1e9)
    }

    /// Every figure with its key.
    pub fn figures(&self) -> Vec<(&'static str, &Figure)> {
        let mut all = Vec::new();
        match &self.engine {
            Engine::Processor {
                f16_tflops,
                int8_tops,
                f32_tflops,
                ..
            } => {
                all.push(("compute.f16_tflops", f16_tflops));
                all.extend(int8_tops.iter().map(|f| ("compute.int8_tops", f)));
                all.push(("compute.f32_tflops", f32_tflops));
            }
            Engine::TernaryKernel { board, .. } => {
                all.push(("kernel.clock_mhz", &board.clock_mhz));
                all.push(("memory.port_gb_s", &board.port_gb_s));
            }
        }
        all.push(("memory.peak_gb_s", &self.peak_gb_s));
        all.push(("memory.sustained_gb_s", &self.sustained_gb_s));
        all.extend(self.capacity_gb.iter().map(|f| ("memory.capacity_gb", f)));
        all.extend(self.link_gb_s.iter().map(|f| ("link.gb_s", f)));
        all
    }

    /// Evidence behind a time: modelled from figures that are known, projected if one of those that go into times
    /// is assumed.
    pub fn tier(&self) -> Tier {
        let mut figures = self.figures().into_iter();
        let assumed = figures.any(|(key, f)| {
            let into_times = !matches!(key, "memory.capacity_gb" | "memory.peak_gb_s");
            into_times && f.basis == Basis::Assumed
        });
        match assumed {
            true => Tier::Projected,
            false => Tier::Modelled,
        }
    }
}

/// Names of all devices that are part of the program, this machine's CPU first.
pub fn names() -> Vec<&'static str> {
    let mut names = vec![THIS_CPU];
    names.extend(file::available());
    names.extend(board::available());
    names
}

/// A figure as artefacts have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedFigure {
    /// Table and key.
    pub key: String,
    /// Value in the unit of the key.
    pub value: f64,
    /// How it is known.
    pub basis: Basis,
    /// Where it comes from.
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_device_opens_under_its_name() {
        for name in names().into_iter().filter(|n| *n != THIS_CPU) {
            let device = Device::find(name, None).unwrap();
            assert_eq!(device.name, name);
            assert!(
                device.sustained_gb_s.value <= device.peak_gb_s.value,
                "{name}"
            );
            assert!(device.ridge() > 0.0 && device.ridge().is_finite());
        }
    }

    #[test]
    fn the_ridge_of_an_a100_is_156() {
        assert_eq!(Device::find("a100", None).unwrap().ridge(), 156.0);
    }
}
