//! The int8 copy of the output head on its way into a model: out of the weight cache, or made from the
//! stored one.
//!
//! | section | metadata | bytes |
//! |---|---|---|
//! | `ROWS` | `Facts` | scale and bounds of every row, little-endian f32 |
//! | `plane 0` to `plane 3` | none | its codes as [`PackedTrits`] holds them |
//!
//! The stored head is read block by block and let go of, and a written file is mapped in the place of
//! what was made, so that neither lies in memory beside the copy.

use serde::{Deserialize, Serialize};

use crate::checkpoint::files::TensorFiles;
use crate::checkpoint::weights::DenseMatrix;
use crate::checkpoint::{CheckpointError, Source};
use crate::kernel::packed::PackedTrits;
use crate::kernel::planes::{PlaneMatrix, PlaneRow, MAX_PLANES_K, PLANES};
use crate::kernel::Kernel;
use crate::weight_cache::{CacheError, CachePolicy, Key, Reader, WeightFolder};

/// What is made here, for [`Key::of`]; to be changed with the planes or their bounds.
const MADE: &str = "planes of the output head, 1";

/// Section of the rows.
const ROWS: &str = "rows";

/// Room for metadata and gaps between sections.
const SPARE_BYTES: u64 = 1 << 20;

/// Shape of the head.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    n: usize,
    k: usize,
}

/// The copy of `head`, which is a tensor of `files`; what a user should know goes to `remarks`.
pub fn head_copy(
    source: &Source,
    files: &TensorFiles,
    head: &DenseMatrix,
    policy: &CachePolicy,
    remarks: &mut Vec<String>,
) -> Result<PlaneMatrix, CheckpointError> {
    let hidden = head.columns();
    if hidden > MAX_PLANES_K {
        return Err(CheckpointError::Field {
            path: source.path("config.json"),
            field: "hidden_size".into(),
            found: hidden.to_string(),
            expected: format!(
                "at most {MAX_PLANES_K} for an int8 copy of the output head; the stored one has no limit"
            ),
        });
    }
    let made = || {
        // Checking the head has brought all of it into memory; it is read again block by block.
        head.release(0..head.rows());
        PlaneMatrix::new(Kernel::detect(), head)
    };
    let mut remark = |e: CacheError| remarks.push(e.to_string());
    let folder = match policy {
        _ if *source == Source::Embedded => None,
        policy => WeightFolder::of(policy).unwrap_or_else(|e| {
            remark(e);
            None
        }),
    };
    let Some(folder) = folder else {
        return Ok(made());
    };
    let key = Key::of(source, files, MADE)?;
    match folder.find(&key) {
        Ok(Some(reader)) => match read(&reader, head) {
            Some(copy) => return Ok(copy),
            None => remark(CacheError::Damaged {
                path: folder.path(&key),
                found: "another shape".into(),
                expected: format!("planes of [{}, {}]", head.rows(), head.columns()),
            }),
        },
        Ok(None) => {}
        Err(e) => remark(e),
    }
    match write(&folder, &key, made()) {
        Ok((reader, problem)) => {
            if let Some(e) = problem {
                remark(e);
            }
            Ok(read(&reader, head).unwrap_or_else(made))
        }
        Err(e) => {
            remark(e);
            Ok(made())
        }
    }
}

fn plane_name(plane: usize) -> String {
    format!("plane {plane}")
}

fn read(reader: &Reader, head: &DenseMatrix) -> Option<PlaneMatrix> {
    let (n, k) = (head.rows(), head.columns());
    let (facts, rows) = reader.section(ROWS)?;
    if Facts::deserialize(facts).ok()? != (Facts { n, k }) {
        return None;
    }
    let mut planes = Vec::new();
    for plane in 0..PLANES {
        let (_, bytes) = reader.section(&plane_name(plane))?;
        planes.push(PackedTrits::from_mapped(n, k, bytes)?);
    }
    PlaneMatrix::from_parts(planes.try_into().ok()?, PlaneRow::from_bytes(&rows)?)
}

fn write(
    folder: &WeightFolder,
    key: &Key,
    copy: PlaneMatrix,
) -> Result<(Reader, Option<CacheError>), CacheError> {
    let rows = PlaneRow::to_bytes(copy.rows());
    let bytes = rows.len() + PLANES * copy.n() * copy.row_bytes();
    let mut writer = folder.begin(key, bytes as u64 + SPARE_BYTES)?;
    let facts = Facts {
        n: copy.n(),
        k: copy.k(),
    };
    writer.section(ROWS, facts, |out| out.write_all(&rows))?;
    for plane in 0..PLANES {
        let codes = copy.plane(plane).as_bytes();
        writer.section(&plane_name(plane), (), |out| out.write_all(codes))?;
    }
    // The file takes its place in memory.
    drop(copy);
    writer.finish()
}
