//! `plan.toml`: which layers run on the device, to be read and edited by people.
//!
//! ```toml
//! schema = "tercet.plan/1"
//! board = "u55c"
//! geometry = "512-b3"
//! cus = 1
//! mode = "launch"
//! layers = [
//!   { name = "layers.0.mlp.down_proj", offload = true },
//!   { name = "layers.1.mlp.down_proj", offload = true, rows = 1664 },
//! ]
//! ```
//!
//! Without `cus` there is one compute unit, and without `mode` each group is a launch. Of a
//! layer with `rows`, so many rows from the first on are on the device, and the CPU computes the others meanwhile.
//! Layers that are not listed stay on the CPU. Everything else in the file (decision, times,
//! reasons) explains the choice and is not needed to run it. Reading is strict: an unknown key, an
//! unknown layer or another geometry is an error that names file, line and what there is. So are,
//! where the plan says them, another `model` and other shapes (`n`, `k`) than those of the model at hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use tercet_contract::Geometry;
use toml::Spanned;

use crate::device::{check_cus, DeviceLayers, Dispatching, Mode, Part};
use crate::identity::ModelAtHand;
use crate::model::{LinearId, LinearKind};
use crate::select::{Predicted, Workload};
use crate::suggest::did_you_mean;
use crate::time_model::DeviceTime;
use crate::toml_file::{TomlError, TomlFile};
use crate::units::{Cycles, Seconds};

/// Schema that plans name.
pub const SCHEMA: &str = "tercet.plan/1";

