//! Zeros among weights and activations.

use super::name;
use super::page::Page;
use crate::model::{GroupKind, LinearKind};
use crate::profile::{Profile, WeightStatistics};

/// Least, mean and most.
fn spread(values: impl Iterator<Item = f64> + Clone) -> [f64; 3] {
    let count = values.clone().count().max(1) as f64;
    [
        values.clone().fold(f64::INFINITY, f64::min),
        values.clone().sum::<f64>() / count,
        values.fold(0.0, f64::max),
    ]
}

/// `36.1 (33.0 to 41.2)`, in percent.
fn percent(values: impl Iterator<Item = f64> + Clone) -> String {
    let [least, mean, most] = spread(values).map(|v| 100.0 * v);
    format!("{mean:.1} ({least:.1} to {most:.1})")
}

pub fn zeros(page: &mut Page, profile: &Profile) {
    let statistics = &profile.statistics;
    if statistics.weights.is_empty() {
        return;
    }
    page.section("Zeros");
    let head = [
        "weights of",
        "zero, % (over blocks)",
        "bits of entropy",
        "scale",
    ];
    let mut t = page.new_table(&head, 1..4);
    for kind in LinearKind::ALL {
        let of = statistics.weights.iter().filter(|w| w.layer.kind == kind);
        let all: Vec<&WeightStatistics> = of.collect();
        if all.is_empty() {
            continue;
        }
        let [least, _, most] = spread(all.iter().map(|w| f64::from(w.scale)));
        let [_, entropy, _] = spread(all.iter().map(|w| w.entropy_bits));
        t.add_row([
            kind.to_string(),
            percent(all.iter().map(|w| w.zero_share)),
            format!("{entropy:.3}"),
            format!("{least:.3} to {most:.3}"),
        ]);
    }
    page.table(&t);
    let head = ["input of", "codes 0, % (over blocks)", "closed gates, %"];
    let mut t = page.new_table(&head, 1..3);
    for kind in GroupKind::ALL {
        let of = statistics.activations.iter().filter(|a| a.group == kind);
        let gates = of.clone().filter_map(|a| a.closed_gates);
        t.add_row([
            name(&kind),
            percent(of.map(|a| a.zero_share)),
            match gates.clone().count() {
                0 => "-".to_string(),
                _ => percent(gates),
            },
        ]);
    }
    page.table(&t);
    page.line("Weights are counted; activations are those of this prompt and a few tokens after it (measured).");
}
