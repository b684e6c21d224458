//! Random matrix-vector products on a kernel, checked against plain scalar arithmetic.

mod data;

use tercet_contract::command::{Run, COMMAND_BYTES, RUN_BYTES};
use tercet_contract::{layout, Command, Geometry};

use crate::cycles::{cycles, Planned};
use crate::error::SimError;
use crate::kernel::{Counters, Kernel, Memory, Ring, Timeline};
use crate::timing::MemoryTiming;

pub use data::GemvData;
use data::ROW_STEP;

/// What results are preset to, so that one never written is seen.
const PRESET: u8 = 0xa5;

/// How commands reach the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Submission {
    /// One launch; the first command goes through the registers.
    #[default]
    List,
    /// A ring, started before, and one ring of the doorbell.
    Ring,
}

/// Products with random data: one command or a queue of them, all with the same activations.
#[derive(Clone, Debug, PartialEq)]
pub struct GemvJob {
    /// N, rows of W.
    pub rows: usize,
    /// K, columns of W.
    pub k: usize,
    /// Vectors in one pass over the weights.
    pub vectors: usize,
    /// Trits of a weight.
    pub digits: usize,
    /// Read a random share of the rows, above 0 to 1, by a run list; none reads all without a list.
    pub rows_share: Option<f64>,
    /// Commands, each with weights of its own.
    pub commands: usize,
    /// Seed of the data.
    pub seed: u64,
}

impl GemvJob {
    /// One plain product.
    pub fn new(rows: usize, k: usize, seed: u64) -> Self {
        GemvJob {
            rows,
            k,
            vectors: 1,
            digits: 1,
            rows_share: None,
            commands: 1,
            seed,
        }
    }

    /// Checks that a kernel can run such commands, before any data is made.
    pub fn validate(&self, geometry: &Geometry) -> Result<(), SimError> {
        Command::gemv(geometry, self.rows, self.k, 0, 0, 0)?
            .with_vectors(geometry, self.vectors)?
            .with_digits(self.digits)?;
        Ok(())
    }
}

/// Commands as they lie in the data memory.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The commands.
    pub commands: Vec<Planned>,
    /// Offset of the completion word, in ring mode.
    pub completion: Option<u64>,
}

impl Queue {
    /// Counters and timeline that the cycle model gives.
    pub fn cycles(&self, geometry: &Geometry, timing: &MemoryTiming) -> (Counters, Timeline) {
        cycles(geometry, timing, self.completion, &self.commands)
    }
}

/// Outcome of [`run_gemv`].
#[derive(Clone, Debug)]
pub struct GemvRun {
    /// The kernel.
    pub geometry: Geometry,
    /// What the kernel counted.
    pub counters: Counters,
    /// When things happened.
    pub timeline: Timeline,
    /// Whether every result equals the scalar sum, and nothing else was written.
    pub matches_reference: bool,
}

/// `y[n] = sum_k W[n, k] * x[k]` in int32, one product at a time.
///
/// # Panics
/// If `weights` is not a whole number of rows of `x.len()`.
pub fn scalar_gemv(weights: &[i8], x: &[i8]) -> Vec<i32> {
    assert_eq!(weights.len() % x.len(), 0, "weights of W");
    weights
        .chunks_exact(x.len())
        .map(|row| {
            row.iter()
                .zip(x)
                .map(|(w, x)| i32::from(*w) * i32::from(*x))
                .sum()
        })
        .collect()
}

/// Offsets in the data memory.
///
/// ```text
/// records (one more for STOP in ring mode) | completion word | activations | run list | results of each command
/// ```
struct DataLayout {
    records: usize,
    completion: usize,
    activations: usize,
    run_list: usize,
    results: usize,
    result_stride: usize,
    bytes: usize,
}

impl DataLayout {
    fn new(geometry: &Geometry, data: &GemvData, submission: Submission) -> Self {
        let ring = usize::from(submission == Submission::Ring);
        let records = data.commands + ring;
        let completion = records * COMMAND_BYTES;
        let activations = completion + ring * layout::ALIGNMENT;
        let run_list = activations + layout::align(data.vectors * geometry.vector_stride(data.k));
        let runs = data.chosen.as_ref().map_or(0, Vec::len);
        let results = run_list + layout::align(runs * RUN_BYTES);
        let result_stride = layout::align(geometry.result_bytes(data.computed_rows()));
        DataLayout {
            records,
            completion,
            activations,
            run_list,
            results,
            result_stride,
            bytes: results + data.commands * result_stride,
        }
    }

    fn results(&self, command: usize) -> u64 {
        (self.results + command * self.result_stride) as u64
    }
}

