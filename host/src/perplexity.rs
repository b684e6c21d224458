//! How well a model predicts a text: negative log likelihood and perplexity over windows.
//!
//! A window holds the begin tokens of the tokenizer, if it adds any, and then tokens of the text, `context`
//! in all. Windows begin `stride` text tokens apart. In each, only those text tokens count that no
//! window before has predicted, and the first token of a window without begin token, which has nothing
//! before it, counts nowhere:
//!
//! ```text
//! nll        = mean of -ln p(token | tokens before it in its window)
//! perplexity = exp(nll)
//! bits/byte  = nll / ln 2 / (bytes / token of the whole text)
//! se(nll)    = sd / sqrt(counted tokens),  se(perplexity) = perplexity * se(nll)
//! ```
//!
//! The standard error takes the tokens as independent, which those of one text are not quite.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artefact::Artefact;
use crate::evaluate::losses_from;
use crate::executor::Executor;
use crate::model::{ForwardError, Model, Session};
use crate::system::SystemFacts;
use crate::tier::Tier;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::units::{Bytes, Seconds};

/// Tokens of a window unless another number is asked for, or the model takes fewer.
pub const DEFAULT_CONTEXT: usize = 512;

/// How to cut a text into windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowOptions {
    /// Tokens of a window, begin tokens included; none for [`DEFAULT_CONTEXT`], or the model's longest
    /// context if that is less.
    pub context: Option<usize>,
    /// Text tokens from one window to the next, at most `context`; none for windows that do not overlap.
    pub stride: Option<usize>,
}

/// A text as the tokenizer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenText {
    /// Ids that every window begins with.
    pub begin: Vec<u32>,
    /// Ids of the text.
    pub tokens: Vec<u32>,
    /// Its length in UTF-8.
    pub bytes: Bytes,
}

/// How well a model predicts a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerplexityReport {
    /// Model folder or name.
    pub model: String,
    /// File of the text.
    pub file: String,
    /// Its length.
    pub text_bytes: Bytes,
    /// Its tokens, without begin tokens.
    pub text_tokens: usize,
    /// Those that count.
    pub counted_tokens: usize,
    /// Ids that every window begins with.
    pub begin_tokens: Vec<u32>,
    /// Most tokens of a window.
    pub context: usize,
    /// Text tokens from one window to the next.
    pub stride: usize,
    /// Number of windows.
    pub windows: usize,
    /// Mean negative log likelihood, nats a token.
    pub nll: f64,
    /// Its standard error.
    pub nll_standard_error: f64,
    /// exp(nll).
    pub perplexity: f64,
    /// Its standard error.
    pub perplexity_standard_error: f64,
    /// Bits a byte of the text.
    pub bits_per_byte: f64,
    /// Bytes a token of the text.
    pub bytes_per_token: f64,
    /// Evidence behind the figures.
    pub tier: Tier,
    /// CPU threads.
    pub threads: usize,
    /// Tokens that the model read, begin tokens and overlaps included.
    pub read_tokens: usize,
    /// Wall time of reading them.
    pub wall_s: Seconds,
    /// Tokens read a second.
    pub tokens_per_s: f64,
    /// The machine.
    pub system: SystemFacts,
}

impl Artefact for PerplexityReport {
    const SCHEMA: &'static str = "tercet.perplexity";
    const VERSION: u32 = 1;
}

/// Why a text has no perplexity.
#[derive(Debug, thiserror::Error)]
pub enum PerplexityError {
    /// The operating system refused to read the file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The file is not UTF-8.
    #[error("{}: byte {at} is no UTF-8, expected a text file in UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Where it stops being UTF-8, from 0.
        at: usize,
    },
    /// The file has no text.
    #[error("{}: the file is empty, expected a text", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The text has too few tokens for a mean and its error.
    #[error("the text has {tokens} tokens of which {counted} count, expected at least 2")]
    TooShort {
        /// Tokens of the text.
        tokens: usize,
        /// Those with something before them.
        counted: usize,
    },
    /// A context that the model does not have, or without room for text.
    #[error("context is {found}: expected {least} to {most} (max_position_embeddings)")]
    Context {
        /// What was asked for.
        found: usize,
        /// The least in which a token has another before it.
        least: usize,
        /// The model's longest.
        most: usize,
    },
    /// A stride of nothing, or one that would leave tokens out.
    #[error("stride is {found}: expected 1 to {context}, the context")]
    Stride {
        /// What was asked for.
        found: usize,
        /// Tokens of a window.
        context: usize,
    },
    /// A loss that is no number.
    #[error(
        "the loss of token {token} is {loss}, expected a finite number: the weights are broken"
    )]
    NotFinite {
        /// Which token of the text, from 0.
        token: usize,
        /// NaN or an infinity.
        loss: f64,
    },
    /// The text cannot be encoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The forward pass failed.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

