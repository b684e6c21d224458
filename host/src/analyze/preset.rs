//! Published models by name: configurations as data files (`host/presets/*.json`), each with its source.

use std::path::Path;

use serde::Deserialize;

use super::config::ModelConfig;
use super::error::AnalyzeError;
use crate::checkpoint::CheckpointError;

const BUILT_IN: [(&str, &str); 9] = [
    (
        "bitnet-2b-4t",
        include_str!("../../presets/bitnet-2b-4t.json"),
    ),
    (
        "bytetransformer-155m",
        include_str!("../../presets/bytetransformer-155m.json"),
    ),
    ("qwen3-8b", include_str!("../../presets/qwen3-8b.json")),
    (
        "qwen3-8b-mha",
        include_str!("../../presets/qwen3-8b-mha.json"),
    ),
    ("mistral-7b", include_str!("../../presets/mistral-7b.json")),
    ("qwen2.5-3b", include_str!("../../presets/qwen2.5-3b.json")),
    ("llama-2-7b", include_str!("../../presets/llama-2-7b.json")),
    (
        "llama-2-70b",
        include_str!("../../presets/llama-2-70b.json"),
    ),
    ("llama-3-8b", include_str!("../../presets/llama-3-8b.json")),
];

/// Names of the presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// A model by name.
pub struct Preset {
    /// Name for people.
    pub title: String,
    /// Where the configuration comes from.
    pub source: String,
    /// Its sizes.
    pub config: ModelConfig,
    /// What somebody counted or measured of it.
    pub reported: Option<Reported>,
}

/// Figures of a report about the model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// Parameters in all.
    pub parameters: u64,
    /// How they were counted, or what they hold that no part has.
    pub why: String,
    /// Device memory with the 16-bit weights loaded, in units of 2^30 bytes.
    pub device_gib: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetFile {
    title: String,
    source: String,
    reported: Option<Reported>,
    config: serde_json::Value,
}

impl Preset {
    /// The preset of a name.
    pub fn find(name: &str) -> Result<Preset, AnalyzeError> {
        let found = BUILT_IN.iter().find(|(n, _)| *n == name);
        let Some((_, text)) = found else {
            return Err(AnalyzeError::Preset {
                name: name.to_string(),
                known: names().collect::<Vec<_>>().join(", "),
            });
        };
        let path = Path::new(name);
        let wrong = |e: serde_json::Error| CheckpointError::Format {
            path: path.to_path_buf(),
            found: e.to_string(),
            expected: "a preset".into(),
        };
        let file: PresetFile = serde_json::from_str(text).map_err(wrong)?;
        let config = ModelConfig::parse(path, file.config.to_string().as_bytes())?;
        Ok(Preset {
            title: file.title,
            source: file.source,
            config,
            reported: file.reported,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_opens_without_remarks() {
        for name in names() {
            let preset = Preset::find(name).unwrap();
            assert_eq!(preset.config.remarks, [""; 0], "{name}");
        }
    }
}
