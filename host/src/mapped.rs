//! A range of a file that is in memory as pages of its own.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::{Mmap, MmapMut};

/// Some bytes of a file, page-aligned in memory; a clone is a handle on the same bytes.
#[derive(Clone)]
pub struct MappedBytes {
    map: Arc<Mmap>,
    range: Range<usize>,
}

impl MappedBytes {
    /// All of a file, in memory of its own that asks for huge pages: with small ones a core waits for page
    /// tables on its way through the weights, which costs up to a quarter of the bandwidth. Where huge
    /// pages cannot be had, small ones serve.
    #[cfg(unix)]
    pub fn of(file: &File) -> io::Result<Self> {
        use std::os::unix::fs::FileExt;

        use rayon::prelude::*;

        /// Bytes that a thread reads at once.
        const PART: usize = 8 << 20;

        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        if length == 0 {
            return Self::mapped(file);
        }
        let mut memory = MmapMut::map_anon(length)?;
        #[cfg(target_os = "linux")]
        // Only speed is at stake.
        let _ = memory.advise(memmap2::Advice::HugePage);
        memory
            .par_chunks_mut(PART)
            .enumerate()
            .try_for_each(|(i, part)| file.read_exact_at(part, (i * PART) as u64))?;
        Ok(Self::whole(memory.make_read_only()?))
    }

    /// All of a file, mapped.
    #[cfg(not(unix))]
    pub fn of(file: &File) -> io::Result<Self> {
        Self::mapped(file)
    }

    fn mapped(file: &File) -> io::Result<Self> {
        // SAFETY: the map is read-only. A file that another process cuts short while it is mapped would
        // fault, and one that is written into would change: files of the weight cache are replaced by
        // renames, never changed.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self::whole(map))
    }

    fn whole(map: Mmap) -> Self {
        let range = 0..map.len();
        let map = Arc::new(map);
        MappedBytes { map, range }
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
