//! TOML files that people write: parsed strictly, errors name file and line.

use std::ops::Range;

use serde::de::DeserializeOwned;

/// What is wrong in a TOML file, and where.
#[derive(Debug, thiserror::Error)]
#[error("{file} line {line}: {message}")]
pub struct TomlError {
    /// The file, as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// The text of a TOML file with its name, for errors.
pub struct TomlFile<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> TomlFile<'a> {
    /// A file called `file` with content `text`.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        TomlFile { file, text }
    }

    /// Parses the file.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, TomlError> {
        toml::from_str(self.text).map_err(|e| {
            let at = e.span().unwrap_or(0..0);
            self.error(at, e.message().to_string())
        })
    }

    /// An error at a place of the text.
    pub fn error(&self, at: Range<usize>, message: String) -> TomlError {
        let before = &self.text.as_bytes()[..at.start.min(self.text.len())];
        TomlError {
            file: self.file.to_string(),
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            message,
        }
    }
}
