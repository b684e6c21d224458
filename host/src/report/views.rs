//! The tables of a report, as words in rows: the page and the Markdown set them.

use serde::Serialize;

use super::sources::Sources;
use crate::compare::{Hybrid, PredictionLine};
use crate::tier::Tier;
use crate::units::Seconds;

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Anchor.
    pub id: &'static str,
    /// What it answers.
    pub heading: String,
    /// Above the columns.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Below the table.
    pub note: String,
}

/// A cell.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// What is read.
    pub text: String,
    /// What is sorted by, of a number.
    pub value: Option<f64>,
}

fn word(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        value: None,
    }
}

fn number(text: impl Into<String>, value: f64) -> Cell {
    Cell {
        text: text.into(),
        value: Some(value),
    }
}

fn time(s: Seconds) -> Cell {
    match s.0 < 0.0 {
        true => number(format!("-{}", Seconds(-s.0)), s.0),
        false => number(s.to_string(), s.0),
    }
}

fn head<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_string).to_vec()
}

/// Every table that the folder has data for.
pub fn views(sources: &Sources) -> Vec<View> {
    let mut all = vec![totals(sources)];
    all.extend(ranking(sources));
    if let Some((hybrid, _)) = sources.main() {
        all.push(stages(hybrid));
    }
    all.extend(sources.comparison.hybrids.iter().filter_map(prediction));
    if let Some((hybrid, _)) = sources.main() {
        all.push(board(hybrid));
    }
    all
}

/// The runs side by side.
fn totals(sources: &Sources) -> View {
    let c = &sources.comparison;
    let mut rows = vec![vec![
        word("CPU only"),
        word("-"),
        time(c.cpu.prefill_s),
        time(c.cpu.decode_s),
        number(
            format!("{:.1}", c.cpu.decode_tokens_per_s),
            c.cpu.decode_tokens_per_s,
        ),
        number("1.00x", 1.0),
        word("-"),
        word(c.cpu.tier.to_string()),
    ]];
    rows.extend(c.hybrids.iter().map(|h| {
        vec![
            word(format!("{} on {}", h.offload, h.device)),
            number(h.layers.to_string(), h.layers as f64),
            time(h.totals.prefill_s),
            time(h.totals.decode_s),
            number(
                format!("{:.1}", h.totals.decode_tokens_per_s),
                h.totals.decode_tokens_per_s,
            ),
            number(format!("{:.2}x", h.speedup), h.speedup),
            word(match h.first_difference {
                None => "identical".to_string(),
                Some(at) => format!("differ from token {at}"),
            }),
            word(h.totals.tier.to_string()),
        ]
    }));
    View {
        id: "runs",
        heading: "The runs".to_string(),
        head: head(["run", "layers moved", "prompt", "token", "tokens/s", "against the CPU", "tokens", "tier"]),
        rows,
        note: "Times are warm. A time computed from several figures is as sure as the weakest of them: measured, \
               cycle-accurate, modelled, published, projected."
            .to_string(),
    }
}

/// The layers, highest gain first.
fn ranking(sources: &Sources) -> Option<View> {
    let s = sources.selection.as_ref()?;
    let rows = s.layers.iter().map(|l| {
        let overhead = l.device.dispatch + l.device.link();
        vec![
            word(l.layer.to_string()),
            number(format!("{} x {}", l.n, l.k), (l.n * l.k) as f64),
            time(l.cpu),
            time(l.device.compute),
            time(overhead),
            time(l.gain),
            word(match (l.offload, l.rows == l.n) {
                (false, _) => "CPU".to_string(),
                (true, true) => "device".to_string(),
                (true, false) => format!("{} rows", l.rows),
            }),
            word(l.reason.clone()),
        ]
    });
    let tier = |what: &str, tier: Tier| format!("{what} ({tier})");
    Some(View {
        id: "layers",
        heading: format!("Which layers, on the {} with {}", s.board.title, s.dispatch),
        head: vec![
            "layer".to_string(),
            "N x K".to_string(),
            tier("CPU", s.cpu_tier()),
            tier("kernel", s.board.kernel_tier(Tier::Modelled)),
            tier("dispatch and link", s.board.link_tier(s.dispatch)),
            tier("gain", s.device_tier()),
            "where".to_string(),
            "why".to_string(),
        ],
        rows: rows.collect(),
        note: format!(
            "{}. What a layer adds on the device is given what else moves of its group.",
            s.decision
        ),
    })
}

/// A decode token stage by stage.
fn stages(h: &Hybrid) -> View {
    let tiers = &h.decode_tiers;
    let rows = h.decode_stages.iter().map(|s| {
        vec![
            word(s.stage.replace('_', " ")),
            time(s.cpu_s),
            time(s.host_s),
            number(s.device_cycles.to_string(), s.device_cycles.0 as f64),
            time(s.device_s.compute),
            time(s.device_s.dispatch + s.device_s.link()),
            time(Seconds(-s.overlap_s.0)),
            time(s.hybrid_s),
        ]
    });
    View {
        id: "stages",
        heading: format!("One decode token, {} layers on {} of the {}", h.layers, h.dispatching(), h.board.title),
        head: vec![
            "stage".to_string(),
            format!("CPU only ({})", tiers.cpu),
            format!("host ({})", tiers.host),
            format!("cycles ({})", tiers.cycles),
            format!("kernel ({})", tiers.kernel),
            format!("dispatch and link ({})", tiers.launch_and_link),
            format!("side by side ({})", tiers.hybrid),
            format!("hybrid ({})", tiers.hybrid),
        ],
        rows: rows.collect(),
        note: "The host's part of stages that moved is timed after the run, with the device's last sums in its place."
            .to_string(),
    }
}

/// The plan against the run.
fn prediction(h: &Hybrid) -> Option<View> {
    let row = |l: &PredictionLine| {
        let show = |value: f64| match l.unit.as_str() {
            "s" => time(Seconds(value)),
            _ => number(format!("{value:.0}"), value),
        };
        vec![
            word(l.part.clone()),
            show(l.predicted),
            word(l.predicted_tier.to_string()),
            show(l.found),
            word(l.found_tier.to_string()),
            l.error()
                .map_or_else(|| word("-"), |e| number(format!("{:+.2} %", 100.0 * e), e)),
            word(l.why.clone()),
        ]
    };
    (!h.prediction.is_empty()).then(|| View {
        id: "prediction",
        heading: "What the plan said, and what was found".to_string(),
        head: head([
            "part",
            "planned",
            "tier",
            "found",
            "tier",
            "planned / found",
            "why",
        ]),
        rows: h.prediction.iter().map(row).collect(),
        note: String::new(),
    })
}

/// What the board's times rest on.
fn board(h: &Hybrid) -> View {
    let row = |(key, f): (&str, &crate::board::Figure)| {
        vec![
            word(key),
            number(f.value.to_string(), f.value),
            word(f.basis.to_string()),
            word(f.source.clone()),
        ]
    };
    View {
        id: "board",
        heading: format!("How sure: figures of the {}", h.board.title),
        head: head(["figure", "value", "basis", "source"]),
        rows: h.board.figures().into_iter().map(row).collect(),
        note: "Figures that are assumed make every time that rests on them projected.".to_string(),
    }
}
