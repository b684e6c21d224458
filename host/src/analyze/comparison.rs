//! Theory beside the checkpoint's headers and what was measured, with the reason of each difference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::parameters::ByType;
use super::preset::Reported;
use super::stored::{Kind, Stored};
use super::tensors::{Part, TensorSpec};
use crate::profile::facts::Step;
use crate::profile::Profile;
use crate::units::Bytes;

/// One quantity as several sources have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// What is compared.
    pub what: String,
    /// Unit: `parameters` or `bytes`.
    pub unit: String,
    /// From the configuration.
    pub theory: u64,
    /// From the headers of the checkpoint.
    pub checkpoint: Option<u64>,
    /// From a run, or from a report about the model.
    pub measured: Option<u64>,
    /// Why they differ; empty if they do not.
    pub why: String,
}

/// Rows of parameters by part, and of all.
pub fn parameters(
    theory: &ByType,
    total: u64,
    tensors: &[TensorSpec],
    stored: &Stored,
    stored_total: u64,
) -> Vec<Comparison> {
    let row = |what: &str, theory, checkpoint, why| Comparison {
        what: what.to_string(),
        unit: "parameters".to_string(),
        theory,
        checkpoint: Some(checkpoint),
        measured: None,
        why,
    };
    let mut rows = Vec::new();
    for part in Part::ALL {
        let (expected, found) = (theory.get(part), stored.by_type.get(part));
        if expected == 0 && found == 0 {
            continue;
        }
        rows.push(row(
            part.as_str(),
            expected,
            found,
            differences(part, tensors, stored).join("; "),
        ));
    }
    let why = match total == stored_total {
        true => String::new(),
        false => "the sum of the rows above".to_string(),
    };
    rows.push(row("total", total, stored_total, why));
    rows
}

/// What of a part the headers have otherwise than the configuration.
fn differences(part: Part, tensors: &[TensorSpec], stored: &Stored) -> Vec<String> {
    let mut said = Vec::new();
    for t in tensors.iter().filter(|t| t.part == part) {
        let expected = format!("{} of {} by the configuration", t.count, t.shape());
        match stored.tensors.get(&t.name) {
            None => said.push(format!("{}: {expected}, none stored", t.name)),
            Some(s) if s.elements != t.total() => said.push(format!(
                "{}: {expected}, {} stored, the first of {:?}",
                t.name, s.count, s.shape
            )),
            Some(_) => {}
        }
    }
    for (name, s) in &stored.tensors {
        let known = tensors.iter().any(|t| t.name == *name);
        if s.kind == Kind::Parameter(part) && !known {
            let why = match part {
                Part::LmHead => ", though the head is tied to the embedding",
                _ => ", which the configuration does not imply",
            };
            let (count, elements) = (s.count, s.elements);
            said.push(format!(
                "{name}: {count} stored with {elements} parameters{why}"
            ));
        }
    }
    said
}

/// Weights as the files have them, against the same parameters at the files' own types.
pub fn file_bytes(stored: &Stored, tensors: &[TensorSpec]) -> Comparison {
    let width = |t: &TensorSpec| -> u128 {
        match stored.tensors.get(&t.name) {
            Some(s) if s.packed => t.total() / 4,
            Some(s) => t.total() * s.dtype.bitsize() as u128 / 8,
            None => t.total() * 2,
        }
    };
    let theory: u128 = tensors.iter().map(width).sum();
    let theory = u64::try_from(theory).unwrap_or(u64::MAX);
    let of = |kind| -> u128 {
        let tensors = stored.tensors.values().filter(|t| t.kind == kind);
        tensors.map(|t| t.bytes).sum()
    };
    let (scales, buffers) = (of(Kind::WeightScale), of(Kind::Buffer));
    let mut why = Vec::new();
    if scales > 0 {
        why.push(format!("{scales} bytes of weight scales"));
    }
    if buffers > 0 {
        why.push(format!("{buffers} bytes of buffers"));
    }
    let rest = i128::from(stored.tensor_bytes) - i128::from(theory) - (scales + buffers) as i128;
    if rest != 0 {
        why.push(format!("{rest} bytes of the tensors named above"));
    }
    Comparison {
        what: "weights as stored".to_string(),
        unit: "bytes".to_string(),
        theory,
        checkpoint: Some(stored.tensor_bytes),
        measured: None,
        why: match why.is_empty() {
            true => String::new(),
            false => format!("the files also hold {}", why.join(", ")),
        },
    }
}

/// Rows of a report about the model.
pub fn reported(reported: &Reported, theory: u64, memory: &Memory) -> Vec<Comparison> {
    let mut rows = vec![Comparison {
        what: "total, as reported".to_string(),
        unit: "parameters".to_string(),
        theory,
        checkpoint: None,
        measured: Some(reported.parameters),
        why: match reported.parameters == theory {
            true => String::new(),
            false => reported.why.clone(),
        },
    }];
    if let Some(gib) = reported.device_gib {
        let why = "context of the driver, the allocator's whole blocks and alignment, rotary tables and other buffers";
        rows.push(Comparison {
            what: "device memory, 16-bit weights loaded".to_string(),
            unit: "bytes".to_string(),
            theory: memory.weight_bytes,
            checkpoint: None,
            measured: Some((gib * (1u64 << 30) as f64) as u64),
            why: why.to_string(),
        });
    }
    rows
}

/// Memory of the process after loading, as a profile has it.
pub fn profiled(profile: &Profile, memory: &Memory) -> Option<Comparison> {
    let load = profile.steps.iter().find(|s| s.step == Step::Load)?;
    let after = load.rss_after_bytes?.0;
    let before = load.rss_before_bytes.map_or(0, |b| b.0);
    Some(Comparison {
        what: "resident memory after loading".to_string(),
        unit: "bytes".to_string(),
        theory: memory.weight_bytes,
        checkpoint: None,
        measured: Some(after),
        why: format!(
            "the program itself had {} before; of mapped weights only pages that were read count, and packed copies \
             are padded",
            Bytes(before)
        ),
    })
}
