//! `config.json` and `generation_config.json`, in the styles of transformers 4 and 5.
//!
//! Absent fields take the defaults of the BitNet configuration class (hidden 2560, ..); for other
//! model types every size must be written out. Version 5 writes `rope_parameters` where version 4
//! has `rope_theta`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fields::Fields;
use super::{CheckpointError, Source};
use crate::kernel::packed;

/// Model types whose blocks are those of BitNet, but for the sub-norms that a plain Llama lacks.
const MODEL_TYPES: [&str; 2] = ["bitnet", "llama"];

/// Activation of the MLP gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// Squared ReLU, as every published BitNet b1.58 model.
    Relu2,
    /// x * sigmoid(x), as Llama.
    Silu,
}

/// Which class of quantised linear a checkpoint was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinearClass {
    /// The scale is mean |W| and multiplies.
    AutoBitLinear,
    /// The older class: the scale is 1 / mean |W| and divides.
    BitLinear,
}

/// Whether weights are stored ternary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuantizationMode {
    /// Ternary weights and `weight_scale`.
    Offline,
    /// Dense master weights, made ternary on loading.
    Online,
}

/// `quantization_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantization {
    /// Class of the linears.
    pub linear_class: LinearClass,
    /// Form of the weights.
    pub mode: QuantizationMode,
}

/// A checked configuration: no size is zero, and all of them fit each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// `model_type`: `bitnet` or `llama`.
    pub model_type: String,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: usize,
    /// Width of a head, even; heads x head_dim = hidden.
    pub head_dim: usize,
    /// Longest context in tokens.
    pub max_position_embeddings: usize,
    /// Epsilon of every norm.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Whether the embedding is also the lm_head.
    pub tie_word_embeddings: bool,
    /// Activation of the gate.
    pub hidden_act: HiddenAct,
    /// First token of a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// None for an ordinary dense model.
    pub quantization: Option<Quantization>,
}

impl Config {
    /// Reads and checks `config.json` of a checkpoint.
    pub fn load(source: &Source) -> Result<Self, CheckpointError> {
        let path = source.path("config.json");
        Self::parse(&path, &source.read("config.json")?)
    }

    /// Checks the text of a `config.json`; `path` is for messages.
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, CheckpointError> {
        let f = Fields::parse(path, json)?;
        let model_type = f.text("model_type")?.unwrap_or("bitnet").to_string();
        if !MODEL_TYPES.contains(&model_type.as_str()) {
            return Err(f.wrong("model_type", model_type, MODEL_TYPES.join(" or ")));
        }
        let bitnet = model_type == "bitnet";
        let size = |field: &str, default: usize| f.size(field, bitnet.then_some(default));
        let hidden_size = size("hidden_size", 2560)?;
        let heads = size("num_attention_heads", 20)?;
        let kv_default = if f.is_absent("num_key_value_heads") && bitnet {
            5
        } else {
            heads
        };
        let config = Config {
            model_type,
            vocab_size: size("vocab_size", 128_256)?,
            hidden_size,
            intermediate_size: size("intermediate_size", 6912)?,
            num_hidden_layers: size("num_hidden_layers", 30)?,
            num_attention_heads: heads,
            num_key_value_heads: f.size("num_key_value_heads", Some(kv_default))?,
            head_dim: f.size("head_dim", Some(hidden_size / heads))?,
            max_position_embeddings: f.size("max_position_embeddings", Some(2048))?,
            rms_norm_eps: f.positive("rms_norm_eps", if bitnet { 1e-5 } else { 1e-6 })? as f32,
            rope_theta: f.rope_theta(if bitnet { 500_000.0 } else { 10_000.0 })?,
            tie_word_embeddings: f.flag("tie_word_embeddings")?,
            hidden_act: f.hidden_act(if bitnet { "relu2" } else { "silu" })?,
            bos_token_id: f.ids("bos_token_id")?.first().copied(),
            eos_token_ids: f.ids("eos_token_id")?,
            quantization: f.quantization()?,
        };
        config.check(&f)?;
        Ok(config)
    }

    /// Sizes that must fit each other.
    fn check(&self, f: &Fields) -> Result<(), CheckpointError> {
        let (heads, kv) = (self.num_attention_heads, self.num_key_value_heads);
        let divides = |what: &str, whole: usize, part_name: &str, part: usize| {
            if whole.is_multiple_of(part) {
                return Ok(());
            }
            Err(f.wrong(part_name, part, format!("a divisor of {what} = {whole}")))
        };
        for (field, k) in [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
        ] {
            if k > packed::MAX_K {
                return Err(f.wrong(field, k, format!("at most {} (int32 sums)", packed::MAX_K)));
            }
        }
        if f.is_absent("head_dim") {
            divides(
                "hidden_size",
                self.hidden_size,
                "num_attention_heads",
                heads,
            )?;
        }
        divides("num_attention_heads", heads, "num_key_value_heads", kv)?;
        if !self.head_dim.is_multiple_of(2) {
            return Err(f.wrong("head_dim", self.head_dim, "an even number (rotary pairs)"));
        }
        if self.head_dim.checked_mul(heads) != Some(self.hidden_size) {
            let want = format!(
                "hidden_size / num_attention_heads = {}",
                self.hidden_size / heads
            );
            return Err(f.wrong("head_dim", self.head_dim, want));
        }
        if u32::try_from(self.vocab_size).is_err() {
            return Err(f.wrong("vocab_size", self.vocab_size, "at most 4294967295"));
        }
        for field in ["attention_bias", "mlp_bias"] {
            if f.flag(field)? {
                return Err(f.wrong(field, "true", "false"));
            }
        }
        f.check_ids(
            "bos_token_id",
            self.bos_token_id.as_slice(),
            self.vocab_size,
        )?;
        f.check_ids("eos_token_id", &self.eos_token_ids, self.vocab_size)
    }

