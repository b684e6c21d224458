//! What a cache file was made from.
//!
//! A SHA-256 over the format's version, what was made, the configuration, and of each weight file the name,
//! length, time of the last change, header and a sample of the data: 4 KiB from each of 64 places. The
//! folder does not count, so a checkpoint may move.

use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::format::VERSION;
use crate::checkpoint::files::{TensorFiles, WeightFile, INDEX};
use crate::checkpoint::{CheckpointError, Source};

/// Places of a weight file that are sampled.
const SAMPLES: usize = 64;

/// Bytes of a sample.
const SAMPLE_BYTES: usize = 4096;

/// Name of one state of a checkpoint and of what is made from it: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// The key of what `made` describes, out of an opened checkpoint.
    pub fn of(source: &Source, files: &TensorFiles, made: &str) -> Result<Self, CheckpointError> {
        let mut inputs = Inputs(Sha256::new());
        inputs.add(&VERSION.to_le_bytes());
        inputs.add(made.as_bytes());
        inputs.add(&source.read("config.json")?);
        inputs.add(&source.read_optional(INDEX)?.unwrap_or_default());
        for file in files.files() {
            inputs.add_file(file);
        }
        Ok(Key(inputs.0.finalize().iter().fold(
            String::new(),
            |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            },
        )))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

struct Inputs(Sha256);

impl Inputs {
    /// Adds bytes with their length, so that none move from one input to the next unseen.
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn add_file(&mut self, file: &WeightFile) {
        let bytes = file.bytes();
        let name = file.path().file_name().unwrap_or_default();
        self.add(name.as_encoded_bytes());
        self.add(&(bytes.len() as u64).to_le_bytes());
        // A time before 1970 counts as none; the rest still tells states apart.
        let changed = file
            .modified()
            .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        self.add(&changed.map_or(0, |t| t.as_nanos()).to_le_bytes());
        let (header, data) = bytes.split_at(file.header_bytes());
        self.add(header);
        if data.len() <= SAMPLES * SAMPLE_BYTES {
            return self.add(data);
        }
        let last = data.len() - SAMPLE_BYTES;
        for i in 0..SAMPLES {
            // The first and the last bytes are among them.
            let start = (last as u128 * i as u128 / (SAMPLES - 1) as u128) as usize;
            self.add(&data[start..start + SAMPLE_BYTES]);
        }
    }
}
