//! A cache file in memory; every byte has been checked.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use serde_json::Value;

use super::format::{self, Damage};
use super::CacheError;
use crate::mapped::MappedBytes;

/// Sections of a file.
pub struct Reader {
    sections: HashMap<String, (Value, MappedBytes)>,
}

impl Reader {
    /// Reads a file, called `path` in errors, and checks that it is whole and of this key.
    pub(super) fn map(file: &File, path: &Path, key: &str) -> Result<Self, CacheError> {
        let bytes = MappedBytes::of(file).map_err(CacheError::io(path))?;
        let index = format::check(&bytes, key).map_err(|damage| damaged(path, damage))?;
        let sections = index.sections.into_iter().map(|entry| {
            let range = entry.offset as usize..(entry.offset + entry.bytes) as usize;
            (entry.name, (entry.metadata, bytes.part(range)))
        });
        Ok(Reader {
            sections: sections.collect(),
        })
    }

    /// Metadata and bytes of a section; the bytes begin at a multiple of 4096 in memory.
    pub fn section(&self, name: &str) -> Option<(&Value, MappedBytes)> {
        let (metadata, bytes) = self.sections.get(name)?;
        Some((metadata, bytes.clone()))
    }
}

fn damaged(path: &Path, damage: Damage) -> CacheError {
    CacheError::Damaged {
        path: path.to_path_buf(),
        found: damage.found,
        expected: damage.expected,
    }
}
