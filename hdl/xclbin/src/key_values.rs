//! Key-values: `{"key_values": [{"key": "..", "value": ".."}]}`, as `xclbinutil --key-value USER:..` writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::ReadError;

#[derive(Serialize, Deserialize)]
struct Section {
    key_values: List,
}

/// `xclbinutil` writes an empty list as an empty text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum List {
    Pairs(Vec<Pair>),
    Empty(String),
}

#[derive(Serialize, Deserialize)]
struct Pair {
    key: String,
    value: String,
}

/// Reads the section; where a key is there twice, the later one counts.
pub fn read(data: &[u8]) -> Result<BTreeMap<String, String>, ReadError> {
    let end = data
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |last| last + 1);
    if end == 0 {
        return Ok(BTreeMap::new());
    }
    let section: Section =
        serde_json::from_slice(&data[..end]).map_err(|e| ReadError::KeyValues(format!("{e}")))?;
    Ok(match section.key_values {
        List::Pairs(pairs) => pairs.into_iter().map(|p| (p.key, p.value)).collect(),
        List::Empty(_) => BTreeMap::new(),
    })
}

/// Writes the section.
pub fn write(key_values: &BTreeMap<String, String>) -> Vec<u8> {
    let pairs = key_values.iter().map(|(key, value)| Pair {
        key: key.clone(),
        value: value.clone(),
    });
    let section = Section {
        key_values: List::Pairs(pairs.collect()),
    };
    serde_json::to_vec(&section).expect("texts are JSON")
}
