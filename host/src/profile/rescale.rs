//! What rescaling costs when it stands alone.
//!
//! On the CPU it is part of a linear: sums become floats while they are in registers, and no clock sees
//! it. A device gives sums, and the host then rescales them in a step of its own
//! ([`crate::model::rescale`], one thread). That step is timed here, outside the passes. It depends on
//! the shape only, so the linears of block 0 stand for those of every block.

use std::hint::black_box;
use std::time::Instant;

use super::stats::median;
use crate::executor::CpuExecutor;
use crate::model::{rescale, LinearId, LinearKind, Model};
use crate::units::Seconds;

/// Tokens rescaled at once; longer prompts are scaled up from as many, since a pass reads them in chunks.
const MAX_TOKENS: usize = 128;

/// Repetitions, whose median counts.
const REPETITIONS: usize = 9;

/// Time of rescaling the sums of `tokens` tokens, for each of [`LinearKind::ALL`].
pub(super) fn rescale_times(
    model: &Model,
    cpu: &CpuExecutor,
    tokens: usize,
) -> [Seconds; LinearKind::ALL.len()] {
    LinearKind::ALL.map(|kind| {
        let id = LinearId { block: 0, kind };
        let Some(w) = model.get_linear(id) else {
            return Seconds::default();
        };
        let timed = tokens.clamp(1, MAX_TOKENS);
        let x = cpu.quantize(&vec![1.0; timed * w.k()], w.k());
        let acc: Vec<i32> = (0..timed * w.n()).map(|i| i as i32 % 4096).collect();
        let mut y = vec![0.0; acc.len()];
        let mut once = || {
            let start = Instant::now();
            rescale(w, black_box(&acc), &x, black_box(&mut y));
            Seconds::from(start.elapsed())
        };
        once();
        let time = median((0..REPETITIONS).map(|_| once()));
        Seconds(time.0 * tokens as f64 / timed as f64)
    })
}
