//! Ternary linears on their way into a model: out of the weight cache, or packed from the checkpoint.
//!
//! | section | metadata | bytes |
//! |---|---|---|
//! | name of a ternary weight | `LinearFacts` | its lines as [`PackedTrits`] holds them |
//! | `FINITE` | names of dense matrices without NaN and infinity | none |
//!
//! A file for the cache is written linear by linear and then mapped, so no more than one is held twice.

use std::vec;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LinearId, LinearKind, ScaleRule, TernaryLinear};
use crate::checkpoint::config::{LinearClass, Quantization};
use crate::checkpoint::files::TensorFiles;
use crate::checkpoint::weights::{ternary_linear, DenseMatrix};
use crate::checkpoint::{CheckpointError, Config, Source};
use crate::kernel::matrix::{Order, TernaryMatrix};
use crate::kernel::packed::{PackedTrits, CHUNK_BYTES, CHUNK_WEIGHTS};
use crate::weight_cache::format::ALIGNMENT;
use crate::weight_cache::{CacheError, CachePolicy, Key, Reader, WeightFolder};

/// What is made here, for [`Key::of`]; to be changed with the packing of [`PackedTrits`] and the order of the
/// linears.
const MADE: &str = "ternary linears, two bits a weight, 1";

/// Section that tells which dense matrices were checked.
const FINITE: &str = "finite";

/// Where the ternary weights came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheUse {
    /// Packed from the checkpoint, and not kept.
    #[default]
    None,
    /// Packed from the checkpoint, and kept.
    Written,
    /// Out of the weight cache.
    Read,
}

/// How a model was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Where the ternary weights came from.
    pub cache: CacheUse,
    /// What a user should know, a sentence each. Nothing of it is an error.
    pub remarks: Vec<String>,
}

/// Metadata of a ternary linear.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LinearFacts {
    order: Order,
    n: usize,
    k: usize,
    rule: ScaleRule,
    /// The scale as IEEE single.
    scale_bits: u32,
}

/// The linears of one checkpoint.
pub struct Linears<'a> {
    source: &'a Source,
    config: &'a Config,
    quantization: Quantization,
    files: &'a TensorFiles,
    /// Where a file is to be kept: one was asked for, and there is none.
    place: Option<(WeightFolder, Key)>,
    /// Those out of a file, in the order of `ids`.
    ready: Option<vec::IntoIter<TernaryLinear>>,
    /// Dense matrices that are known to be finite.
    finite: Vec<String>,
    report: LoadReport,
}

impl<'a> Linears<'a> {
    /// Looks for a file in the cache that `policy` names.
    pub fn open(
        source: &'a Source,
        config: &'a Config,
        quantization: Quantization,
        files: &'a TensorFiles,
        policy: &CachePolicy,
    ) -> Result<Self, CheckpointError> {
        let mut linears = Linears {
            source,
            config,
            quantization,
            files,
            place: None,
            ready: None,
            finite: Vec::new(),
            report: LoadReport::default(),
        };
        linears.find(policy)?;
        Ok(linears)
    }

    fn find(&mut self, policy: &CachePolicy) -> Result<(), CheckpointError> {
        // What is inside the program is small, and nothing outside it is its state.
        if *self.source == Source::Embedded {
            return Ok(());
        }
        let folder = match WeightFolder::of(policy) {
            Ok(Some(folder)) => folder,
            Ok(None) => return Ok(()),
            Err(e) => {
                self.remark(e);
                return Ok(());
            }
        };
        let key = Key::of(self.source, self.files, MADE)?;
        let found = folder.find(&key).and_then(|reader| {
            let taken = reader.map(|reader| self.take(&reader, &folder, &key));
            taken.transpose()
        });
        match found {
            Ok(Some((ready, finite))) => {
                self.ready = Some(ready.into_iter());
                self.finite = finite;
                self.report.cache = CacheUse::Read;
            }
            Ok(None) => self.place = Some((folder, key)),
            Err(e) => {
                self.remark(e);
                self.place = Some((folder, key));
            }
        }
        Ok(())
    }

    fn remark(&mut self, e: CacheError) {
        self.report.remarks.push(e.to_string());
    }