impl TokenText {
    /// Reads and encodes a file.
    pub fn read(path: &Path, tokenizer: &Tokenizer) -> Result<Self, PerplexityError> {
        let path_buf = || path.to_path_buf();
        let bytes = fs::read(path).map_err(|source| PerplexityError::Read {
            path: path_buf(),
            source,
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|e| PerplexityError::NotUtf8 {
            path: path_buf(),
            at: e.valid_up_to(),
        })?;
        if text.is_empty() {
            return Err(PerplexityError::Empty { path: path_buf() });
        }
        Ok(TokenText {
            begin: tokenizer.begin_ids()?,
            tokens: tokenizer.encode_plain(text)?,
            bytes: Bytes(bytes.len() as u64),
        })
    }
}

/// Windows over a text, as [the module](self) defines them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Windows {
    /// Most tokens of a window, `begin` included.
    context: usize,
    /// Begin tokens of each.
    begin: usize,
    /// Text tokens from one to the next.
    stride: usize,
    /// Text tokens in all.
    tokens: usize,
}

impl Windows {
    fn new(
        options: WindowOptions,
        longest: usize,
        text: &TokenText,
    ) -> Result<Self, PerplexityError> {
        let begin = text.begin.len();
        let context = options.context.unwrap_or(DEFAULT_CONTEXT.min(longest));
        // A token to predict, and one before it.
        let least = (begin + 1).max(2);
        if !(least..=longest).contains(&context) {
            return Err(PerplexityError::Context {
                found: context,
                least,
                most: longest,
            });
        }
        let stride = options.stride.unwrap_or(context);
        if !(1..=context).contains(&stride) {
            let found = stride;
            return Err(PerplexityError::Stride { found, context });
        }
        Ok(Windows {
            context,
            begin,
            // The begin tokens take the place of text.
            stride: stride.min(context - begin),
            tokens: text.tokens.len(),
        })
    }

    /// Text tokens of each window, and the first of them that counts.
    fn iter(&self) -> impl Iterator<Item = (Range<usize>, usize)> + '_ {
        let width = self.context - self.begin;
        let mut start = 0;
        let mut done = 0;
        std::iter::from_fn(move || {
            if done == self.tokens {
                return None;
            }
            let range = start..(start + width).min(self.tokens);
            // Without begin token the first one of the window has nothing before it.
            let first = done.max(start + usize::from(self.begin == 0));
            done = range.end;
            start += self.stride;
            Some((range, first))
        })
    }

    /// How many tokens count.
    fn counted(&self) -> usize {
        self.iter()
            .map(|(range, first)| range.end - first.min(range.end))
            .sum()
    }
}