    /// Width of keys and values: kv heads x head_dim.
    pub fn kv_width(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }
}

/// `generation_config.json`: how the makers of a model sample from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GenerationConfig {
    /// Tokens that end a text; empty if the file does not say.
    pub eos_token_ids: Vec<u32>,
    /// Whether to sample at all.
    pub do_sample: bool,
    /// Temperature, if given.
    pub temperature: Option<f64>,
    /// top-k, if given.
    pub top_k: Option<usize>,
    /// top-p, if given.
    pub top_p: Option<f64>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` of a model with `vocab_size` ids; all defaults if there is none.
    pub fn load(source: &Source, vocab_size: usize) -> Result<Self, CheckpointError> {
        let path = source.path("generation_config.json");
        match source.read_optional("generation_config.json")? {
            None => Ok(Self::default()),
            Some(json) => Self::parse(&path, &json, vocab_size),
        }
    }

    fn parse(path: &Path, json: &[u8], vocab_size: usize) -> Result<Self, CheckpointError> {
        let f = Fields::parse(path, json)?;
        let eos_token_ids = f.ids("eos_token_id")?;
        f.check_ids("eos_token_id", &eos_token_ids, vocab_size)?;
        Ok(GenerationConfig {
            eos_token_ids,
            do_sample: f.flag("do_sample")?,
            temperature: f.number("temperature")?,
            // transformers writes 0 for "no limit".
            top_k: f.integer("top_k")?.filter(|k| *k > 0),
            top_p: f.number("top_p")?,
        })
    }
}

/// Fields with a meaning of their own.
impl Fields {
    /// Refuses ids that the model cannot give.
    fn check_ids(&self, field: &str, ids: &[u32], vocab: usize) -> Result<(), CheckpointError> {
        match ids.iter().find(|&&id| id as usize >= vocab) {
            None => Ok(()),
            Some(id) => Err(self.wrong(field, id, format!("less than vocab_size = {vocab}"))),
        }
    }

    fn rope_theta(&self, default: f64) -> Result<f64, CheckpointError> {
        // `rope_scaling` is the older name for anything but plain rotary embedding.
        for field in ["rope_parameters", "rope_scaling"] {
            let Some(rope) = self.object(field)? else {
                continue;
            };
            for key in ["rope_type", "type"] {
                match rope.text(key)? {
                    None | Some("default") => {}
                    Some(other) => {
                        return Err(self.wrong(&format!("{field}.{key}"), other, "default"))
                    }
                }
            }
            if rope.get("rope_theta").is_some() {
                return rope.positive("rope_theta", default);
            }
        }
        self.positive("rope_theta", default)
    }

    fn hidden_act(&self, default: &str) -> Result<HiddenAct, CheckpointError> {
        match self.text("hidden_act")?.unwrap_or(default) {
            "relu2" => Ok(HiddenAct::Relu2),
            "silu" | "swish" => Ok(HiddenAct::Silu),
            other => Err(self.wrong("hidden_act", other, "relu2 or silu")),
        }
    }

    fn quantization(&self) -> Result<Option<Quantization>, CheckpointError> {
        let Some(q) = self.object("quantization_config")? else {
            return Ok(None);
        };
        let name = |field: &str| format!("quantization_config.{field}");
        let wrong =
            |field: &str, found: &str, expected: &str| self.wrong(&name(field), found, expected);
        match q.text("quant_method")? {
            None | Some("bitnet") => {}
            Some(other) => return Err(wrong("quant_method", other, "bitnet")),
        }
        if q.flag("use_rms_norm")? {
            return Err(wrong("use_rms_norm", "true", "false"));
        }
        match q.get("modules_to_not_convert") {
            None => {}
            Some(list) if *list == json!(["lm_head"]) => {}
            Some(other) => {
                return Err(wrong(
                    "modules_to_not_convert",
                    &other.to_string(),
                    "null or [\"lm_head\"]",
                ))
            }
        }
        let linear_class = match q.text("linear_class")?.unwrap_or("bitlinear") {
            "autobitlinear" => LinearClass::AutoBitLinear,
            "bitlinear" => LinearClass::BitLinear,
            other => return Err(wrong("linear_class", other, "autobitlinear or bitlinear")),
        };
        let mode = match q.text("quantization_mode")?.unwrap_or("offline") {
            "offline" => QuantizationMode::Offline,
            "online" => QuantizationMode::Online,
            other => return Err(wrong("quantization_mode", other, "offline or online")),
        };
        if (linear_class, mode) == (LinearClass::BitLinear, QuantizationMode::Online) {
            return Err(wrong(
                "quantization_mode",
                "online with bitlinear",
                "autobitlinear, the class that has it",
            ));
        }
        Ok(Some(Quantization { linear_class, mode }))
    }
}
