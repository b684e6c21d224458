//! Command lists with their matrices, vectors and expected results.

use tercet_contract::command::{COMMAND_BYTES, RUN_BYTES};
use tercet_contract::{layout, Command, Geometry};
use tercet_sim::{Counters, Kernel, Memory};

pub use super::product::Product;

/// What stands in memory around and under results before a launch.
pub const GUARD: u8 = 0xa5;

/// Products laid out in the two memories. `gap` bytes (a multiple of 64) stand before each buffer, so
/// that buffers begin at other places relative to 4 KiB.
pub struct Job {
    pub commands: Vec<Command>,
    pub products: Vec<Product>,
    /// Offset of the records.
    pub list: u64,
    /// Offset of the completion word of a ring, alone on its line.
    pub completion: u64,
    /// The first record is not in memory.
    pub immediate: bool,
    batch: usize,
    weights: Vec<u8>,
    data: Vec<u8>,
}

impl Job {
    pub fn new(geometry: &Geometry, products: Vec<Product>, gap: usize) -> Self {
        let mut weights = Vec::new();
        let mut data = vec![GUARD; gap];
        let list = data.len() as u64;
        data.resize(data.len() + products.len() * COMMAND_BYTES, GUARD);
        let completion = reserve(&mut data, gap, layout::ALIGNMENT);
        let mut commands = Vec::new();
        for (tag, p) in products.iter().enumerate() {
            let w = reserve(
                &mut weights,
                gap,
                geometry.matrix_bytes(p.n * p.digits, p.k),
            );
            let packed = layout::pack_matrix(geometry, p.n * p.digits, p.k, &p.trits());
            weights[w as usize..][..packed.len()].copy_from_slice(&packed);
            let stride = geometry.vector_stride(p.k);
            let x = reserve(&mut data, gap, p.x.len() * stride);
            for (v, vector) in p.x.iter().enumerate() {
                let bytes = data[x as usize + v * stride..].iter_mut();
                for (byte, x) in bytes.zip(vector) {
                    *byte = *x as u8;
                }
            }
            let rows = p.result_rows();
            let y = reserve(&mut data, gap, geometry.result_bytes(rows));
            let mut command = Command::gemv(geometry, rows, p.k, w, x, y)
                .and_then(|c| c.with_digits(p.digits))
                .and_then(|c| c.with_vectors(geometry, p.x.len()))
                .unwrap();
            command.tag = tag as u32;
            if let Some(runs) = p.runs(geometry) {
                let at = reserve(&mut data, gap, runs.len() * RUN_BYTES);
                let bytes: Vec<u8> = runs.iter().flat_map(|r| r.to_bytes()).collect();
                data[at as usize..][..bytes.len()].copy_from_slice(&bytes);
                command = command.with_run_list(at, runs.len()).unwrap();
            }
            if p.keep {
                // The offset is not used; a kernel that loads nevertheless finds no memory there.
                command = command.keep_activations();
                command.activations = 1 << 40;
            }
            commands.push(command);
        }
        data.resize(data.len() + layout::ALIGNMENT, GUARD);
        Job {
            commands,
            products,
            list,
            completion,
            immediate: false,
            batch: geometry.batch(),
            weights,
            data,
        }
    }

    /// The data memory before a launch.
    pub fn image(&self) -> Vec<u8> {
        let mut image = self.empty_image();
        for (i, command) in self.commands.iter().enumerate() {
            if i != 0 || !self.immediate {
                let at = self.list as usize + i * COMMAND_BYTES;
                image[at..at + COMMAND_BYTES].copy_from_slice(&command.to_bytes());
            }
        }
        image
    }

    /// The data memory without records.
    pub fn empty_image(&self) -> Vec<u8> {
        self.data.clone()
    }

    /// Sizes and fills the memories.
    pub fn load_image(&self, kernel: &mut dyn Kernel, image: &[u8]) {
        kernel.resize(Memory::Weights, self.weights.len()).unwrap();
        kernel.write(Memory::Weights, 0, &self.weights).unwrap();
        kernel.resize(Memory::Data, image.len()).unwrap();
        kernel.write(Memory::Data, 0, image).unwrap();
    }

