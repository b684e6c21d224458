//! Operators on a device: what memory and multipliers take, padding included, and which of them bounds.
//!
//! ```text
//! time     = max(memory, compute)
//! memory   = bytes / sustained bandwidth
//! compute  = FLOPs of whole tiles / rate                       processor
//!          = beats of the busiest channel x passes / clock     ternary kernel on a board
//! ```
//!
//! A board reads its weights once for every `batch` vectors of the kernel, each row padded to whole beats and the rows
//! shared by the channels; only linears with ternary weights run there. What this cannot see: launches, links to the
//! host, caches that keep what was just written, and how well an implementation overlaps the two terms.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tercet_contract::{Encoding, Geometry};

use super::device::{Device, Engine};
use super::operator::{Counted, Gemm};
use crate::board::Board;
use crate::profile::Format;

/// What an operator waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Memory bandwidth.
    Memory,
    /// Multipliers.
    Compute,
    /// The link between ranks.
    Link,
    /// The device does not compute it: the host does.
    Host,
}

impl Bound {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Bound::Memory => "memory",
            Bound::Compute => "compute",
            Bound::Link => "link",
            Bound::Host => "host",
        }
    }
}

/// An operator's call on a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// What it waits for.
    pub bound: Bound,
    /// FLOPs with the padding that the device computes as well.
    pub padded_flops: u128,
    /// Bytes that the device moves, padding and repeated passes over the weights included.
    pub moved_bytes: u128,
    /// Seconds of a call; none if the device does not compute it.
    pub time_s: Option<f64>,
}

/// Puts a call on a device.
pub fn place(op: &Counted, device: &Device) -> Placed {
    let (bytes, flops) = (op.bytes(), op.flops);
    let placed = |bound, padded_flops, moved_bytes, time_s| Placed {
        bound,
        padded_flops,
        moved_bytes,
        time_s,
    };
    if op.link {
        let time = device
            .link_gb_s
            .as_ref()
            .map(|link| bytes as f64 / (link.value * 1e9));
        return placed(Bound::Link, flops, bytes, time);
    }
    let (padded, moved, compute) = match &device.engine {
        Engine::Processor {
            f16_tflops,
            int8_tops,
            f32_tflops,
            tile,
        } => {
            let (padded, rate) = match &op.gemm {
                None => (flops, f32_tflops),
                Some(gemm) => (
                    in_tiles(flops, gemm, *tile),
                    match int8_tops {
                        Some(tops) if is_int8(gemm) => tops,
                        _ => f16_tflops,
                    },
                ),
            };
            (padded, bytes, padded as f64 / (rate.value * 1e12))
        }
        Engine::TernaryKernel {
            board, channels, ..
        } => match op
            .gemm
            .and_then(|gemm| on_channels(&gemm, board, *channels))
        {
            None => return placed(Bound::Host, flops, bytes, None),
            Some(work) => (
                work.flops,
                bytes - op.weight_bytes + work.weight_bytes,
                work.seconds,
            ),
        },
    };
    let memory = moved as f64 / (device.sustained_gb_s.value * 1e9);
    let bound = match memory >= compute {
        true => Bound::Memory,
        false => Bound::Compute,
    };
    placed(bound, padded, moved, Some(memory.max(compute)))
}

/// 8-bit operands on both sides, or smaller weights.
fn is_int8(gemm: &Gemm) -> bool {
    let small = gemm
        .format
        .is_some_and(|f| !matches!(f, Format::F32 | Format::Bf16));
    gemm.int8 && small
}

/// FLOPs of a product whose every edge is padded to whole tiles. Causal scores are half a square: they keep that share.
fn in_tiles(flops: u128, gemm: &Gemm, [m, n, k]: [u64; 3]) -> u128 {
    let whole = |edge: u128, tile: u64| edge.next_multiple_of(u128::from(tile));
    let exact = (gemm.m * gemm.n * gemm.k).max(1);
    let padded = whole(gemm.m, m) * whole(gemm.n, n) * whole(gemm.k, k);
    match padded == exact {
        true => flops,
        // In f64: the product of four sizes may exceed 128 bits.
        false => (flops as f64 * (padded as f64 / exact as f64)) as u128,
    }
}

/// A linear on the compute units of a board.
struct OnChannels {
    flops: u128,
    weight_bytes: u128,
    seconds: f64,
}

/// None if the kernel has no such weights.
fn on_channels(gemm: &Gemm, board: &Board, channels: u64) -> Option<OnChannels> {
    let encoding = match gemm.format? {
        Format::TwoBit => Encoding::B2,
        Format::FiveInAByte => Encoding::B3,
        _ => return None,
    };
    if !gemm.int8 {
        return None;
    }
    let default = Geometry::DEFAULT;
    let geometry = Geometry::new(default.bus_bits(), encoding, default.batch()).ok()?;
    let row_beats = gemm.k.div_ceil(geometry.lanes() as u128);
    let passes = gemm.m.div_ceil(geometry.batch() as u128);
    let busiest = gemm.n.div_ceil(u128::from(channels)) * row_beats * passes;
    let beats = gemm.n * row_beats * passes;
    Some(OnChannels {
        flops: 2 * gemm.m * gemm.n * row_beats * geometry.lanes() as u128,
        weight_bytes: beats * geometry.beat_bytes() as u128,
        seconds: busiest as f64 / board.clock_hz(),
    })
}
