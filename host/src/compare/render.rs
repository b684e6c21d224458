//! The comparison for people: one set of tables, for the terminal and for Markdown.

use std::fmt::Write;

use super::{Comparison, Hybrid};
use crate::table::{table, text, Style};
use crate::time_model::DeviceTime;
use crate::units::{Cycles, Seconds};

/// Tables for the terminal.
pub fn terminal(c: &Comparison) -> String {
    render(c, Style::Terminal)
}

/// `comparison.md`.
pub fn markdown(c: &Comparison) -> String {
    format!(
        "# CPU only and hybrid, end to end\n\n{}",
        render(c, Style::Markdown)
    )
}

fn render(c: &Comparison, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}: prompt of {} tokens, {} tokens generated; {}, {} threads\n",
        c.model, c.prompt_tokens, c.tokens, c.system.cpu, c.threads
    );
    out.push_str(&totals(c, style));
    for h in &c.hybrids {
        let _ = writeln!(out, "\nOne decode token, {}:\n", title(h));
        out.push_str(&stages(c, h, style));
    }
    for h in c.hybrids.iter().filter(|h| !h.prediction.is_empty()) {
        let _ = writeln!(
            out,
            "\nOne decode token as planned and as found, {}:\n",
            title(h)
        );
        out.push_str(&prediction(h, style));
    }
    for h in distinct_boards(&c.hybrids) {
        let _ = writeln!(out, "\nFigures of the {}:\n", h.board.title);
        out.push_str(&figures(h, style));
    }
    out.push_str(LEGEND);
    let _ = writeln!(out, "{}", c.conclusion);
    out
}

/// Runs of which each has a board that none before it has.
fn distinct_boards(hybrids: &[Hybrid]) -> Vec<&Hybrid> {
    let mut distinct: Vec<&Hybrid> = Vec::new();
    for h in hybrids {
        if distinct.iter().all(|d| d.board != h.board) {
            distinct.push(h);
        }
    }
    distinct
}

/// How to read the tables; a list in Markdown and in a terminal.
const LEGEND: &str = "
- measured: timed on this machine. Medians: of all tokens after the first, and of warm readings of the prompt.
- host: a simulator that stands for the device disturbs the caches and threads of the host. So stages that did
  not move are timed on the CPU alone, just before the run; the host's part of stages that moved is timed just
  after it, with the device's last sums in the place of the device (of the prompt, beside the simulator).
- cycle-accurate: cycles counted on the RTL in simulation. modelled: counted by the device model.
- efficiency: weight beats over the cycles of all compute units; of several units, the slowest one's cycles count,
  and waiting for it is among `other`. Cycles of parts are summed over units.
- ring: doorbell and completion are taken from public figures of other systems, not from a card that ran them.
- side by side: the CPU computes its rows or layers of a group while the device works on the others; of the two
  times the shorter one is taken off.
- kernel time: these cycles over the board's clock, plus what its memory port lacks against a beat a cycle.
- A time computed from several figures is as sure as the weakest of them, in the order measured,
  cycle-accurate, modelled, published, projected. projected: at least one figure is assumed.
- The wall time of a simulation is in none of the figures.

";

fn figures(h: &Hybrid, style: Style) -> String {
    let mut t = table(style, &["figure", "value", "basis", "source"], &[1]);
    for (key, f) in h.board.figures() {
        t.add_row([key, &f.value.to_string(), &f.basis.to_string(), &f.source]);
    }
    text(&t)
}

fn prediction(h: &Hybrid, style: Style) -> String {
    let head = [
        "part",
        "planned",
        "tier",
        "found",
        "tier",
        "planned / found",
        "why",
    ];
    let mut t = table(style, &head, &[1, 3, 5]);
    for line in &h.prediction {
        let show = |value: f64| match line.unit.as_str() {
            "s" => signed(value),
            _ => format!("{value:.0}"),
        };
        t.add_row([
            line.part.clone(),
            show(line.predicted),
            line.predicted_tier.to_string(),
            show(line.found),
            line.found_tier.to_string(),
            match line.error() {
                Some(error) => format!("{:+.2} %", 100.0 * error),
                None => "-".to_string(),
            },
            line.why.clone(),
        ]);
    }
    text(&t)
}

/// A time, which may be taken off.
fn signed(s: f64) -> String {
    match s < 0.0 {
        true => format!("-{}", Seconds(-s)),
        false => Seconds(s).to_string(),
    }
}

fn title(h: &Hybrid) -> String {
    format!(
        "{} layers ({}) on a {} kernel at {} MHz, {} of the {}, device `{}`",
        h.layers,
        h.offload,
        h.geometry,
        h.board.clock_mhz.value,
        h.dispatching(),
        h.board.title,
        h.device
    )
}