/// Reads a text and reports; `progress` gets the tokens that count so far, and in all.
pub fn measure(
    model: &Model,
    executor: &mut dyn Executor,
    text: &TokenText,
    options: WindowOptions,
    names: (&str, &Path),
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PerplexityReport, PerplexityError> {
    let windows = Windows::new(options, model.config().max_position_embeddings, text)?;
    let total = windows.counted();
    if total < 2 {
        return Err(PerplexityError::TooShort {
            tokens: text.tokens.len(),
            counted: total,
        });
    }
    let mut session = Session::new(model);
    let (mut losses, mut read_tokens, mut number) = (Vec::with_capacity(total), 0, 0);
    let start = Instant::now();
    for (range, first) in windows.iter() {
        let ids = [&text.begin, &text.tokens[range.clone()]].concat();
        let from = first - range.start + text.begin.len();
        let new = losses_from(&mut session, executor, &ids, from)?;
        let wrong = new.iter().position(|loss| !loss.is_finite());
        if let Some(i) = wrong {
            return Err(PerplexityError::NotFinite {
                token: first + i,
                loss: new[i],
            });
        }
        losses.extend(new);
        read_tokens += session.position();
        number += 1;
        progress(losses.len(), total);
    }
    let wall_s = Seconds::from(start.elapsed());
    let (nll, nll_standard_error) = mean_and_error(&losses);
    let perplexity = nll.exp();
    let bytes_per_token = text.bytes.0 as f64 / text.tokens.len() as f64;
    Ok(PerplexityReport {
        model: names.0.to_string(),
        file: names.1.display().to_string(),
        text_bytes: text.bytes,
        text_tokens: text.tokens.len(),
        counted_tokens: losses.len(),
        begin_tokens: text.begin.clone(),
        context: windows.context,
        stride: windows.stride,
        windows: number,
        nll,
        nll_standard_error,
        perplexity,
        perplexity_standard_error: perplexity * nll_standard_error,
        bits_per_byte: nll / std::f64::consts::LN_2 / bytes_per_token,
        bytes_per_token,
        tier: Tier::Measured,
        threads: executor.cpu().threads(),
        read_tokens,
        wall_s,
        tokens_per_s: read_tokens as f64 / wall_s.0,
        system: SystemFacts::read(),
    })
}

/// Mean and its standard error; of at least two values.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Source;
    use crate::evaluate::token_losses;
    use crate::executor::CpuExecutor;

    fn text(begin: usize, tokens: usize) -> TokenText {
        TokenText {
            begin: vec![0; begin],
            tokens: (0..tokens as u32).map(|i| 2 + i * 37 % 1000).collect(),
            bytes: Bytes(4 * tokens as u64),
        }
    }

    fn options(context: usize, stride: usize) -> WindowOptions {
        WindowOptions {
            context: Some(context),
            stride: Some(stride),
        }
    }

    /// Windows as (start, end, first that counts).
    fn cut(begin: usize, tokens: usize, context: usize, stride: usize) -> Vec<[usize; 3]> {
        let text = text(begin, tokens);
        let windows = Windows::new(options(context, stride), 512, &text).unwrap();
        let cut: Vec<_> = windows.iter().map(|(r, f)| [r.start, r.end, f]).collect();
        let counted: usize = cut.iter().map(|w| w[1].saturating_sub(w[2])).sum();
        assert_eq!(counted, windows.counted());
        cut
    }

    #[test]
    fn windows_cover_the_text_once() {
        assert_eq!(cut(1, 8, 5, 5), [[0, 4, 0], [4, 8, 4]]);
        assert_eq!(cut(1, 9, 5, 4), [[0, 4, 0], [4, 8, 4], [8, 9, 8]]);
        assert_eq!(cut(0, 9, 4, 4), [[0, 4, 1], [4, 8, 5], [8, 9, 9]]);
        assert_eq!(cut(1, 7, 5, 2), [[0, 4, 0], [2, 6, 4], [4, 7, 6]]);
        assert_eq!(cut(0, 6, 4, 2), [[0, 4, 1], [2, 6, 4]]);
        assert_eq!(cut(1, 3, 512, 512), [[0, 3, 0]]);
        assert_eq!(cut(1, 0, 5, 5), [[0; 3]; 0]);
        assert_eq!(cut(1, 3, 2, 1), [[0, 1, 0], [1, 2, 1], [2, 3, 2]]);
    }

    #[test]
    fn sizes_that_make_no_windows_are_refused() {
        let refused = |begin, context, stride| {
            let windows = Windows::new(options(context, stride), 512, &text(begin, 9));
            windows.unwrap_err().to_string()
        };
        assert!(refused(1, 513, 1).contains("context is 513: expected 2 to 512"));
        assert!(refused(0, 1, 1).contains("context is 1: expected 2 to"));
        assert!(refused(3, 3, 1).contains("expected 4 to"));
        assert!(refused(1, 8, 0).contains("stride is 0: expected 1 to 8"));
        assert!(refused(1, 8, 9).contains("stride is 9"));
        let default = Windows::new(WindowOptions::default(), 100, &text(1, 9)).unwrap();
        assert_eq!((default.context, default.stride), (100, 99));
    }

    #[test]
    fn the_mean_is_that_of_the_losses_that_count() {
        let model = Model::load(&Source::Embedded).unwrap();
        let mut cpu = CpuExecutor::new(1).unwrap();
        let text = text(1, 90);
        let mut measured = |context, stride| {
            let names = ("tiny", Path::new("a.txt"));
            let mut steps = Vec::new();
            let report = measure(
                &model,
                &mut cpu,
                &text,
                options(context, stride),
                names,
                &mut |done, total| steps.push((done, total)),
            )
            .unwrap();
            assert_eq!(report.counted_tokens, 90);
            assert_eq!(steps.last(), Some(&(90, 90)));
            assert_eq!(steps.len(), report.windows);
            report
        };
        let mut cpu = CpuExecutor::new(1).unwrap();
        let mut losses = |range: Range<usize>| {
            let ids = [&[0], &text.tokens[range]].concat();
            token_losses(&model, &mut cpu, &ids).unwrap()
        };
        let whole = measured(512, 512);
        let (mean, error) = mean_and_error(&losses(0..90));
        assert_eq!((whole.nll, whole.nll_standard_error), (mean, error));
        assert_eq!((whole.windows, whole.read_tokens), (1, 90));
        assert!((whole.perplexity - mean.exp()).abs() < 1e-9);
        assert!((whole.bits_per_byte - mean / 2f64.ln() / 4.0).abs() < 1e-12);

        let overlapping = measured(61, 30);
        let want = [&losses(0..60)[..], &losses(30..90)[30..]].concat();
        assert_eq!(overlapping.nll, mean_and_error(&want).0);
        assert_eq!((overlapping.windows, overlapping.read_tokens), (2, 120));
    }

    #[test]
    fn too_little_text_is_refused() {
        let model = Model::load(&Source::Embedded).unwrap();
        let mut cpu = CpuExecutor::new(1).unwrap();
        let mut refused = |begin, tokens| {
            let (text, names) = (text(begin, tokens), ("tiny", Path::new("a.txt")));
            let options = WindowOptions::default();
            let report = measure(&model, &mut cpu, &text, options, names, &mut |_, _| {});
            report.unwrap_err().to_string()
        };
        assert!(refused(1, 0).contains("has 0 tokens of which 0 count"));
        assert!(refused(1, 1).contains("has 1 tokens of which 1 count"));
        assert!(refused(0, 2).contains("has 2 tokens of which 1 count"));
    }

    #[test]
    fn error_of_a_mean() {
        let (mean, error) = mean_and_error(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean, 2.5);
        assert!((error - (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }
}
