//! Logits of given tokens, written to a file, and the loss of a text.

use std::io::Write;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::Dtype;

use crate::atomic;
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
///
/// # Panics
/// If vocab does not divide the number of logits.
pub fn write_logits(path: &Path, logits: &[f32], vocab: usize) -> Result<(), CheckpointError> {
    assert_eq!(logits.len() % vocab, 0, "logits of whole tokens");
    let bytes: Vec<u8> = logits.iter().flat_map(|l| l.to_le_bytes()).collect();
    let serialised = TensorView::new(Dtype::F32, vec![logits.len() / vocab, vocab], &bytes)
        .and_then(|tensor| safetensors::serialize([("logits", tensor)], None))
        .map_err(|e| CheckpointError::Format {
            path: path.to_path_buf(),
            found: e.to_string(),
            expected: "logits that safetensors can hold".into(),
        })?;
    atomic::write_file(path, |file| file.write_all(&serialised)).map_err(CheckpointError::io(path))
}

/// Negative log likelihood (nats) of each token after the first, given those before it: `[T - 1]`.
pub fn token_losses(
    model: &Model,
    executor: &mut dyn Executor,
    tokens: &[u32],
) -> Result<Vec<f64>, ForwardError> {
    let Some((&last, inputs)) = tokens.split_last() else {
        return Ok(Vec::new());
    };
    let vocab = model.config().vocab_size;
    if last as usize >= vocab {
        return Err(ForwardError::Token {
            index: inputs.len(),
            id: last,
            vocab,
        });
    }
    let logits = logits(model, executor, inputs)?;
    let rows = logits.chunks_exact(vocab);
    Ok(rows
        .zip(&tokens[1..])
        .map(|(row, &target)| {
            let peak = row.iter().fold(f32::NEG_INFINITY, |m, &l| m.max(l));
            let sum: f64 = row.iter().map(|&l| f64::from(l - peak).exp()).sum();
            f64::from(peak) + sum.ln() - f64::from(row[target as usize])
        })
        .collect())
}
