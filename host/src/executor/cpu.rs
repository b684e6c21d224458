//! The CPU executor: every linear on the host.

use super::{Executor, ExecutorError, Phase};
use crate::checkpoint::config::HiddenAct;
use crate::kernel::activations::Activations;
use crate::kernel::matrix::TernaryMatrix;
use crate::kernel::products::{list_where, Scratch};
use crate::kernel::screen::Screen;
use crate::kernel::{Cpu, Kernel};
use crate::model::{GroupId, GroupKind, HeadKind, LinearId, LinearKind, Model, TernaryLinear};

/// How a [`CpuExecutor`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuOptions {
    /// Threads; 0 for one per available core.
    pub threads: usize,
    /// The kernel of an instruction set.
    pub kernel: Kernel,
    /// Whether weights that would be multiplied by zero are left out, which changes no result: rows of
    /// `up` where squared ReLU closes the gate, and columns of `down` whose activation has code zero.
    pub sparsity: bool,
}

impl CpuOptions {
    /// The best on `threads` threads (0: one per available core).
    pub fn on_threads(threads: usize) -> Self {
        CpuOptions {
            threads,
            ..Self::default()
        }
    }
}

impl Default for CpuOptions {
    fn default() -> Self {
        CpuOptions {
            threads: 0,
            kernel: Kernel::detect(),
            sparsity: true,
        }
    }
}

/// A part of a group that is done, told to whoever measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lap {
    /// The input has int8 codes.
    Quantized,
    /// A linear has its results.
    Linear(LinearId),
}

/// Computes everything on this machine's cores.
pub struct CpuExecutor {
    cpu: Cpu,
    sparsity: bool,
    activations: Activations,
    scratch: Scratch,
    screen: Screen,
    /// Rows of `up` behind an open gate.
    open: Vec<u32>,
    /// Their results.
    open_up: Vec<f32>,
    /// Bytes of listed rows and of the output head read so far.
    bytes_read: u64,
}

impl CpuExecutor {
    /// The best kernel this CPU has, on `threads` threads (0: one per available core).
    pub fn new(threads: usize) -> Result<Self, ExecutorError> {
        Self::with_options(CpuOptions::on_threads(threads))
    }

    /// A given kernel, on `threads` threads (0: one per available core).
    pub fn with_kernel(threads: usize, kernel: Kernel) -> Result<Self, ExecutorError> {
        Self::with_options(CpuOptions {
            threads,
            kernel,
            ..CpuOptions::default()
        })
    }

    /// Everything chosen.
    pub fn with_options(options: CpuOptions) -> Result<Self, ExecutorError> {
        Ok(CpuExecutor {
            cpu: Cpu::new(options.threads, options.kernel)?,
            sparsity: options.sparsity,
            activations: Activations::default(),
            scratch: Scratch::new(options.sparsity),
            screen: Screen::default(),
            open: Vec::new(),
            open_up: Vec::new(),
            bytes_read: 0,
        })
    }

    /// Bytes of weights that the linears and the output head have read so far. Weights that serve several
    /// tokens at once count once.
    pub fn bytes_read(&self) -> u64 {
        self.scratch.bytes_read() + self.bytes_read
    }

    /// int8 codes, scales and code sums of `x: [T, K]`.
    pub fn quantize(&self, x: &[f32], k: usize) -> Activations {
        Activations::quantize(&self.cpu, x, k)
    }

    /// Exact sums of `codes: [T, K]`: `acc[t * N + n] = sum_k W[n, k] * codes[t, k]`.
    ///
    /// # Panics
    /// If `codes` is not T * K long or `acc` not T * N.
    pub fn sums(&mut self, w: &TernaryLinear, codes: &[i8], tokens: usize, acc: &mut [i32]) {
        assert_eq!(codes.len(), tokens * w.k(), "codes of T tokens");
        self.sums_of(w.weights(), &Activations::from_codes(codes, w.k()), acc);
    }

