//! Safetensors files, mapped into memory: one file, or shards named by an index.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use memmap2::Mmap;
use safetensors::tensor::Metadata;
use safetensors::Dtype;
use serde::Deserialize;
use serde_json::Value;

use super::{CheckpointError, Source};
use crate::embedded;

const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Bytes before the header: its length, little endian.
const LENGTH_BYTES: usize = 8;

/// Content of a weight file.
pub(crate) enum Bytes {
    Mapped(Mmap),
    Static(&'static [u8]),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Static(bytes) => bytes,
        }
    }
}

impl Bytes {
    /// Takes the pages of a range out of memory; whoever reads them again gets them from the file again.
    pub(crate) fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Bytes::Mapped(map) = self {
            use memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the map is of a file and read-only, so no page holds anything but what the file
            // does; a page read again is the same.
            let advised = unsafe { map.unchecked_advise_range(DontNeed, range.start, range.len()) };
            // Only memory is at stake: where the advice is not taken, the pages stay.
            let _ = advised;
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}

/// A weight file.
pub(crate) struct WeightFile {
    path: PathBuf,
    bytes: Arc<Bytes>,
    /// Bytes before the data.
    header_bytes: usize,
    /// Last change before it was mapped, where the system tells.
    modified: Option<SystemTime>,
}

impl WeightFile {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// Bytes before the data of its tensors.
    pub fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// When it was last changed.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }
}

/// Where a tensor lies.
struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Range<usize>,
}

/// All tensors of a checkpoint.
pub struct TensorFiles {
    /// The single file or the index, for messages about missing tensors.
    root: PathBuf,
    files: Vec<WeightFile>,
    entries: BTreeMap<String, Entry>,
}

/// One stored tensor.
pub struct Tensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Its shape; the product times the element size is the length of `data`.
    pub shape: &'a [usize],
    /// Its bytes, little endian, not necessarily aligned.
    pub data: &'a [u8],
    file: &'a WeightFile,
    range: Range<usize>,
}

impl TensorFiles {
    /// Maps the weight files of a checkpoint and checks their headers.
    pub fn open(source: &Source) -> Result<Self, CheckpointError> {
        if let Some(index) = source.read_optional(INDEX)? {
            return Self::open_sharded(source, &index);
        }
        let path = source.path(SINGLE);
        let bytes = match source {
            Source::Embedded => {
                let bytes = embedded::file(SINGLE).unwrap_or_default();
                (Bytes::Static(bytes), None)
            }
            Source::Folder(folder) if !path.exists() && folder.is_dir() => {
                return Err(CheckpointError::NoWeights {
                    folder: folder.clone(),
                })
            }
            Source::Folder(_) => map(&path)?,
        };
        let mut files = TensorFiles {
            root: path.clone(),
            files: Vec::new(),
            entries: BTreeMap::new(),
        };
        for (name, entry) in files.add(path, bytes)? {
            files.entries.insert(name, entry);
        }
        Ok(files)
    }

    /// Opens one safetensors file by its path.
    pub fn open_file(path: &Path) -> Result<Self, CheckpointError> {
        let mut files = TensorFiles {
            root: path.to_path_buf(),
            files: Vec::new(),
            entries: BTreeMap::new(),
        };
        let entries = files.add(path.to_path_buf(), map(path)?)?;
        files.entries.extend(entries);
        Ok(files)
    }

