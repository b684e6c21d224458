//! The pictures of a report.

use plotters::prelude::DrawingBackend;

use super::sources::Sources;
use super::steps::steps;
use crate::analyze::{Analysis, Operator};
use crate::compare::trace::slices;
use crate::executor::{Phase, Stage};
use crate::model::{GroupKind, LinearKind};
use crate::picture::bars::Bars;
use crate::picture::heat::Heat;
use crate::picture::lanes::{Lanes, Span};
use crate::picture::radar::Radar;
use crate::picture::roofline::{Dot, Roof, Roofline};
use crate::picture::waterfall::Waterfall;
use crate::picture::{Area, Pen, Picture, PictureError};
use crate::profile::Profile;
use crate::run::RunReport;

/// A picture of any kind.
#[derive(Clone, Debug)]
pub enum Drawing {
    /// Bars.
    Bars(Bars),
    /// A table of colours.
    Heat(Heat),
    /// Lanes over time.
    Lanes(Lanes),
    /// Models beside each other.
    Radar(Radar),
    /// Operators under roofs.
    Roofline(Roofline),
    /// Steps on each other.
    Waterfall(Waterfall),
}

impl Picture for Drawing {
    fn size(&self) -> (u32, u32) {
        match self {
            Drawing::Bars(p) => p.size(),
            Drawing::Heat(p) => p.size(),
            Drawing::Lanes(p) => p.size(),
            Drawing::Radar(p) => p.size(),
            Drawing::Roofline(p) => p.size(),
            Drawing::Waterfall(p) => p.size(),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, pen: Pen) -> Result<(), PictureError> {
        match self {
            Drawing::Bars(p) => p.draw(area, pen),
            Drawing::Heat(p) => p.draw(area, pen),
            Drawing::Lanes(p) => p.draw(area, pen),
            Drawing::Radar(p) => p.draw(area, pen),
            Drawing::Roofline(p) => p.draw(area, pen),
            Drawing::Waterfall(p) => p.draw(area, pen),
        }
    }
}

/// A picture with its place in the report.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name of its files.
    pub name: &'static str,
    /// Which question it answers.
    pub heading: &'static str,
    /// What to see.
    pub caption: String,
    /// The picture.
    pub drawing: Drawing,
}

/// Every picture that the folder has data for, in the order of the report.
pub fn figures(sources: &Sources) -> Vec<Figure> {
    let mut all = Vec::new();
    if let Some(analysis) = &sources.analysis {
        all.push(parameters(analysis));
    }
    if let Some(profile) = &sources.profile {
        all.push(compute(profile));
        all.push(blocks(profile));
        all.extend(zeros(profile));
    }
    all.extend(sources.analysis.as_ref().and_then(roofline));
    if let Some((hybrid, run)) = sources.main() {
        let cpu = sources.comparison.cpu.decode_s;
        all.push(Figure {
            name: "waterfall",
            heading: "From theory to the token",
            caption: "The kernel's time as the weights alone would need it, what the kernel adds, what dispatches and the \
                      link add, what stays on the host; the last bar is the CPU alone."
                .to_string(),
            drawing: Drawing::Waterfall(Waterfall {
                title: format!(
                    "One decode token, {} layers on {} of the {}",
                    hybrid.layers,
                    hybrid.dispatching(),
                    hybrid.board.title
                ),
                steps: steps(hybrid, run, sources.profile.as_ref(), cpu),
            }),
        });
        all.extend(timeline(run, "timeline", "A token over time", None));
        all.extend(timeline(run, "timeline-block", "One block of it", Some(0)));
    }
    all
}

