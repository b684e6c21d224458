//! Parameters, memory, FLOPs and roofline of a model, from its sizes alone.
//!
//! | module | what it does |
//! |---|---|
//! | `config`, `family`, `preset` | sizes: from a `config.json` of any Llama-like decoder, or a published model by name |
//! | `tensors`, `parameters` | the tensors these imply, summed by part and block |
//! | `stored`, `comparison` | the headers of a checkpoint beside that, and what was measured |
//! | `weights`, `memory` | bytes of weights, KV cache, activations, training |
//! | `pass`, `operator` | FLOPs and bytes of every operator of a pass |
//! | [`device`], `roofline`, `phases` | what they take on a CPU, a GPU or an FPGA board, and what bounds them |
//! | `report`, `facts`, `render` | `analysis.json`, and the same as text |
//! | [`documents`] | figures of documents that this program was built to replace, beside its own |
//!
//! Counts are exact. They are made in 128 bits from sizes with limits, so nothing overflows, and a count that 64 bits
//! cannot hold is an error. Times are modelled, or projected where a device's figures are assumed.

mod comparison;
mod config;
pub mod device;
pub mod documents;
mod error;
mod facts;
mod family;
mod memory;
mod operator;
mod parameters;
mod pass;
mod phases;
mod preset;
mod render;
mod report;
mod roofline;
mod stored;
mod tensors;
mod weights;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, Source};
use crate::executor::Phase;
use crate::profile::{Format, Profile};
use crate::units::Bytes;

pub use comparison::Comparison;
pub use config::ModelConfig;
pub use device::{Device, DEFAULT_DEVICE, THIS_CPU};
pub use error::AnalyzeError;
pub use memory::Memory;
pub use parameters::{ByType, Parameters};
pub use preset::names as preset_names;
pub use render::render;
pub use report::{Analysis, Operator, PhaseTotals};
pub use roofline::Bound;
pub use tensors::Part;

use parameters::{blocks, by_type, linears};
use phases::Task;
use preset::{Preset, Reported};
use report::{Bits, EXACT};
use stored::Stored;
use tensors::tensors;
use weights::{bits, WeightPlan};

/// Most sequences.
pub const MAX_BATCH: u64 = 1 << 20;

/// Longest prompt, and most generated tokens.
pub const MAX_TOKENS: u64 = 1 << 26;

/// Prompt when none is given, as far as the context allows.
const DEFAULT_PROMPT: u64 = 512;

/// Generated tokens when none are given, as far as the context allows.
const DEFAULT_GENERATE: u64 = 128;

/// Where the sizes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A published model by name.
    Preset(String),
    /// A `config.json`.
    Config(PathBuf),
    /// A checkpoint, whose headers are read too.
    Checkpoint(Source),
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sequences; 1 if not given.
    pub batch: Option<u64>,
    /// Tokens of each prompt.
    pub prompt: Option<u64>,
    /// Tokens generated for each sequence.
    pub generate: Option<u64>,
    /// Tensor-parallel ranks; 1 if not given.
    pub tp: Option<u64>,
    /// Form of the linears; what the model has if not given.
    pub format: Option<Format>,
    /// Devices by name; `all` is every one.
    pub devices: Vec<String>,
    /// A profile of the same model, measured on this machine.
    pub profile: Option<Profile>,
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Sequences.
    pub batch: u64,
    /// Tokens of each prompt.
    pub prompt: u64,
    /// Tokens generated for each sequence.
    pub generate: u64,
    /// Tensor-parallel ranks.
    pub tp: u64,
}

/// A model's sizes and what is known besides.
struct Model {
    name: String,
    source: String,
    config: ModelConfig,
    stored: Option<Stored>,
    reported: Option<Reported>,
}

/// Analyses a model.
pub fn analyze(input: &Input, options: &Options) -> Result<Analysis, AnalyzeError> {
    analyze_model(&open(input)?, options)
}

fn analyze_model(model: &Model, options: &Options) -> Result<Analysis, AnalyzeError> {
    let c = &model.config;
    let workload = workload(c, options)?;
    let tensors = tensors(c);
    let theory = by_type(&tensors)?;
    let total = theory.total()?;
    let parameters = parameters_of(model, &tensors)?;
    let format = options.format.unwrap_or(match c.ternary {
        true => Format::TwoBit,
        false => Format::Bf16,
    });
    let plan = WeightPlan::of(format);
    let counted = (parameters.total, parameters.by_type.unclassified);
    let memory = memory::memory(c, &tensors, counted, format, &workload)?;
    let remarks = remarks(c, &workload);
    let mut comparison = Vec::new();
    if let Some(stored) = &model.stored {
        comparison.extend(comparison::parameters(
            &theory,
            total,
            &tensors,
            stored,
            parameters.total,
        ));
        comparison.push(comparison::file_bytes(stored, &tensors));
    }
    if let Some(reported) = &model.reported {
        comparison.extend(comparison::reported(reported, total, &memory));
    }
    // Of a preset nobody checked that the profile is of the same model: then it only gives rates.
    if let (Some(profile), Some(_)) = (&options.profile, &model.stored) {
        comparison.extend(comparison::profiled(profile, &memory));
    }
    let task = Task {
        config: c,
        plan,
        workload,
    };
    let mut analysis = Analysis {
        model: facts::model(model),
        workload,
        bits: Bits {
            linears: bits(plan.linears),
            others: bits(plan.others),
        },
        counts_tier: EXACT.to_string(),
        parameters,
        comparison,
        memory,
        devices: Vec::new(),
        operators: Vec::new(),
        phases: Vec::new(),
        sweep: Vec::new(),
        remarks,
    };
    for name in device_names(&options.devices) {
        let device = Device::find(&name, options.profile.as_ref())?;
        for phase in [Phase::Prefill, Phase::Decode] {
            analysis.operators.extend(task.operators(phase, &device)?);
            analysis.phases.push(task.totals(phase, &device)?);
        }
        analysis.sweep.extend(task.sweep(&device));
        analysis
            .devices
            .push(facts::device(&device, &analysis.memory));
    }
    Ok(analysis)
}

