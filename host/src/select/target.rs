//! What layers are moved to, and what it takes to run them there.

use std::cell::RefCell;
use std::collections::HashMap;

use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::layout::align;
use tercet_contract::{Command, Geometry};
use tercet_sim::cycles::{cycles, Planned};
use tercet_sim::MemoryTiming;

use super::cost::LayerCost;
use crate::board::Board;
use crate::device::{Dispatching, Mode, Share};
use crate::time_model::Usage;
use crate::units::{Bytes, Cycles};

/// A board with some compute units of one kernel.
pub struct Target<'a> {
    /// The board.
    pub board: &'a Board,
    /// The kernel.
    pub geometry: Geometry,
    /// How many compute units there are, and how commands reach them.
    pub dispatch: Dispatching,
    /// Whether each layer is dispatched alone.
    pub alone: bool,
    /// Cycles by shapes of the layers: the blocks of a model repeat them.
    known: RefCell<HashMap<Vec<(usize, usize)>, u64>>,
}

impl<'a> Target<'a> {
    /// A target of which nothing has been asked.
    pub fn new(board: &'a Board, geometry: Geometry, dispatch: Dispatching) -> Self {
        Target {
            board,
            geometry,
            dispatch,
            alone: false,
            known: RefCell::default(),
        }
    }

    /// Work of one dispatch that runs layers of a group for one token; none for no layer. Every compute unit has its
    /// share of the rows; the cycles are those of one with the most.
    pub fn usage(&self, layers: &[&LayerCost]) -> Usage {
        let of = self.dispatch.cus;
        let units = (0..of).map(|unit| self.unit_usage(layers, Share { unit, of }));
        let mut usage = units.fold(Usage::default(), Usage::beside);
        if usage.commands > 0 {
            usage.cycles = Cycles(self.cycles(layers));
        }
        usage
    }

    /// Work of one unit but for its cycles.
    fn unit_usage(&self, layers: &[&LayerCost], share: Share) -> Usage {
        let (geometry, ring) = (&self.geometry, self.dispatch.mode == Mode::Ring);
        let mut usage = Usage::default();
        for l in layers {
            let rows = share.rows(l.n).len();
            if rows == 0 {
                continue;
            }
            usage.commands += 1;
            usage.bytes_to = Bytes(geometry.vector_stride(l.k) as u64);
            usage.weight_beats += (rows * geometry.row_beats(l.k)) as u64;
            usage.weight_bytes += Bytes(geometry.matrix_bytes(rows, l.k) as u64);
            usage.bytes_from += Bytes(align(geometry.result_bytes(rows)) as u64);
        }
        if usage.commands == 0 {
            return usage;
        }
        if ring {
            usage.bytes_to += Bytes(usage.commands * COMMAND_BYTES as u64);
        }
        Usage {
            dispatches: 1,
            launches: u64::from(!ring),
            doorbells: u64::from(ring),
            transfers_to: 1,
            transfers_from: 1,
            slowest_beats: usage.weight_beats,
            ..usage
        }
    }

    fn cycles(&self, layers: &[&LayerCost]) -> u64 {
        let shapes: Vec<_> = layers.iter().map(|l| (l.n, l.k)).collect();
        if let Some(known) = self.known.borrow().get(&shapes) {
            return *known;
        }
        let cycles = self.count(&shapes);
        self.known.borrow_mut().insert(shapes, cycles);
        cycles
    }

    /// Cycles of a unit that has the most rows of products of these shapes.
    fn count(&self, shapes: &[(usize, usize)]) -> u64 {
        let geometry = &self.geometry;
        let ring = self.dispatch.mode == Mode::Ring;
        // Where buffers lie within a burst moves a command by a few cycles; here they start with one.
        let (completion, activations, mut results) = (1 << 15, 1 << 16, 1 << 20);
        let mut weights = 0;
        let mut commands = Vec::new();
        for (i, (n, k)) in shapes.iter().enumerate() {
            let rows = Share::most(*n, self.dispatch.cus);
            let command = Command::gemv(geometry, rows, *k, weights, activations, results)
                .expect("a layer that fits the kernel");
            weights += align(geometry.matrix_bytes(rows, *k)) as u64;
            results += align(geometry.result_bytes(rows)) as u64;
            commands.push(Planned {
                command: match i {
                    0 => command,
                    _ => command.keep_activations(),
                },
                record: (ring || i > 0).then_some((i * COMMAND_BYTES) as u64),
                runs: Vec::new(),
            });
        }
        let timing = MemoryTiming::fixed(self.board.latency_cycles());
        let (counters, _) = cycles(geometry, &timing, ring.then_some(completion), &commands);
        counters.cycles
    }
}