/// Parameters by part of the model.
pub(super) fn parameters(analysis: &Analysis) -> Figure {
    let by = &analysis.parameters.by_type;
    let parts = [
        ("embedding", by.embedding),
        ("attention", by.attention),
        ("mlp", by.mlp),
        ("norms", by.norm),
        ("lm_head", by.lm_head),
        ("unclassified", by.unclassified),
    ];
    let shown = parts.into_iter().filter(|(_, count)| *count > 0);
    let tied = match analysis.model.tied {
        true => " The output head is the embedding, and is counted there.",
        false => "",
    };
    Figure {
        name: "parameters",
        heading: "Where the parameters are",
        caption: format!(
            "{} parameters in all (exact).{tied}",
            analysis.parameters.total
        ),
        drawing: Drawing::Bars(Bars {
            title: format!("Parameters of {}", analysis.model.name),
            axis: "parameters (exact)".to_string(),
            series: vec!["parameters".to_string()],
            bars: shown
                .map(|(name, count)| (name.to_string(), vec![count as f64]))
                .collect(),
            lying: true,
        }),
    }
}

/// Decode time by stage.
fn compute(profile: &Profile) -> Figure {
    let stages = profile.stages.iter().filter(|s| s.phase == Phase::Decode);
    let bars = stages
        .map(|s| (words(s.stage), vec![s.times.median_s.us()]))
        .filter(|(_, us)| us[0] > 0.0);
    Figure {
        name: "compute",
        heading: "Where the CPU's time goes",
        caption: "Warm medians of one decode token, all blocks together. Only ternary linears (qkv, o, gate up, down) can \
                  move to the device."
            .to_string(),
        drawing: Drawing::Bars(Bars {
            title: "A decode token on the CPU, by stage".to_string(),
            axis: "us a token (measured)".to_string(),
            series: vec!["time".to_string()],
            bars: bars.collect(),
            lying: true,
        }),
    }
}

/// Decode time of the linears, block by block.
fn blocks(profile: &Profile) -> Figure {
    let series: Vec<String> = LinearKind::ALL.iter().map(|k| short(*k)).collect();
    let mut bars = vec![vec![0.0; series.len()]; profile.blocks];
    for l in profile.linears(Phase::Decode) {
        if let Some(bar) = bars.get_mut(l.layer.block) {
            bar[l.layer.kind as usize] += l.times.median_s.us();
        }
    }
    Figure {
        name: "blocks",
        heading: "Block by block",
        caption: "Blocks of one model take about the same time; one that does not is worth a look."
            .to_string(),
        drawing: Drawing::Bars(Bars {
            title: "Ternary linears of a decode token on the CPU, by block".to_string(),
            axis: "block; us a token (measured)".to_string(),
            series,
            bars: bars
                .into_iter()
                .enumerate()
                .map(|(i, values)| (i.to_string(), values))
                .collect(),
            lying: false,
        }),
    }
}

/// Zeros of weights and activations over the blocks.
fn zeros(profile: &Profile) -> Option<Figure> {
    let statistics = &profile.statistics;
    if statistics.weights.is_empty() {
        return None;
    }
    let row = |share: &dyn Fn(usize) -> Option<f64>| (0..profile.blocks).map(share).collect();
    let mut rows: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    for kind in LinearKind::ALL {
        let of = |block: usize| {
            let id = |w: &&crate::profile::WeightStatistics| {
                w.layer.block == block && w.layer.kind == kind
            };
            statistics.weights.iter().find(id).map(|w| w.zero_share)
        };
        rows.push((format!("weights of {}", short(kind)), row(&of)));
    }
    let activations = |kind: GroupKind, block: usize| {
        let mut all = statistics.activations.iter();
        all.find(move |a| a.group == kind && a.block == block)
    };
    rows.push((
        "closed gates".to_string(),
        row(&|b| activations(GroupKind::GateUp, b)?.closed_gates),
    ));
    rows.push((
        "zeros into down".to_string(),
        row(&|b| Some(activations(GroupKind::Down, b)?.zero_share)),
    ));
    Some(Figure {
        name: "zeros",
        heading: "What is zero",
        caption: "Zero weights cost a ternary kernel as much as others. Closed gates and zeros into down are rows and columns \
                  that the CPU's kernels do not read."
            .to_string(),
        drawing: Drawing::Heat(Heat {
            title: "Share of zeros (measured)".to_string(),
            columns: "block".to_string(),
            rows,
        }),
    })
}

