//! How fast this machine reads prompts and writes tokens, and how near that comes to its memory.
//!
//! | module | what it does |
//! |---|---|
//! | `measure` | times prefill and decode for every combination of settings |
//! | [`bandwidth`] | how fast threads read memory |
//! | `spread` | mean, standard deviation, minimum, median, maximum |
//! | `report` | what `tercet bench --json` prints |
//! | `render` | the same as a table or as CSV |
//!
//! While decoding, every weight is read once for one multiply-add, so memory bounds the tokens a second:
//! `bandwidth_share` tells how much of that bound is reached. It may exceed 1 where the weights stay
//! in a cache. Everything is of tier [`Tier::Measured`](crate::tier::Tier) except the bytes of a
//! token, which are counted.

pub mod bandwidth;
mod measure;
mod render;
mod report;
mod spread;

use crate::checkpoint::CheckpointError;
use crate::executor::ExecutorError;
use crate::kernel::threads::ThreadsError;
use crate::kernel::Kernel;
use crate::model::{ForwardError, LoadOptions};
use crate::sample::SampleError;

pub use render::{csv, render};
pub use report::{BenchReport, BenchRow, ModelShape};
pub use spread::Spread;

/// Most repetitions.
pub const MAX_REPETITIONS: usize = 10_000;

/// What to measure: every combination of `threads`, `prefill` and `decode` is a row.
#[derive(Clone, Debug)]
pub struct BenchConfig {
    /// CPU threads; 0 for one per core.
    pub threads: Vec<usize>,
    /// Tokens read at once; 0 measures no prefill.
    pub prefill: Vec<usize>,
    /// Tokens generated one after another; 0 measures no decode.
    pub decode: Vec<usize>,
    /// Tokens that are there before the first is generated.
    pub context: usize,
    /// Measurements of each, after one that does not count.
    pub repetitions: usize,
    /// How the model is loaded and kept in memory.
    pub load: LoadOptions,
    /// Whether weights that would be multiplied by zero are left out.
    pub sparsity: bool,
    /// The kernel of an instruction set.
    pub kernel: Kernel,
}

impl Default for BenchConfig {
    fn default() -> Self {
        BenchConfig {
            threads: vec![0],
            prefill: vec![128],
            decode: vec![32],
            context: 0,
            repetitions: 5,
            load: LoadOptions::default(),
            sparsity: true,
            kernel: Kernel::detect(),
        }
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A setting that cannot be measured.
    #[error("{what} is {found}: expected {expected}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: usize,
        /// What can be measured.
        expected: String,
    },
    /// A list without a value, or without anything to measure.
    #[error("nothing to measure: expected at least one number of threads, and prefill or decode above 0")]
    Nothing,
    /// More tokens than the model was made for.
    #[error(
        "{context} tokens of context and {decode} to decode: expected at most {max} in all \
         (max_position_embeddings)"
    )]
    TooLong {
        /// Tokens that are there before.
        context: usize,
        /// Tokens to generate.
        decode: usize,
        /// The model's longest context.
        max: usize,
    },
    /// The model cannot be loaded.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There are no such threads.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The CPU executor cannot be made.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// A forward pass failed.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// No token could be chosen.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

impl BenchConfig {
    /// Refuses what cannot be measured on a model with this longest context.
    fn check(&self, max: usize) -> Result<(), BenchError> {
        let setting = |what, found, expected| {
            Err(BenchError::Setting {
                what,
                found,
                expected,
            })
        };
        if !(1..=MAX_REPETITIONS).contains(&self.repetitions) {
            let expected = format!("1 to {MAX_REPETITIONS}");
            return setting("repetitions", self.repetitions, expected);
        }
        let (Some(&prefill), Some(&decode)) = (self.prefill.iter().max(), self.decode.iter().max())
        else {
            return Err(BenchError::Nothing);
        };
        if self.threads.is_empty() || prefill.max(decode) == 0 {
            return Err(BenchError::Nothing);
        }
        let limit = || format!("at most {max} (max_position_embeddings)");
        if prefill > max {
            return setting("prefill", prefill, limit());
        }
        if decode > max {
            return setting("decode", decode, limit());
        }
        if self.context > max - decode {
            let context = self.context;
            return Err(BenchError::TooLong {
                context,
                decode,
                max,
            });
        }
        Ok(())
    }

    /// Threads, prefill and decode of each row, in this order of the loops.
    fn combinations(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        self.threads.iter().flat_map(move |&threads| {
            let lengths = self.prefill.iter();
            lengths.flat_map(move |&prefill| {
                let decode = self.decode.iter();
                decode.map(move |&decode| (threads, prefill, decode))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let refused = |edit: fn(&mut BenchConfig)| {
            let mut config = BenchConfig::default();
            edit(&mut config);
            config.check(512).unwrap_err().to_string()
        };
        assert!(BenchConfig::default().check(512).is_ok());
        for (said, part) in [
            (refused(|c| c.repetitions = 0), "repetitions is 0"),
            (refused(|c| c.threads.clear()), "nothing to measure"),
            (refused(|c| c.decode.clear()), "nothing to measure"),
            (
                refused(|c| (c.prefill, c.decode) = (vec![0], vec![0, 0])),
                "nothing to measure",
            ),
            (
                refused(|c| c.prefill = vec![1, 513]),
                "prefill is 513: expected at most 512",
            ),
            (refused(|c| c.decode = vec![513]), "decode is 513"),
            (
                refused(|c| c.context = 481),
                "481 tokens of context and 32 to decode: expected at most 512",
            ),
            (refused(|c| c.context = usize::MAX), "expected at most 512"),
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn every_combination_is_a_row() {
        let config = BenchConfig {
            threads: vec![1, 2],
            prefill: vec![8],
            decode: vec![3, 4],
            ..BenchConfig::default()
        };
        let rows: Vec<_> = config.combinations().collect();
        assert_eq!(rows, [(1, 8, 3), (1, 8, 4), (2, 8, 3), (2, 8, 4)]);
    }
}
