//! The bytes of a cache file. Integers are little endian.
//!
//! | place | bytes | what |
//! |---|---|---|
//! | 0 | 8 | [`MAGIC`] |
//! | 8 | 4 | [`VERSION`] |
//! | 12 | 4 | zero |
//! | a multiple of 4096 | any | a section; the next multiple of 4096, the next one |
//! | behind the last section | any | the [`Index`], JSON |
//! | end - 40 | 8 | place of the index |
//! | end - 32 | 8 | its bytes |
//! | end - 24 | 8 | its XXH3-64 |
//! | end - 16 | 8 | bytes of the file |
//! | end - 8 | 8 | [`MAGIC`] |
//!
//! Bytes between header, sections and index are zero. So a file is written in one pass, a mapped
//! section is aligned for any kernel, and no byte can change unnoticed: the sections have an XXH3-64 for
//! each block of [`BLOCK_BYTES`], which are compared in parallel.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

/// Begins and ends a file.
pub const MAGIC: [u8; 8] = *b"TERCETW\n";

/// Version of this table.
pub const VERSION: u32 = 1;

/// Sections begin at multiples of this many bytes: a page.
pub const ALIGNMENT: u64 = 4096;

/// Bytes of a section that share a checksum; the last block of a section may be shorter.
pub const BLOCK_BYTES: usize = 4 << 20;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 16;

/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 40;

/// What is where.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// What the file was made from: see [`super::key`].
    pub key: String,
    /// In the order of their places.
    pub sections: Vec<Entry>,
}

/// A section.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name; no other section has it.
    pub name: String,
    /// Whatever its writer says about it.
    pub metadata: Value,
    /// Its place.
    pub offset: u64,
    /// Its length, without the zeros behind it.
    pub bytes: u64,
    /// XXH3-64 of its blocks.
    pub xxh3: Vec<u64>,
}

/// A file that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it holds.
    pub found: String,
    /// What it should hold.
    pub expected: String,
}

impl Damage {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Damage {
            found: found.into(),
            expected: expected.into(),
        }
    }
}

/// First bytes of a file.
pub fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// Last bytes of a file with `index` at `offset`.
pub fn trailer(offset: u64, index: &[u8]) -> [u8; TRAILER_BYTES] {
    let bytes = index.len() as u64;
    let total = offset + bytes + TRAILER_BYTES as u64;
    let mut trailer = [0; TRAILER_BYTES];
    let words = [offset, bytes, xxh3_64(index), total];
    for (place, word) in trailer.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    trailer[32..].copy_from_slice(&MAGIC);
    trailer
}

/// The index of a whole file whose every byte is as it was written.
pub fn check(file: &[u8], key: &str) -> Result<Index, Damage> {
    if file.len() < HEADER_BYTES + TRAILER_BYTES {
        let least = HEADER_BYTES + TRAILER_BYTES;
        return Err(Damage::new(
            format!("{} bytes", file.len()),
            format!("at least {least}"),
        ));
    }
    if file[..HEADER_BYTES] != header() {
        return Err(Damage::new(
            "another header",
            format!("a weight cache file of version {VERSION}"),
        ));
    }
    let (rest, found) = file.split_at(file.len() - TRAILER_BYTES);
    let word = |i: usize| u64::from_le_bytes(found[8 * i..8 * i + 8].try_into().expect("8 bytes"));
    let place = usize::try_from(word(0)).ok();
    let text = place
        .and_then(|place| rest.get(place..))
        .ok_or_else(|| Damage::new("an index out of place", "one within the file"))?;
    if found != trailer(word(0), text) {
        return Err(Damage::new(
            "another checksum or length",
            "those of the index",
        ));
    }
    let index: Index = serde_json::from_slice(text)
        .map_err(|e| Damage::new(e.to_string(), "an index of sections"))?;
    if index.key != key {
        return Err(Damage::new(
            format!("key {}", index.key),
            format!("key {key}"),
        ));
    }
    check_gaps(rest, &index, word(0))?;
    check_blocks(rest, &index)?;
    Ok(index)
}

/// Sections follow each other as the table says, with zeros between them.
fn check_gaps(file: &[u8], index: &Index, index_offset: u64) -> Result<(), Damage> {
    let mut end = HEADER_BYTES as u64;
    for entry in &index.sections {
        let after = entry.offset.checked_add(entry.bytes);
        let blocks = entry.bytes.div_ceil(BLOCK_BYTES as u64);
        if entry.offset != end.next_multiple_of(ALIGNMENT)
            || after.is_none_or(|after| after > index_offset)
            || entry.xxh3.len() as u64 != blocks
        {
            let found = format!(
                "{} bytes of section `{}` at {}",
                entry.bytes, entry.name, entry.offset
            );
            return Err(Damage::new(found, "sections one after another"));
        }
        let gap = &file[end as usize..entry.offset as usize];
        if gap.iter().any(|&b| b != 0) {
            let found = format!("other bytes before section `{}`", entry.name);
            return Err(Damage::new(found, "zeros"));
        }
        end = entry.offset + entry.bytes;
    }
    match end == index_offset {
        true => Ok(()),
        false => Err(Damage::new(
            format!("an index at {index_offset}"),
            format!("one at {end}, behind the sections"),
        )),
    }
}

/// Every block has its checksum.
fn check_blocks(file: &[u8], index: &Index) -> Result<(), Damage> {
    let blocks: Vec<(&Entry, Range<usize>, u64)> = index
        .sections
        .iter()
        .flat_map(|entry| {
            let end = (entry.offset + entry.bytes) as usize;
            let starts = (entry.offset as usize..end).step_by(BLOCK_BYTES);
            starts
                .zip(&entry.xxh3)
                .map(move |(start, &sum)| (entry, start..end.min(start + BLOCK_BYTES), sum))
        })
        .collect();
    let damaged = blocks
        .into_par_iter()
        .find_any(|(_, range, sum)| xxh3_64(&file[range.clone()]) != *sum);
    match damaged {
        None => Ok(()),
        Some((entry, range, _)) => Err(Damage::new(
            format!("another checksum at {range:?}"),
            format!("that of section `{}`", entry.name),
        )),
    }
}
