//! Operators, phases and devices as tables.

use std::fmt::Write;

use super::numbers::{bytes, percent, scaled, significant, time};
use crate::analyze::report::{Analysis, DeviceFacts, Operator, PhaseTotals};
use crate::analyze::roofline::Bound;
use crate::analyze::tensors::Part;
use crate::executor::Phase;
use crate::table::{table, text, Style};

/// A section for prefill and one for decode.
pub fn phases(a: &Analysis, device: &DeviceFacts) -> Vec<String> {
    let section = |phase| {
        let w = &a.workload;
        let (name, pass) = match phase {
            Phase::Prefill => (
                "Prefill",
                format!("{} x {} tokens at once", w.batch, w.prompt),
            ),
            Phase::Decode => (
                "Decode",
                format!(
                    "{} x 1 token with a context of {}",
                    w.batch,
                    w.prompt + w.generate
                ),
            ),
        };
        let call = if w.tp > 1 {
            "one call on one rank"
        } else {
            "one call"
        };
        let title = format!(
            "## {name}: {pass}\n\nof {call}; counts exact, times {}\n\n",
            device.times_tier
        );
        title + &operators(a, device, phase) + &parts(a, device, phase) + &totals(a, device, phase)
    };
    vec![section(Phase::Prefill), section(Phase::Decode)]
}

fn of<'a>(
    a: &'a Analysis,
    device: &'a DeviceFacts,
    phase: Phase,
) -> impl Iterator<Item = &'a Operator> {
    let operators = a.operators.iter();
    operators.filter(move |op| op.device == device.name && op.phase == phase)
}

pub fn total<'a>(a: &'a Analysis, device: &DeviceFacts, phase: Phase) -> Option<&'a PhaseTotals> {
    let mut totals = a.phases.iter();
    totals.find(|t| t.device == device.name && t.phase == phase)
}

fn operators(a: &Analysis, device: &DeviceFacts, phase: Phase) -> String {
    let head = [
        "operator",
        "calls",
        "M",
        "N",
        "K",
        "FLOPs",
        "read",
        "written",
        "FLOP/B",
        "padding",
        "bound",
        "time",
        "compute-bound from batch",
    ];
    let mut rows = table(Style::Terminal, &head, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12]);
    for op in of(a, device, phase) {
        let edge = |i: usize| op.shape.map_or(String::new(), |s| s[i].to_string());
        rows.add_row([
            op.name.clone(),
            op.calls.to_string(),
            edge(0),
            edge(1),
            edge(2),
            scaled(op.flops as f64, ""),
            bytes(op.bytes_read),
            bytes(op.bytes_written),
            op.intensity.map_or(String::new(), significant),
            padding(op),
            op.bound.as_str().to_string(),
            op.time_s.map_or("-".to_string(), time),
            match (op.compute_bound_from_batch, op.bound) {
                (Some(1), _) => "any".to_string(),
                (Some(batch), _) => batch.to_string(),
                (None, Bound::Host | Bound::Link) => String::new(),
                (None, _) => "never".to_string(),
            },
        ]);
    }
    text(&rows)
}

/// How much more is computed and moved than needed: `x16.0`.
fn padding(op: &Operator) -> String {
    let more = |padded: u64, exact: u64| match padded > exact {
        true => format!("x{}", significant(padded as f64 / exact.max(1) as f64)),
        false => String::new(),
    };
    let (flops, moved) = (
        more(op.padded_flops, op.flops),
        more(op.moved_bytes, op.bytes),
    );
    match (flops.is_empty(), moved.is_empty()) {
        (_, true) => flops,
        (true, false) => format!("{moved} bytes"),
        (false, false) => format!("{flops}, {moved} bytes"),
    }
}

/// FLOPs by part of the model.
fn parts(a: &Analysis, device: &DeviceFacts, phase: Phase) -> String {
    let sum = |part: Option<Part>| -> f64 {
        of(a, device, phase)
            .filter(|op| part.is_none_or(|p| op.part == p))
            .map(|op| op.flops as f64 * op.calls as f64)
            .sum()
    };
    let all = sum(None);
    let shares: Vec<String> = Part::ALL
        .into_iter()
        .map(|part| (part, sum(Some(part))))
        .filter(|(_, flops)| *flops > 0.0)
        .map(|(part, flops)| {
            format!(
                "{} {} ({})",
                part.as_str(),
                scaled(flops, "FLOP"),
                percent(flops / all)
            )
        })
        .collect();
    format!("\n{}: {}\n", scaled(all, "FLOP"), shares.join(", "))
}

fn totals(a: &Analysis, device: &DeviceFacts, phase: Phase) -> String {
    let Some(t) = total(a, device, phase) else {
        return String::new();
    };
    let what = match phase {
        Phase::Prefill => "the prompt".to_string(),
        Phase::Decode => format!("all {} tokens", t.tokens),
    };
    let rate = t
        .tokens_per_s
        .map_or(String::new(), |r| format!(", {} tokens/s", significant(r)));
    let mut out = format!(
        "{what}: {}, {}, {}{rate} ({})\n",
        scaled(t.flops, "FLOP"),
        scaled(t.bytes, "B"),
        time(t.time_s),
        device.times_tier
    );
    let (f, s) = (&t.flops_share, &t.time_share);
    let _ = writeln!(
        out,
        "memory bounds {} of the FLOPs and {} of the time, compute {} and {}",
        percent(f.memory),
        percent(s.memory),
        percent(f.compute),
        percent(s.compute)
    );
    if f.host > 0.0 {
        let _ = writeln!(
            out,
            "{} of the FLOPs are no ternary linears and stay on the host; launches and link are not in these times: \
             `tercet select` has them",
            percent(f.host)
        );
    }
    out
}

/// Intensity and bound of each operator in both phases.
pub fn changes(a: &Analysis, device: &DeviceFacts) -> String {
    let head = [
        "operator",
        "prefill FLOP/B",
        "decode FLOP/B",
        "prefill bound",
        "decode bound",
        "share of prefill",
        "share of decode",
    ];
    let mut rows = table(Style::Terminal, &head, &[1, 2, 5, 6]);
    let whole = |phase| -> f64 {
        let times = of(a, device, phase).filter_map(|op| Some(op.time_s? * op.calls as f64));
        times.sum()
    };
    let (prefill_s, decode_s) = (whole(Phase::Prefill), whole(Phase::Decode));
    let mut change = Vec::new();
    for (p, d) in of(a, device, Phase::Prefill).zip(of(a, device, Phase::Decode)) {
        let share = |op: &Operator, whole: f64| match op.time_s {
            Some(t) if whole > 0.0 => percent(t * op.calls as f64 / whole),
            _ => "-".to_string(),
        };
        let intensity = |op: &Operator| op.intensity.map_or(String::new(), significant);
        if p.bound == Bound::Host && d.bound == Bound::Host {
            continue;
        }
        if p.bound == Bound::Compute && d.bound == Bound::Memory {
            change.push(p.name.as_str());
        }
        rows.add_row([
            p.name.clone(),
            intensity(p),
            intensity(d),
            p.bound.as_str().to_string(),
            d.bound.as_str().to_string(),
            share(p, prefill_s),
            share(d, decode_s),
        ]);
    }
    let said = match change.is_empty() {
        true => "no operator goes from compute-bound to memory-bound".to_string(),
        false => format!(
            "compute-bound in prefill and memory-bound in decode: {}",
            change.join(", ")
        ),
    };
    format!(
        "## What changes from prefill to decode\n\n{}\n{said}\n",
        text(&rows)
    )
}
