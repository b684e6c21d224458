//! Linears with several tokens at once, as a batch of sequences has them.
//!
//! A product with ternary weights does not know whose tokens it is given, so the first tokens of a prompt stand for one
//! token of each of so many sequences.

use std::ops::ControlFlow;

use super::facts::{BatchLinear, BatchProfile};
use super::rescale::rescale_times;
use super::{median, ProfilingExecutor};
use crate::executor::{CpuExecutor, Phase};
use crate::generate::{generate, GenerateError, GenerateOptions, Sampling};
use crate::model::Model;

/// Measures passes of 2 to `most` tokens, `rounds` of each after a cold one.
pub(super) fn batches(
    model: &Model,
    mut cpu: CpuExecutor,
    prompt: &[u32],
    most: usize,
    rounds: usize,
) -> Result<Vec<BatchProfile>, GenerateError> {
    let options = GenerateOptions {
        max_tokens: 1,
        sampling: Sampling::GREEDY,
        stop_ids: Vec::new(),
    };
    let mut all = Vec::new();
    for tokens in 2..=most {
        let prompt: Vec<u32> = prompt.iter().copied().cycle().take(tokens).collect();
        let blocks = model.config().num_hidden_layers;
        let mut executor = ProfilingExecutor::new(cpu, blocks, [rounds + 1, 0]);
        for _ in 0..=rounds {
            generate(model, &mut executor, &prompt, &options, &mut |_| {
                ControlFlow::Continue(())
            })?;
        }
        let rescale = rescale_times(model, executor.unwatched(), tokens);
        let linears = model.linear_ids().map(|layer| BatchLinear {
            layer,
            time_s: median(
                executor.linear(Phase::Prefill, layer).times()[1..]
                    .iter()
                    .copied(),
            ),
            rescale_s: rescale[layer.kind as usize],
        });
        all.push(BatchProfile {
            tokens,
            linears: linears.collect(),
        });
        cpu = executor.into_cpu();
    }
    Ok(all)
}
