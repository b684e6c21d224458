//! Matrix products on the CPU.
//!
//! | module | what it is |
//! |---|---|
//! | [`packed`] | two-bit weights, the same bytes on every ISA |
//! | [`activations`] | int8 codes of a batch of tokens |
//! | [`mod@reference`] | the plain definition over ndarray views, which every kernel is tested against |
//! | [`scalar`] | packed weights without intrinsics, on any machine |
//! | `aarch64` | NEON, without and with dot products |
//! | `x86_64` | AVX2 and AVX-512 VNNI |
//! | [`dense`] | bf16, f16 or f32 weights times f32: the lm_head |
//! | [`threads`] | parts of an output on several threads |
//!
//! A kernel is chosen once, at run time ([`Kernel::detect`]); its ISA type can only be made where the
//! CPU has the instructions. Sums of trits are exact, and dense sums have one fixed order, so results
//! depend neither on the ISA nor on the number of threads.

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
pub mod activations;
pub mod dense;
pub mod packed;
pub mod reference;
pub mod scalar;
pub mod threads;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::checkpoint::weights::DenseMatrix;
use activations::Activations;
use packed::PackedTrits;
use threads::{Threads, ThreadsError, Work};

/// Rows that one task of the ternary product takes: a multiple of every kernel's row tile.
const TASK_ROWS: usize = 64;

/// Instruction sets with a kernel of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

    /// Exact sums of some rows: `acc[(n - rows.start) * T + t] = sum_k W[n, k] * x[t, k]`.
    ///
    /// # Panics
    /// If K differs, the rows are not there, or `acc` is not rows * T long.
    pub fn ternary(self, w: &PackedTrits, rows: Range<usize>, x: &Activations, acc: &mut [i32]) {
        assert_eq!(w.k(), x.k(), "K of weights and activations");
        assert!(rows.end <= w.n(), "rows {rows:?} of {}", w.n());
        assert_eq!(acc.len(), rows.len() * x.tokens(), "sums");
        if acc.is_empty() {
            return;
        }
        match self.0 {
            Choice::Scalar => scalar::ternary(w, rows, x, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(isa) => isa.ternary(w, rows, x, acc),
            #[cfg(target_arch = "aarch64")]
            Choice::NeonDot(isa) => isa.ternary(w, rows, x, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.ternary(w, rows, x, acc),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vnni(isa) => isa.ternary(w, rows, x, acc),
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

/// A plain loop that the compiler vectorises for each ISA; `run` must be `#[inline(always)]`, and so
/// must everything it calls.
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

    /// Exact sums of all rows, by row: `acc[n * T + t]`.
    pub fn ternary(&self, w: &PackedTrits, x: &Activations, acc: &mut [i32]) {
        let tokens = x.tokens();
        assert_eq!(acc.len(), w.n() * tokens, "sums");
        let work = Work::ternary(w.bytes(), w.n() * w.k() * tokens);
        self.for_each_part(work, acc, TASK_ROWS * tokens.max(1), |i, acc| {
            let first = i * TASK_ROWS;
            let rows = first..first + acc.len() / tokens;
            self.kernel.ternary(w, rows, x, acc);
        });
    }

    /// `y[t * N + n] = sum_k W[n, k] * x[t * K + k]` for dense W: [N, K].
    pub fn dense(&self, w: &DenseMatrix, x: &[f32], y: &mut [f32]) {
        let (n, k) = (w.rows(), w.columns());
        assert_eq!(x.len() / k * n, y.len(), "results of T tokens");
        let work = Work::dense(w.bytes());
        // Token by token, rows in parallel: rows of one token lie together in `y`.
        for (x, y) in x.chunks_exact(k).zip(y.chunks_exact_mut(n)) {
            self.for_each_part(work, y, TASK_ROWS, |i, y| {
                self.kernel.vectorize(dense::Rows {
                    w,
                    first: i * TASK_ROWS,
                    x,
                    y,
                });
            });
        }
    }
}

#[cfg(test)]
mod tests;
