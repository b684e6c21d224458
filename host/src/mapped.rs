//! A range of a file that is mapped into memory.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::Mmap;

/// Some bytes of a mapped file; a clone is a handle on the same bytes.
#[derive(Clone)]
pub struct MappedBytes {
    map: Arc<Mmap>,
    range: Range<usize>,
}

impl MappedBytes {
    /// Maps all of a file. Nothing may cut it short or write into it as long as the map is there: files of
    /// the weight cache are replaced by renames, never changed.
    pub fn of(file: &File) -> io::Result<Self> {
        // SAFETY: the map is read-only. A file that another process cuts short while it is mapped would
        // fault, and one that is written into would change: the known price of mapping.
        let map = unsafe { Mmap::map(file) }?;
        let range = 0..map.len();
        let map = Arc::new(map);
        Ok(MappedBytes { map, range })
    }

    /// A part of these bytes.
    ///
    /// # Panics
    /// If it is not within them.
    pub fn part(&self, part: Range<usize>) -> Self {
        assert!(
            part.start <= part.end && part.end <= self.range.len(),
            "bytes {part:?} of {}",
            self.range.len()
        );
        MappedBytes {
            map: Arc::clone(&self.map),
            range: self.range.start + part.start..self.range.start + part.end,
        }
    }
}

impl Deref for MappedBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }
}
