//! One text being read and written: the cache, and the forward pass over new tokens.

use super::attention::attend;
use super::kv_cache::KvCache;
use super::mlp::gated;
use super::norm::rms_norm;
use super::rope::Rope;
use super::{Block, GroupId, GroupKind, Model};
use crate::executor::{Executor, ExecutorError, Phase, Stage, Tap};
use crate::kernel::threads::Work;

/// Tokens computed at once: bounds the scratch memory of long prompts.
const CHUNK_TOKENS: usize = 128;

/// Which tokens' logits are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogitRows {
    /// Of every token: `[T, vocab]`.
    All,
    /// Of the last token: `[vocab]`.
    Last,
    /// Of the last token, `[vocab]`: so many largest, and minus infinity for any of the others.
    Top(usize),
}

/// Why a forward pass failed.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A token outside the vocabulary.
    #[error(
        "token {index}: id {id}, expected less than the model's vocab_size {vocab}; \
         a tokenizer that gives such ids belongs to another model"
    )]
    Token {
        /// Place in the input.
        index: usize,
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// More tokens than the model was made for.
    #[error(
        "{tokens} tokens where {position} of {max} are taken: expected at most {max} in all \
         (max_position_embeddings)"
    )]
    ContextFull {
        /// Tokens seen before.
        position: usize,
        /// New tokens.
        tokens: usize,
        /// The model's longest context.
        max: usize,
    },
    /// The executor failed.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
}

/// A text in progress.
pub struct Session<'m> {
    model: &'m Model,
    cache: KvCache,
    rope: Rope,
    position: usize,
    scratch: Scratch,
}

/// Buffers of the forward pass, `[T, width]` each, reused from call to call.
#[derive(Default)]
struct Scratch {
    /// Residual stream.
    x: Vec<f32>,
    /// Input of a group: a norm's output.
    normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    heads: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    mlp_normed: Vec<f32>,
    /// Output of o and down.
    delta: Vec<f32>,
    logits: Vec<f32>,
}

impl<'m> Session<'m> {
    /// An empty text.
    pub fn new(model: &'m Model) -> Self {
        let config = model.config();
        Session {
            model,
            cache: KvCache::new(
                config.num_hidden_layers,
                config.num_key_value_heads,
                config.head_dim,
            ),
            rope: Rope::new(config.head_dim, config.rope_theta),
            position: 0,
            scratch: Scratch::default(),
        }
    }

    /// The model that reads.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// Tokens seen so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Tokens that still fit the model's longest context.
    pub fn room(&self) -> usize {
        self.model.config().max_position_embeddings - self.position
    }

    /// The keys and values held.
    pub fn cache(&self) -> &KvCache {
        &self.cache
    }

    /// Goes back to where `position` tokens had been seen: what followed them is forgotten.
    ///
    /// # Panics
    /// If fewer tokens have been seen.
    pub fn truncate(&mut self, position: usize) {
        assert!(
            position <= self.position,
            "back to {position} of {}",
            self.position
        );
        self.cache.truncate(position);
        self.position = position;
    }

    /// Reads new tokens; returns logits `[T, vocab]` or `[vocab]` (empty if there are no tokens).
    ///
    /// After an executor's error the session must not be used again.
    pub fn forward(
        &mut self,
        executor: &mut dyn Executor,
        phase: Phase,
        tokens: &[u32],
        rows: LogitRows,
    ) -> Result<&[f32], ForwardError> {
        self.check(tokens)?;
        self.rope.extend_to(self.position + tokens.len());
        self.scratch.logits.clear();
        // The whole pass is one task of the pool, so that its parts need not wake it.
        let pool = executor.cpu().pool();
        let top = match rows {
            LogitRows::Top(top) => Some(top),
            LogitRows::All | LogitRows::Last => None,
        };
        let work = Work::pass(self.model.weight_bytes(), tokens.len());
        pool.install(work, || {
            let mut left = tokens.len();
            for chunk in tokens.chunks(CHUNK_TOKENS) {
                left -= chunk.len();
                let wanted = match rows {
                    LogitRows::All => chunk.len(),
                    LogitRows::Last | LogitRows::Top(_) => usize::from(left == 0),
                };
                self.forward_chunk(executor, phase, chunk, (wanted, top))?;
            }
            Ok::<(), ForwardError>(())
        })?;
        Ok(&self.scratch.logits)
    }

