//! Sizes of a synthetic model: presets, overrides, checks, `config.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::SynthError;
use crate::checkpoint::packing::ROWS_PER_BYTE;
use crate::embedded;
use crate::kernel::packed::MAX_K;
use crate::model::LinearKind;

/// Most blocks: keeps the header of the weight file within what readers accept (100 MB).
const MAX_LAYERS: usize = 10_000;

/// Longest context that may be claimed.
const MAX_POSITIONS: usize = 1 << 24;

/// Begin and end of a text in the embedded tokenizer, which goes along.
pub(super) const BOS: u32 = 0;
/// End of a text.
pub(super) const EOS: u32 = 1;

/// Sizes of a BitNet b1.58 model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of the MLP.
    pub ffn: usize,
    /// Rows of the embedding.
    pub vocab: usize,
    /// Longest context in tokens.
    pub max_positions: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
}

impl Shape {
    /// BitNet b1.58 2B-4T as published.
    pub fn bitnet_2b_4t() -> Self {
        Shape {
            layers: 30,
            hidden: 2560,
            heads: 20,
            kv_heads: 5,
            ffn: 6912,
            vocab: 128_256,
            max_positions: 4096,
            rope_theta: 500_000.0,
        }
    }

    /// The model inside the program.
    pub fn tiny() -> Self {
        Shape {
            layers: 6,
            hidden: 256,
            heads: 4,
            kv_heads: 2,
            ffn: 768,
            vocab: 1024,
            max_positions: 512,
            rope_theta: 10_000.0,
        }
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.hidden / self.heads
    }

    /// Shape (N, K) of a linear.
    pub fn linear(&self, kind: LinearKind) -> (usize, usize) {
        match kind {
            LinearKind::Q | LinearKind::O => (self.hidden, self.hidden),
            LinearKind::K | LinearKind::V => (self.kv_heads * self.head_dim(), self.hidden),
            LinearKind::Gate | LinearKind::Up => (self.ffn, self.hidden),
            LinearKind::Down => (self.hidden, self.ffn),
        }
    }

    /// Refuses sizes that no model can have or that do not fit each other.
    pub fn check(&self) -> Result<(), SynthError> {
        for (option, found, most) in [
            ("layers", self.layers, MAX_LAYERS),
            ("hidden", self.hidden, MAX_K),
            ("heads", self.heads, MAX_K),
            ("kv-heads", self.kv_heads, MAX_K),
            ("ffn", self.ffn, MAX_K),
            ("vocab", self.vocab, u32::MAX as usize),
            ("max-positions", self.max_positions, MAX_POSITIONS),
        ] {
            if found == 0 || found > most {
                return Err(SynthError::option(option, found, format!("1 to {most}")));
            }
        }
        if self.vocab <= EOS as usize {
            let expected = "at least 2: a begin and an end token";
            return Err(SynthError::option("vocab", self.vocab, expected));
        }
        let divisor = |option, part, whole_name: &str, whole: usize| {
            if whole.is_multiple_of(part) {
                return Ok(());
            }
            let expected = format!("a divisor of {whole_name}, which is {whole}");
            Err(SynthError::option(option, part, expected))
        };
        divisor("heads", self.heads, "hidden", self.hidden)?;
        divisor("kv-heads", self.kv_heads, "heads", self.heads)?;
        if !self.head_dim().is_multiple_of(2) {
            let expected = format!(
                "heads of even width for the rotary pairs, not {}",
                self.head_dim()
            );
            return Err(SynthError::option("heads", self.heads, expected));
        }
        let rows = |option, found, rows: usize| {
            if rows.is_multiple_of(ROWS_PER_BYTE) {
                return Ok(());
            }
            let expected =
                format!("weights whose rows pack {ROWS_PER_BYTE} to a byte, not {rows} rows");
            Err(SynthError::option(option, found, expected))
        };
        rows("hidden", self.hidden, self.hidden)?;
        rows("ffn", self.ffn, self.ffn)?;
        rows("kv-heads", self.kv_heads, self.kv_heads * self.head_dim())
    }

    /// Whether the embedded tokenizer gives no id beyond the vocabulary.
    pub(super) fn fits_tokenizer(&self) -> bool {
        self.vocab >= Self::tiny().vocab
    }

    /// Content of `config.json`.
    pub(super) fn config(&self) -> Value {
        json!({
            "architectures": ["BitNetForCausalLM"],
            "model_type": "bitnet",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.ffn,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "hidden_act": "relu2",
            "max_position_embeddings": self.max_positions,
            "rms_norm_eps": 1e-5,
            "rope_theta": self.rope_theta,
            "attention_bias": false,
            "attention_dropout": 0.0,
            "tie_word_embeddings": true,
            "use_cache": true,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
            "torch_dtype": "bfloat16",
            "quantization_config": {
                "quant_method": "bitnet",
                "linear_class": "autobitlinear",
                "quantization_mode": "offline",
            },
        })
    }

    /// Every small file of the checkpoint but the report: (name, content).
    pub(super) fn small_files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let generation = json!({
            "bos_token_id": BOS,
            "eos_token_id": EOS,
            "do_sample": false,
            "max_length": self.max_positions,
        });
        let mut files = vec![
            ("config.json", format!("{:#}\n", self.config()).into_bytes()),
            (
                "generation_config.json",
                format!("{generation:#}\n").into_bytes(),
            ),
        ];
        if self.fits_tokenizer() {
            for (name, content) in embedded::files() {
                if name.contains("token") {
                    files.push((name, content.to_vec()));
                }
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Config, Source};
    use std::path::Path;

    #[test]
    fn the_tiny_preset_is_the_embedded_model() {
        let config = Config::load(&Source::Embedded).unwrap();
        let ours = Shape::tiny().config().to_string();
        let ours = Config::parse(Path::new("config.json"), ours.as_bytes()).unwrap();
        assert_eq!(ours, config);
    }

    #[test]
    fn linears_have_the_shapes_that_readers_expect() {
        let shape = Shape::bitnet_2b_4t();
        shape.check().unwrap();
        let config = shape.config().to_string();
        let config = Config::parse(Path::new("config.json"), config.as_bytes()).unwrap();
        for kind in LinearKind::ALL {
            assert_eq!(shape.linear(kind), config.linear_shape(kind), "{kind}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |edit: &dyn Fn(&mut Shape)| {
            let mut shape = Shape::tiny();
            edit(&mut shape);
            shape.check().unwrap_err().to_string()
        };
        for (edit, said) in [
            (
                (&|s: &mut Shape| s.layers = 0) as &dyn Fn(&mut Shape),
                "layers is 0: expected 1 to 10000",
            ),
            (&|s| s.hidden = usize::MAX, "hidden is"),
            (&|s| s.vocab = 1, "vocab is 1: expected at least 2"),
            (&|s| s.heads = 3, "heads is 3: expected a divisor of hidden"),
            (
                &|s| s.kv_heads = 3,
                "kv-heads is 3: expected a divisor of heads",
            ),
            (&|s| s.heads = 256, "heads of even width"),
            (
                &|s| (s.hidden, s.heads, s.kv_heads) = (6, 1, 1),
                "not 6 rows",
            ),
            (&|s| s.ffn = 770, "not 770 rows"),
            (
                &|s| (s.hidden, s.heads, s.kv_heads) = (8, 4, 1),
                "kv-heads is 1: expected weights whose rows",
            ),
        ] {
            let e = refused(edit);
            assert!(e.contains(said), "{said} in {e}");
        }
    }
}
