//! What is loaded onto a compute unit before the first token.
//!
//! **Weights memory.** The unit's rows of the chosen layers, packed for the geometry, one layer behind the other
//! in model order, each at a multiple of 64 bytes.
//!
//! **Data memory.**
//!
//! ```text
//! completion    64 bytes, whose first word counts completed commands      ring mode only
//! ring          as many records as the longest list has                   ring mode only
//! activations   passes x align(batch x vector stride of the longest K)    shared by all groups
//! results       passes x most sum(align(result bytes of N))               shared by all groups
//! lists         of each group and each size of a first pass               launch mode only
//! ```
//!
//! **Passes.** Up to `batch` tokens share one pass over the weights, so [`TOKENS_PER_LAUNCH`] tokens are at most
//! `TOKENS_PER_LAUNCH / batch` passes. Of a number of tokens that is no multiple of the batch, the *first* pass has
//! what is left over: a list then depends on the size `v` of its first pass alone, and one list per `v` of 1 to
//! batch serves every number of tokens; fewer passes run the front of it.
//!
//! Groups run one after the other, so they share the activation and result slots. Within a group, pass `p`
//! reads its codes at `activations + p * activation_stride`; the first command of a pass loads them, the
//! others keep them. Sums `y: [N, batch]` of pass `p` and linear `i` stand at
//! `results + p * result_stride + offset_i`.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use tercet_contract::command::{Command, COMMAND_BYTES};
use tercet_contract::layout::{align, pack_row, ALIGNMENT};
use tercet_contract::Geometry;
use tercet_sim::Ring;

use super::{DeviceError, DeviceLayers, Mode};
use crate::model::{GroupId, LinearId, LinearKind, Model, TernaryLinear};

/// Tokens that one command list can hold, so that prefill does not pay a launch per token.
pub const TOKENS_PER_LAUNCH: usize = 16;

/// The part of every layer's rows that a compute unit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which unit, from 0.
    pub unit: usize,
    /// How many there are.
    pub of: usize,
}

impl Share {
    /// Everything on one unit.
    pub const WHOLE: Share = Share { unit: 0, of: 1 };

    /// Rows of a layer of `n`; none of a layer that has fewer rows than there are units.
    pub fn rows(self, n: usize) -> Range<usize> {
        n * self.unit / self.of..n * (self.unit + 1) / self.of
    }

    /// Most rows of a layer of `n` that any of `of` units has.
    pub fn most(n: usize, of: usize) -> usize {
        n.div_ceil(of)
    }
}

/// A layer of a group on a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearSlot {
    /// Which linear of the block.
    pub kind: LinearKind,
    /// Rows of the layer that the device has.
    pub n: usize,
    /// Those of them that the unit has.
    pub rows: Range<usize>,
    /// Byte offset of its sums among the results of a pass.
    pub result_offset: usize,
    /// Packed weight bytes.
    pub weight_bytes: usize,
}

/// Where a group's commands, activations and results stand in the data memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSlots {
    /// `lists[v - 1]` is the list whose first pass has `v` tokens.
    pub lists: Vec<List>,
    /// Its layers, in the order of their commands.
    pub linears: Vec<LinearSlot>,
    /// Length of the input.
    pub k: usize,
    /// Bytes from the codes of one token of a pass to those of the next.
    pub vector_stride: usize,
    /// Bytes from the codes of one pass to those of the next.
    pub activation_stride: usize,
    /// Bytes from the sums of one pass to those of the next.
    pub result_stride: usize,
}

/// A list of commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Its byte offset in the data memory; of no meaning in ring mode.
    pub offset: u64,
    /// The commands, pass by pass.
    pub commands: Vec<Command>,
}

/// Content of both memories of a compute unit, and where things stand in it.
pub struct DeviceImage {
    geometry: Geometry,
    weights: Vec<u8>,
    data: Vec<u8>,
    ring: Option<Ring>,
    activations: u64,
    results: u64,
    groups: BTreeMap<GroupId, GroupSlots>,
}

