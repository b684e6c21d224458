//! Pictures of an analysis, and of several models beside each other.

use super::figures::{parameters, roofline, Drawing, Figure};
use crate::analyze::{Analysis, Operator};
use crate::executor::Phase;
use crate::picture::bars::Bars;
use crate::picture::radar::Radar;

/// The pictures of a model; `beside` are models that it is compared with.
pub fn analysis_figures(analysis: &Analysis, beside: &[Analysis]) -> Vec<Figure> {
    let mut all = vec![parameters(analysis), blocks(analysis), flops(analysis)];
    all.extend(roofline(analysis));
    if !beside.is_empty() {
        let models: Vec<&Analysis> = std::iter::once(analysis).chain(beside).collect();
        all.push(radar(&models));
    }
    all
}

/// Parameters of each block by part.
fn blocks(analysis: &Analysis) -> Figure {
    let mut bars = Vec::new();
    for same in &analysis.parameters.blocks {
        for block in same.first..=same.last {
            let by = &same.by_type;
            let values = [by.attention, by.mlp, by.norm + by.unclassified];
            bars.push((block.to_string(), values.map(|v| v as f64).to_vec()));
        }
    }
    Figure {
        name: "block-parameters",
        heading: "Parameters block by block",
        caption: "Embedding and output head stand outside the blocks.".to_string(),
        drawing: Drawing::Bars(Bars {
            title: format!("Parameters of the blocks of {}", analysis.model.name),
            axis: "block; parameters (exact)".to_string(),
            series: ["attention", "mlp", "norms and others"]
                .map(str::to_string)
                .to_vec(),
            bars,
            lying: false,
        }),
    }
}

/// FLOPs of the operators of a decoded token, all calls.
fn flops(analysis: &Analysis) -> Figure {
    let first = analysis.devices.first().map(|d| d.name.as_str());
    let of_token = |o: &&Operator| o.phase == Phase::Decode && Some(o.device.as_str()) == first;
    let operators = analysis
        .operators
        .iter()
        .filter(of_token)
        .filter(|o| o.flops > 0);
    let bars = operators.map(|o| (o.name.clone(), vec![o.flops as f64 * o.calls as f64]));
    Figure {
        name: "flops",
        heading: "Where the FLOPs are",
        caption: "A multiply-add is two; all calls of the last decoded token, on one rank."
            .to_string(),
        drawing: Drawing::Bars(Bars {
            title: format!("FLOPs of a decoded token of {}", analysis.model.name),
            axis: "FLOP (exact)".to_string(),
            series: vec!["FLOP".to_string()],
            bars: bars.collect(),
            lying: true,
        }),
    }
}

/// Models beside each other; the rim of each axis is the most of any of them.
fn radar(models: &[&Analysis]) -> Figure {
    type Property = (&'static str, fn(&Analysis) -> f64);
    let properties: [Property; 7] = [
        ("parameters", |a| a.parameters.total as f64),
        ("weight bytes", |a| a.memory.weight_bytes as f64),
        ("KV bytes a token", |a| a.memory.kv_cache.token_bytes as f64),
        ("blocks", |a| a.model.layers as f64),
        ("hidden", |a| a.model.hidden as f64),
        ("MLP width", |a| a.model.ffn as f64),
        ("vocabulary", |a| a.model.vocab as f64),
    ];
    let most = properties.map(|(_, of)| {
        models
            .iter()
            .map(|m| of(m))
            .fold(f64::MIN_POSITIVE, f64::max)
    });
    let axes = properties
        .iter()
        .zip(most)
        .map(|((name, _), most)| format!("{name} ({})", crate::picture::short_number(most)));
    let polygon = |m: &&Analysis| {
        let values = properties
            .iter()
            .zip(most)
            .map(|((_, of), most)| of(m) / most);
        (m.model.name.clone(), values.collect())
    };
    Figure {
        name: "radar",
        heading: "Models beside each other",
        caption: "The rim of each axis is the most of any of these models (exact).".to_string(),
        drawing: Drawing::Radar(Radar {
            title: "Models beside each other".to_string(),
            axes: axes.collect(),
            models: models.iter().map(polygon).collect(),
        }),
    }
}
