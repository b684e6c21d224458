//! One random matrix-vector product on a kernel, checked against plain scalar arithmetic.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tercet_contract::command::COMMAND_BYTES;
use tercet_contract::{layout, Command, Geometry};

use crate::error::SimError;
use crate::kernel::{Counters, Kernel, Memory};

/// Outcome of [`simulate_gemv`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GemvRun {
    /// The kernel.
    pub geometry: Geometry,
    /// Rows of W.
    pub n: usize,
    /// Columns of W.
    pub k: usize,
    /// Seed of weights and activations.
    pub seed: u64,
    /// The command that was run.
    #[serde(skip)]
    pub command: Command,
    /// What the kernel counted.
    pub counters: Counters,
    /// Whether every result equals the scalar sum.
    pub matches_reference: bool,
    /// `y: [N]` as the kernel wrote it.
    #[serde(skip)]
    pub results: Vec<i32>,
}

/// `y[n] = sum_k W[n, k] * x[k]` in int32, one product at a time.
///
/// # Panics
/// If `trits` is not a whole number of rows of `x.len()`.
pub fn scalar_gemv(trits: &[i8], x: &[i8]) -> Vec<i32> {
    assert_eq!(trits.len() % x.len(), 0, "trits of W");
    trits
        .chunks_exact(x.len())
        .map(|row| {
            row.iter()
                .zip(x)
                .map(|(w, x)| i32::from(*w) * i32::from(*x))
                .sum()
        })
        .collect()
}

/// Offsets in the data memory of one command, its activations and its results.
struct DataLayout {
    activations: usize,
    results: usize,
    bytes: usize,
}

impl DataLayout {
    fn new(n: usize, k: usize) -> Self {
        let activations = layout::align(COMMAND_BYTES);
        let results = activations + layout::align(k);
        DataLayout {
            activations,
            results,
            bytes: results + layout::align(4 * n),
        }
    }
}

/// Multiplies a random `W: [n, k]` with a random `x: [k]` in one command.
///
/// Trits are uniform over -1, 0, 1; activations are uniform over int8, and every eighth is -128.
/// The results are preset to a pattern, so that a result never written is seen.
pub fn simulate_gemv(
    kernel: &mut dyn Kernel,
    n: usize,
    k: usize,
    seed: u64,
) -> Result<GemvRun, SimError> {
    let geometry = kernel.geometry();
    let at = DataLayout::new(n, k);
    let command = Command::gemv(&geometry, n, k, 0, at.activations as u64, at.results as u64)?;

    let mut rng = StdRng::seed_from_u64(seed);
    let trits: Vec<i8> = (0..n * k).map(|_| rng.random_range(-1..=1)).collect();
    let x: Vec<i8> = (0..k)
        .map(|_| {
            if rng.random_ratio(1, 8) {
                i8::MIN
            } else {
                rng.random()
            }
        })
        .collect();

    let weights = layout::pack_matrix(&geometry, n, k, &trits);
    kernel.resize(Memory::Weights, weights.len())?;
    kernel.write(Memory::Weights, 0, &weights)?;
    kernel.resize(Memory::Data, at.bytes)?;
    kernel.write(Memory::Data, 0, &command.to_bytes())?;
    let codes: Vec<u8> = x.iter().map(|x| *x as u8).collect();
    kernel.write(Memory::Data, at.activations as u64, &codes)?;
    kernel.write(Memory::Data, at.results as u64, &vec![0xa5; 4 * n])?;

    let counters = kernel.launch(0, 1)?;

    let mut bytes = vec![0; 4 * n];
    kernel.read(Memory::Data, at.results as u64, &mut bytes)?;
    let results: Vec<i32> = bytes
        .chunks_exact(4)
        .map(|b| i32::from_le_bytes(b.try_into().expect("4 bytes")))
        .collect();
    Ok(GemvRun {
        geometry,
        n,
        k,
        seed,
        command,
        matches_reference: counters.error.is_none() && results == scalar_gemv(&trits, &x),
        counters,
        results,
    })
}
