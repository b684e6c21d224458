//! Other batches and lengths on one device, and several devices at one batch and length.

use super::numbers::{grouped, scaled, significant, time};
use super::operators::total;
use crate::analyze::report::{Analysis, DeviceFacts, SweepRow};
use crate::executor::Phase;
use crate::table::{table, text, Style};

/// Prompts and steps of decode at several batches and lengths.
pub fn sweep(a: &Analysis, device: &DeviceFacts) -> String {
    let of = |phase, title| {
        let rows = a.sweep.iter();
        let rows = rows.filter(|r| r.device == device.name && r.phase == phase);
        lengths(&rows.collect::<Vec<_>>(), title)
    };
    format!(
        "## Other batches and lengths (times {})\n\n{}\n{}",
        device.times_tier,
        of(Phase::Prefill, "prompt"),
        of(Phase::Decode, "a step of decode, context")
    )
}

/// A line for each length, a column for each batch.
fn lengths(rows: &[&SweepRow], title: &str) -> String {
    let first = rows.first().map_or(0, |r| r.length);
    let batches = rows.iter().take_while(|r| r.length == first);
    let batches: Vec<String> = batches.map(|r| format!("batch {}", r.batch)).collect();
    let head: Vec<&str> = std::iter::once(title)
        .chain(batches.iter().map(String::as_str))
        .collect();
    let numbers: Vec<usize> = (0..head.len()).collect();
    let mut out = table(Style::Terminal, &head, &numbers);
    for line in rows.chunks(batches.len().max(1)) {
        let length = line.first().map_or(0, |r| r.length);
        let cells = line.iter().map(|r| match r.tokens_per_s {
            Some(rate) => format!("{}, {} tok/s", time(r.time_s), significant(rate)),
            None => time(r.time_s),
        });
        out.add_row(std::iter::once(grouped(length)).chain(cells));
    }
    text(&out)
}

/// What of the model a device computes.
fn what(d: &DeviceFacts, nothing: bool) -> String {
    let Some(units) = d.compute_units else {
        return "everything".to_string();
    };
    let of = units.assumed;
    match (nothing, units.fit) {
        (true, _) => "nothing: no ternary linears".to_string(),
        (false, Some(fit)) if fit < of => format!("ternary linears; {fit} of {of} units fit"),
        (false, _) if of == 1 => "ternary linears; 1 unit".to_string(),
        (false, _) => format!("ternary linears; {of} units"),
    }
}

/// A row for each device.
pub fn devices(a: &Analysis) -> String {
    let head = [
        "device",
        "title",
        "peak",
        "GB/s",
        "ridge",
        "fits",
        "prefill",
        "decode a token",
        "tokens/s",
        "tier",
        "what",
    ];
    let mut rows = table(Style::Terminal, &head, &[2, 3, 4, 6, 7, 8]);
    for d in &a.devices {
        let gb_s = d.figures.iter().find(|f| f.key == "memory.sustained_gb_s");
        let (prefill, decode) = (total(a, d, Phase::Prefill), total(a, d, Phase::Decode));
        let token = decode.map(|t| t.time_s / a.workload.generate as f64);
        let rate = decode.and_then(|t| t.tokens_per_s);
        let nothing = prefill.is_some_and(|t| t.time_s == 0.0);
        rows.add_row([
            d.name.clone(),
            d.title.clone(),
            scaled(d.peak_flops, "FLOP/s"),
            gb_s.map_or(String::new(), |f| significant(f.value)),
            significant(d.sustained_ridge),
            match d.fits {
                Some(true) => "yes".to_string(),
                Some(false) => "no".to_string(),
                None => "?".to_string(),
            },
            match nothing {
                true => "-".to_string(),
                false => prefill.map_or(String::new(), |t| time(t.time_s)),
            },
            match nothing {
                true => "-".to_string(),
                false => token.map_or(String::new(), time),
            },
            rate.map_or("-".to_string(), significant),
            d.times_tier.to_string(),
            what(d, nothing),
        ]);
    }
    format!(
        "## Devices\n\n{}\na token of decode is a step of the whole batch; fits: weights, cache and activations of a rank. \
         Operators, sources and bounds of one device: --device NAME\n",
        text(&rows),
    )
}
