//! The fields of a `config.json` that decide sizes, for any decoder with Llama-like blocks.
//!
//! Unlike [`crate::checkpoint::Config`], which accepts only what this program can run, this reader takes every
//! family of [`Family`] and treats others as Llama with a remark. What would be counted wrongly is refused: mixtures
//! of experts, latent attention, sizes that do not fit each other.

use std::path::Path;

use super::family::Family;
use crate::checkpoint::fields::Fields;
use crate::checkpoint::CheckpointError;

/// Widest residual stream and MLP. With the limits below, and those of a workload, no count exceeds 128 bits.
const MAX_WIDTH: u64 = 1 << 26;

/// Most heads, and widest head.
const MAX_HEADS: u64 = 1 << 20;

/// Largest vocabulary: ids have 32 bits.
const MAX_VOCAB: u64 = u32::MAX as u64;

/// Most blocks; the deepest published models have a few hundred.
const MAX_LAYERS: u64 = 10_000;

/// Fields of models whose blocks have another form, and what they stand for.
const OTHER_BLOCKS: [(&str, &str); 5] = [
    ("num_local_experts", "a mixture of experts"),
    ("num_experts", "a mixture of experts"),
    ("n_routed_experts", "a mixture of experts"),
    ("kv_lora_rank", "latent attention"),
    ("state_size", "a state-space model"),
];

/// Sizes of a decoder; none is zero, and they fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// `model_type`.
    pub model_type: String,
    /// Rows of the embedding.
    pub vocab: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Blocks.
    pub layers: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads; divides the query heads.
    pub kv_heads: u64,
    /// Width of a head.
    pub head_dim: u64,
    /// Width of the MLP.
    pub ffn: u64,
    /// Longest context, if the configuration says.
    pub max_positions: Option<u64>,
    /// Tokens that attention looks back at most, if limited.
    pub sliding_window: Option<u64>,
    /// Whether the embedding is also the output head.
    pub tied: bool,
    /// Whether the linears of the blocks are ternary.
    pub ternary: bool,
    /// Whether the gate's activation is squared ReLU.
    pub relu2: bool,
    /// What the family implies, biases as the configuration has them.
    pub family: Family,
    /// What a reader should know.
    pub remarks: Vec<String>,
}

impl ModelConfig {
    /// Reads the text of a `config.json`; `path` is for messages.
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, CheckpointError> {
        let outer = Fields::parse(path, json)?;
        let mut remarks = Vec::new();
        // Models with pictures keep the sizes of their decoder one level down.
        let inner = match outer.get("hidden_size") {
            None => outer.object("text_config")?,
            Some(_) => None,
        };
        if inner.is_some() {
            remarks.push("only the decoder of text_config is counted".to_string());
        }
        Self::read(inner.as_ref().unwrap_or(&outer), remarks)
    }

    fn read(f: &Fields, mut remarks: Vec<String>) -> Result<Self, CheckpointError> {
        for (field, what) in OTHER_BLOCKS {
            if f.integer(field)?.is_some_and(|n| n > 1) {
                let expected =
                    "a dense decoder with Llama-like blocks; this one would be counted wrongly";
                return Err(f.wrong(field, what, expected));
            }
        }
        let bitnet = matches!(f.text("model_type")?, None | Some("bitnet"));
        let model_type = f.text("model_type")?.unwrap_or("bitnet").to_string();
        let family = Family::of(&model_type).unwrap_or_else(|| {
            remarks.push(format!(
                "model_type {model_type:?} is not known: its blocks are counted as those of Llama"
            ));
            Family::assumed()
        });
        // As transformers does, a BitNet configuration may leave out what its class has by default.
        let default = |value: usize| bitnet.then_some(value);
        let hidden = size(f, "hidden_size", default(2560), MAX_WIDTH)?;
        let heads = size(f, "num_attention_heads", default(20), MAX_HEADS)?;
        let kv_default = match bitnet && f.is_absent("num_key_value_heads") {
            true => 5,
            false => heads as usize,
        };
        let kv_heads = size(f, "num_key_value_heads", Some(kv_default), MAX_HEADS)?;
        if !heads.is_multiple_of(kv_heads) {
            let expected = format!("a divisor of num_attention_heads = {heads}");
            return Err(f.wrong("num_key_value_heads", kv_heads, expected));
        }
        if f.get("head_dim").is_none() && !hidden.is_multiple_of(heads) {
            let expected = format!("a divisor of hidden_size = {hidden}, or head_dim beside it");
            return Err(f.wrong("num_attention_heads", heads, expected));
        }
        let head_dim = size(f, "head_dim", Some((hidden / heads) as usize), MAX_HEADS)?;
        let flag = |field: &str, default: bool| match f.get(field) {
            None => Ok(default),
            Some(_) => f.flag(field),
        };
        let attention_bias = flag("attention_bias", false)?;
        let family = Family {
            qkv_bias: family.qkv_bias || attention_bias,
            // Llama's attention_bias is for all four projections.
            o_bias: family.o_bias || attention_bias,
            mlp_bias: flag("mlp_bias", family.mlp_bias)?,
            ..family
        };
        let window = match flag("use_sliding_window", true)? {
            true => f.integer("sliding_window")?.filter(|w| *w > 0),
            false => None,
        };
        let positions = f.integer("max_position_embeddings")?.filter(|p| *p > 0);
        let act = f.text("hidden_act")?.or(f.text("hidden_activation")?);
        Ok(ModelConfig {
            vocab: size(f, "vocab_size", default(128_256), MAX_VOCAB)?,
            hidden,
            layers: size(f, "num_hidden_layers", default(30), MAX_LAYERS)?,
            heads,
            kv_heads,
            head_dim,
            ffn: size(f, "intermediate_size", default(6912), MAX_WIDTH)?,
            max_positions: positions.map(|p| p as u64),
            sliding_window: window.map(|w| w as u64),
            tied: flag("tie_word_embeddings", family.tied)?,
            ternary: is_ternary(f, bitnet)?,
            relu2: act.unwrap_or(if bitnet { "relu2" } else { "silu" }) == "relu2",
            family,
            model_type,
            remarks,
        })
    }