    fn open_sharded(source: &Source, index: &[u8]) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let root = source.path(INDEX);
        let index: Index = serde_json::from_slice(index).map_err(|e| CheckpointError::Format {
            path: root.clone(),
            found: e.to_string(),
            expected: "a JSON object with `weight_map`: tensor name to file name".into(),
        })?;
        let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in &index.weight_map {
            shards.entry(file).or_default().push(tensor);
        }
        let mut files = TensorFiles {
            root: root.clone(),
            files: Vec::new(),
            entries: BTreeMap::new(),
        };
        for (file, tensors) in shards {
            if file.is_empty() || Path::new(file).file_name() != Some(file.as_ref()) {
                return Err(CheckpointError::Field {
                    path: root,
                    field: format!("weight_map.{}", tensors[0]),
                    found: format!("{file:?}"),
                    expected: "a file name in the same folder".into(),
                });
            }
            let path = source.path(file);
            let mut found = files.add(path.clone(), map(&path)?)?;
            for tensor in tensors {
                let entry = found
                    .remove(tensor)
                    .ok_or_else(|| CheckpointError::MissingTensor {
                        path: path.clone(),
                        tensor: tensor.to_string(),
                        expected: format!("here, as {INDEX} says"),
                    })?;
                files.entries.insert(tensor.to_string(), entry);
            }
        }
        Ok(files)
    }

    fn add(
        &mut self,
        path: PathBuf,
        (bytes, modified): (Bytes, Option<SystemTime>),
    ) -> Result<HashMap<String, Entry>, CheckpointError> {
        let (header_bytes, entries) = read_header(&path, bytes.as_ref(), self.files.len())?;
        self.files.push(WeightFile {
            path,
            bytes: Arc::new(bytes),
            header_bytes,
            modified,
        });
        Ok(entries)
    }

    /// A tensor, if it is there.
    pub fn get(&self, name: &str) -> Option<Tensor<'_>> {
        let (name, entry) = self.entries.get_key_value(name)?;
        let file = &self.files[entry.file];
        Some(Tensor {
            name,
            dtype: entry.dtype,
            shape: &entry.shape,
            data: &(*file.bytes).as_ref()[entry.bytes.clone()],
            file,
            range: entry.bytes.clone(),
        })
    }

    /// A tensor that must be there; `expected` says what it should be.
    pub fn require(
        &self,
        name: &str,
        expected: impl Into<String>,
    ) -> Result<Tensor<'_>, CheckpointError> {
        self.get(name)
            .ok_or_else(|| CheckpointError::MissingTensor {
                path: self.root.clone(),
                tensor: name.to_string(),
                expected: expected.into(),
            })
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The weight files, sorted by name.
    pub(crate) fn files(&self) -> impl Iterator<Item = &WeightFile> {
        self.files.iter()
    }

    /// The single weight file or the index.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Tensor<'_> {
    /// The file it lies in.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The mapped file and the place in it, to keep beyond the borrow.
    pub(crate) fn keep(&self) -> (Arc<Bytes>, Range<usize>) {
        (Arc::clone(&self.file.bytes), self.range.clone())
    }

    /// Takes the tensor out of memory until it is read again.
    pub(crate) fn release(&self) {
        self.file.bytes.release(self.range.clone());
    }

    /// An error about this tensor.
    pub fn wrong(&self, found: impl Into<String>, expected: impl Into<String>) -> CheckpointError {
        CheckpointError::Tensor {
            path: self.file.path.clone(),
            tensor: self.name.to_string(),
            found: found.into(),
            expected: expected.into(),
        }
    }
}

/// The content of a file, and when that was last changed.
fn map(path: &Path) -> Result<(Bytes, Option<SystemTime>), CheckpointError> {
    let io = || CheckpointError::io(path);
    let file = File::open(path).map_err(io())?;
    let metadata = file.metadata().map_err(io())?;
    let unusable = match metadata.is_file() {
        _ if metadata.is_dir() => Some("a folder"),
        false => Some("no ordinary file"),
        true => (metadata.len() == 0).then_some("an empty file"),
    };
    if let Some(found) = unusable {
        return Err(CheckpointError::Format {
            path: path.to_path_buf(),
            found: found.into(),
            expected: "a safetensors file".into(),
        });
    }
    // SAFETY: the map is read-only and private to this process. A file that another process cuts
    // short while it is mapped would fault; that is the known price of mapping checkpoints.
    let map = unsafe { Mmap::map(&file) }.map_err(io())?;
    Ok((Bytes::Mapped(map), metadata.modified().ok()))
}

