//! Random command lists over everything a kernel can be asked for, with the memory they must leave behind.

use rand::rngs::StdRng;
use rand::Rng;
use tercet_contract::command::{Run, COMMAND_BYTES, RUN_BYTES};
use tercet_contract::digits::{max_weight, split_rows};
use tercet_contract::{layout, Command, Geometry};
use tercet_sim::{Kernel, Memory, SimError};

/// What stands in the data memory where nothing has been written.
const GUARD: u8 = 0xa5;

/// One product: `W: [n, k]` of `digits` digits, `x: [vectors, k]`.
#[derive(Clone, Copy)]
pub struct Product {
    pub n: usize,
    pub k: usize,
    pub vectors: usize,
    pub digits: usize,
    /// The activations of the product before, of the same K.
    pub keep: bool,
    /// Only the rows of a run list, every third and a block.
    pub sparse: bool,
}

impl Product {
    pub const fn new(n: usize, k: usize) -> Self {
        Product {
            n,
            k,
            vectors: 1,
            digits: 1,
            keep: false,
            sparse: false,
        }
    }

    pub const fn vectors(self, vectors: usize) -> Self {
        Product { vectors, ..self }
    }

    pub const fn digits(self, digits: usize) -> Self {
        Product { digits, ..self }
    }

    pub const fn keep(self) -> Self {
        Product { keep: true, ..self }
    }

    pub const fn sparse(self) -> Self {
        Product {
            sparse: true,
            ..self
        }
    }
}

/// Commands, the bytes of both memories, and where results are expected.
pub struct Job {
    pub commands: Vec<Command>,
    pub list: u64,
    weights: Vec<u8>,
    data: Vec<u8>,
    /// Offset and value of each result word, a command's at a time.
    results: Vec<Vec<(usize, i32)>>,
}

impl Job {
    /// Lays products out with `gap` bytes, a multiple of 64, before each buffer.
    pub fn new(g: &Geometry, rng: &mut StdRng, products: &[Product], gap: usize) -> Self {
        let mut job = Job {
            commands: Vec::new(),
            list: gap as u64,
            weights: Vec::new(),
            data: vec![GUARD; gap + products.len() * COMMAND_BYTES],
            results: Vec::new(),
        };
        let mut x: Vec<Vec<i8>> = Vec::new();
        let mut x_at = 0;
        for product in products {
            if !product.keep {
                x = (0..product.vectors)
                    .map(|_| (0..product.k).map(|_| activation(rng)).collect())
                    .collect();
                let stride = g.vector_stride(product.k);
                x_at = reserve(&mut job.data, gap, product.vectors * stride);
                for (v, x) in x.iter().enumerate() {
                    for (i, x) in x.iter().enumerate() {
                        job.data[x_at + v * stride + i] = *x as u8;
                    }
                }
            }
            job.add(g, rng, product, &x, x_at, gap);
        }
        let list = job.list as usize;
        for (i, command) in job.commands.iter().enumerate() {
            let at = list + i * COMMAND_BYTES;
            job.data[at..at + COMMAND_BYTES].copy_from_slice(&command.to_bytes());
        }
        job
    }

