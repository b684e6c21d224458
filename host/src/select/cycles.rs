//! Cycles of a dispatch, for as many shapes as a search asks for.
//!
//! The cycle model goes from beat to beat, which takes a millisecond for a large layer; a search asks for a hundred
//! thousand. With a fixed latency the kernel's stream is periodic: after the first rows of a command, [`PERIOD`]
//! further rows always cost the same. So a command of many rows is reduced by whole periods, the model counts what is
//! left, and the periods are added at what one of them costs, which the model has counted too. The sum is what the
//! model says of all rows, to the cycle: a test compares them.

use std::collections::HashMap;
use std::sync::{OnceLock, RwLock};

use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::layout::align;
use tercet_contract::{Command, Geometry};
use tercet_sim::cycles::{cycles, Planned};
use tercet_sim::MemoryTiming;

/// Rows whose beats, results and bursts of results end together, on every geometry.
const PERIOD: usize = 256;

/// Rows after which the stream of a command is periodic.
const SETTLED: usize = 2 * PERIOD;

/// A list of commands for one or more passes over the weights of some layers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct List {
    /// The kernel.
    pub geometry: Geometry,
    /// Cycles from a read address to the first data.
    pub latency: u32,
    /// Whether the commands come from a ring.
    pub ring: bool,
    /// Vectors of the first pass; the others have as many as the kernel takes.
    pub first_vectors: usize,
    /// Passes.
    pub passes: usize,
    /// Rows and K of each layer.
    pub layers: Vec<(usize, usize)>,
}

impl List {
    /// Cycles from start to done.
    ///
    /// # Panics
    /// If a layer does not fit the kernel.
    pub fn cycles(&self) -> u64 {
        let mut reduced = self.clone();
        let mut further = 0;
        for (rows, k) in &mut reduced.layers {
            let Some(periods) = rows.checked_sub(SETTLED).map(|r| r / PERIOD) else {
                continue;
            };
            *rows -= periods * PERIOD;
            further += (periods * self.passes) as u64 * self.period(*k);
        }
        reduced.known() + further
    }

    /// Cycles of [`PERIOD`] rows in the middle of a command.
    fn period(&self, k: usize) -> u64 {
        let of = |rows| {
            let layers = vec![(rows, k)];
            let passes = 1;
            List {
                layers,
                passes,
                ..self.clone()
            }
            .known()
        };
        of(SETTLED + PERIOD) - of(SETTLED)
    }

    /// [`List::count`], once for each list in the life of the process: a model repeats its shapes, and so do boards,
    /// modes and numbers of compute units.
    fn known(&self) -> u64 {
        static KNOWN: OnceLock<RwLock<HashMap<List, u64>>> = OnceLock::new();
        let known = KNOWN.get_or_init(RwLock::default);
        if let Some(cycles) = known.read().expect("counting does not panic").get(self) {
            return *cycles;
        }
        let cycles = self.count();
        let mut known = known.write().expect("counting does not panic");
        known.insert(self.clone(), cycles);
        cycles
    }

    /// What the cycle model says.
    fn count(&self) -> u64 {
        let geometry = &self.geometry;
        // Where buffers lie within a burst moves a command by a few cycles; here they start with one.
        let (completion, activations, mut results) = (1 << 15, 1 << 16, 1 << 22);
        let mut commands = Vec::new();
        for pass in 0..self.passes {
            let vectors = match pass {
                0 => self.first_vectors,
                _ => geometry.batch(),
            };
            let mut weights = 0;
            for (i, &(rows, k)) in self.layers.iter().enumerate() {
                let command = Command::gemv(geometry, rows, k, weights, activations, results)
                    .and_then(|c| c.with_vectors(geometry, vectors))
                    .expect("a layer that fits the kernel");
                weights += align(geometry.matrix_bytes(rows, k)) as u64;
                results += align(geometry.result_bytes(rows)) as u64;
                let record = commands.len();
                commands.push(Planned {
                    command: match i {
                        0 => command,
                        _ => command.keep_activations(),
                    },
                    record: (self.ring || record > 0).then_some((record * COMMAND_BYTES) as u64),
                    runs: Vec::new(),
                });
            }
        }
        let timing = MemoryTiming::fixed(self.latency);
        let (counters, _) = cycles(
            geometry,
            &timing,
            self.ring.then_some(completion),
            &commands,
        );
        counters.cycles
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn reduced_lists_count_as_whole_ones() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut reduced = 0;
        for geometry in Geometry::standard() {
            for _ in 0..4 {
                let k = [256, 2560, 2560, 6912, 960][rng.random_range(0..5)];
                let list = List {
                    geometry,
                    latency: rng.random_range(10..150),
                    ring: rng.random_bool(0.5),
                    first_vectors: rng.random_range(1..=geometry.batch()),
                    passes: rng.random_range(1..=2),
                    layers: (0..rng.random_range(1..=3))
                        .map(|_| (rng.random_range(1..2600), k))
                        .collect(),
                };
                reduced += usize::from(list.layers.iter().any(|l| l.0 >= SETTLED + PERIOD));
                assert_eq!(list.cycles(), list.count(), "{list:?}");
            }
        }
        assert!(reduced > 20, "{reduced}");
    }
}
