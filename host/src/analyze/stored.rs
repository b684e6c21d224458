//! What the headers of a checkpoint say: tensors counted and classified by name, no weight read.

use std::collections::BTreeMap;

use safetensors::Dtype;

use super::error::{fits, AnalyzeError};
use super::parameters::{Blocks, ByType};
use super::tensors::Part;
use crate::checkpoint::files::TensorFiles;
use crate::checkpoint::packing::ROWS_PER_BYTE;
use crate::checkpoint::Source;

/// What a tensor is to a count of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Parameters of a part.
    Parameter(Part),
    /// The scale beside a ternary weight.
    WeightScale,
    /// Constants that an implementation stores: rotary frequencies, masks.
    Buffer,
}

/// Tensors whose names differ only in the number of the block.
#[derive(Clone, Debug)]
pub struct StoredTensors {
    /// What they are.
    pub kind: Kind,
    /// How many.
    pub count: u64,
    /// Weights of all; four in each byte of packed ternary ones.
    pub elements: u128,
    /// Bytes of all.
    pub bytes: u128,
    /// Type of the first.
    pub dtype: Dtype,
    /// Shape of the first, unpacked.
    pub shape: Vec<u64>,
    /// Whether they are packed ternary weights.
    pub packed: bool,
}

/// A checkpoint by its headers.
#[derive(Debug)]
pub struct Stored {
    /// By name without `model.`, the number of the block as `*`.
    pub tensors: BTreeMap<String, StoredTensors>,
    /// Parameters by part.
    pub by_type: ByType,
    /// Block by block, equal neighbours together.
    pub blocks: Vec<Blocks>,
    /// Scales beside ternary weights.
    pub weight_scales: u64,
    /// Weight files.
    pub files: u64,
    /// Bytes of all tensors.
    pub tensor_bytes: u64,
    /// Bytes of the files before their tensors.
    pub header_bytes: u64,
}

impl Stored {
    /// Reads the headers of a checkpoint's weight files.
    pub fn read(source: &Source) -> Result<Stored, AnalyzeError> {
        let files = TensorFiles::open(source)?;
        let mut tensors = BTreeMap::new();
        let mut by_block: BTreeMap<u64, ByType> = BTreeMap::new();
        let mut by_type = ByType::default();
        for name in files.names() {
            let Some(tensor) = files.get(name) else {
                continue;
            };
            let packed = tensor.dtype == Dtype::U8 && files.get(&format!("{name}_scale")).is_some();
            let mut shape: Vec<u64> = tensor.shape.iter().map(|&s| s as u64).collect();
            if let (true, Some(rows)) = (packed, shape.first_mut()) {
                *rows = rows.saturating_mul(ROWS_PER_BYTE as u64);
            }
            let elements = shape.iter().fold(1u128, |e, &s| e.saturating_mul(s.into()));
            let (pattern, block) = pattern(name);
            let kind = kind(&pattern);
            if let Kind::Parameter(part) = kind {
                by_type.add(part, elements)?;
                if let Some(block) = block {
                    by_block.entry(block).or_default().add(part, elements)?;
                }
            }
            let entry = tensors.entry(pattern).or_insert(StoredTensors {
                kind,
                count: 0,
                elements: 0,
                bytes: 0,
                dtype: tensor.dtype,
                shape,
                packed,
            });
            entry.count += 1;
            entry.elements = entry.elements.saturating_add(elements);
            entry.bytes += tensor.data.len() as u128;
        }
        let sum = |of: fn(&StoredTensors) -> u128| tensors.values().map(of).sum::<u128>();
        let scales = tensors
            .values()
            .filter(|t| t.kind == Kind::WeightScale)
            .map(|t| t.count);
        Ok(Stored {
            by_type,
            blocks: together(&by_block)?,
            weight_scales: scales.sum(),
            files: files.files().count() as u64,
            tensor_bytes: fits("bytes of all tensors", sum(|t| t.bytes))?,
            header_bytes: files.files().map(|f| f.header_bytes() as u64).sum(),
            tensors,
        })
    }
}

/// Neighbouring blocks of equal size as one entry.
fn together(by_block: &BTreeMap<u64, ByType>) -> Result<Vec<Blocks>, AnalyzeError> {
    let mut blocks: Vec<Blocks> = Vec::new();
    for (&block, by_type) in by_block {
        match blocks.last_mut() {
            Some(last) if last.by_type == *by_type && last.last + 1 == block => last.last = block,
            _ => blocks.push(Blocks {
                first: block,
                last: block,
                parameters: by_type.total()?,
                by_type: *by_type,
            }),
        }
    }
    Ok(blocks)
}

/// A name without its prefix, the number of the block as `*`, and that number.
fn pattern(name: &str) -> (String, Option<u64>) {
    let mut rest = name;
    for prefix in ["language_model.", "model.", "language_model."] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    let mut block = None;
    let segments: Vec<&str> = rest
        .split('.')
        .map(|segment| match (block, segment.parse::<u64>()) {
            (None, Ok(number)) => {
                block = Some(number);
                "*"
            }
            _ => segment,
        })
        .collect();
    (segments.join("."), block)
}

/// What a tensor is, by the words in its name.
fn kind(pattern: &str) -> Kind {
    let has = |words: &[&str]| words.iter().any(|w| pattern.contains(w));
    if pattern.ends_with("weight_scale") {
        return Kind::WeightScale;
    }
    if has(&["inv_freq", "rotary_emb", "masked_bias", "causal_mask"]) {
        return Kind::Buffer;
    }
    Kind::Parameter(match () {
        () if has(&["norm"]) => Part::Norm,
        () if has(&["self_attn.", "attention.", ".attn."]) => Part::Attention,
        () if has(&["mlp.", "feed_forward.", ".ffn."]) => Part::Mlp,
        () if has(&["lm_head."]) => Part::LmHead,
        () if has(&["embed_tokens.", "wte."]) => Part::Embedding,
        () => Part::Unclassified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_block_and_part() {
        let of = |name: &str| {
            let (pattern, block) = pattern(name);
            (kind(&pattern), block, pattern)
        };
        let q = of("model.layers.12.self_attn.q_proj.weight");
        assert_eq!(q.0, Kind::Parameter(Part::Attention));
        assert_eq!(
            (q.1, q.2.as_str()),
            (Some(12), "layers.*.self_attn.q_proj.weight")
        );
        assert_eq!(
            of("model.layers.0.self_attn.q_norm.weight").0,
            Kind::Parameter(Part::Norm)
        );
        assert_eq!(
            of("model.layers.0.mlp.up_proj.weight_scale").0,
            Kind::WeightScale
        );
        assert_eq!(of("layers.0.rotary_emb.inv_freq").0, Kind::Buffer);
        assert_eq!(of("adapter.7.x").0, Kind::Parameter(Part::Unclassified));
        assert_eq!(of("lm_head.weight").1, None);
    }
}
