//! Times of prefill and decode.
//!
//! Each row is measured once without counting, which warms caches, page tables and threads, and then as
//! often as asked. A text starts anew every time, with the same random tokens.

use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::bandwidth::read_bandwidth;
use super::report::{cache_name, head_name};
use super::{BenchConfig, BenchError, BenchReport, BenchRow, ModelShape, Spread};
use crate::checkpoint::{Config, Source};
use crate::executor::{CpuExecutor, CpuOptions, Executor, Phase};
use crate::kernel::Cpu;
use crate::model::{LogitRows, Model, Session};
use crate::sample::argmax;
use crate::system::{peak_rss, SystemFacts};
use crate::tier::Tier;

/// Seed of the tokens.
const SEED: u64 = 1;

/// The logit that a greedy choice takes.
const GREEDY: LogitRows = LogitRows::Top(1);

impl BenchReport {
    /// Loads `source` and measures every combination; `progress(done, total)` is told after each
    /// repetition.
    pub fn measure(
        source: &Source,
        config: &BenchConfig,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<BenchReport, BenchError> {
        config.check(Config::load(source)?.max_position_embeddings)?;
        // Threads that are refused are refused before the model is loaded.
        for &threads in &config.threads {
            Cpu::new(threads, config.kernel)?;
        }
        let start = Instant::now();
        let model = Model::load_with(source, &config.load)?;
        let load_s = start.elapsed().into();
        let mut bench = Bench::new(&model, config, config.threads[0])?;
        bench.step(&mut Session::new(&model), bench.tokens(1)[0])?;
        let first_token_s = start.elapsed().into();

        let total = config.combinations().count() * config.repetitions;
        let mut done = 0;
        let mut results = Vec::new();
        for (threads, prefill, decode) in config.combinations() {
            bench = Bench::new(&model, config, threads)?;
            results.push(bench.row(prefill, decode, &mut || {
                done += 1;
                progress(done, total);
            })?);
        }
        // The buffer that the bandwidth is measured with is no memory of the model.
        let peak_rss_bytes = peak_rss();
        for row in 0..results.len() {
            let same = |r: &&BenchRow| r.threads == results[row].threads;
            let bandwidth = match results[..row].iter().find(same) {
                Some(known) => known.read_bandwidth_bytes_per_s,
                None => read_bandwidth(&Cpu::new(results[row].threads, config.kernel)?),
            };
            results[row].compare_with(bandwidth);
        }
        Ok(BenchReport {
            tercet_version: env!("CARGO_PKG_VERSION").to_string(),
            tier: Tier::Measured,
            model: source.to_string(),
            shape: ModelShape::of(&model),
            system: SystemFacts::read(),
            kernel: config.kernel.isa().to_string(),
            head: head_name(&model).to_string(),
            sparsity: config.sparsity,
            repetitions: config.repetitions,
            seed: SEED,
            weight_cache: cache_name(&model).to_string(),
            load_s,
            first_token_s,
            peak_rss_bytes,
            remarks: model.load_report().remarks.clone(),
            only: match results.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
            results,
        })
    }
}

impl BenchRow {
    /// Fills in the bandwidth and the share of it that decoding reaches.
    fn compare_with(&mut self, bandwidth: f64) {
        self.read_bandwidth_bytes_per_s = bandwidth;
        let rates = self.bytes_per_token.zip(self.decode_tokens_per_s);
        self.bandwidth_share = rates.map(|(bytes, rate)| bytes * rate / bandwidth);
    }
}

/// A model and who computes it.
struct Bench<'m> {
    model: &'m Model,
    executor: CpuExecutor,
    context: usize,
    repetitions: usize,
}

/// One decode.
struct Decoded {
    tokens_per_s: f64,
    /// Bytes of weights read for a token.
    weight_bytes: f64,
    /// Bytes of the cache when all tokens were there.
    cache_bytes: usize,
}

impl<'m> Bench<'m> {
    fn new(model: &'m Model, config: &BenchConfig, threads: usize) -> Result<Self, BenchError> {
        let options = CpuOptions {
            threads,
            kernel: config.kernel,
            sparsity: config.sparsity,
        };
        Ok(Bench {
            model,
            executor: CpuExecutor::with_options(options)?,
            context: config.context,
            repetitions: config.repetitions,
        })
    }

    /// Random ids, the same every time.
    fn tokens(&self, count: usize) -> Vec<u32> {
        let mut random = StdRng::seed_from_u64(SEED);
        let vocab = self.model.config().vocab_size as u32;
        (0..count).map(|_| random.random_range(0..vocab)).collect()
    }