fn totals(c: &Comparison, style: Style) -> String {
    let mut head = vec!["".to_string(), format!("CPU only ({})", c.cpu.tier)];
    head.extend(c.hybrids.iter().map(|h| {
        format!(
            "{} on {} {} ({})",
            h.offload, h.device, h.geometry, h.totals.tier
        )
    }));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let numbers: Vec<usize> = (1..head.len()).collect();
    let mut t = table(style, &head, &numbers);
    let mut row = |label: &str, cpu: String, of: &dyn Fn(&Hybrid) -> String| {
        let mut cells = vec![label.to_string(), cpu];
        cells.extend(c.hybrids.iter().map(of));
        t.add_row(cells);
    };
    let ms = |s: Seconds| format!("{:.3}", s.ms());
    let per_token = |v: u64| {
        // The prompt and every token after the first went through the device.
        let positions = c.prompt_tokens + c.tokens.saturating_sub(1);
        format!("{:.0}", v as f64 / positions.max(1) as f64)
    };
    if let Some(cold) = c.cpu.prefill_cold_s {
        row("prefill, cold, ms", ms(cold), &|_| String::new());
    }
    row("prefill, warm, ms", ms(c.cpu.prefill_s), &|h| {
        ms(h.totals.prefill_s)
    });
    row("decode, ms per token", ms(c.cpu.decode_s), &|h| {
        ms(h.totals.decode_s)
    });
    row(
        "decode, tokens/s",
        format!("{:.1}", c.cpu.decode_tokens_per_s),
        &|h| format!("{:.1}", h.totals.decode_tokens_per_s),
    );
    row("decode against CPU only", "1.00x".to_string(), &|h| {
        format!("{:.2}x", h.speedup)
    });
    row(
        "tokens identical",
        "".to_string(),
        &|h| match h.first_difference {
            None => "yes".to_string(),
            Some(at) => format!("NO, from token {at}"),
        },
    );
    row("device cycles per token", "".to_string(), &|h| {
        per_token(h.usage.cycles.0)
    });
    row("  efficiency, % of all units", "".to_string(), &|h| {
        format!("{:.1}", 100.0 * h.efficiency)
    });
    row("  with a weight beat", "".to_string(), &|h| {
        per_token(h.usage.weight_beats)
    });
    row("  starved of weights", "".to_string(), &|h| {
        per_token(h.starved_cycles)
    });
    row("  blocked by results", "".to_string(), &|h| {
        per_token(h.blocked_cycles)
    });
    row("  other (fetch, load, fill, drain)", "".to_string(), &|h| {
        per_token(h.other_cycles)
    });
    row("bytes to device per token", "".to_string(), &|h| {
        per_token(h.usage.bytes_to.0)
    });
    row("bytes from device per token", "".to_string(), &|h| {
        per_token(h.usage.bytes_from.0)
    });
    row("launches in all", "".to_string(), &|h| {
        h.usage.launches.to_string()
    });
    if c.hybrids.iter().any(|h| h.usage.doorbells > 0) {
        row("doorbells in all", "".to_string(), &|h| {
            h.usage.doorbells.to_string()
        });
    }
    text(&t)
}

fn stages(c: &Comparison, h: &Hybrid, style: Style) -> String {
    let tiers = &h.decode_tiers;
    let head = [
        "stage".to_string(),
        format!("CPU only ({})", tiers.cpu),
        format!("host ({})", tiers.host),
        format!("cycles ({})", tiers.cycles),
        format!("kernel ({})", tiers.kernel),
        format!(
            "{} + link ({})",
            h.mode_of_dispatch(),
            tiers.launch_and_link
        ),
        format!("side by side ({})", tiers.hybrid),
        format!("hybrid ({})", tiers.hybrid),
    ];
    // Most plans move whole groups: then nothing is side by side.
    let overlaps = h.decode_overlap_s > Seconds::default();
    let without = |cells: Vec<String>| {
        let kept = cells.into_iter().enumerate();
        let kept = kept.filter(|(i, _)| overlaps || *i != 6);
        kept.map(|(_, cell)| cell).collect::<Vec<_>>()
    };
    let head = without(head.to_vec());
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let numbers: Vec<usize> = (1..head.len()).collect();
    let mut t = table(style, &head, &numbers);
    let mut row =
        |name: &str, cpu: Seconds, host, cycles: Cycles, d: DeviceTime, beside: Seconds, hybrid| {
            t.add_row(without(vec![
                name.replace('_', " "),
                show(cpu),
                show(host),
                match cycles {
                    Cycles(0) => "-".to_string(),
                    cycles => cycles.to_string(),
                },
                show(d.compute),
                show(d.dispatch + d.link()),
                match beside > Seconds::default() {
                    true => signed(-beside.0),
                    false => "-".to_string(),
                },
                show(hybrid),
            ]));
        };
    for s in &h.decode_stages {
        row(
            &s.stage,
            s.cpu_s,
            s.host_s,
            s.device_cycles,
            s.device_s,
            s.overlap_s,
            s.hybrid_s,
        );
    }
    row(
        "all",
        c.cpu.decode_s,
        h.totals.decode_s - h.decode_device_s.total() + h.decode_overlap_s,
        h.decode_stages.iter().map(|s| s.device_cycles).sum(),
        h.decode_device_s,
        h.decode_overlap_s,
        h.totals.decode_s,
    );
    text(&t)
}

/// A time, or a dash for none.
fn show(s: Seconds) -> String {
    match s == Seconds::default() {
        true => "-".to_string(),
        false => s.to_string(),
    }
}