/// A plan that has been read and checked against a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Board by name or path.
    pub board: String,
    /// Geometry of the kernel.
    pub geometry: Geometry,
    /// How many compute units there are, and how commands reach them.
    pub dispatch: Dispatching,
    /// Layers on the device.
    pub layers: DeviceLayers,
    /// What a pass was thought to take; none if nobody said so, or layers have been moved since.
    pub predicted: Option<Predicted>,
}

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("plan {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// The file is not a plan for this model.
    #[error("plan {0}")]
    Content(#[from] TomlError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // keys that explain the choice are checked for their type only
struct PlanFile {
    schema: Spanned<String>,
    model: Option<Spanned<String>>,
    decision: Option<String>,
    recommended: Option<bool>,
    board: String,
    geometry: Spanned<String>,
    cus: Option<Spanned<usize>>,
    mode: Option<Mode>,
    ms_per_token_cpu: Option<f64>,
    ms_per_token_hybrid: Option<f64>,
    layers: Vec<LayerRow>,
    predicted: Option<PredictedTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PredictedTable {
    pass: String,
    rows: usize,
    dispatches: u64,
    cycles: u64,
    host_ms: f64,
    dispatch_ms: f64,
    link_to_ms: f64,
    compute_ms: f64,
    link_from_ms: f64,
    overlap_ms: f64,
}

impl PredictedTable {
    /// None if the pass is not what a run reports.
    fn of_a_token(&self) -> Option<Predicted> {
        let ms = |ms: f64| Seconds(ms / 1e3);
        (self.pass == Workload::TOKEN.to_string()).then(|| Predicted {
            host: ms(self.host_ms),
            device: DeviceTime {
                dispatch: ms(self.dispatch_ms),
                link_to: ms(self.link_to_ms),
                compute: ms(self.compute_ms),
                link_from: ms(self.link_from_ms),
            },
            overlap: ms(self.overlap_ms),
            cycles: Cycles(self.cycles),
            dispatches: self.dispatches,
            rows: self.rows,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct LayerRow {
    name: Spanned<String>,
    n: Option<usize>,
    k: Option<usize>,
    offload: bool,
    rows: Option<Spanned<usize>>,
    cpu_us: Option<f64>,
    device_us: Option<f64>,
    gain_us: Option<f64>,
    reason: Option<String>,
}

impl Plan {
    /// Reads a plan for a model of `blocks` blocks, whatever model it was made for.
    pub fn read(path: &Path, blocks: usize) -> Result<Plan, PlanError> {
        let (name, text) = read(path)?;
        Ok(Self::parse(&name, &text, blocks)?)
    }

    /// Reads a plan for `model`, and refuses one that says it is for another.
    pub fn read_for(path: &Path, model: &ModelAtHand) -> Result<Plan, PlanError> {
        let (name, text) = read(path)?;
        Ok(Self::parse_for(&name, &text, model)?)
    }

    /// Parses a plan for `model`; `file` is its name for errors.
    pub fn parse_for(file: &str, text: &str, model: &ModelAtHand) -> Result<Plan, TomlError> {
        let toml = TomlFile::new(file, text);
        let raw: PlanFile = toml.parse()?;
        if let Some(found) = raw.model.as_ref().filter(|m| !model.is_called(m.get_ref())) {
            let message = format!(
                "the plan was made for model {}, and the model at hand is {}; select again, or remove this line if it is the same model",
                found.get_ref(),
                model.name
            );
            return Err(toml.error(found.span(), message));
        }
        let plan = Self::parse(file, text, model.blocks())?;
        for row in &raw.layers {
            let id = layer(row.name.get_ref(), model.blocks()).expect("parsed above");
            let (n, k) = model.shape(id);
            if row.n.is_some_and(|found| found != n) || row.k.is_some_and(|found| found != k) {
                let found = |size: Option<usize>| size.map_or("?".to_string(), |s| s.to_string());
                let message = format!(
                    "{id} is {} x {} in the plan and {n} x {k} in model {}; select again",
                    found(row.n),
                    found(row.k),
                    model.name
                );
                return Err(toml.error(row.name.span(), message));
            }
            if let Some(rows) = row.rows.as_ref().filter(|r| *r.get_ref() > n) {
                let message = format!("{} rows of {id}, which has {n}", rows.get_ref());
                return Err(toml.error(rows.span(), message));
            }
        }
        Ok(plan)
    }

    /// Parses a plan for a model of `blocks` blocks; `file` is its name for errors.
    pub fn parse(file: &str, text: &str, blocks: usize) -> Result<Plan, TomlError> {
        let toml = TomlFile::new(file, text);
        let raw: PlanFile = toml.parse()?;
        if raw.schema.get_ref() != SCHEMA {
            let message = format!("schema {:?}: expected {SCHEMA:?}", raw.schema.get_ref());
            return Err(toml.error(raw.schema.span(), message));
        }
        let geometry = raw.geometry.get_ref().parse::<Geometry>().map_err(|e| {
            let known: Vec<String> = Geometry::all().iter().map(Geometry::to_string).collect();
            let hint = did_you_mean(raw.geometry.get_ref(), &known);
            let message = format!("{e}; available: {}{hint}", known.join(", "));
            toml.error(raw.geometry.span(), message)
        })?;
        let cus = raw.cus.as_ref().map_or(1, |cus| *cus.get_ref());
        if let (Err(e), Some(found)) = (check_cus(cus), &raw.cus) {
            return Err(toml.error(found.span(), e.to_string()));
        }
        let mut seen = BTreeSet::new();
        let mut layers = DeviceLayers::new();
        for row in &raw.layers {
            let id = layer(row.name.get_ref(), blocks)
                .map_err(|message| toml.error(row.name.span(), message))?;
            if !seen.insert(id) {
                return Err(toml.error(row.name.span(), format!("{id} is listed twice")));
            }
            let part = match row.rows.as_ref().map(|rows| (rows, *rows.get_ref())) {
                None => Part::Whole,
                Some((_, rows)) if rows > 0 && row.offload => Part::First(rows),
                Some((at, _)) => {
                    let message = format!(
                        "rows of {id} on the device: expected 1 or more, and offload = true"
                    );
                    return Err(toml.error(at.span(), message));
                }
            };
            if row.offload {
                layers.insert(id, part);
            }
        }
        let predicted = predicted(&raw, blocks);
        Ok(Plan {
            board: raw.board,
            geometry,
            dispatch: Dispatching {
                mode: raw.mode.unwrap_or_default(),
                cus,
            },
            layers,
            predicted,
        })
    }
}

/// What the plan says of a pass, if its layers are still those of which it says so.
fn predicted(raw: &PlanFile, blocks: usize) -> Option<Predicted> {
    let predicted = raw.predicted.as_ref()?.of_a_token()?;
    let moved = raw.layers.iter().filter(|row| row.offload);
    let rows = |row: &LayerRow| match &row.rows {
        Some(rows) => Some(*rows.get_ref()),
        None => layer(row.name.get_ref(), blocks).ok().and(row.n),
    };
    let rows: Option<usize> = moved.map(rows).sum();
    (rows == Some(predicted.rows)).then_some(predicted)
}

/// Name and text of a plan.
fn read(path: &Path) -> Result<(String, String), PlanError> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(source) => Err(PlanError::Read { path: name, source }),
    }
}

/// A layer of the model by name, or what is wrong with the name.
fn layer(name: &str, blocks: usize) -> Result<LinearId, String> {
    if name == "lm_head" {
        return Err("lm_head is not ternary and stays on the CPU; remove this entry".to_string());
    }
    let parsed: Option<LinearId> = name.parse().ok();
    parsed.filter(|id| id.block < blocks).ok_or_else(|| {
        let kinds: Vec<&str> = LinearKind::ALL.iter().map(|k| k.as_str()).collect();
        // A layer that only this model lacks is not misspelled.
        let hint = match parsed {
            Some(_) => String::new(),
            None => did_you_mean(name, names(blocks)),
        };
        format!(
            "layer {name:?} is not in the model; available: layers.0 to layers.{}, each with {}{hint}",
            blocks.saturating_sub(1),
            kinds.join(", ")
        )
    })
}

/// Names of all layers of a model.
fn names(blocks: usize) -> impl Iterator<Item = String> {
    let of = |block| LinearKind::ALL.map(|kind| LinearId { block, kind }.to_string());
    (0..blocks).flat_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"schema = "tercet.plan/1"
board = "u55c"
geometry = "512-b3"
layers = [
  { name = "layers.0.mlp.down_proj", offload = true, gain_us = 1.5 },
  { name = "layers.1.self_attn.q_proj", offload = false },
]
"#;

    #[test]
    fn offloaded_layers_are_read() {
        let plan = Plan::parse("plan.toml", PLAN, 2).unwrap();
        assert_eq!(plan.geometry, Geometry::DEFAULT);
        let down: LinearId = "layers.0.mlp.down_proj".parse().unwrap();
        assert_eq!(plan.layers, DeviceLayers::from([(down, Part::Whole)]));
        let split = PLAN.replace("offload = true", "offload = true, rows = 192");
        let plan = Plan::parse("plan.toml", &split, 2).unwrap();
        assert_eq!(plan.layers, DeviceLayers::from([(down, Part::First(192))]));
        assert_eq!(plan.dispatch, Dispatching::SINGLE);
        let units = PLAN.replace("layers = [", "cus = 3\nmode = \"ring\"\nlayers = [");
        let plan = Plan::parse("plan.toml", &units, 2).unwrap();
        let (mode, cus) = (Mode::Ring, 3);
        assert_eq!(plan.dispatch, Dispatching { mode, cus });
    }

    #[test]
    fn a_plan_of_another_model_is_refused() {
        let model = ModelAtHand::of(&crate::checkpoint::Source::Embedded).unwrap();
        let named = |name: &str| PLAN.replacen("\n", &format!("\nmodel = \"{name}\"\n"), 1);
        let sized = |n: usize| PLAN.replace("offload = true", &format!("offload = true, n = {n}"));
        let parse = |text: &str| Plan::parse_for("plan.toml", text, &model);
        assert!(parse(PLAN).is_ok(), "says nothing of its model");
        assert!(parse(&named("(embedded)")).is_ok() && parse(&sized(256)).is_ok());
        let e = parse(&named("b158")).unwrap_err();
        assert_eq!(e.line, 2);
        let e = e.to_string();
        assert!(e.contains("b158") && e.contains("(embedded)"), "{e}");
        let e = parse(&sized(2560)).unwrap_err();
        assert_eq!(e.line, 5);
        assert!(e.to_string().contains("256 x 768 in model"), "{e}");
        let e = parse(&PLAN.replace("offload = true", "offload = true, rows = 257")).unwrap_err();
        assert_eq!(
            (e.line, e.to_string().contains("which has 256")),
            (5, true),
            "{e}"
        );
    }

    #[test]
    fn mistakes_are_named_with_line_and_what_there_is() {
        for (line, text, part) in [
            (
                5,
                PLAN.replace("layers.0.mlp", "layers.7.mlp"),
                "available: layers.0 to layers.1",
            ),
            (
                6,
                PLAN.replace("q_proj", "qq_proj"),
                "did you mean `layers.1.self_attn.q_proj`?",
            ),
            (
                5,
                PLAN.replace("layers.0.mlp.down_proj", "lm_head"),
                "not ternary",
            ),
            (
                6,
                PLAN.replace("layers.1.self_attn.q_proj", "layers.0.mlp.down_proj"),
                "twice",
            ),
            (3, PLAN.replace("512-b3", "512-b4"), "available: 128-b2"),
            (1, PLAN.replace("plan/1", "plan/2"), "tercet.plan/1"),
            (
                4,
                PLAN.replace("layers = [", "cus = 0\nlayers = ["),
                "0 compute units",
            ),
            (2, PLAN.replace("board =", "bord ="), "unknown field `bord`"),
            (
                5,
                PLAN.replace("offload = true", "offload = true, rows = 0"),
                "expected 1 or more",
            ),
            (
                6,
                PLAN.replace("offload = false", "offload = false, rows = 64"),
                "and offload = true",
            ),
            (
                5,
                PLAN.replace("gain_us", "gain_ms"),
                "unknown field `gain_ms`",
            ),
        ] {
            let e = Plan::parse("plan.toml", &text, 2).unwrap_err();
            assert!(e.to_string().contains(part), "{e}");
            assert_eq!(e.line, line, "{e}");
        }
    }
}
