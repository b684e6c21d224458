//! A waveform file: written under another name, checked, and renamed into place.
//!
//! Verilator's writer reports no errors. A file that it could not write whole, say on a full disk, is
//! found when its blocks are read back. Until then it is `<name>` in a hidden folder
//! `.<name>-<process>-*` beside its place. A run that is killed leaves that folder behind; the next
//! waveform of the same name removes it.
//!
//! The clock is drawn at 250 MHz: cycle `c` begins at `4 c` ns with the clock low, and its rising edge
//! is at `4 c + 2` ns.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::build::remove_abandoned_now;
use crate::error::SimError;

/// Nanoseconds of a clock cycle in waveforms: that of the shim.
pub const CYCLE_NS: u64 = 4;

/// Time of the rising edge in its cycle.
const EDGE_NS: u64 = CYCLE_NS / 2;

/// Clock cycles that a waveform shows, where it does not show all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceWindow {
    /// The first, counted from the start of the first launch or dispatch.
    pub from_cycle: u64,
    /// How many.
    pub cycles: u64,
}

/// A waveform being written.
pub struct Waveform {
    place: PathBuf,
    name: OsString,
    folder: TempDir,
}

impl Waveform {
    /// Prepares for a waveform that is to be at `place`.
    pub fn create(place: &Path) -> Result<Self, SimError> {
        let failed = |reason: String| failure(place, &reason);
        let name = place.file_name();
        let name = name.ok_or_else(|| failed("this is no file name".to_string()))?;
        if place.exists() && !place.is_file() {
            return Err(failed("there is something that is no file".to_string()));
        }
        let parent = place.parent().filter(|p| !p.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let prefix = format!(".{}-", name.to_string_lossy());
        remove_abandoned_now(parent, &prefix);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{prefix}{}-", std::process::id()))
            .tempdir_in(parent)
            .map_err(|e| failed(format!("cannot be created: {e}")))?;
        Ok(Waveform {
            place: place.to_path_buf(),
            name: name.to_os_string(),
            folder,
        })
    }

    /// Where to write.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Removes a waveform whose window was never reached.
    pub fn finish_empty(self) -> Result<(), SimError> {
        Err(failure(
            &self.place,
            "its window is empty: the simulation ended before the window's first cycle",
        ))
    }

    /// Puts the waveform, whose writing has ended, into its place. It must end with the cycle before
    /// `cycles`; one that is not whole is removed.
    pub fn finish(self, cycles: u64) -> Result<(), SimError> {
        let path = self.path();
        let until = (CYCLE_NS * cycles).saturating_sub(EDGE_NS);
        File::open(&path)
            .and_then(|file| {
                // Before the rename, so that late write errors are found.
                file.sync_all()?;
                check(file, until)
            })
            .map_err(|e| e.to_string())
            .and_then(|whole| whole)
            .map_err(|reason| {
                failure(
                    &self.place,
                    &format!(
                        "could not be written whole ({reason}); is the disk full? It was removed"
                    ),
                )
            })?;
        std::fs::rename(&path, &self.place)
            .map_err(|e| failure(&self.place, &format!("cannot be moved into place: {e}")))
    }
}

fn failure(place: &Path, reason: &str) -> SimError {
    SimError::Trace {
        path: place.to_path_buf(),
        reason: reason.to_string(),
    }
}

/// Block types of FST (gtkwave, fstapi.h).
mod block {
    pub const HEADER: u8 = 0;
    pub const GEOMETRY: u8 = 3;
    pub const HIERARCHY: [u8; 3] = [4, 6, 7];
    pub const VALUES: [u8; 3] = [1, 5, 8];
    pub const BLACKOUT: u8 = 2;
}

/// Bytes of the header block, its type excluded.
const HEADER_BYTES: u64 = 329;
/// Offset in the file of the time of the last change.
const END_TIME: usize = 17;
/// Offset in the file of the number of value blocks.
const VALUE_BLOCKS: usize = 65;

/// Whether an FST file is whole and reaches the time `until`. A block is a type in one byte, then its
/// length without that byte in eight (big-endian), then its content.
fn check(file: File, until: u64) -> std::io::Result<Result<(), String>> {
    let size = file.metadata()?.len();
    if size < 1 + HEADER_BYTES {
        return Ok(Err(format!("it has {size} bytes")));
    }
    let mut file = BufReader::new(file);
    let mut header = [0; 1 + HEADER_BYTES as usize];
    file.read_exact(&mut header)?;
    let number = |at: usize| u64::from_be_bytes(header[at..at + 8].try_into().expect("8 bytes"));
    if header[0] != block::HEADER || number(1) != HEADER_BYTES {
        return Ok(Err("its header is missing".to_string()));
    }
    if number(END_TIME) < until {
        let end = number(END_TIME);
        return Ok(Err(format!("it ends at {end} ns of {until}")));
    }

    let (mut values, mut geometries, mut hierarchies) = (0, 0, 0);
    let mut at = 1 + HEADER_BYTES;
    while at < size {
        let mut start = [0; 9];
        if size - at < start.len() as u64 {
            return Ok(Err(format!("byte {at} begins a block that is cut off")));
        }
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut start)?;
        let bytes = u64::from_be_bytes(start[1..].try_into().expect("8 bytes"));
        match start[0] {
            kind if block::VALUES.contains(&kind) => values += 1,
            kind if block::HIERARCHY.contains(&kind) => hierarchies += 1,
            block::GEOMETRY => geometries += 1,
            block::BLACKOUT => {}
            kind => return Ok(Err(format!("the block at byte {at} has type {kind}"))),
        }
        if bytes < 8 || bytes > size - at - 1 {
            return Ok(Err(format!("the block at byte {at} is cut off")));
        }
        at += 1 + bytes;
    }
    let expected = (number(VALUE_BLOCKS), 1, 1);
    Ok(if (values, geometries, hierarchies) == expected {
        Ok(())
    } else {
        Err(format!(
            "it has {values} blocks of values, {geometries} of geometry and {hierarchies} of hierarchy, \
             expected {expected:?}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut block = vec![kind];
        block.extend((content.len() as u64 + 8).to_be_bytes());
        block.extend(content);
        block
    }

    /// A file with the blocks of Verilator's writer and no meaning.
    fn fst(end: u64) -> Vec<u8> {
        let mut header = vec![0; HEADER_BYTES as usize - 8];
        header[END_TIME - 9..][..8].copy_from_slice(&end.to_be_bytes());
        header[VALUE_BLOCKS - 9..][..8].copy_from_slice(&2u64.to_be_bytes());
        [
            block(0, &header),
            block(8, &[1; 40]),
            block(8, &[2; 30]),
            block(3, &[3; 20]),
            block(6, &[4; 10]),
        ]
        .concat()
    }

    fn finish(bytes: &[u8], cycles: u64) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x.fst");
        let waveform = Waveform::create(&place).unwrap();
        std::fs::write(waveform.path(), bytes).unwrap();
        let finished = waveform.finish(cycles).map_err(|e| e.to_string());
        assert_eq!(place.exists(), finished.is_ok());
        let entries = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(entries, usize::from(finished.is_ok()), "leftovers");
        finished
    }

    #[test]
    fn whole_files_come_into_place() {
        assert_eq!(finish(&fst(398), 100), Ok(()));
        let text = finish(&fst(394), 100).unwrap_err();
        assert!(text.contains("394 ns of 398"), "{text}");
    }

    #[test]
    fn cut_files_are_removed_and_named() {
        let whole = fst(398);
        for bytes in 0..whole.len() {
            let text = finish(&whole[..bytes], 100).unwrap_err();
            assert!(text.contains("x.fst") && text.contains("whole"), "{text}");
        }
        let mut unfinished = whole.clone();
        unfinished[330] = 255;
        let text = finish(&unfinished, 100).unwrap_err();
        assert!(text.contains("type 255"), "{text}");
    }

    #[test]
    fn folders_and_devices_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for place in [folder.path(), Path::new("/dev/null")] {
            assert!(Waveform::create(place).is_err());
        }
    }

    #[test]
    fn what_a_killed_run_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".x.fst-4294967295-abc");
        let other = folder.path().join(".y.fst-4294967295-abc");
        for folder in [&left, &other] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("x.fst.hier"), "").unwrap();
        }
        let waveform = Waveform::create(&folder.path().join("x.fst")).unwrap();
        assert!(!left.exists() && other.exists());
        // Its own process runs.
        let second = Waveform::create(&folder.path().join("x.fst")).unwrap();
        assert!(waveform.folder.path().exists() && second.folder.path().exists());
    }
}