    /// A dense matrix, checked unless the cache says that it was.
    pub fn dense(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<DenseMatrix, CheckpointError> {
        if self.finite.iter().any(|finite| finite == name) {
            return DenseMatrix::find(self.files, name, rows, columns);
        }
        let matrix = DenseMatrix::load(self.files, name, rows, columns)?;
        self.finite.push(name.to_string());
        Ok(matrix)
    }

    /// Keeps what has been checked and all linears in the cache, if that was asked for and is not done.
    pub fn keep(&mut self) -> Result<(), CheckpointError> {
        let Some((folder, key)) = self.place.take() else {
            return Ok(());
        };
        match self.write(&folder, &key) {
            Ok(ready) => self.ready = Some(ready.into_iter()),
            Err(WriteError::Checkpoint(e)) => return Err(e),
            Err(WriteError::Cache(e)) => self.remark(e),
        }
        Ok(())
    }

    fn write(
        &mut self,
        folder: &WeightFolder,
        key: &Key,
    ) -> Result<Vec<TernaryLinear>, WriteError> {
        let mut writer = folder.begin(key, file_bytes(self.config))?;
        writer.section(FINITE, &self.finite, |_| Ok(()))?;
        for id in ids(self.config) {
            let linear = self.pack(id)?;
            let facts = self.facts(id, linear.scale());
            writer.section(&id.weight_name(), facts, |out| {
                out.write_all(linear.weights().lines().as_bytes())
            })?;
        }
        let (reader, problem) = writer.finish()?;
        let (ready, _) = self.take(&reader, folder, key)?;
        match problem {
            None => self.report.cache = CacheUse::Written,
            Some(e) => self.remark(e),
        }
        Ok(ready)
    }

    /// The next linear in the order of `ids`, which is `id`.
    pub fn next(&mut self, id: LinearId) -> Result<TernaryLinear, CheckpointError> {
        match &mut self.ready {
            Some(ready) => Ok(ready.next().expect("a file holds every linear")),
            None => self.pack(id),
        }
    }

    /// What is to be told about the loading.
    pub fn report(self) -> LoadReport {
        self.report
    }

    /// A linear out of the checkpoint.
    fn pack(&self, id: LinearId) -> Result<TernaryLinear, CheckpointError> {
        let (n, k) = self.config.linear_shape(id.kind);
        let order = self.config.order(id.kind);
        ternary_linear(
            self.files,
            self.quantization,
            &id.weight_name(),
            order,
            n,
            k,
        )
    }

    /// What the configuration says of a linear.
    fn facts(&self, id: LinearId, scale: f32) -> LinearFacts {
        let (n, k) = self.config.linear_shape(id.kind);
        LinearFacts {
            order: self.config.order(id.kind),
            n,
            k,
            rule: match self.quantization.linear_class {
                LinearClass::AutoBitLinear => ScaleRule::Multiply,
                LinearClass::BitLinear => ScaleRule::Divide,
            },
            scale_bits: scale.to_bits(),
        }
    }

    /// All linears of a file, and the dense matrices that were checked when it was written.
    fn take(
        &self,
        reader: &Reader,
        folder: &WeightFolder,
        key: &Key,
    ) -> Result<(Vec<TernaryLinear>, Vec<String>), CacheError> {
        let damaged = |section: &str, found: Option<&Value>| CacheError::Damaged {
            path: folder.path(key),
            found: found.map_or("nothing".into(), Value::to_string),
            expected: format!("section `{section}` as the configuration says"),
        };
        let finite = reader.section(FINITE).map(|(metadata, _)| metadata);
        let finite = finite
            .and_then(|names| Vec::deserialize(names).ok())
            .ok_or_else(|| damaged(FINITE, finite))?;
        let linears = ids(self.config).map(|id| {
            let name = id.weight_name();
            let section = reader.section(&name);
            let metadata = section.as_ref().map(|(metadata, _)| *metadata);
            let linear = section.and_then(|(metadata, bytes)| {
                let facts = LinearFacts::deserialize(metadata).ok()?;
                let scale = f32::from_bits(facts.scale_bits);
                let sound = scale.is_finite() && scale > 0.0;
                if !sound || facts != self.facts(id, scale) {
                    return None;
                }
                let (n, k) = match facts.order {
                    Order::Rows => (facts.n, facts.k),
                    Order::Columns => (facts.k, facts.n),
                };
                let lines = PackedTrits::from_mapped(n, k, bytes)?;
                let weights = TernaryMatrix::new(facts.order, lines);
                Some(TernaryLinear::new(weights, scale, facts.rule))
            });
            linear.ok_or_else(|| damaged(&name, metadata))
        });
        Ok((linears.collect::<Result<_, _>>()?, finite))
    }
}

/// Every linear of a model, in the order they are loaded.
fn ids(config: &Config) -> impl Iterator<Item = LinearId> {
    (0..config.num_hidden_layers)
        .flat_map(|block| LinearKind::ALL.map(|kind| LinearId { block, kind }))
}

/// Bytes of a file, about; a configuration may ask for more than there can be.
fn file_bytes(config: &Config) -> u64 {
    let section = |kind| {
        let (n, k) = config.linear_shape(kind);
        let (lines, length) = match config.order(kind) {
            Order::Rows => (n, k),
            Order::Columns => (k, n),
        };
        let line = length.div_ceil(CHUNK_WEIGHTS).saturating_mul(CHUNK_BYTES);
        let bytes = lines.saturating_mul(line) as u64;
        bytes.saturating_add(ALIGNMENT)
    };
    let block = LinearKind::ALL.map(section);
    let block = block.into_iter().fold(0, u64::saturating_add);
    block.saturating_mul(config.num_hidden_layers as u64)
}

/// Why a file was not written.
enum WriteError {
    Checkpoint(CheckpointError),
    Cache(CacheError),
}

impl From<CheckpointError> for WriteError {
    fn from(e: CheckpointError) -> Self {
        WriteError::Checkpoint(e)
    }
}

impl From<CacheError> for WriteError {
    fn from(e: CacheError) -> Self {
        WriteError::Cache(e)
    }
}

#[cfg(test)]
mod tests;
