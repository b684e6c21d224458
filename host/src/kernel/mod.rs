//! Matrix products on the CPU.
//!
//! | module | what it is |
//! |---|---|
//! | [`packed`] | lines of two-bit weights, the same bytes on every ISA |
//! | [`matrix`] | a ternary matrix in rows or in columns |
//! | [`panel`] | 64 rows unpacked, for products of many tokens |
//! | [`activations`] | int8 codes of a batch of tokens |
//! | [`mod@reference`] | the plain definition over ndarray views, which every kernel is tested against |
//! | [`scalar`] | packed weights without intrinsics, on any machine |
//! | `aarch64` | NEON, without and with dot products |
//! | `x86_64` | AVX2 and AVX-512 VNNI |
//! | [`products`] | a whole matrix times one or many tokens, on several threads |
//! | [`dense`] | bf16, f16 or f32 weights times f32: the lm_head |
//! | [`planes`], [`screen`] | its int8 copy, and as little of it as proves the largest logits |
//! | [`threads`] | parts of an output on several threads |
//!
//! A kernel is chosen once, at run time ([`Kernel::detect`]); its ISA type can only be made where the
//! CPU has the instructions. Sums of trits are exact, and dense sums have one fixed order, so results
//! depend neither on the ISA nor on the number of threads.

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
pub mod activations;
pub mod dense;
pub mod matrix;
pub mod packed;
pub mod panel;
pub mod planes;
pub mod products;
pub mod reference;
pub mod scalar;
pub mod screen;
pub mod threads;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checkpoint::weights::DenseMatrix;
#[cfg(target_arch = "x86_64")]
use crate::checkpoint::weights::DenseType;
use activations::Activations;
use matrix::Order;
use packed::{PackedTrits, CHUNK_WEIGHTS};
use panel::TILE_ROWS;
use threads::{Threads, ThreadsError, Work};

/// Rows that one task of a dense product takes.
const TASK_ROWS: usize = 64;

/// Rows of a matrix: all from one on, or those of a list.
#[derive(Clone, Copy, Debug)]
pub enum Lines<'a> {
    /// First, first + 1, ..
    From(usize),
    /// These, in this order.
    Listed(&'a [u32]),
}

impl Lines<'_> {
    /// The row at place `i`.
    #[inline(always)]
    pub fn at(self, i: usize) -> usize {
        match self {
            Lines::From(first) => first + i,
            Lines::Listed(list) => list[i] as usize,
        }
    }
}

/// Instruction sets with a kernel of their own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Isa {
    /// Whatever the compiler targets.
    Scalar,
    /// NEON.
    Neon,
    /// NEON with dot products.
    NeonDot,
    /// AVX2.
    Avx2,
    /// AVX-512 F, BW and VNNI.
    Avx512Vnni,
}

impl Isa {
    /// Every ISA; those of one architecture slowest first.
    pub const ALL: [Isa; 5] = [
        Isa::Scalar,
        Isa::Neon,
        Isa::NeonDot,
        Isa::Avx2,
        Isa::Avx512Vnni,
    ];

    /// Name as in benches and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Neon => "neon",
            Isa::NeonDot => "neondot",
            Isa::Avx2 => "avx2",
            Isa::Avx512Vnni => "avx512vnni",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not an ISA.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("instruction set `{0}`: expected scalar, neon, neondot, avx2 or avx512vnni")]
pub struct IsaError(String);

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let isa = Isa::ALL.into_iter().find(|isa| isa.as_str() == s);
        isa.ok_or_else(|| IsaError(s.to_string()))
    }
}

/// A kernel that this CPU can run.
#[derive(Clone, Copy, Debug)]
pub struct Kernel(Choice);

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.isa() == other.isa()
    }
}

impl Eq for Kernel {}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Scalar,
    #[cfg(target_arch = "aarch64")]
    Neon(aarch64::Neon),
    #[cfg(target_arch = "aarch64")]
    NeonDot(aarch64::NeonDot),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86_64::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(x86_64::Avx512Vnni),
}

impl Kernel {
    /// The kernel of an ISA, or none if this CPU lacks it.
    pub fn new(isa: Isa) -> Option<Self> {
        match isa {
            Isa::Scalar => Some(Kernel(Choice::Scalar)),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => aarch64::Neon::new().map(|isa| Kernel(Choice::Neon(isa))),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => aarch64::NeonDot::new().map(|isa| Kernel(Choice::NeonDot(isa))),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86_64::Avx2::new().map(|isa| Kernel(Choice::Avx2(isa))),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => x86_64::Avx512Vnni::new().map(|isa| Kernel(Choice::Avx512Vnni(isa))),
            // The ISAs of other architectures.
            _ => None,
        }
    }