/// Where the data of a file begins, and the places of all its tensors; every range lies within `bytes`.
fn read_header(
    path: &Path,
    bytes: &[u8],
    file: usize,
) -> Result<(usize, HashMap<String, Entry>), CheckpointError> {
    let wrong = |found: String, expected: String| CheckpointError::Format {
        path: path.to_path_buf(),
        found,
        expected,
    };
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(wrong(
            format!("{} bytes", bytes.len()),
            format!("at least {LENGTH_BYTES}, the length of a safetensors header"),
        ));
    };
    let length = u64::from_le_bytes(*length);
    let Some((header, data)) = usize::try_from(length)
        .ok()
        .and_then(|l| rest.split_at_checked(l))
    else {
        return Err(wrong(
            format!("a header of {length} bytes in a file of {}", bytes.len()),
            "a header within the file".into(),
        ));
    };
    let metadata: Metadata = serde_json::from_slice(header).map_err(|e| {
        tensor_out_of_place(path, header)
            .unwrap_or_else(|| wrong(e.to_string(), "a safetensors header".into()))
    })?;
    if metadata.data_len() != data.len() {
        return Err(wrong(
            format!("{} bytes of tensors", data.len()),
            format!("{}, as the header says", metadata.data_len()),
        ));
    }
    let start = bytes.len() - data.len();
    let entries = metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let (from, to) = info.data_offsets;
            let entry = Entry {
                file,
                dtype: info.dtype,
                shape: info.shape.clone(),
                bytes: start + from..start + to,
            };
            (name, entry)
        })
        .collect();
    Ok((start, entries))
}

/// The first tensor whose offsets leave a gap, overlap or do not fit its shape, to name it.
fn tensor_out_of_place(path: &Path, header: &[u8]) -> Option<CheckpointError> {
    let header: HashMap<String, Value> = serde_json::from_slice(header).ok()?;
    let mut tensors = Vec::new();
    for (name, info) in &header {
        if name == "__metadata__" {
            continue;
        }
        let offset = |i: usize| info["data_offsets"][i].as_u64();
        let dtype: Option<Dtype> = serde_json::from_value(info["dtype"].clone()).ok();
        let shape: Option<Vec<u64>> = serde_json::from_value(info["shape"].clone()).ok();
        let (Some(from), Some(to), Some(dtype), Some(shape)) = (offset(0), offset(1), dtype, shape)
        else {
            return Some(CheckpointError::Tensor {
                path: path.to_path_buf(),
                tensor: name.clone(),
                found: info.to_string(),
                expected: "dtype, shape and data_offsets".into(),
            });
        };
        tensors.push((from, to, name, dtype, shape));
    }
    tensors.sort_by_key(|t| (t.0, t.1));
    let mut end = 0;
    for (from, to, name, dtype, shape) in tensors {
        let wrong = |found: String, expected: String| {
            Some(CheckpointError::Tensor {
                path: path.to_path_buf(),
                tensor: name.clone(),
                found,
                expected,
            })
        };
        if from != end || to < from {
            return wrong(
                format!("data offsets {from}..{to}"),
                format!("a start at {end}: tensors follow each other without gap or overlap"),
            );
        }
        let elements = shape.iter().copied().try_fold(1u64, u64::checked_mul);
        let bits = elements.and_then(|e| e.checked_mul(dtype.bitsize() as u64));
        let Some(bytes) = bits.map(|b| b / 8) else {
            return wrong(
                format!("{dtype:?} {shape:?}"),
                "a size below 2^61 bytes".into(),
            );
        };
        if bytes != to - from {
            return wrong(
                format!("{} bytes", to - from),
                format!("{bytes}, the size of {dtype:?} {shape:?}"),
            );
        }
        end = to;
    }
    None
}
