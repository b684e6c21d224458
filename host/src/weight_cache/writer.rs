//! Writing a cache file, section after section, without holding more than one.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use serde::Serialize;
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::Xxh3Default;

use super::format::{self, Entry, Index, ALIGNMENT, BLOCK_BYTES};
use super::{CacheError, Key, Reader};

/// A file on its way; dropped without [`Writer::finish`] it leaves nothing.
pub struct Writer {
    file: NamedTempFile,
    path: PathBuf,
    /// Bytes written.
    end: u64,
    index: Index,
}

impl Writer {
    /// A file that will stand at `path`; it is written at `file`, in the same folder.
    pub(super) fn new(file: NamedTempFile, path: PathBuf, key: &Key) -> Result<Self, CacheError> {
        let mut writer = Writer {
            file,
            path,
            end: 0,
            index: Index {
                key: key.as_str().to_string(),
                sections: Vec::new(),
            },
        };
        writer.put(&format::header())?;
        Ok(writer)
    }

    /// Writes a section: its bytes are what `write` writes.
    ///
    /// # Panics
    /// If there is a section of this name.
    pub fn section(
        &mut self,
        name: &str,
        metadata: impl Serialize,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CacheError> {
        let known = self.index.sections.iter().any(|s| s.name == name);
        assert!(!known, "two sections `{name}`");
        let metadata = serde_json::to_value(metadata)
            .map_err(io::Error::from)
            .map_err(CacheError::io(&self.path))?;
        let offset = self.end.next_multiple_of(ALIGNMENT);
        self.put(&[0; ALIGNMENT as usize][..(offset - self.end) as usize])?;
        let section = Blocks::new(self.file.as_file_mut());
        let mut buffered = BufWriter::new(section);
        let (bytes, xxh3) = write(&mut buffered)
            .and_then(|()| Ok(buffered.into_inner()?.finish()))
            .map_err(CacheError::io(&self.path))?;
        self.end += bytes;
        self.index.sections.push(Entry {
            name: name.to_string(),
            metadata,
            offset,
            bytes,
            xxh3,
        });
        Ok(())
    }

    /// Puts the file in its place and maps it. A file that cannot be moved there serves all the same, and is
    /// gone with its map: then the error says why.
    pub fn finish(mut self) -> Result<(Reader, Option<CacheError>), CacheError> {
        let index = serde_json::to_vec(&self.index)
            .map_err(io::Error::from)
            .map_err(CacheError::io(&self.path))?;
        let offset = self.end;
        self.put(&index)?;
        self.put(&format::trailer(offset, &index))?;
        let (file, problem) = match self.file.persist(&self.path) {
            Ok(file) => (file, None),
            Err(e) => (
                e.file.into_file(),
                Some(CacheError::io(&self.path)(e.error)),
            ),
        };
        let reader = Reader::map(&file, &self.path, &self.index.key)?;
        Ok((reader, problem))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        let written = self.file.as_file_mut().write_all(bytes);
        written.map_err(CacheError::io(&self.path))?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Counts and hashes what goes through.
struct Blocks<W> {
    out: W,
    bytes: u64,
    hash: Xxh3Default,
    xxh3: Vec<u64>,
}

impl<W: Write> Blocks<W> {
    fn new(out: W) -> Self {
        Blocks {
            out,
            bytes: 0,
            hash: Xxh3Default::new(),
            xxh3: Vec::new(),
        }
    }

    /// Bytes, and the checksums of their blocks.
    fn finish(mut self) -> (u64, Vec<u64>) {
        if !self.bytes.is_multiple_of(BLOCK_BYTES as u64) {
            self.xxh3.push(self.hash.digest());
        }
        (self.bytes, self.xxh3)
    }
}

impl<W: Write> Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let block = BLOCK_BYTES as u64;
        let left = (block - self.bytes % block) as usize;
        let written = self.out.write(&bytes[..left.min(bytes.len())])?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        if written > 0 && self.bytes.is_multiple_of(block) {
            self.xxh3.push(self.hash.digest());
            self.hash.reset();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
