//! What is loaded onto a device before the first token.
//!
//! **Weights memory.** The chosen layers, packed for the geometry, one behind the other in model
//! order, each at a multiple of 64 bytes.
//!
//! **Data memory.**
//!
//! ```text
//! activations   TOKENS_PER_LAUNCH x align(longest K)         shared by all groups
//! results       TOKENS_PER_LAUNCH x most sum(align(4 N))      shared by all groups
//! lists         one per group: TOKENS_PER_LAUNCH x its layers, 64-byte command records
//! ```
//!
//! Groups run one after the other, so they share the activation and result slots. Within a group,
//! token `t` reads its codes at `activations + t * activation_stride`; the first command of a token
//! loads them, the others keep them. Sums of token `t` and linear `i` stand at
//! `results + t * result_stride + offset_i`. A launch of fewer tokens runs the front of the list.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use tercet_contract::command::{Command, COMMAND_BYTES};
use tercet_contract::layout::{align, pack_row, ALIGNMENT};
use tercet_contract::Geometry;

use super::DeviceError;
use crate::model::{GroupId, LinearId, LinearKind, Model, TernaryLinear};

/// Tokens that one command list can hold, so that prefill does not pay a launch per token.
pub const TOKENS_PER_LAUNCH: usize = 16;

/// A layer of a group on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearSlot {
    /// Which linear of the block.
    pub kind: LinearKind,
    /// Rows.
    pub n: usize,
    /// Byte offset of its sums among the results of a token.
    pub result_offset: usize,
    /// Packed weight bytes.
    pub weight_bytes: usize,
}

/// Where a group's list, activations and results stand in the data memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSlots {
    /// Byte offset of the command list.
    pub list: u64,
    /// Its layers, in the order of their commands.
    pub linears: Vec<LinearSlot>,
    /// Length of the input.
    pub k: usize,
    /// Bytes from the codes of one token to those of the next.
    pub activation_stride: usize,
    /// Bytes from the sums of one token to those of the next.
    pub result_stride: usize,
}

/// Content of both memories of a device, and where things stand in it.
pub struct DeviceImage {
    geometry: Geometry,
    weights: Vec<u8>,
    data: Vec<u8>,
    results: u64,
    groups: BTreeMap<GroupId, GroupSlots>,
}

impl DeviceImage {
    /// Packs `layers` of `model` for `geometry`.
    pub fn build(
        model: &Model,
        layers: &BTreeSet<LinearId>,
        geometry: &Geometry,
    ) -> Result<Self, DeviceError> {
        let mut weights = Vec::new();
        let mut planned = BTreeMap::<GroupId, Planned>::new();
        for &layer in layers {
            let linear = model.linear(layer);
            check(geometry, layer, linear)?;
            let offset = weights.len() as u64;
            pack(geometry, linear, &mut weights);
            planned.entry(layer.group()).or_default().push(Placed {
                kind: layer.kind,
                n: linear.n(),
                k: linear.k(),
                offset,
                bytes: geometry.matrix_bytes(linear.n(), linear.k()),
            });
        }

        let longest_k = planned.values().map(|p| align(p[0].k)).max().unwrap_or(0);
        let most_results = planned
            .values()
            .map(|p| result_stride(p))
            .max()
            .unwrap_or(0);
        let results = (TOKENS_PER_LAUNCH * longest_k) as u64;
        let mut lists = results as usize + TOKENS_PER_LAUNCH * most_results;
        let mut data = vec![0; lists];
        let mut groups = BTreeMap::new();
        for (id, placed) in planned {
            let slots = slots(lists as u64, &placed);
            for token in 0..TOKENS_PER_LAUNCH {
                write_commands(geometry, &placed, &slots, results, token, &mut data);
            }
            lists = data.len();
            groups.insert(id, slots);
        }
        Ok(DeviceImage {
            geometry: *geometry,
            weights,
            data,
            results,
            groups,
        })
    }

    /// The geometry that the weights are packed for.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Content of the weights memory.
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// Content of the data memory.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Byte offset of the results in the data memory.
    pub fn results(&self) -> u64 {
        self.results
    }

    /// Slots of a group; `None` if none of its layers is on the device.
    pub fn group(&self, id: GroupId) -> Option<&GroupSlots> {
        self.groups.get(&id)
    }
}

/// A packed layer of a group that is being planned; the order is that of its commands.
struct Placed {
    kind: LinearKind,
    n: usize,
    k: usize,
    offset: u64,
    bytes: usize,
}

type Planned = Vec<Placed>;

/// The limits of a command, before any memory is spent on the layer.
fn check(geometry: &Geometry, layer: LinearId, linear: &TernaryLinear) -> Result<(), DeviceError> {
    Command::gemv(geometry, linear.n(), linear.k(), 0, 0, 0)
        .map(|_| ())
        .map_err(|source| DeviceError::Layer { layer, source })
}

fn pack(geometry: &Geometry, linear: &TernaryLinear, weights: &mut Vec<u8>) {
    let row_bytes = geometry.row_bytes(linear.k());
    let start = weights.len();
    weights.resize(start + linear.n() * row_bytes, 0);
    weights[start..]
        .par_chunks_exact_mut(row_bytes)
        .enumerate()
        .for_each(|(n, row)| pack_row(geometry, &linear.trits(n), row));
    weights.resize(weights.len().next_multiple_of(ALIGNMENT), 0);
}

fn result_stride(placed: &[Placed]) -> usize {
    placed.iter().map(|p| align(4 * p.n)).sum()
}

fn slots(list: u64, placed: &[Placed]) -> GroupSlots {
    let mut result_offset = 0;
    let linears = placed
        .iter()
        .map(|p| {
            let slot = LinearSlot {
                kind: p.kind,
                n: p.n,
                result_offset,
                weight_bytes: p.bytes,
            };
            result_offset += align(4 * p.n);
            slot
        })
        .collect();
    GroupSlots {
        list,
        linears,
        k: placed[0].k,
        activation_stride: align(placed[0].k),
        result_stride: result_offset,
    }
}

fn write_commands(
    geometry: &Geometry,
    placed: &[Placed],
    slots: &GroupSlots,
    results: u64,
    token: usize,
    data: &mut Vec<u8>,
) {
    let activations = (token * slots.activation_stride) as u64;
    for (i, (p, slot)) in placed.iter().zip(&slots.linears).enumerate() {
        let result = results + (token * slots.result_stride + slot.result_offset) as u64;
        let mut command = Command::gemv(geometry, p.n, p.k, p.offset, activations, result)
            .expect("limits were checked and every offset is aligned");
        command.tag = i as u32;
        if i > 0 {
            command = command.keep_activations();
        }
        data.extend_from_slice(&command.to_bytes());
    }
    debug_assert_eq!(data.len() % COMMAND_BYTES, 0);
}
