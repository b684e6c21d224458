//! Logits to a token: greedy, or seeded sampling with temperature, top-k and top-p.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a token is chosen. The order is that of transformers: temperature, top-k, top-p.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sampling {
    /// Divides the logits; 0 takes the largest logit, the lowest id among equals.
    pub temperature: f32,
    /// Keep only this many of the most likely tokens.
    pub top_k: Option<usize>,
    /// Keep the most likely tokens whose probabilities reach this sum, in (0, 1].
    pub top_p: Option<f32>,
    /// Seed of the random numbers: the same seed gives the same tokens.
    pub seed: u64,
}

impl Sampling {
    /// The largest logit, always.
    pub const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_k: None,
        top_p: None,
        seed: 0,
    };
}

/// Why no token can be chosen.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SampleError {
    /// A negative or unnumbered temperature.
    #[error("temperature {0}: expected a number from 0 (greedy) up")]
    Temperature(f32),
    /// top-k of zero.
    #[error("top-k 0: expected at least 1")]
    TopK,
    /// top-p outside (0, 1].
    #[error("top-p {0}: expected a number above 0, at most 1")]
    TopP(f32),
    /// A logit that is no number.
    #[error("logit of token {token} is {value}, expected a finite number")]
    Logit {
        /// Its token.
        token: usize,
        /// NaN or an infinity.
        value: f32,
    },
}

/// Chooses tokens; holds the random state.
pub struct Sampler {
    sampling: Sampling,
    rng: StdRng,
    /// Candidates of the current token: (id, weight), reused.
    candidates: Vec<(u32, f64)>,
}

impl Sampler {
    /// A sampler at the start of its random sequence.
    pub fn new(sampling: &Sampling) -> Result<Self, SampleError> {
        let Sampling {
            temperature,
            top_k,
            top_p,
            seed,
        } = *sampling;
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(SampleError::Temperature(temperature));
        }
        if top_k == Some(0) {
            return Err(SampleError::TopK);
        }
        if let Some(p) = top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return Err(SampleError::TopP(p));
        }
        Ok(Sampler {
            sampling: sampling.clone(),
            rng: StdRng::seed_from_u64(seed),
            candidates: Vec::new(),
        })
    }

    /// How many of the largest logits decide; none if all do.
    pub fn top(&self) -> Option<usize> {
        match self.sampling.temperature {
            0.0 => Some(1),
            _ => self.sampling.top_k,
        }
    }

    /// The next token of `logits: [vocab]`; minus infinity is a token that cannot be chosen.
    ///
    /// # Panics
    /// If `logits` is empty.
    pub fn choose(&mut self, logits: &[f32]) -> Result<u32, SampleError> {
        let best = argmax(logits)?;
        if self.sampling.temperature == 0.0 {
            return Ok(best as u32);
        }
        let (peak, temperature) = (
            f64::from(logits[best]),
            f64::from(self.sampling.temperature),
        );
        self.candidates.clear();
        self.candidates.extend(
            logits
                .iter()
                .zip(0..)
                .map(|(&l, id)| (id, ((f64::from(l) - peak) / temperature).exp())),
        );
        self.keep_likeliest();
        let total: f64 = self.candidates.iter().map(|c| c.1).sum();
        let mut left = self.rng.random::<f64>() * total;
        for &(id, weight) in &self.candidates {
            left -= weight;
            if left < 0.0 {
                return Ok(id);
            }
        }
        // Rounding may leave a hair: the last candidate that can be chosen at all.
        let last = self.candidates.iter().rev().find(|c| c.1 > 0.0);
        Ok(last.map_or(best as u32, |c| c.0))
    }

    /// Cuts the candidates to top-k and top-p, most likely first, lower ids first among equals.
    fn keep_likeliest(&mut self) {
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if let Some(k) = self.sampling.top_k.filter(|k| *k < self.candidates.len()) {
            self.candidates.select_nth_unstable_by(k, order);
            self.candidates.truncate(k);
        }
        if let Some(p) = self.sampling.top_p.filter(|p| *p < 1.0) {
            self.candidates.sort_unstable_by(order);
            let goal = f64::from(p) * self.candidates.iter().map(|c| c.1).sum::<f64>();
            let mut sum = 0.0;
            let kept = self.candidates.iter().take_while(|c| {
                let below = sum < goal;
                sum += c.1;
                below
            });
            let kept = kept.count().max(1);
            self.candidates.truncate(kept);
        } else {
            // select_nth leaves an unspecified order, and the order decides which token a number hits.
            self.candidates.sort_unstable_by_key(|c| c.0);
        }
    }
}