/// Operators of both phases under the roofs of the devices.
pub(super) fn roofline(analysis: &Analysis) -> Option<Figure> {
    // Products of fewer bits can be faster than those that the ridge is of: the roof is over all operators.
    let reached = |device: &str| {
        let of = analysis.operators.iter().filter(|o| o.device == device);
        of.filter_map(|o| Some(o.flops as f64 / o.time_s?))
            .filter(|f| f.is_finite())
            .fold(0.0, f64::max)
    };
    let roofs: Vec<Roof> = analysis
        .devices
        .iter()
        .map(|d| Roof {
            name: format!("{} ({})", d.title, d.times_tier),
            flops: d.peak_flops.max(reached(&d.name)),
            bytes: d.peak_flops / d.sustained_ridge,
        })
        .filter(|r| r.flops.is_finite() && r.bytes.is_finite() && r.bytes > 0.0)
        .collect();
    let dot = |o: &Operator| {
        let (intensity, time) = (o.intensity?, o.time_s?);
        Some(Dot {
            name: o.name.clone(),
            roof: analysis.devices.iter().position(|d| d.name == o.device)?,
            intensity,
            flops: o.flops as f64 / time,
            prefill: o.phase == Phase::Prefill,
        })
        .filter(|d| d.flops.is_finite() && d.flops > 0.0 && d.intensity > 0.0)
    };
    let dots: Vec<Dot> = analysis.operators.iter().filter_map(dot).collect();
    (!dots.is_empty() && !roofs.is_empty()).then(|| Figure {
        name: "roofline",
        heading: "What bounds each operator",
        caption: "Left of the bend of a roof memory bounds an operator, right of it the multipliers. A decoded token uses \
                  each weight once: nearly everything of it lies on the slope (modelled)."
            .to_string(),
        drawing: Drawing::Roofline(Roofline {
            title: format!("Operators of {} and what devices give", analysis.model.name),
            roofs,
            dots,
        }),
    })
}

/// The last decode token of a run, or one block of it.
fn timeline(
    run: &RunReport,
    name: &'static str,
    heading: &'static str,
    block: Option<usize>,
) -> Option<Figure> {
    let kept = run
        .timeline
        .iter()
        .filter(|e| block.is_none() || e.block == block);
    let events: Vec<_> = kept.copied().collect();
    let slices = slices(&events);
    if slices.is_empty() {
        return None;
    }
    const SERIES: [&str; 8] = [
        "q k v",
        "attention",
        "o",
        "gate up",
        "down",
        "other",
        "link and dispatch",
        "kernel",
    ];
    let series = |s: &crate::compare::trace::Slice| match (s.on_device, s.name.as_str()) {
        (true, "kernel") => 7,
        (true, _) => 6,
        (false, "qkv") => 0,
        (false, "attention") => 1,
        (false, "o") => 2,
        (false, "gate_up") => 3,
        (false, "down") => 4,
        _ => 5,
    };
    let spans = slices.iter().map(|s| Span {
        lane: usize::from(s.on_device),
        series: series(s),
        from: s.start.us(),
        to: (s.start + s.time).us(),
    });
    Some(Figure {
        name,
        heading,
        caption: "Stages follow each other as long as they take: the host's times are measured, the device's computed, and what \
                  both do at once stands above each other."
            .to_string(),
        drawing: Drawing::Lanes(Lanes {
            title: match block {
                Some(block) => format!("Block {block} of that token"),
                None => "The last decode token of the run".to_string(),
            },
            unit: format!("us ({})", run.timing.tier),
            lanes: vec!["host".to_string(), "device".to_string()],
            series: SERIES.iter().map(|s| s.to_string()).collect(),
            spans: spans.collect(),
        }),
    })
}

/// A stage in words.
fn words(stage: Stage) -> String {
    let name = serde_json::to_value(stage).ok();
    let name = name.and_then(|v| v.as_str().map(str::to_string));
    name.unwrap_or_default().replace('_', " ")
}

/// `q_proj` of `self_attn.q_proj`.
fn short(kind: LinearKind) -> String {
    let name = kind.to_string();
    name.rsplit('.').next().unwrap_or_default().to_string()
}