    /// Width of all queries: heads x head_dim.
    pub fn q_width(&self) -> u64 {
        self.heads * self.head_dim
    }

    /// Width of all keys: kv heads x head_dim.
    pub fn kv_width(&self) -> u64 {
        self.kv_heads * self.head_dim
    }

    /// MHA, GQA or MQA.
    pub fn attention(&self) -> &'static str {
        match (self.kv_heads == self.heads, self.kv_heads) {
            (true, _) => "MHA",
            (false, 1) => "MQA",
            (false, _) => "GQA",
        }
    }
}

/// A size within 1..=most.
fn size(
    f: &Fields,
    field: &str,
    default: Option<usize>,
    most: u64,
) -> Result<u64, CheckpointError> {
    let value = f.size(field, default)? as u64;
    match value <= most {
        true => Ok(value),
        false => Err(f.wrong(field, value, format!("at most {most}"))),
    }
}

/// BitNet's linears are ternary; so are those of any model whose quantisation is BitNet's.
fn is_ternary(f: &Fields, bitnet: bool) -> Result<bool, CheckpointError> {
    let Some(q) = f.object("quantization_config")? else {
        return Ok(bitnet);
    };
    Ok(bitnet || q.text("quant_method")? == Some("bitnet"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: serde_json::Value) -> Result<ModelConfig, String> {
        let text = json.to_string();
        ModelConfig::parse(Path::new("config.json"), text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn families_say_what_the_configuration_does_not() {
        let sizes = json!({"hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 1,
            "num_hidden_layers": 2, "intermediate_size": 16, "vocab_size": 10});
        let of = |model_type: &str| {
            let mut config = sizes.clone();
            config["model_type"] = json!(model_type);
            read(config).unwrap()
        };
        assert_eq!(of("llama").attention(), "MQA");
        assert!(of("qwen2").family.qkv_bias && !of("qwen2").family.o_bias);
        assert!(of("qwen3").family.qk_norm && of("bitnet").family.sub_norms);
        assert!(of("bitnet").ternary && !of("llama").ternary);
        assert_eq!(of("gemma2").family.block_norms, 4);
        assert!(of("other").remarks[0].contains("other"));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_by_name() {
        let with = |field: &str, value: serde_json::Value| {
            let mut config = json!({"model_type": "llama", "hidden_size": 8, "num_attention_heads": 4,
                "num_hidden_layers": 2, "intermediate_size": 16, "vocab_size": 10});
            config[field] = value;
            read(config).unwrap_err()
        };
        for (field, value, part) in [
            ("vocab_size", json!(0), "found 0"),
            (
                "num_attention_heads",
                json!(3),
                "a divisor of hidden_size = 8",
            ),
            (
                "num_key_value_heads",
                json!(3),
                "a divisor of num_attention_heads = 4",
            ),
            ("num_hidden_layers", json!(1_000_000_000), "at most 10000"),
            ("hidden_size", json!(u64::MAX), "at most 67108864"),
            ("hidden_size", json!(1e300), "a whole number"),
            ("intermediate_size", json!(-1), "a whole number"),
            ("num_local_experts", json!(8), "a mixture of experts"),
            ("kv_lora_rank", json!(512), "latent attention"),
        ] {
            let e = with(field, value);
            assert!(e.contains(field) && e.contains(part), "{e}");
        }
        assert!(read(json!([])).unwrap_err().contains("a JSON object"));
    }
}
