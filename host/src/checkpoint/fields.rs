//! Typed access to the fields of a JSON file, with errors that name file and field.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::CheckpointError;

/// Typed access to a JSON object; null counts as absent.
pub(crate) struct Fields {
    path: PathBuf,
    map: Map<String, Value>,
}

impl Fields {
    /// The object in the text of a file; `path` is for messages.
    pub(crate) fn parse(path: &Path, json: &[u8]) -> Result<Self, CheckpointError> {
        let value: Value = serde_json::from_slice(json).map_err(|e| CheckpointError::Format {
            path: path.to_path_buf(),
            found: if json.is_empty() {
                "an empty file".into()
            } else {
                e.to_string()
            },
            expected: "a JSON object".into(),
        })?;
        match value {
            Value::Object(map) => Ok(Fields {
                path: path.to_path_buf(),
                map,
            }),
            other => Err(CheckpointError::Format {
                path: path.to_path_buf(),
                found: kind(&other).into(),
                expected: "a JSON object".into(),
            }),
        }
    }

    /// A value, if there is one.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|v| !v.is_null())
    }

    /// Whether it is not written at all; null counts as written here.
    pub(crate) fn is_absent(&self, field: &str) -> bool {
        !self.map.contains_key(field)
    }

    /// An error about a field.
    pub(crate) fn wrong(
        &self,
        field: &str,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> CheckpointError {
        CheckpointError::Field {
            path: self.path.clone(),
            field: field.to_string(),
            found: found.to_string(),
            expected: expected.into(),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self, field: &str) -> Result<Option<usize>, CheckpointError> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        let integer = value.as_u64().and_then(|v| usize::try_from(v).ok());
        integer
            .map(Some)
            .ok_or_else(|| self.wrong(field, value, "a whole number, not negative"))
    }

    /// A whole number that is not 0.
    pub(crate) fn size(
        &self,
        field: &str,
        default: Option<usize>,
    ) -> Result<usize, CheckpointError> {
        match self.integer(field)?.or(default) {
            Some(0) => Err(self.wrong(field, 0, "at least 1")),
            Some(size) => Ok(size),
            None => Err(self.wrong(field, "nothing", "a whole number")),
        }
    }

    /// A number.
    pub(crate) fn number(&self, field: &str) -> Result<Option<f64>, CheckpointError> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        value
            .as_f64()
            .map(Some)
            .ok_or_else(|| self.wrong(field, value, "a number"))
    }

    /// A number above 0 that f32 can hold.
    pub(crate) fn positive(&self, field: &str, default: f64) -> Result<f64, CheckpointError> {
        let value = self.number(field)?.unwrap_or(default);
        if value > 0.0 && (value as f32).is_finite() && value as f32 > 0.0 {
            return Ok(value);
        }
        Err(self.wrong(field, value, "a positive number in f32 range"))
    }

    /// True or false; false if absent.
    pub(crate) fn flag(&self, field: &str) -> Result<bool, CheckpointError> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(field, other, "true or false")),
        }
    }

    /// A string.
    pub(crate) fn text(&self, field: &str) -> Result<Option<&str>, CheckpointError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, other, "a string")),
        }
    }

    /// One id or a list of ids.
    pub(crate) fn ids(&self, field: &str) -> Result<Vec<u32>, CheckpointError> {
        let id = |value: &Value| {
            let id = value.as_u64().and_then(|v| u32::try_from(v).ok());
            id.ok_or_else(|| self.wrong(field, value, "a token id or a list of them"))
        };
        match self.get(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(id).collect(),
            Some(value) => Ok(vec![id(value)?]),
        }
    }

    /// An object within this one.
    pub(crate) fn object(&self, field: &str) -> Result<Option<Fields>, CheckpointError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields {
                path: self.path.clone(),
                map: map.clone(),
            })),
            Some(other) => Err(self.wrong(field, kind(other), "an object")),
        }
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