    /// Measures a row; `done` is told after each repetition. The bandwidth is still missing.
    fn row(
        &mut self,
        prefill: usize,
        decode: usize,
        done: &mut dyn FnMut(),
    ) -> Result<BenchRow, BenchError> {
        let (mut read, mut written) = (Vec::new(), Vec::new());
        for repetition in 0..=self.repetitions {
            let counts = repetition > 0;
            if prefill > 0 {
                let rate = self.prefill(prefill)?;
                read.extend(counts.then_some(rate));
            }
            if decode > 0 {
                let decoded = self.decode(decode)?;
                written.extend(counts.then_some(decoded));
            }
            if counts {
                done();
            }
        }
        let prefilled = Spread::of(&read);
        let rates: Vec<f64> = written.iter().map(|d| d.tokens_per_s).collect();
        let decoded = Spread::of(&rates);
        let weight_bytes: Vec<f64> = written.iter().map(|d| d.weight_bytes).collect();
        let weight_bytes = Spread::of(&weight_bytes).map(|s| s.mean);
        let kv_bytes = written.last().map(|d| {
            // Token i of the decode attends to all before it and to itself.
            let attended = self.context as f64 + (decode + 1) as f64 / 2.0;
            d.cache_bytes as f64 / (self.context + decode) as f64 * attended
        });
        Ok(BenchRow {
            threads: self.executor.cpu().threads(),
            prefill_tokens: prefill,
            decode_tokens: decode,
            context_tokens: self.context,
            prefill: prefilled,
            prefill_tokens_per_s: prefilled.map(|s| s.mean),
            decode: decoded,
            decode_tokens_per_s: decoded.map(|s| s.mean),
            weight_bytes_per_token: weight_bytes,
            kv_bytes_per_token: kv_bytes,
            bytes_per_token: weight_bytes.zip(kv_bytes).map(|(w, kv)| w + kv),
            read_bandwidth_bytes_per_s: 0.0,
            bandwidth_share: None,
        })
    }

    /// Tokens/s of reading `count` tokens at once.
    fn prefill(&mut self, count: usize) -> Result<f64, BenchError> {
        let tokens = self.tokens(count);
        let mut session = Session::new(self.model);
        let start = Instant::now();
        session.forward(&mut self.executor, Phase::Prefill, &tokens, GREEDY)?;
        Ok(count as f64 / start.elapsed().as_secs_f64())
    }

    /// Generates `count` tokens after the context, each the most likely one.
    fn decode(&mut self, count: usize) -> Result<Decoded, BenchError> {
        let tokens = self.tokens(self.context + 1);
        let mut session = Session::new(self.model);
        let (mut token, context) = (tokens[0], &tokens[1..]);
        if !context.is_empty() {
            session.forward(&mut self.executor, Phase::Prefill, context, GREEDY)?;
        }
        let before = self.executor.bytes_read();
        let start = Instant::now();
        for _ in 0..count {
            token = self.step(&mut session, token)?;
        }
        let elapsed = start.elapsed().as_secs_f64();
        Ok(Decoded {
            tokens_per_s: count as f64 / elapsed,
            weight_bytes: (self.executor.bytes_read() - before) as f64 / count as f64,
            cache_bytes: session.cache().bytes(),
        })
    }

    /// Reads a token; the most likely next one.
    fn step(&mut self, session: &mut Session, token: u32) -> Result<u32, BenchError> {
        let logits = session.forward(&mut self.executor, Phase::Decode, &[token], GREEDY)?;
        Ok(argmax(logits)? as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeadKind, LoadOptions};

    fn bench(model: &Model, context: usize, sparsity: bool) -> Bench<'_> {
        let config = BenchConfig {
            context,
            sparsity,
            repetitions: 2,
            ..BenchConfig::default()
        };
        Bench::new(model, &config, 1).unwrap()
    }

    #[test]
    fn a_token_reads_every_weight_once_and_the_cache_at_its_mean_length() {
        let model = Model::load(&Source::from_option(None)).unwrap();
        let shape = ModelShape::of(&model);
        let head = model.lm_head().bytes() as f64;
        let row = bench(&model, 3, false).row(0, 4, &mut || {}).unwrap();
        let weights = shape.ternary_bytes.0 as f64 + head;
        assert_eq!(row.weight_bytes_per_token, Some(weights));
        // Lengths 4, 5, 6 and 7; keys and values of every block, f32.
        let config = model.config();
        let token = 2 * 4 * config.num_hidden_layers * config.kv_width();
        assert_eq!(row.kv_bytes_per_token, Some(5.5 * token as f64));
        assert_eq!((row.prefill, row.prefill_tokens_per_s), (None, None));
    }

    #[test]
    fn an_int8_head_saves_bytes() {
        let bytes = |head| {
            let options = LoadOptions {
                head,
                ..LoadOptions::default()
            };
            let model = Model::load_with(&Source::from_option(None), &options).unwrap();
            let row = bench(&model, 0, true).row(0, 3, &mut || {}).unwrap();
            (head_name(&model), row.weight_bytes_per_token.unwrap())
        };
        let (stored, int8) = (bytes(HeadKind::Stored), bytes(HeadKind::Int8));
        assert_eq!((stored.0, int8.0), ("bf16", "int8"));
        assert!(int8.1 < stored.1);
        assert_eq!(bytes(HeadKind::Screened).0, "screen");
    }

    #[test]
    fn closed_gates_save_bytes() {
        let model = Model::load(&Source::from_option(None)).unwrap();
        let bytes = |sparsity| {
            let row = bench(&model, 0, sparsity).row(2, 3, &mut || {}).unwrap();
            assert!(row.prefill.is_some() && row.decode.is_some());
            row.weight_bytes_per_token.unwrap()
        };
        assert!(bytes(true) < bytes(false));
    }
}
