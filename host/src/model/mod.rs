//! The model: weights, and the one forward pass over them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | names of linears and groups |
//! | [`linear`] | a ternary linear and its rescaling |
//! | [`loading`] | where the ternary linears of a model come from |
//! | [`session`] | the forward pass |
//! | `attention`, [`norm`], [`rope`], `mlp`, [`kv_cache`] | its parts |
//!
//! A block computes `x += o(sub_norm(attention(norm(x))))`, then `x += down(sub_norm(act(gate(norm(x))) *
//! up(norm(x))))`.

mod attention;
mod head_copy;
pub mod ids;
pub mod kv_cache;
pub mod linear;
pub mod loading;
mod mlp;
pub mod norm;
pub mod rope;
pub mod session;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checkpoint::config::HiddenAct;
use crate::checkpoint::files::TensorFiles;
use crate::checkpoint::weights::{dense_vector, DenseMatrix};
use crate::checkpoint::{CheckpointError, Config, GenerationConfig, Source};
use crate::kernel::matrix::{Order, MAX_COLUMNS};
use crate::kernel::planes::PlaneMatrix;
use crate::weight_cache::CachePolicy;
use loading::Linears;

use head_copy::head_copy;

pub use ids::{GroupId, GroupKind, LinearId, LinearIdError, LinearKind};
pub use linear::{rescale, ScaleRule, TernaryLinear, TritCounts};
pub use loading::{CacheUse, LoadReport};
pub use session::{ForwardError, LogitRows, Session};

/// Weights of one block.
struct Block {
    input_layernorm: Vec<f32>,
    attn_sub_norm: Vec<f32>,
    post_attention_layernorm: Vec<f32>,
    ffn_sub_norm: Vec<f32>,
    /// In the order of [`LinearKind::ALL`].
    linears: [TernaryLinear; 7],
}

/// A loaded model; immutable, so one may serve several sessions.
pub struct Model {
    config: Config,
    generation: GenerationConfig,
    embedding: DenseMatrix,
    /// None if tied to the embedding.
    lm_head: Option<DenseMatrix>,
    head_kind: HeadKind,
    /// int8 copy of the head; none if the stored one is read.
    head_copy: Option<PlaneMatrix>,
    norm: Vec<f32>,
    blocks: Vec<Block>,
    load_report: LoadReport,
}

/// Weights that the product with the output head reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// Those of the checkpoint.
    #[default]
    Stored,
    /// int8, a scale for each row: fewer bytes, other logits.
    Int8,
    /// A short copy first, then only the rows that can still win: fewer bytes, the same tokens.
    Screened,
}

/// How a model is loaded and kept in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Weights of the output head.
    pub head: HeadKind,
    /// Where its packed weights are kept between runs.
    pub cache: CachePolicy,
}

impl Model {
    /// Loads and checks everything but the tokenizer.
    pub fn load(source: &Source) -> Result<Self, CheckpointError> {
        Self::load_with(source, &LoadOptions::default())
    }

