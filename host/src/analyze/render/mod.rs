//! An analysis as text: overview, parameters, memory, prefill, decode, what changes between them, remarks.

pub mod numbers;
mod operators;
mod sizes;
mod sweep;

use std::fmt::Write;

use super::report::Analysis;
use crate::board::Basis;
use crate::table::pairs;

use numbers::{counted, grouped, scaled, significant};

/// All sections.
pub fn render(a: &Analysis) -> String {
    let mut sections = vec![overview(a), sizes::parameters(a)];
    if !a.comparison.is_empty() {
        sections.push(sizes::comparison(a));
    }
    sections.push(sizes::memory(a));
    match a.devices.as_slice() {
        [device] => {
            sections.push(one_device(a));
            sections.extend(operators::phases(a, device));
            sections.push(operators::changes(a, device));
            if !a.sweep.is_empty() {
                sections.push(sweep::sweep(a, device));
            }
        }
        _ => sections.push(sweep::devices(a)),
    }
    sections.push(remarks(a));
    sections.join("\n")
}

fn overview(a: &Analysis) -> String {
    let m = &a.model;
    let mut lines = Vec::new();
    let mut line = |what: &str, text: String| lines.push((what.to_string(), text));
    let mlp = if m.gated { "gated MLP" } else { "plain MLP" };
    line(
        "decoder",
        format!(
            "{}, {}, hidden {}, {mlp} {}, vocabulary {}{}",
            m.model_type,
            counted(m.layers, "block"),
            m.hidden,
            m.ffn,
            grouped(m.vocab),
            m.max_positions
                .map_or(String::new(), |p| format!(", context {}", grouped(p))),
        ),
    );
    let shared = match m.attention.as_str() {
        "MHA" => "each query head has its own keys and values".to_string(),
        "MQA" => "all query heads share one".to_string(),
        _ => format!("groups of {} query heads share one", m.heads / m.kv_heads),
    };
    let (heads, kv) = (
        counted(m.heads, "query head"),
        counted(m.kv_heads, "kv head"),
    );
    line(
        "attention",
        format!("{}: {heads}, {kv} of {}; {shared}", m.attention, m.head_dim),
    );
    let tied = match m.tied {
        true => "the embedding (tied)",
        false => "a matrix of its own (untied)",
    };
    line("head", tied.to_string());
    line(
        "biases",
        match m.biases.is_empty() {
            true => "none".to_string(),
            false => m.biases.join(", "),
        },
    );
    let mut norms = vec!["of the residual stream"];
    if m.qk_norm {
        norms.push("of q and k");
    }
    if m.sub_norms {
        norms.push("before o and before down (sub-norms)");
    }
    line("norms", norms.join(", "));
    let ternary = if m.ternary {
        "ternary linears"
    } else {
        "linears"
    };
    line(
        "weights",
        format!(
            "{ternary} of {} bit, all others of {} bit",
            a.bits.linears, a.bits.others
        ),
    );
    let w = &a.workload;
    let ranks = match w.tp {
        1 => String::new(),
        n => format!(", {n} tensor-parallel ranks"),
    };
    line(
        "workload",
        format!(
            "batch {}, prompt {}, {} generated{ranks}",
            w.batch, w.prompt, w.generate
        ),
    );
    format!("{}\nsizes: {}\n\n{}", m.name, m.source, pairs(lines))
}

/// What the times rest on.
fn one_device(a: &Analysis) -> String {
    let mut out = String::new();
    for d in &a.devices {
        let of = match d.ternary_linears_only {
            true => "1.6-bit",
            false => "16-bit",
        };
        let sustained = match d.ridge == d.sustained_ridge {
            true => String::new(),
            false => format!(
                " by data sheet, {} at the sustained bandwidth",
                significant(d.sustained_ridge)
            ),
        };
        let _ = writeln!(
            out,
            "## {} ({})\n\npeak {} of {of} products, ridge {} FLOP/B{sustained}; times {}",
            d.title,
            d.name,
            scaled(d.peak_flops, "FLOP/s"),
            significant(d.ridge),
            d.times_tier,
        );
        for f in &d.figures {
            let basis = match f.basis {
                Basis::Published => "published",
                Basis::Measured => "measured",
                Basis::Assumed => "assumed",
            };
            let _ = writeln!(
                out,
                "  {} = {} ({basis}: {})",
                f.key,
                significant(f.value),
                f.source
            );
        }
        for note in &d.notes {
            let _ = writeln!(out, "  {note}");
        }
        if let Some(fits) = d.fits {
            let verdict = if fits { "fits" } else { "does not fit" };
            let bytes = numbers::both(a.memory.rank_bytes);
            let whose = if a.workload.tp > 1 { " of a rank" } else { "" };
            let _ = writeln!(
                out,
                "  weights, cache and activations{whose}, {bytes}: {verdict}"
            );
        }
    }
    out
}

fn remarks(a: &Analysis) -> String {
    let mut out = "## Remarks\n\n".to_string();
    for remark in &a.remarks {
        let _ = writeln!(out, "- {remark}");
    }
    for remark in [
        "Counts (parameters, bytes, FLOPs) are exact; a multiply-add is two FLOPs. Times are a bound of memory and \
         multipliers, not a measurement",
        "Attention is fused and causal: scores stay on chip. In prefill the head is computed for the last token of a \
         sequence only",
    ] {
        let _ = writeln!(out, "- {remark}");
    }
    out
}