    /// Exact sums `acc: [T, N]` of activations already quantised.
    ///
    /// # Panics
    /// If K differs or `acc` is not T * N long.
    pub fn sums_of(&mut self, w: &TernaryMatrix, x: &Activations, acc: &mut [i32]) {
        let scratch = &mut self.scratch;
        self.cpu
            .ternary(w, x, scratch, acc, |_, sums, acc| acc.copy_from_slice(sums));
    }

    /// [`Executor::linears`], telling when each part is done.
    pub fn measured_linears(
        &mut self,
        model: &Model,
        group: GroupId,
        x: &[f32],
        y: &mut [&mut [f32]],
        mut lap: impl FnMut(Lap),
    ) {
        let first = group.linear_ids().next().expect("a group has linears");
        self.activations
            .requantize(&self.cpu, x, model.linear(first).k());
        lap(Lap::Quantized);
        let skips = self.sparsity
            && group.kind == GroupKind::GateUp
            && model.config().hidden_act == HiddenAct::Relu2
            && self.activations.tokens() == 1;
        let mut gate = None;
        for (id, y) in group.linear_ids().zip(y.iter_mut()) {
            let w = model.linear(id);
            match gate {
                Some(gate) if skips && id.kind == LinearKind::Up => self.open_rows(w, gate, y),
                _ => self.linear(w, y),
            }
            lap(Lap::Linear(id));
            if id.kind == LinearKind::Gate {
                gate = Some(&**y);
            }
        }
    }

    /// `y: [T, N]` of the activations at hand.
    fn linear(&mut self, w: &TernaryLinear, y: &mut [f32]) {
        let x = &self.activations;
        let scratch = &mut self.scratch;
        self.cpu.ternary(w.weights(), x, scratch, y, |t, sums, y| {
            w.rescale(sums, x.scale(t), y);
        });
    }

    /// `y: [N]` where the gate is open, zero elsewhere.
    fn open_rows(&mut self, w: &TernaryLinear, gate: &[f32], y: &mut [f32]) {
        let x = &self.activations;
        // A gate that is no number is not closed: its product must be seen to be none.
        list_where(&mut self.open, gate, |g| *g > 0.0 || g.is_nan());
        self.open_up.resize(self.open.len(), 0.0);
        self.bytes_read += (w.weights().bytes() / w.n() * self.open.len()) as u64;
        let (open, results) = (&self.open, &mut self.open_up);
        self.cpu
            .listed_rows(w.weights(), open, x, results, |sums, y| {
                w.rescale(sums, x.scale(0), y);
            });
        y.fill(0.0);
        for (&n, &up) in open.iter().zip(results.iter()) {
            y[n as usize] = up;
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
        self.measured_linears(model, group, x, y, |_| {});
        Ok(())
    }

    fn lm_head(
        &mut self,
        model: &Model,
        _phase: Phase,
        x: &[f32],
        top: Option<usize>,
        logits: &mut [f32],
    ) -> Result<(), ExecutorError> {
        let head = model.lm_head();
        let tokens = x.chunks_exact(head.columns());
        let results = logits.chunks_exact_mut(head.rows());
        match (model.head_copy(), model.head_kind(), top) {
            (Some(copy), HeadKind::Screened, Some(top)) => {
                for (x, y) in tokens.zip(results) {
                    self.cpu.screened(head, copy, x, top, &mut self.screen, y);
                    self.bytes_read += self.screen.read().bytes;
                }
            }
            (Some(copy), HeadKind::Int8, _) => {
                for (x, y) in tokens.zip(results) {
                    self.cpu.int8(copy, x, &mut self.screen, y);
                    self.bytes_read += self.screen.read().bytes;
                }
            }
            _ => {
                self.cpu.dense(head, x, logits);
                self.bytes_read += head.bytes() as u64;
            }
        }
        Ok(())
    }

    fn cpu(&self) -> &Cpu {
        &self.cpu
    }
}