    /// The same, with options.
    pub fn load_with(source: &Source, options: &LoadOptions) -> Result<Self, CheckpointError> {
        let config = Config::load(source)?;
        let quantization = config.quantization.ok_or_else(|| CheckpointError::Field {
            path: source.path("config.json"),
            field: "quantization_config".into(),
            found: "nothing: a dense model".into(),
            expected: "a BitNet configuration; `tercet quantize` makes one".into(),
        })?;
        let files = TensorFiles::open(source)?;
        let (hidden, vocab) = (config.hidden_size, config.vocab_size);
        let mut linears = Linears::open(source, &config, quantization, &files, &options.cache)?;
        let lm_head = match config.tie_word_embeddings {
            true => None,
            false => Some(linears.dense("lm_head.weight", vocab, hidden)?),
        };
        let embedding = linears.dense("model.embed_tokens.weight", vocab, hidden)?;
        linears.keep()?;
        let mut blocks = Vec::new();
        for block in 0..config.num_hidden_layers {
            let vector = |name: &str, length| {
                dense_vector(
                    &files,
                    &format!("model.layers.{block}.{name}.weight"),
                    length,
                )
            };
            let mut linear = |kind| linears.next(LinearId { block, kind });
            blocks.push(Block {
                input_layernorm: vector("input_layernorm", hidden)?,
                attn_sub_norm: vector("self_attn.attn_sub_norm", hidden)?,
                post_attention_layernorm: vector("post_attention_layernorm", hidden)?,
                ffn_sub_norm: vector("mlp.ffn_sub_norm", config.intermediate_size)?,
                linears: [
                    linear(LinearKind::Q)?,
                    linear(LinearKind::K)?,
                    linear(LinearKind::V)?,
                    linear(LinearKind::O)?,
                    linear(LinearKind::Gate)?,
                    linear(LinearKind::Up)?,
                    linear(LinearKind::Down)?,
                ],
            });
        }
        let mut load_report = linears.report();
        let head_copy = match options.head {
            HeadKind::Stored => None,
            HeadKind::Int8 | HeadKind::Screened => {
                let head = lm_head.as_ref().unwrap_or(&embedding);
                let remarks = &mut load_report.remarks;
                Some(head_copy(source, &files, head, &options.cache, remarks)?)
            }
        };
        Ok(Model {
            load_report,
            generation: GenerationConfig::load(source, vocab)?,
            embedding,
            head_kind: options.head,
            head_copy,
            lm_head,
            norm: dense_vector(&files, "model.norm.weight", hidden)?,
            blocks,
            config,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How it was loaded.
    pub fn load_report(&self) -> &LoadReport {
        &self.load_report
    }

    /// How its makers sample from it.
    pub fn generation_config(&self) -> &GenerationConfig {
        &self.generation
    }

    /// Tokens that end a text: from `generation_config.json`, else from `config.json`.
    pub fn stop_ids(&self) -> &[u32] {
        match self.generation.eos_token_ids.as_slice() {
            [] => &self.config.eos_token_ids,
            ids => ids,
        }
    }

    /// A ternary linear, or none if the model has no such block.
    pub fn get_linear(&self, id: LinearId) -> Option<&TernaryLinear> {
        let block = self.blocks.get(id.block)?;
        Some(&block.linears[id.kind as usize])
    }

    /// A ternary linear.
    ///
    /// # Panics
    /// If the model has no such block.
    pub fn linear(&self, id: LinearId) -> &TernaryLinear {
        self.get_linear(id)
            .unwrap_or_else(|| panic!("{id} in a model of {} blocks", self.blocks.len()))
    }

    /// Every ternary linear, in the order they are computed.
    pub fn linear_ids(&self) -> impl Iterator<Item = LinearId> {
        (0..self.blocks.len())
            .flat_map(|block| LinearKind::ALL.map(|kind| LinearId { block, kind }))
    }

    /// Embedding `[vocab, hidden]`.
    pub fn embedding(&self) -> &DenseMatrix {
        &self.embedding
    }

    /// Output head `[vocab, hidden]`; the embedding if they are tied.
    pub fn lm_head(&self) -> &DenseMatrix {
        self.lm_head.as_ref().unwrap_or(&self.embedding)
    }
}

impl Model {
    /// Bytes of all linears and of the stored head.
    pub fn weight_bytes(&self) -> usize {
        let linears = self.blocks.iter().flat_map(|block| &block.linears);
        let ternary: usize = linears.map(|linear| linear.weights().bytes()).sum();
        ternary + self.lm_head().bytes()
    }

    /// Weights that the product with the head reads.
    pub fn head_kind(&self) -> HeadKind {
        self.head_kind
    }

    /// int8 copy of the head; none if the stored one is read.
    pub fn head_copy(&self) -> Option<&PlaneMatrix> {
        self.head_copy.as_ref()
    }
}

impl Config {
    /// Which lines of a linear lie together. Behind squared ReLU most inputs of `down` are zero, and
    /// their columns need not be read.
    pub(crate) fn order(&self, kind: LinearKind) -> Order {
        match (kind, self.hidden_act) {
            (LinearKind::Down, HiddenAct::Relu2) if self.intermediate_size <= MAX_COLUMNS => {
                Order::Columns
            }
            _ => Order::Rows,
        }
    }

    /// Shape (N, K) of a linear.
    pub fn linear_shape(&self, kind: LinearKind) -> (usize, usize) {
        let (hidden, mlp) = (self.hidden_size, self.intermediate_size);
        match kind {
            LinearKind::Q | LinearKind::O => (hidden, hidden),
            LinearKind::K | LinearKind::V => (self.kv_width(), hidden),
            LinearKind::Gate | LinearKind::Up => (mlp, hidden),
            LinearKind::Down => (hidden, mlp),
        }
    }
}