    fn add(
        &mut self,
        g: &Geometry,
        rng: &mut StdRng,
        p: &Product,
        x: &[Vec<i8>],
        x_at: usize,
        gap: usize,
    ) {
        let max = max_weight(p.digits);
        let w: Vec<i32> = (0..p.n * p.k)
            .map(|_| rng.random_range(-max..=max))
            .collect();
        let trits = split_rows(&w, p.k, p.digits).expect("weights within reach");
        let packed = layout::pack_matrix(g, p.n * p.digits, p.k, &trits);
        let w_at = reserve(&mut self.weights, gap, packed.len());
        self.weights[w_at..w_at + packed.len()].copy_from_slice(&packed);

        let rows: Vec<u32> = (0..p.n as u32)
            .filter(|row| !p.sparse || row % 3 == 1 || (10..20).contains(row))
            .collect();
        let y_at = reserve(&mut self.data, gap, g.result_bytes(rows.len()));
        let of = |at: usize| at as u64;
        let mut command = Command::gemv(g, rows.len(), p.k, of(w_at), of(x_at), of(y_at))
            .and_then(|c| c.with_vectors(g, p.vectors))
            .and_then(|c| c.with_digits(p.digits))
            .expect("within limits");
        if p.keep {
            command = command.keep_activations();
            // Not used; a kernel that loads nevertheless finds no memory there.
            command.activations = 1 << 40;
        }
        if p.sparse {
            let runs = Run::of_rows(rows.iter().copied(), (p.digits * g.row_beats(p.k)) as u32);
            let runs_at = reserve(&mut self.data, gap, runs.len() * RUN_BYTES);
            for (i, run) in runs.iter().enumerate() {
                let at = runs_at + i * RUN_BYTES;
                self.data[at..at + RUN_BYTES].copy_from_slice(&run.to_bytes());
            }
            command = command
                .with_run_list(runs_at as u64, runs.len())
                .expect("an aligned list");
        }
        let mut results = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let row = &w[*row as usize * p.k..][..p.k];
            for (v, x) in x[..p.vectors].iter().enumerate() {
                let y = row.iter().zip(x).map(|(w, x)| w * i32::from(*x)).sum();
                results.push((y_at + 4 * (g.batch() * place + v), y));
            }
        }
        self.commands.push(command);
        self.results.push(results);
    }

    /// Appends a STOP command to the list; the list must be the first in memory, so its place was made
    /// by `new` with one product too many.
    pub fn end_with_stop(&mut self) {
        let last = self.commands.len() - 1;
        self.commands[last] = Command::stop();
        self.results[last].clear();
        let at = self.list as usize + last * COMMAND_BYTES;
        self.data[at..at + COMMAND_BYTES].copy_from_slice(&Command::stop().to_bytes());
    }

    /// Byte past the last buffer.
    pub fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// Writes both memories.
    pub fn load(&self, kernel: &mut dyn Kernel) -> Result<(), SimError> {
        kernel.resize(Memory::Weights, self.weights.len())?;
        kernel.write(Memory::Weights, 0, &self.weights)?;
        kernel.resize(Memory::Data, self.data.len() + 64)?;
        kernel.write(Memory::Data, 0, &self.data)
    }

    /// The first byte of the data memory that is not as the first `done` commands must leave it. With
    /// `partial`, what later commands write is not looked at.
    pub fn difference(
        &self,
        kernel: &mut dyn Kernel,
        done: usize,
        partial: bool,
    ) -> Result<Option<String>, SimError> {
        let mut expected = self.data.clone();
        let mut looked_at = vec![true; expected.len()];
        for (i, results) in self.results.iter().enumerate() {
            for (at, y) in results {
                if i < done {
                    expected[*at..at + 4].copy_from_slice(&y.to_le_bytes());
                } else if partial {
                    looked_at[*at..at + 4].fill(false);
                }
            }
        }
        let mut found = vec![0; expected.len()];
        kernel.read(Memory::Data, 0, &mut found)?;
        let wrong = (0..found.len()).find(|&i| looked_at[i] && found[i] != expected[i]);
        Ok(wrong.map(|i| {
            format!(
                "byte {i:#x} of the data memory is {:#04x}, expected {:#04x}",
                found[i], expected[i]
            )
        }))
    }
}

/// Uniform over int8, but every eighth is -128.
fn activation(rng: &mut StdRng) -> i8 {
    match rng.random_ratio(1, 8) {
        true => i8::MIN,
        false => rng.random(),
    }
}

/// Appends a gap and an aligned buffer; returns where the buffer begins.
fn reserve(memory: &mut Vec<u8>, gap: usize, bytes: usize) -> usize {
    let at = layout::align(memory.len()) + gap;
    memory.resize(at + layout::align(bytes), GUARD);
    at
}
