//! The profile for people.

use std::fmt::Write;

use super::{CallTimes, Profile};
use crate::executor::Phase;
use crate::table::{table, text, Style};
use crate::units::Seconds;

/// Tables of a profile: machine, stages, and the `top` linears by decode time (0 for all).
pub fn render(profile: &Profile, top: usize) -> String {
    let mut out = String::new();
    let s = &profile.system;
    let _ = writeln!(
        out,
        "{}: {}, {} threads of {} cores, {} MHz, {} ({})\n\
         load {}, tokenizer {}, prompt {} tokens, {} rounds; all times measured on this machine\n",
        profile.model,
        s.cpu,
        profile.threads,
        s.logical_cores,
        s.clock_mhz,
        s.memory_bytes,
        s.isa.join(" "),
        profile.load_s,
        profile.tokenizer_s,
        profile.prompt_tokens,
        profile.rounds,
    );
    for phase in [Phase::Prefill, Phase::Decode] {
        out.push_str(&stages(profile, phase));
        out.push('\n');
    }
    out.push_str(&linears(profile, top));
    out
}

fn times(t: &CallTimes) -> [String; 5] {
    [
        t.calls.to_string(),
        t.cold_s.to_string(),
        t.min_s.to_string(),
        t.median_s.to_string(),
        t.max_s.to_string(),
    ]
}

fn name<T: serde::Serialize>(value: &T) -> String {
    let json = serde_json::to_value(value).expect("a unit variant");
    json.as_str().unwrap_or_default().to_string()
}

fn stages(profile: &Profile, phase: Phase) -> String {
    let head = [
        &name(&phase),
        "calls",
        "first",
        "min",
        "median",
        "max",
        "share",
    ];
    let mut t = table(Style::Terminal, &head, &[1, 2, 3, 4, 5, 6]);
    let whole = profile.pass_median(phase).unwrap_or_default();
    let mut row = |label: String, times_of: &CallTimes| {
        let share = format!("{:.1} %", 100.0 * times_of.median_s.0 / whole.0);
        let mut cells = vec![label];
        cells.extend(times(times_of));
        cells.push(share);
        t.add_row(cells);
    };
    for stage in profile.stages.iter().filter(|s| s.phase == phase) {
        row(name(&stage.stage), &stage.times);
    }
    for pass in profile.passes.iter().filter(|p| p.phase == phase) {
        row("all".to_string(), &pass.times);
    }
    text(&t)
}

/// Decode ranking by warm median: the first call would rank whatever ran first.
fn linears(profile: &Profile, top: usize) -> String {
    let head = [
        "linear (decode)",
        "N x K",
        "calls",
        "first",
        "min",
        "median",
        "max",
        "GB/s",
        "share",
        "prefill, median",
    ];
    let mut t = table(Style::Terminal, &head, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let mut ranked: Vec<_> = profile.linears(Phase::Decode).collect();
    ranked.sort_by(|a, b| b.times.median_s.0.total_cmp(&a.times.median_s.0));
    let sum: Seconds = ranked.iter().map(|l| l.times.median_s).sum();
    let shown = if top == 0 {
        ranked.len()
    } else {
        top.min(ranked.len())
    };
    for l in &ranked[..shown] {
        let mut cells = vec![l.layer.to_string(), format!("{} x {}", l.n, l.k)];
        cells.extend(times(&l.times));
        cells.push(format!("{:.2}", l.gb_s));
        cells.push(format!("{:.1} %", 100.0 * l.times.median_s.0 / sum.0));
        let prefill = profile.linears(Phase::Prefill).find(|p| p.layer == l.layer);
        cells.push(prefill.map_or("-".to_string(), |p| p.times.median_s.to_string()));
        t.add_row(cells);
    }
    let mut out = text(&t);
    let _ = writeln!(
        out,
        "{shown} of {} ternary linears; together {sum} of a decode token's {}",
        ranked.len(),
        profile.pass_median(Phase::Decode).unwrap_or_default()
    );
    out
}