/// Index of the largest logit, the lowest among equals. Minus infinity is no candidate.
pub fn argmax(logits: &[f32]) -> Result<usize, SampleError> {
    let mut best = 0;
    for (token, &value) in logits.iter().enumerate() {
        if value.is_nan() || value == f32::INFINITY {
            return Err(SampleError::Logit { token, value });
        }
        if value > logits[best] {
            best = token;
        }
    }
    match logits[best] {
        f32::NEG_INFINITY => Err(SampleError::Logit {
            token: best,
            value: f32::NEG_INFINITY,
        }),
        _ => Ok(best),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(sampling: &Sampling, logits: &[f32], draws: usize) -> Vec<f64> {
        let mut sampler = Sampler::new(sampling).unwrap();
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..draws {
            counts[sampler.choose(logits).unwrap() as usize] += 1.0 / draws as f64;
        }
        counts
    }

    fn at(temperature: f32, top_k: Option<usize>, top_p: Option<f32>) -> Sampling {
        Sampling {
            temperature,
            top_k,
            top_p,
            seed: 5,
        }
    }

    #[test]
    fn greedy_takes_the_lowest_of_equals() {
        let mut s = Sampler::new(&Sampling::GREEDY).unwrap();
        assert_eq!(s.choose(&[1.0, 3.0, 3.0, -1.0]), Ok(1));
        assert_eq!(s.choose(&[-5.0]), Ok(0));
    }

    #[test]
    fn frequencies_follow_the_softmax() {
        let logits = [0.0, 1.0, 2.0];
        let z: f64 = logits.iter().map(|l: &f32| f64::from(*l / 0.5).exp()).sum();
        for (f, l) in frequencies(&at(0.5, None, None), &logits, 20_000)
            .iter()
            .zip(logits)
        {
            assert!((f - f64::from(l / 0.5).exp() / z).abs() < 0.01);
        }
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        let logits = [0.0, 3.0, 1.0, 2.9];
        let f = frequencies(&at(1.0, Some(2), None), &logits, 500);
        assert!(f[0] == 0.0 && f[2] == 0.0 && f[1] > 0.0 && f[3] > 0.0);
        let f = frequencies(&at(1.0, None, Some(0.5)), &logits, 500);
        assert!(f[0] == 0.0 && f[2] == 0.0);
        let f = frequencies(&at(1.0, None, Some(1e-6)), &logits, 50);
        assert!(f[0] == 0.0 && f[2] == 0.0 && f[3] == 0.0);
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let logits = [0.0f32; 50];
        let draw = |seed| {
            let sampling = Sampling {
                seed,
                ..at(1.0, Some(40), None)
            };
            let mut s = Sampler::new(&sampling).unwrap();
            (0..20)
                .map(|_| s.choose(&logits).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn bad_settings_and_logits_are_errors() {
        let refused = |s: &Sampling| Sampler::new(s).err().unwrap();
        assert_eq!(
            refused(&at(-1.0, None, None)),
            SampleError::Temperature(-1.0)
        );
        assert_eq!(refused(&at(1.0, Some(0), None)), SampleError::TopK);
        assert_eq!(refused(&at(1.0, None, Some(1.5))), SampleError::TopP(1.5));
        let mut s = Sampler::new(&Sampling::GREEDY).unwrap();
        assert!(matches!(
            s.choose(&[1.0, f32::NAN]),
            Err(SampleError::Logit { token: 1, .. })
        ));
    }
}
