//! What is computed at once: which tokens are new, and what they see.

use crate::executor::Phase;

/// What is computed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Prompt or one generated token.
    pub phase: Phase,
    /// Sequences.
    pub batch: u64,
    /// New tokens of each sequence.
    pub new: u64,
    /// Tokens of each sequence that are there afterwards: new ones see these.
    pub context: u64,
}

impl Pass {
    /// The whole prompt.
    pub fn prefill(batch: u64, prompt: u64) -> Self {
        Pass {
            phase: Phase::Prefill,
            batch,
            new: prompt,
            context: prompt,
        }
    }

    /// One token a sequence, `context` with it.
    pub fn decode(batch: u64, context: u64) -> Self {
        Pass {
            phase: Phase::Decode,
            batch,
            new: 1,
            context,
        }
    }

    /// New tokens of all sequences.
    pub fn tokens(&self) -> u128 {
        u128::from(self.batch) * u128::from(self.new)
    }

    /// Pairs of a new token and one that it sees, in one sequence.
    pub fn pairs(&self, window: Option<u64>) -> u128 {
        let (new, context) = (u128::from(self.new), u128::from(self.context));
        let all = |first: u128, last: u128| (first + last) * (last + 1 - first) / 2;
        let first = context + 1 - new;
        match window.map(u128::from) {
            Some(w) if w < context => {
                let rising = if first < w { all(first, w - 1) } else { 0 };
                let full = context + 1 - first.max(w);
                rising + full * w
            }
            _ => all(first, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_causal_and_windowed() {
        let count = |new: u64, context: u64, window: Option<u64>| -> u128 {
            let seen = |i: u64| u128::from(window.map_or(i, |w| w.min(i)));
            (context - new + 1..=context).map(seen).sum()
        };
        for (new, context) in [(1, 1), (1, 9), (4, 4), (3, 9), (9, 9)] {
            for window in [None, Some(1), Some(3), Some(8), Some(9), Some(100)] {
                let pass = Pass {
                    phase: Phase::Prefill,
                    batch: 1,
                    new,
                    context,
                };
                let expected = count(new, context, window);
                assert_eq!(pass.pairs(window), expected, "{new} {context} {window:?}");
            }
        }
    }
}