    fn check(&self, tokens: &[u32]) -> Result<(), ForwardError> {
        let vocab = self.model.config().vocab_size;
        if let Some(index) = tokens.iter().position(|&id| id as usize >= vocab) {
            return Err(ForwardError::Token {
                index,
                id: tokens[index],
                vocab,
            });
        }
        if tokens.len() > self.room() {
            return Err(ForwardError::ContextFull {
                position: self.position,
                tokens: tokens.len(),
                max: self.model.config().max_position_embeddings,
            });
        }
        Ok(())
    }

    /// Reads at most [`CHUNK_TOKENS`] tokens and appends the logits of the last `wanted.0` of them, of which
    /// the `wanted.1` largest matter.
    fn forward_chunk(
        &mut self,
        executor: &mut dyn Executor,
        phase: Phase,
        tokens: &[u32],
        wanted: (usize, Option<usize>),
    ) -> Result<(), ForwardError> {
        let model = self.model;
        let config = model.config();
        self.scratch.resize(model, tokens.len());
        executor.begin(Stage::Embed, None, phase);
        let embedding = model.embedding();
        for (x, &id) in self
            .scratch
            .x
            .chunks_exact_mut(config.hidden_size)
            .zip(tokens)
        {
            embedding.dtype().widen(embedding.row(id as usize), x);
        }
        executor.end(Stage::Embed, None, phase);
        executor.observe(Tap::Embed, None, &self.scratch.x);
        for (index, block) in model.blocks.iter().enumerate() {
            self.attention_half(executor, phase, index, block)?;
            self.mlp_half(executor, phase, index, block)?;
            executor.observe(Tap::Block, Some(index), &self.scratch.x);
        }
        self.position += tokens.len();
        self.head(executor, phase, wanted)
    }

    /// `x += o(sub_norm(attention(norm(x))))`.
    fn attention_half(
        &mut self,
        executor: &mut dyn Executor,
        phase: Phase,
        index: usize,
        block: &Block,
    ) -> Result<(), ForwardError> {
        let (model, eps) = (self.model, self.model.config().rms_norm_eps);
        let s = &mut self.scratch;
        let at = Some(index);
        let group = |kind| GroupId { block: index, kind };

        executor.begin(Stage::AttentionNorm, at, phase);
        rms_norm(
            executor.cpu(),
            &block.input_layernorm,
            eps,
            &s.x,
            &mut s.normed,
        );
        executor.end(Stage::AttentionNorm, at, phase);
        executor.observe(Tap::AttentionNorm, at, &s.normed);

        executor.begin(Stage::Qkv, at, phase);
        let outputs: &mut [&mut [f32]] = &mut [&mut s.q, &mut s.k, &mut s.v];
        executor.linears(model, group(GroupKind::Qkv), phase, &s.normed, outputs)?;
        executor.end(Stage::Qkv, at, phase);

        executor.begin(Stage::Attention, at, phase);
        let config = model.config();
        let (start, kv) = (self.position, config.kv_width());
        let cpu = executor.cpu();
        self.rope.rotate(cpu, &mut s.q, config.hidden_size, start);
        self.rope.rotate(cpu, &mut s.k, kv, start);
        for (k, v) in s.k.chunks_exact(kv).zip(s.v.chunks_exact(kv)) {
            self.cache.push(index, k, v);
        }
        attend(cpu, config, &self.cache, index, start, &s.q, &mut s.heads);
        executor.end(Stage::Attention, at, phase);
        executor.observe(Tap::Heads, at, &s.heads);

        executor.begin(Stage::AttentionSubNorm, at, phase);
        rms_norm(
            executor.cpu(),
            &block.attn_sub_norm,
            eps,
            &s.heads,
            &mut s.normed,
        );
        executor.end(Stage::AttentionSubNorm, at, phase);
        executor.observe(Tap::AttentionSubNorm, at, &s.normed);

        executor.begin(Stage::O, at, phase);
        executor.linears(
            model,
            group(GroupKind::O),
            phase,
            &s.normed,
            &mut [&mut s.delta],
        )?;
        add(&mut s.x, &s.delta);
        executor.end(Stage::O, at, phase);
        Ok(())
    }