/// The commands of `data` on a kernel.
pub fn queue(
    geometry: &Geometry,
    data: &GemvData,
    submission: Submission,
) -> Result<Queue, SimError> {
    let at = DataLayout::new(geometry, data, submission);
    let row_bytes = data.digits * geometry.row_bytes(data.k);
    let runs = runs(geometry, data);
    let mut commands = Vec::with_capacity(data.commands);
    for i in 0..data.commands {
        let weights = (i * ROW_STEP * row_bytes) as u64;
        let (rows, k) = (data.computed_rows(), data.k);
        let mut command = Command::gemv(
            geometry,
            rows,
            k,
            weights,
            at.activations as u64,
            at.results(i),
        )?
        .with_vectors(geometry, data.vectors)?
        .with_digits(data.digits)?;
        if data.chosen.is_some() {
            command = command.with_run_list(at.run_list as u64, runs.len())?;
        }
        if i > 0 {
            command = command.keep_activations();
        }
        command.tag = i as u32;
        let in_registers = i == 0 && submission == Submission::List;
        commands.push(Planned {
            command,
            record: (!in_registers).then_some((i * COMMAND_BYTES) as u64),
            runs: runs.clone(),
        });
    }
    Ok(Queue {
        commands,
        completion: (submission == Submission::Ring).then_some(at.completion as u64),
    })
}

fn runs(geometry: &Geometry, data: &GemvData) -> Vec<Run> {
    let row_beats = data.digits * geometry.row_beats(data.k);
    let chosen = data.chosen.iter().flatten().copied();
    Run::of_rows(chosen, row_beats as u32)
}

/// Loads `data` into the kernel's memories, runs its commands and checks the results.
pub fn run_gemv(
    kernel: &mut dyn Kernel,
    data: &GemvData,
    submission: Submission,
) -> Result<GemvRun, SimError> {
    let geometry = kernel.geometry();
    let at = DataLayout::new(&geometry, data, submission);
    let queue = queue(&geometry, data, submission)?;

    let weights = data.packed(&geometry);
    kernel.resize(Memory::Weights, weights.len())?;
    kernel.write(Memory::Weights, 0, &weights)?;
    let mut memory = vec![PRESET; at.bytes];
    memory[..at.activations].fill(0);
    for (record, planned) in memory.chunks_exact_mut(COMMAND_BYTES).zip(&queue.commands) {
        record.copy_from_slice(&planned.command.to_bytes());
    }
    let codes = data.codes(&geometry);
    memory[at.activations..][..codes.len()].copy_from_slice(&codes);
    for (entry, run) in memory[at.run_list..]
        .chunks_exact_mut(RUN_BYTES)
        .zip(queue.commands.iter().take(1).flat_map(|c| &c.runs))
    {
        entry.copy_from_slice(&run.to_bytes());
    }
    kernel.resize(Memory::Data, memory.len())?;
    kernel.write(Memory::Data, 0, &memory)?;

    let (counters, timeline) = submit(kernel, &queue, &at)?;
    let mut matches = counters.error.is_none() && counters.commands_done as usize == data.commands;
    for i in 0..data.commands {
        let mut bytes = vec![0; geometry.result_bytes(data.computed_rows())];
        kernel.read(Memory::Data, at.results(i), &mut bytes)?;
        matches &= is_expected(&bytes, &data.expected(i), data.vectors, geometry.batch());
    }
    Ok(GemvRun {
        geometry,
        counters,
        timeline,
        matches_reference: matches,
    })
}

/// Runs the commands; a ring is stopped afterwards, which is not counted.
fn submit(
    kernel: &mut dyn Kernel,
    queue: &Queue,
    at: &DataLayout,
) -> Result<(Counters, Timeline), SimError> {
    let count = queue.commands.len() as u32;
    let Some(completion) = queue.completion else {
        let counters = kernel.launch_immediate(&queue.commands[0].command, 0, count)?;
        return Ok((counters, kernel.timeline()));
    };
    kernel.ring_start(Ring {
        records: 0,
        entries: at.records as u32,
        completion,
    })?;
    let counters = kernel.ring_dispatch(count)?;
    let timeline = kernel.timeline();
    if counters.error.is_none() {
        let stop = u64::from(count) * COMMAND_BYTES as u64;
        kernel.write(Memory::Data, stop, &Command::stop().to_bytes())?;
        kernel.ring_dispatch(count + 1)?;
    }
    Ok((counters, timeline))
}

/// Whether `y: [rows, batch]` holds the sums of the command's vectors, and of the others what it was
/// preset to.
fn is_expected(bytes: &[u8], expected: &[i32], vectors: usize, batch: usize) -> bool {
    let rows = bytes.chunks_exact(4 * batch);
    rows.len() * vectors == expected.len()
        && rows.zip(expected.chunks_exact(vectors)).all(|(row, sums)| {
            let (used, rest) = row.split_at(4 * vectors);
            let words = used.chunks_exact(4).zip(sums);
            words.into_iter().all(|(b, sum)| b == sum.to_le_bytes())
                && rest.iter().all(|b| *b == PRESET)
        })
}

/// Multiplies a random `W: [n, k]` with a random `x: [k]` in one command.
pub fn simulate_gemv(
    kernel: &mut dyn Kernel,
    n: usize,
    k: usize,
    seed: u64,
) -> Result<GemvRun, SimError> {
    let job = GemvJob::new(n, k, seed);
    job.validate(&kernel.geometry())?;
    run_gemv(kernel, &GemvData::random(&job), Submission::List)
}