    /// The fastest kernel of this CPU.
    pub fn detect() -> Self {
        let best = Self::available().last();
        best.unwrap_or(Kernel(Choice::Scalar))
    }

    /// Every kernel of this CPU, slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Isa::ALL.into_iter().filter_map(Self::new)
    }

    /// Its ISA.
    pub fn isa(self) -> Isa {
        match self.0 {
            Choice::Scalar => Isa::Scalar,
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(_) => Isa::Neon,
            #[cfg(target_arch = "aarch64")]
            Choice::NeonDot(_) => Isa::NeonDot,
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(_) => Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(_) => Isa::Avx512Vnni,
        }
    }

    /// Exact sums of the rows at places 0.. of `rows` for token t, one for each element of `acc`:
    /// `acc[i] = sum_k W[n_i, k] * x[t, k]`. The lines of `w` are rows.
    ///
    /// # Panics
    /// If K differs, or a token or a row is not there.
    pub fn rows(self, w: &PackedTrits, rows: Lines, x: &Activations, t: usize, acc: &mut [i32]) {
        assert_eq!(w.k(), x.k(), "K of weights and activations");
        let (x, sum) = (x.padded(t), x.sum(t));
        match self.0 {
            Choice::Scalar => scalar::rows(w.view(), rows, x, sum, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(isa) => isa.rows(w.view(), rows, x, sum, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::NeonDot(isa) => isa.rows(w.view(), rows, x, sum, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.rows(w.view(), rows, x, sum, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(isa) => isa.rows(w.view(), rows, x, sum, acc),
        }
    }

    /// Code sums over some columns for token t: `acc[n] = sum over the listed k of (W[n, k] + 1) *
    /// x[t, k]`. The lines of `w` are columns, and `acc` is [`padded_rows`] long.
    ///
    /// # Panics
    /// If K or the length of `acc` differ, or a token or a column is not there.
    pub fn columns(
        self,
        w: &PackedTrits,
        columns: &[u32],
        x: &Activations,
        t: usize,
        acc: &mut [i32],
    ) {
        assert_eq!(w.n(), x.k(), "K of weights and activations");
        assert_eq!(acc.len(), padded_rows(w.k()), "sums");
        let x = x.padded(t);
        match self.0 {
            Choice::Scalar => scalar::columns(w.view(), columns, x, 0, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(isa) => isa.columns(w.view(), columns, x, 0, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::NeonDot(isa) => isa.columns(w.view(), columns, x, 0, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.columns(w.view(), columns, x, 0, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(isa) => isa.columns(w.view(), columns, x, 0, acc),
        }
    }

    /// Exact sums of a tile of 64 rows and many tokens: `acc[t * 64 + i] = sum_k W[64 tile + i, k] *
    /// x[t, k]`. Sums of rows past N mean nothing.
    ///
    /// # Panics
    /// If K differs, the tile is not there, or `acc` is not T * 64 long.
    pub fn tile(
        self,
        order: Order,
        w: &PackedTrits,
        tile: usize,
        x: &Activations,
        acc: &mut [i32],
    ) {
        let (n, k) = match order {
            Order::Rows => (w.n(), w.k()),
            Order::Columns => (w.k(), w.n()),
        };
        assert_eq!(k, x.k(), "K of weights and activations");
        assert!(tile * TILE_ROWS < n, "tile {tile} of {n} rows");
        assert_eq!(acc.len(), TILE_ROWS * x.tokens(), "sums");
        match self.0 {
            Choice::Scalar => scalar::tile(order, w.view(), tile, x, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(isa) => isa.tile(order, w.view(), tile, x, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::NeonDot(isa) => isa.tile(order, w.view(), tile, x, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.tile(order, w.view(), tile, x, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(isa) => isa.tile(order, w.view(), tile, x, acc),
        }
    }

    /// `y[i] = W[row_i] . x`, the same bits on every ISA. Rows of bf16 have a kernel of their own.
    ///
    /// # Panics
    /// If K differs or a row is not there.
    pub fn dense_rows(self, w: &DenseMatrix, rows: Lines, x: &[f32], y: &mut [f32]) {
        assert_eq!(w.columns(), x.len(), "K of weights and activations");
        match (self.0, w.dtype()) {
            #[cfg(target_arch = "x86_64")]
            (Choice::Avx2(isa), DenseType::Bf16) => isa.bf16_rows(|i| w.row(rows.at(i)), x, y),
            #[cfg(target_arch = "x86_64")]
            (Choice::Avx512Vnni(isa), DenseType::Bf16) => {
                isa.bf16_rows(|i| w.row(rows.at(i)), x, y);
            }
            _ => self.vectorize(dense::Rows { w, rows, x, y }),
        }
    }

    /// `y[i] = rows[i, ..] . x` for `rows: [N, K]` of f32, the same bits on every ISA.
    ///
    /// # Panics
    /// If `rows` is not N * K long.
    pub fn dots(self, x: &[f32], rows: &[f32], y: &mut [f32]) {
        assert_eq!(rows.len(), y.len() * x.len(), "rows of a matrix");
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.dots(x, rows, y),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(isa) => isa.dots(x, rows, y),
            _ => self.vectorize(dense::Dots { x, rows, y }),
        }
    }

    /// `y[k] += weights[i] * rows[i, k]`, one i after the other, for `rows: [N, K]` of f32; the same bits on
    /// every ISA.
    ///
    /// # Panics
    /// If `rows` is not N * K long.
    pub fn add_mix(self, weights: &[f32], rows: &[f32], y: &mut [f32]) {
        assert_eq!(rows.len(), weights.len() * y.len(), "rows of a matrix");
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.add_mix(weights, rows, y),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(isa) => isa.add_mix(weights, rows, y),
            _ => self.vectorize(dense::AddMix { weights, rows, y }),
        }
    }

    /// Runs a loop compiled for this kernel's ISA. No fused multiply-add is used, so the result is the
    /// same on all of them.
    pub fn vectorize<L: Loop>(self, task: L) -> L::Output {
        match self.0 {
            Choice::Scalar => task.run(),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(isa) => isa.vectorize(task),
            #[cfg(target_arch = "aarch64")]
            Choice::NeonDot(isa) => isa.vectorize(task),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.vectorize(task),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(isa) => isa.vectorize(task),
        }
    }
}

/// Rows of a column, rounded up to whole chunks.
pub fn padded_rows(n: usize) -> usize {
    n.next_multiple_of(CHUNK_WEIGHTS)
}

/// A plain loop that the compiler vectorises for each ISA; `run` must be `#[inline(always)]`, and so
/// must everything it calls. Adapters that take closures (`map`, `fold`) are not: what they call may be
/// compiled apart, without the ISA.
pub trait Loop {
    /// What it computes.
    type Output;
    /// The loop.
    fn run(self) -> Self::Output;
}

/// The threads of this process that compute, and the kernel they run.
pub struct Cpu {
    kernel: Kernel,
    threads: Threads,
}

impl Cpu {
    /// `threads` threads; 0 for one per available core.
    pub fn new(threads: usize, kernel: Kernel) -> Result<Self, ThreadsError> {
        let threads = Threads::new(threads)?;
        Ok(Cpu { kernel, threads })
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    /// A handle on the threads, to be inside them for a while: see [`Threads::install`].
    pub fn pool(&self) -> Threads {
        self.threads.clone()
    }

    /// [`Threads::for_each_part`] on these threads.
    pub fn for_each_part<T: Send>(
        &self,
        work: Work,
        out: &mut [T],
        size: usize,
        task: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        self.threads.for_each_part(work, out, size, task);
    }

    /// [`Threads::for_each_pair`] on these threads.
    pub fn for_each_pair<A: Send, B: Send>(
        &self,
        work: Work,
        a: (&mut [A], usize),
        b: (&mut [B], usize),
        task: impl Fn(usize, &mut [A], &mut [B]) + Sync + Send,
    ) {
        self.threads.for_each_pair(work, a, b, task);
    }

    /// `y[t * N + n] = sum_k W[n, k] * x[t * K + k]` for dense W: [N, K].
    pub fn dense(&self, w: &DenseMatrix, x: &[f32], y: &mut [f32]) {
        let (n, k) = (w.rows(), w.columns());
        let tokens = x.len() / k;
        assert_eq!(tokens * n, y.len(), "results of T tokens");
        if tokens == 1 {
            self.for_each_part(Work::dense(w.bytes()), y, TASK_ROWS, |i, y| {
                self.kernel.dense_rows(w, Lines::From(i * TASK_ROWS), x, y);
            });
            return;
        }
        // Rows that are in a cache serve all tokens; their results do not lie together in `y`.
        let tile = TASK_ROWS * tokens;
        let mut tiles = vec![0.0; n.div_ceil(TASK_ROWS) * tile];
        let work = Work::dense(w.bytes() * tokens);
        self.for_each_part(work, &mut tiles, tile, |i, tile| {
            let first = i * TASK_ROWS;
            let rows = TASK_ROWS.min(n - first);
            for (x, y) in x.chunks_exact(k).zip(tile.chunks_exact_mut(TASK_ROWS)) {
                self.kernel
                    .dense_rows(w, Lines::From(first), x, &mut y[..rows]);
            }
        });
        self.for_each_part(Work::copy(4 * y.len()), y, n, |t, y| {
            for (tile, y) in tiles.chunks_exact(tile).zip(y.chunks_mut(TASK_ROWS)) {
                y.copy_from_slice(&tile[t * TASK_ROWS..][..y.len()]);
            }
        });
    }
}

#[cfg(test)]
mod tests;
