//! The CPU executor: every linear on the host.

use super::{Executor, ExecutorError, Phase};
use crate::kernel::activations::Activations;
use crate::kernel::{Cpu, Kernel};
use crate::model::{rescale, GroupId, Model, TernaryLinear};

/// Computes everything on this machine's cores.
pub struct CpuExecutor {
    cpu: Cpu,
    activations: Activations,
    /// Sums of one linear, `[T, N]`.
    acc: Vec<i32>,
    /// The same as the kernels leave them, `[N, T]`.
    by_row: Vec<i32>,
}

impl CpuExecutor {
    /// The best kernel this CPU has, on `threads` threads (0: one per available core).
    pub fn new(threads: usize) -> Result<Self, ExecutorError> {
        Self::with_kernel(threads, Kernel::detect())
    }

    /// A given kernel, on `threads` threads (0: one per available core).
    pub fn with_kernel(threads: usize, kernel: Kernel) -> Result<Self, ExecutorError> {
        Ok(CpuExecutor {
            cpu: Cpu::new(threads, kernel)?,
            activations: Activations::default(),
            acc: Vec::new(),
            by_row: Vec::new(),
        })
    }

    /// int8 codes, scales and code sums of `x: [T, K]`.
    pub fn quantize(&self, x: &[f32], k: usize) -> Activations {
        Activations::quantize(x, k)
    }

    /// Exact sums of `codes: [T, K]`: `acc[t * N + n] = sum_k W[n, k] * codes[t, k]`.
    ///
    /// # Panics
    /// If `codes` is not T * K long or `acc` not T * N.
    pub fn sums(&self, w: &TernaryLinear, codes: &[i8], tokens: usize, acc: &mut [i32]) {
        assert_eq!(codes.len(), tokens * w.k(), "codes of T tokens");
        if tokens > 0 {
            self.sums_of(w, &Activations::from_codes(codes, w.k()), acc);
        }
    }

    /// Exact sums `acc: [T, N]` of activations already quantised.
    ///
    /// # Panics
    /// If K differs or `acc` is not T * N long.
    pub fn sums_of(&self, w: &TernaryLinear, x: &Activations, acc: &mut [i32]) {
        let mut by_row = Vec::new();
        sums(&self.cpu, w, x, acc, &mut by_row);
    }
}

/// `acc: [T, N]`, with `by_row` as scratch.
fn sums(cpu: &Cpu, w: &TernaryLinear, x: &Activations, acc: &mut [i32], by_row: &mut Vec<i32>) {
    let (n, tokens) = (w.n(), x.tokens());
    assert_eq!(acc.len(), tokens * n, "sums of T tokens and N rows");
    if tokens == 1 {
        cpu.ternary(w.weights(), x, acc);
        return;
    }
    by_row.resize(n * tokens, 0);
    cpu.ternary(w.weights(), x, by_row);
    for (token, acc) in acc.chunks_exact_mut(n).enumerate() {
        for (a, row) in acc.iter_mut().zip(by_row.chunks_exact(tokens)) {
            *a = row[token];
        }
    }
}

impl Executor for CpuExecutor {
    fn linears(
        &mut self,
        model: &Model,
        group: GroupId,
        _phase: Phase,
        x: &[f32],
        y: &mut [&mut [f32]],
    ) -> Result<(), ExecutorError> {
        for (i, (id, y)) in group.linear_ids().zip(y.iter_mut()).enumerate() {
            let w = model.linear(id);
            if i == 0 {
                self.activations.requantize(x, w.k());
            }
            self.acc.resize(y.len(), 0);
            sums(
                &self.cpu,
                w,
                &self.activations,
                &mut self.acc,
                &mut self.by_row,
            );
            rescale(w, &self.acc, self.activations.scales(), y);
        }
        Ok(())
    }

    fn lm_head(
        &mut self,
        model: &Model,
        _phase: Phase,
        x: &[f32],
        logits: &mut [f32],
    ) -> Result<(), ExecutorError> {
        self.cpu.dense(model.lm_head(), x, logits);
        Ok(())
    }

    fn cpu(&self) -> &Cpu {
        &self.cpu
    }
}