impl DeviceImage {
    /// Packs the unit's `share` of the device's rows of `layers` of `model` for `geometry`.
    pub fn build(
        model: &Model,
        layers: &DeviceLayers,
        geometry: &Geometry,
        share: Share,
        mode: Mode,
    ) -> Result<Self, DeviceError> {
        let mut weights = Vec::new();
        let mut planned = BTreeMap::<GroupId, Planned>::new();
        for (&layer, part) in layers {
            let linear = model.linear(layer);
            let n = part.rows(linear.n());
            check(geometry, layer, (n, linear.k()))?;
            let rows = share.rows(n);
            if rows.is_empty() {
                continue;
            }
            let offset = weights.len() as u64;
            pack(geometry, linear, rows.clone(), &mut weights);
            planned.entry(layer.group()).or_default().push(Placed {
                kind: layer.kind,
                n,
                k: linear.k(),
                bytes: geometry.matrix_bytes(rows.len(), linear.k()),
                rows,
                offset,
            });
        }

        let most = |of: &dyn Fn(&Planned) -> usize| planned.values().map(of).max().unwrap_or(0);
        let passes = TOKENS_PER_LAUNCH.div_ceil(geometry.batch());
        let ring = (mode == Mode::Ring).then(|| Ring {
            completion: 0,
            records: ALIGNMENT as u64,
            entries: (passes * most(&Vec::len)).max(1) as u32,
        });
        let activations = ring.map_or(0, |r| {
            r.records as usize + r.entries as usize * COMMAND_BYTES
        });
        let results = activations + passes * most(&|p| activation_stride(geometry, p[0].k));
        let mut data = vec![0; results + passes * most(&|p| result_stride(geometry, p))];
        let groups = planned
            .into_iter()
            .map(|(id, placed)| {
                let mut slots = slots(geometry, &placed);
                for vectors in 1..=geometry.batch() {
                    let mut list = List {
                        offset: data.len() as u64,
                        commands: Vec::new(),
                    };
                    for pass in 0..passes {
                        let at = Pass {
                            vectors: if pass == 0 { vectors } else { geometry.batch() },
                            activations: activations + pass * slots.activation_stride,
                            results: results + pass * slots.result_stride,
                        };
                        list.commands
                            .extend(commands(geometry, &placed, &slots, &at));
                    }
                    if mode == Mode::Launch {
                        data.extend(list.commands.iter().flat_map(Command::to_bytes));
                    }
                    slots.lists.push(list);
                }
                (id, slots)
            })
            .collect();
        Ok(DeviceImage {
            geometry: *geometry,
            weights,
            data,
            ring,
            activations: activations as u64,
            results: results as u64,
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

    /// The ring, in ring mode. Activations follow its last record.
    pub fn ring(&self) -> Option<Ring> {
        self.ring
    }

    /// Byte offset of the activations in the data memory.
    pub fn activations(&self) -> u64 {
        self.activations
    }

    /// Byte offset of the results in the data memory.
    pub fn results(&self) -> u64 {
        self.results
    }

    /// Slots of a group; `None` if the unit has no row of it.
    pub fn group(&self, id: GroupId) -> Option<&GroupSlots> {
        self.groups.get(&id)
    }
}

/// A packed layer of a group that is being planned; the order is that of its commands.
struct Placed {
    kind: LinearKind,
    n: usize,
    k: usize,
    rows: Range<usize>,
    offset: u64,
    bytes: usize,
}

type Planned = Vec<Placed>;

/// One pass of a list.
struct Pass {
    vectors: usize,
    activations: usize,
    results: usize,
}

/// Rows that a task packs: weights stored by columns are read for many rows at once.
const PACKED_ROWS: usize = 64;

/// The limits of a command, before any memory is spent on the layer.
fn check(geometry: &Geometry, layer: LinearId, (n, k): (usize, usize)) -> Result<(), DeviceError> {
    Command::gemv(geometry, n, k, 0, 0, 0)
        .map(|_| ())
        .map_err(|source| DeviceError::Layer { layer, source })
}

fn pack(geometry: &Geometry, linear: &TernaryLinear, rows: Range<usize>, weights: &mut Vec<u8>) {
    let row_bytes = geometry.row_bytes(linear.k());
    let start = weights.len();
    weights.resize(start + rows.len() * row_bytes, 0);
    weights[start..]
        .par_chunks_mut(PACKED_ROWS * row_bytes)
        .enumerate()
        .for_each(|(i, block)| {
            let first = rows.start + i * PACKED_ROWS;
            let trits = linear.trits(first..first + block.len() / row_bytes);
            for (trits, row) in trits
                .chunks_exact(linear.k())
                .zip(block.chunks_exact_mut(row_bytes))
            {
                pack_row(geometry, trits, row);
            }
        });
    weights.resize(weights.len().next_multiple_of(ALIGNMENT), 0);
}

fn activation_stride(geometry: &Geometry, k: usize) -> usize {
    align(geometry.batch() * geometry.vector_stride(k))
}

fn result_stride(geometry: &Geometry, placed: &Planned) -> usize {
    let bytes = |p: &Placed| align(geometry.result_bytes(p.rows.len()));
    placed.iter().map(bytes).sum()
}

fn slots(geometry: &Geometry, placed: &Planned) -> GroupSlots {
    let mut result_offset = 0;
    let linears = placed
        .iter()
        .map(|p| {
            let slot = LinearSlot {
                kind: p.kind,
                n: p.n,
                rows: p.rows.clone(),
                result_offset,
                weight_bytes: p.bytes,
            };
            result_offset += align(geometry.result_bytes(p.rows.len()));
            slot
        })
        .collect();
    let k = placed[0].k;
    GroupSlots {
        lists: Vec::new(),
        linears,
        k,
        vector_stride: geometry.vector_stride(k),
        activation_stride: activation_stride(geometry, k),
        result_stride: result_offset,
    }
}

/// The commands of a pass.
fn commands(geometry: &Geometry, placed: &Planned, slots: &GroupSlots, at: &Pass) -> Vec<Command> {
    let layers = placed.iter().zip(&slots.linears).enumerate();
    let command = |(i, (p, slot)): (usize, (&Placed, &LinearSlot))| {
        let results = (at.results + slot.result_offset) as u64;
        let (rows, activations) = (p.rows.len(), at.activations as u64);
        let mut command = Command::gemv(geometry, rows, p.k, p.offset, activations, results)
            .and_then(|c| c.with_vectors(geometry, at.vectors))
            .expect("limits were checked and every offset is aligned");
        command.tag = i as u32;
        match i {
            0 => command,
            _ => command.keep_activations(),
        }
    };
    layers.map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_every_row_once() {
        for (n, of) in [(2560, 3), (5, 7), (1, 1), (64, 64)] {
            let mut next = 0;
            for unit in 0..of {
                let rows = Share { unit, of }.rows(n);
                assert_eq!(rows.start, next);
                assert!(rows.len() <= Share::most(n, of));
                next = rows.end;
            }
            assert_eq!(next, n);
        }
    }
}