    /// `x += down(sub_norm(act(gate(norm(x))) * up(norm(x))))`.
    fn mlp_half(
        &mut self,
        executor: &mut dyn Executor,
        phase: Phase,
        index: usize,
        block: &Block,
    ) -> Result<(), ForwardError> {
        let (model, eps) = (self.model, self.model.config().rms_norm_eps);
        let s = &mut self.scratch;
        let at = Some(index);
        let group = |kind| GroupId { block: index, kind };

        executor.begin(Stage::MlpNorm, at, phase);
        rms_norm(
            executor.cpu(),
            &block.post_attention_layernorm,
            eps,
            &s.x,
            &mut s.normed,
        );
        executor.end(Stage::MlpNorm, at, phase);
        executor.observe(Tap::MlpNorm, at, &s.normed);

        executor.begin(Stage::GateUp, at, phase);
        let outputs: &mut [&mut [f32]] = &mut [&mut s.gate, &mut s.up];
        executor.linears(model, group(GroupKind::GateUp), phase, &s.normed, outputs)?;
        executor.end(Stage::GateUp, at, phase);

        executor.begin(Stage::Activation, at, phase);
        gated(
            executor.cpu(),
            model.config().hidden_act,
            &mut s.gate,
            &s.up,
        );
        rms_norm(
            executor.cpu(),
            &block.ffn_sub_norm,
            eps,
            &s.gate,
            &mut s.mlp_normed,
        );
        executor.end(Stage::Activation, at, phase);
        executor.observe(Tap::Gated, at, &s.gate);
        executor.observe(Tap::MlpSubNorm, at, &s.mlp_normed);

        executor.begin(Stage::Down, at, phase);
        executor.linears(
            model,
            group(GroupKind::Down),
            phase,
            &s.mlp_normed,
            &mut [&mut s.delta],
        )?;
        add(&mut s.x, &s.delta);
        executor.end(Stage::Down, at, phase);
        Ok(())
    }

    /// Final norm and logits of the last `wanted` tokens.
    fn head(
        &mut self,
        executor: &mut dyn Executor,
        phase: Phase,
        (wanted, top): (usize, Option<usize>),
    ) -> Result<(), ForwardError> {
        if wanted == 0 {
            return Ok(());
        }
        let (model, config) = (self.model, self.model.config());
        let s = &mut self.scratch;
        let x = &s.x[s.x.len() - wanted * config.hidden_size..];
        s.normed.resize(x.len(), 0.0);
        executor.begin(Stage::FinalNorm, None, phase);
        rms_norm(
            executor.cpu(),
            &model.norm,
            config.rms_norm_eps,
            x,
            &mut s.normed,
        );
        executor.end(Stage::FinalNorm, None, phase);
        executor.observe(Tap::FinalNorm, None, &s.normed);

        let done = s.logits.len();
        s.logits.resize(done + wanted * config.vocab_size, 0.0);
        executor.begin(Stage::LmHead, None, phase);
        executor.lm_head(model, phase, &s.normed, top, &mut s.logits[done..])?;
        executor.end(Stage::LmHead, None, phase);
        Ok(())
    }
}

impl Scratch {
    fn resize(&mut self, model: &Model, tokens: usize) {
        let config = model.config();
        let hidden = tokens * config.hidden_size;
        for buffer in [
            &mut self.x,
            &mut self.normed,
            &mut self.q,
            &mut self.heads,
            &mut self.delta,
        ] {
            buffer.resize(hidden, 0.0);
        }
        for buffer in [&mut self.k, &mut self.v] {
            buffer.resize(tokens * config.kv_width(), 0.0);
        }
        for buffer in [&mut self.gate, &mut self.up, &mut self.mlp_normed] {
            buffer.resize(tokens * config.intermediate_size, 0.0);
        }
    }
}

fn add(x: &mut [f32], delta: &[f32]) {
    for (x, d) in x.iter_mut().zip(delta) {
        *x += d;
    }
}