    /// Sizes and fills the memories with everything but results.
    pub fn load(&self, kernel: &mut dyn Kernel) {
        self.load_image(kernel, &self.image());
    }

    /// Loads the memories, and launches.
    pub fn launch(&self, kernel: &mut dyn Kernel) -> Counters {
        self.load(kernel);
        let count = self.commands.len() as u32;
        match self.immediate {
            true => kernel.launch_immediate(&self.commands[0], self.list, count),
            false => kernel.launch(self.list, count),
        }
        .unwrap_or_else(|e| panic!("{e}"))
    }

    /// Launches and checks that everything came out as it must.
    pub fn must_succeed(&self, kernel: &mut dyn Kernel) -> Counters {
        let counters = self.launch(kernel);
        self.check_counters(&counters, 0, self.commands.len());
        self.check_memory(kernel, self.commands.len());
        counters
    }

    /// Commands `from..to` have succeeded, and nothing else.
    pub fn check_counters(&self, counters: &Counters, from: usize, to: usize) {
        assert_eq!(counters.error, None, "{}", self.shapes());
        assert_eq!(counters.commands_done as usize, to, "{}", self.shapes());
        let beats: u64 = self.commands[from..to]
            .iter()
            .map(|c| u64::from(c.weight_beats))
            .sum();
        assert_eq!(counters.weight_beats, beats, "{}", self.shapes());
        assert!(counters.cycles >= beats, "{}: {counters:?}", self.shapes());
    }

    /// The first `done` results are right, and nothing but results has been written: a byte that no
    /// result covers is as before.
    pub fn check_memory(&self, kernel: &mut dyn Kernel, done: usize) {
        self.check_image(kernel, self.image(), done, None);
    }

    /// [`Job::check_memory`] after command `done` has failed: it may have left anything in its own results.
    pub fn check_failed(&self, kernel: &mut dyn Kernel, done: usize) {
        self.check_image(kernel, self.image(), done, Some(done));
    }

    /// The data memory is `image` with the first `done` results, except for the results of `undefined`.
    pub fn check_image(
        &self,
        kernel: &mut dyn Kernel,
        mut image: Vec<u8>,
        done: usize,
        undefined: Option<usize>,
    ) {
        let mut found = vec![0; image.len()];
        kernel.read(Memory::Data, 0, &mut found).unwrap();
        // A STOP has no results.
        for i in (0..done).filter(|i| self.commands[*i].opcode == 1) {
            let at = self.commands[i].results as usize;
            for (n, row) in self.products[i].expected().iter().enumerate() {
                for (v, y) in row.iter().enumerate() {
                    let word = at + 4 * (n * self.batch + v);
                    image[word..word + 4].copy_from_slice(&y.to_le_bytes());
                }
            }
        }
        if let Some(i) = undefined {
            let at = self.commands[i].results as usize;
            let bytes = 4 * self.batch * self.products[i].result_rows();
            if let Some(results) = image.get_mut(at..at.saturating_add(bytes)) {
                results.copy_from_slice(&found[at..at + bytes]);
            }
        }
        if let Some(at) = (0..found.len()).find(|&i| found[i] != image[i]) {
            let results: Vec<u64> = self.commands.iter().map(|c| c.results).collect();
            panic!(
                "byte {at} of the data memory is {:#04x}, expected {:#04x}; {done} done of {}; results at {results:?}, list {}, completion {}",
                found[at], image[at], self.shapes(), self.list, self.completion
            );
        }
    }

    /// What names the job in a failure.
    pub fn shapes(&self) -> String {
        let shapes: Vec<_> = self.products.iter().map(Product::shape).collect();
        shapes.join("; ")
    }
}

/// Appends a gap and an aligned buffer; returns where the buffer begins.
fn reserve(memory: &mut Vec<u8>, gap: usize, bytes: usize) -> u64 {
    let at = layout::align(memory.len()) + gap;
    memory.resize(at + layout::align(bytes), GUARD);
    at as u64
}