/// What a reader should know of the model under this workload.
fn remarks(c: &ModelConfig, workload: &Workload) -> Vec<String> {
    let mut remarks = c.remarks.clone();
    let most = workload.prompt + workload.generate;
    if let Some(p) = c.max_positions.filter(|p| most > *p) {
        remarks.push(format!(
            "{most} tokens of a sequence are more than the model's longest context of {p}"
        ));
    }
    if let Some(w) = c.sliding_window.filter(|w| most > *w) {
        remarks.push(format!(
            "attention looks back {w} tokens at most; the KV cache is counted whole, as without a rolling buffer"
        ));
    }
    remarks
}

fn open(input: &Input) -> Result<Model, AnalyzeError> {
    match input {
        Input::Preset(name) => {
            let preset = Preset::find(name)?;
            Ok(Model {
                name: preset.title,
                source: preset.source,
                config: preset.config,
                stored: None,
                reported: preset.reported,
            })
        }
        Input::Config(path) => {
            let folder = path
                .parent()
                .filter(|p| *p != Path::new(""))
                .unwrap_or(Path::new("."));
            let name = path.file_name().and_then(|n| n.to_str());
            let name = name.ok_or_else(|| CheckpointError::Format {
                path: path.clone(),
                found: "no file name".into(),
                expected: "a config.json".into(),
            })?;
            let json = Source::Folder(folder.to_path_buf()).read(name)?;
            Ok(Model {
                name: path.display().to_string(),
                source: "this file".to_string(),
                config: ModelConfig::parse(path, &json)?,
                stored: None,
                reported: None,
            })
        }
        Input::Checkpoint(source) => {
            let path = source.path("config.json");
            let config = ModelConfig::parse(&path, &source.read("config.json")?)?;
            let stored = Stored::read(source)?;
            let files = match stored.files {
                1 => "a weight file".to_string(),
                n => format!("{n} weight files"),
            };
            Ok(Model {
                name: source.to_string(),
                source: format!(
                    "config.json and the headers of {files}, {}",
                    Bytes(stored.header_bytes)
                ),
                config,
                stored: Some(stored),
                reported: None,
            })
        }
    }
}

fn workload(c: &ModelConfig, options: &Options) -> Result<Workload, AnalyzeError> {
    let check = |option, value: u64, most: u64| match (1..=most).contains(&value) {
        true => Ok(value),
        false => Err(AnalyzeError::Option {
            option,
            found: value.to_string(),
            expected: format!("1 to {most}"),
        }),
    };
    let room = c.max_positions.unwrap_or(u64::MAX);
    let prompt = options
        .prompt
        .unwrap_or(DEFAULT_PROMPT.min(room / 2).max(1));
    let generate = options
        .generate
        .unwrap_or(DEFAULT_GENERATE.min(room / 4).max(1));
    let tp = options.tp.unwrap_or(1);
    let wrong = |expected: String| AnalyzeError::Option {
        option: "tp",
        found: tp.to_string(),
        expected,
    };
    if tp == 0 || !c.heads.is_multiple_of(tp) || !c.ffn.is_multiple_of(tp) {
        let (heads, ffn) = (c.heads, c.ffn);
        return Err(wrong(format!(
            "a divisor of {heads} query heads and of an MLP of {ffn}"
        )));
    }
    if !c.kv_heads.is_multiple_of(tp) && !tp.is_multiple_of(c.kv_heads) {
        return Err(wrong(format!(
            "a divisor or a multiple of {} kv heads",
            c.kv_heads
        )));
    }
    Ok(Workload {
        batch: check("batch", options.batch.unwrap_or(1), MAX_BATCH)?,
        prompt: check("prompt", prompt, MAX_TOKENS)?,
        generate: check("generate", generate, MAX_TOKENS)?,
        tp,
    })
}

/// Parameters as the best source has them: headers, else a report's total, else the configuration.
fn parameters_of(
    model: &Model,
    tensors: &[tensors::TensorSpec],
) -> Result<Parameters, AnalyzeError> {
    let c = &model.config;
    let mut by_type = by_type(tensors)?;
    let theory = by_type.total()?;
    let mut blocks = blocks(c, tensors)?;
    let mut weight_scales = 0;
    if c.ternary {
        let matrices = tensors.iter().filter(|t| t.linear).map(|t| t.count);
        weight_scales = matrices.sum();
    }
    if let Some(stored) = &model.stored {
        by_type = stored.by_type;
        blocks.clone_from(&stored.blocks);
        weight_scales = stored.weight_scales;
    }
    if let Some(reported) = &model.reported {
        by_type.unclassified += reported.parameters.saturating_sub(theory);
    }
    Ok(Parameters {
        total: by_type.total()?,
        by_type,
        blocks,
        linears: linears(c, tensors)?,
        weight_scales,
    })
}

fn device_names(names: &[String]) -> Vec<String> {
    let mut list = Vec::new();
    for name in names {
        let these = match name.as_str() {
            "all" => device::names(),
            name => vec![name],
        };
        for name in these {
            if !list.iter().any(|known| known == name) {
                list.push(name.to_string());
            }
        }
    }
    if list.is_empty() {
        list.push(DEFAULT_DEVICE.to_string());
    }
    list
}
