//! `config.json` of the packed checkpoint.

use serde_json::{json, Map, Value};

use crate::checkpoint::config::{HiddenAct, QuantizationMode};
use crate::checkpoint::{CheckpointError, Config, Source};

/// Fields that speak of the source's code or quantisation.
const DROPPED: [&str; 5] = [
    "auto_map",
    "_name_or_path",
    "dtype",
    "rope_scaling",
    "pretraining_tp",
];

/// The source's configuration as a packed BitNet's; refuses what cannot become one.
pub(super) fn packed_config(source: &Source, config: &Config) -> Result<String, CheckpointError> {
    let path = source.path("config.json");
    let refuse = |field: &str, found: String, expected: &str| CheckpointError::Field {
        path: path.clone(),
        field: field.to_string(),
        found,
        expected: expected.to_string(),
    };
    if let Some(q) = config.quantization {
        if q.mode == QuantizationMode::Offline {
            let expected = "online: dense master weights; this checkpoint is ternary already";
            return Err(refuse(
                "quantization_config.quantization_mode",
                "offline".into(),
                expected,
            ));
        }
    }
    // Already parsed once as an object, so anything else cannot be.
    let mut map: Map<String, Value> = serde_json::from_slice(&source.read("config.json")?)
        .map_err(|e| refuse("", e.to_string(), "a JSON object"))?;
    for field in DROPPED {
        map.remove(field);
    }
    let written_out = json!({
        "architectures": ["BitNetForCausalLM"],
        "model_type": "bitnet",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.tie_word_embeddings,
        "hidden_act": match config.hidden_act {
            HiddenAct::Relu2 => "relu2",
            HiddenAct::Silu => "silu",
        },
        "torch_dtype": "bfloat16",
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "offline",
        },
    });
    if let Value::Object(fields) = written_out {
        map.extend(fields);
    }
    // As the source spells it: f32 would turn 1e-5 into 9.999999747378752e-06.
    let eps = match config.model_type.as_str() {
        "bitnet" => 1e-5,
        _ => 1e-6,
    };
    if map.get("rms_norm_eps").is_none_or(Value::is_null) {
        map.insert("rms_norm_eps".into(), json!(eps));
    }
    Ok(format!("{:#}\n", Value::Object(map)))
}
