//! Logits of given tokens, written to a file, and the loss of a text.

use std::io::Write;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::Dtype;

use crate::atomic;
use crate::checkpoint::CheckpointError;
use crate::executor::{Executor, Phase};
use crate::model::{ForwardError, LogitRows, Model, Session};

/// Tokens whose logits are held at once: at 128,256 ids these are 16 MB.
pub const CHUNK_TOKENS: usize = 32;

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
    losses_from(&mut Session::new(model), executor, tokens, 1)
}

/// Negative log likelihood (nats) of `tokens[first..]`, each given all tokens before it: `[T - first]`.
///
/// The session is emptied first. Logits of at most [`CHUNK_TOKENS`] tokens are held at a time.
///
/// # Panics
/// If `first` is 0: nothing precedes that token.
pub fn losses_from(
    session: &mut Session,
    executor: &mut dyn Executor,
    tokens: &[u32],
    first: usize,
) -> Result<Vec<f64>, ForwardError> {
    assert!(first > 0, "the first token has no loss");
    session.truncate(0);
    if tokens.len() <= first {
        return Ok(Vec::new());
    }
    let vocab = session.model().config().vocab_size;
    if let Some(index) = tokens.iter().position(|&id| id as usize >= vocab) {
        let id = tokens[index];
        return Err(ForwardError::Token { index, id, vocab });
    }
    // The last token is predicted, not read.
    let inputs = &tokens[..tokens.len() - 1];
    if inputs.len() > session.room() {
        return Err(ForwardError::ContextFull {
            position: 0,
            tokens: inputs.len(),
            max: session.room(),
        });
    }
    // The loss of token i is in the logits of token i - 1.
    let (before, scored) = inputs.split_at(first - 1);
    if !before.is_empty() {
        session.forward(executor, Phase::Prefill, before, LogitRows::Last)?;
    }
    let mut losses = Vec::with_capacity(scored.len());
    for (inputs, targets) in scored
        .chunks(CHUNK_TOKENS)
        .zip(tokens[first..].chunks(CHUNK_TOKENS))
    {
        let logits = session.forward(executor, Phase::Prefill, inputs, LogitRows::All)?;
        let rows = logits.chunks_exact(vocab).zip(targets);
        losses.extend(rows.map(|(row, &target)| loss(row, target)));
    }
    Ok(losses)
}

/// Negative log likelihood of a token under `logits: [vocab]`.
fn loss(logits: &[f32], target: u32) -> f64 {
    let peak = logits.iter().fold(f32::NEG_INFINITY, |m, &l| m.max(l));
    let sum: f64 = logits.iter().map(|&l| f64::from(l - peak).exp()).sum();
    f64::from(peak) + sum.ln() - f64::from(logits[target as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Source;
    use crate::executor::CpuExecutor;

    #[test]
    fn losses_in_chunks_are_those_of_the_logits() {
        let model = Model::load(&Source::Embedded).unwrap();
        let vocab = model.config().vocab_size;
        let mut cpu = CpuExecutor::new(1).unwrap();
        let tokens: Vec<u32> = (0..CHUNK_TOKENS as u32 * 2 + 7)
            .map(|i| i * 31 % 1000)
            .collect();
        let rows = logits(&model, &mut cpu, &tokens).unwrap();
        let want: Vec<f64> = rows
            .chunks_exact(vocab)
            .zip(&tokens[1..])
            .map(|(row, &target)| loss(row, target))
            .collect();
        assert_eq!(token_losses(&model, &mut cpu, &tokens).unwrap(), want);
        // Used again, and from the middle.
        let mut session = Session::new(&model);
        for first in [1, 2, 40, tokens.len() - 1, tokens.len()] {
            let got = losses_from(&mut session, &mut cpu, &tokens, first).unwrap();
            assert_eq!(got, want[first - 1..], "{first}");
        }
        assert!(token_losses(&model, &mut cpu, &[]).unwrap().is_empty());
    }

    #[test]
    fn the_loss_of_equal_logits_is_that_of_chance() {
        assert!((loss(&[3.0; 8], 5) - 8f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn ids_and_lengths_are_checked_before_anything_is_read() {
        let model = Model::load(&Source::Embedded).unwrap();
        let mut cpu = CpuExecutor::new(1).unwrap();
        let mut refused = |tokens: &[u32]| {
            token_losses(&model, &mut cpu, tokens)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[1, 2, 5000]).contains("token 2: id 5000"));
        assert!(refused(&[1; 514]).contains("expected at most 512"));
    }
}
