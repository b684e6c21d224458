//! Command lists with their matrices, vectors and expected results.

use rand::rngs::StdRng;
use rand::Rng;
use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::{layout, Command, Geometry};
use tercet_sim::simulate::scalar_gemv;
use tercet_sim::{Counters, Kernel, Memory};

/// What stands in memory around and under results before a launch.
pub const GUARD: u8 = 0xa5;

/// One product.
#[derive(Clone)]
pub struct Product {
    pub n: usize,
    pub k: usize,
    /// `W: [n, k]`, row-major.
    pub trits: Vec<i8>,
    /// `x: [k]`
    pub x: Vec<i8>,
    /// Use the vector of the product before, which must be equal.
    pub keep: bool,
}

impl Product {
    /// Uniform trits and activations.
    pub fn random(rng: &mut StdRng, n: usize, k: usize) -> Self {
        Product {
            n,
            k,
            trits: (0..n * k).map(|_| rng.random_range(-1..=1)).collect(),
            x: (0..k).map(|_| rng.random()).collect(),
            keep: false,
        }
    }

    /// Every weight `w`, every activation `x`.
    pub fn constant(n: usize, k: usize, w: i8, x: i8) -> Self {
        Product {
            n,
            k,
            trits: vec![w; n * k],
            x: vec![x; k],
            keep: false,
        }
    }

    pub fn expected(&self) -> Vec<i32> {
        scalar_gemv(&self.trits, &self.x)
    }
}

/// Products laid out in the two memories. `gap` bytes (a multiple of 64) stand before each buffer, so
/// that buffers begin at other places relative to 4 KiB.
pub struct Job {
    pub commands: Vec<Command>,
    pub products: Vec<Product>,
    pub list: u64,
    weights: Vec<u8>,
    data: Vec<u8>,
}

impl Job {
    pub fn new(geometry: &Geometry, products: Vec<Product>, gap: usize) -> Self {
        let mut weights = Vec::new();
        let mut data = vec![GUARD; gap];
        let list = data.len();
        data.resize(list + products.len() * COMMAND_BYTES, 0);
        let mut commands: Vec<Command> = Vec::new();
        for p in &products {
            let w = reserve(&mut weights, gap, geometry.matrix_bytes(p.n, p.k));
            let packed = layout::pack_matrix(geometry, p.n, p.k, &p.trits);
            weights[w..w + packed.len()].copy_from_slice(&packed);
            let x = reserve(&mut data, gap, p.k);
            for (byte, x) in data[x..].iter_mut().zip(&p.x) {
                *byte = *x as u8;
            }
            let y = reserve(&mut data, gap, 4 * p.n);
            let (w, x, y) = (w as u64, x as u64, y as u64);
            let mut command = Command::gemv(geometry, p.n, p.k, w, x, y).unwrap();
            command.tag = commands.len() as u32;
            commands.push(if p.keep {
                // The offset is not used; a kernel that loads nevertheless finds no memory there.
                Command {
                    activations: 1 << 40,
                    ..command.keep_activations()
                }
            } else {
                command
            });
        }
        data.resize(data.len() + layout::ALIGNMENT, GUARD);
        Job {
            commands,
            products,
            list: list as u64,
            weights,
            data,
        }
    }

    /// Sizes and fills the memories, and launches.
    pub fn launch(&self, kernel: &mut dyn Kernel) -> Counters {
        self.load(kernel);
        kernel
            .launch(self.list, self.commands.len() as u32)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// Sizes and fills the memories with everything but results.
    pub fn load(&self, kernel: &mut dyn Kernel) {
        kernel.resize(Memory::Weights, self.weights.len()).unwrap();
        kernel.write(Memory::Weights, 0, &self.weights).unwrap();
        kernel.resize(Memory::Data, self.data.len()).unwrap();
        kernel.write(Memory::Data, 0, &self.data).unwrap();
        for (i, command) in self.commands.iter().enumerate() {
            let at = self.list + (i * COMMAND_BYTES) as u64;
            kernel.write(Memory::Data, at, &command.to_bytes()).unwrap();
        }
    }

    /// Launches and checks that everything came out as it must.
    pub fn must_succeed(&self, kernel: &mut dyn Kernel) -> Counters {
        let counters = self.launch(kernel);
        let shapes: Vec<_> = self.products.iter().map(|p| (p.n, p.k)).collect();
        assert_eq!(counters.error, None, "{shapes:?}");
        assert_eq!(counters.commands_done as usize, self.commands.len());
        let beats: u64 = self
            .commands
            .iter()
            .map(|c| u64::from(c.weight_beats))
            .sum();
        assert_eq!(counters.weight_beats, beats, "{shapes:?}");
        assert!(counters.cycles >= beats, "{shapes:?}: {counters:?}");
        self.check_memory(kernel, self.commands.len());
        counters
    }

    /// The first `done` results are right, and nothing but results has been written: a byte that no
    /// result covers is as before.
    pub fn check_memory(&self, kernel: &mut dyn Kernel, done: usize) {
        let mut found = vec![0; self.data.len()];
        kernel.read(Memory::Data, 0, &mut found).unwrap();
        let mut expected = self.data.clone();
        for (i, command) in self.commands.iter().enumerate() {
            let at = self.list as usize + i * COMMAND_BYTES;
            expected[at..at + COMMAND_BYTES].copy_from_slice(&command.to_bytes());
        }
        for (i, (command, product)) in self.commands.iter().zip(&self.products).enumerate() {
            let at = command.results as usize;
            let range = at..at + 4 * product.n;
            if i < done {
                let bytes: Vec<u8> = product
                    .expected()
                    .iter()
                    .flat_map(|y| y.to_le_bytes())
                    .collect();
                expected[range].copy_from_slice(&bytes);
            } else if let Some(undefined) = expected.get_mut(range.clone()) {
                // A command that failed may have left anything in its own results.
                undefined.copy_from_slice(&found[range]);
            }
        }
        if let Some(at) = (0..found.len()).find(|&i| found[i] != expected[i]) {
            let shapes: Vec<_> = self.products.iter().map(|p| (p.n, p.k)).collect();
            let results: Vec<u64> = self.commands.iter().map(|c| c.results).collect();
            panic!(
                "byte {at} of the data memory is {:#04x}, expected {:#04x}; products {shapes:?}, results at {results:?}",
                found[at], expected[at]
            );
        }
    }
}

/// Appends a gap and an aligned buffer; returns where the buffer begins.
fn reserve(memory: &mut Vec<u8>, gap: usize, bytes: usize) -> usize {
    let at = layout::align(memory.len()) + gap;
    memory.resize(at + layout::align(bytes), GUARD);
    at
}
