//! The selection for people: tables.

use std::fmt::Write;

use tercet_contract::geometry::MAX_ROWS;

use super::cost::LayerCost;
use super::search::{Answer, Flip, Price};
use super::{SelectConfig, Selection};
use crate::device::Mode;
use crate::table::{table, text, Style};
use crate::tier::Tier;
use crate::time_model::DeviceTime;
use crate::units::Seconds;

/// The ranking and the decision; the `top` layers (0 for all).
pub fn render(selection: &Selection, top: usize) -> String {
    let board = &selection.board;
    let kernel = format!("kernel ({})", board.kernel_tier(Tier::Modelled));
    let call = match selection.dispatch.mode {
        Mode::Launch => "launch",
        Mode::Ring => "doorbell",
    };
    let link = format!("{call} + link ({})", board.link_tier(selection.dispatch));
    let gain = format!("gain ({})", selection.device_tier());
    let cpu = format!("CPU ({})", selection.cpu_tier());
    let head = ["layer", "N x K", &cpu, &kernel, &link, &gain, "", "reason"];
    let mut t = table(Style::Terminal, &head, &[1, 2, 3, 4, 5]);
    let all = selection.layers.len();
    let shown = if top == 0 { all } else { top.min(all) };
    for l in &selection.layers[..shown] {
        t.add_row([
            l.layer.to_string(),
            format!("{} x {}", l.n, l.k),
            l.cpu.to_string(),
            l.device.compute.to_string(),
            (l.device.dispatch + l.device.link()).to_string(),
            l.gain.to_string(),
            match (l.offload, l.rows == l.n) {
                (false, _) => "CPU".to_string(),
                (true, true) => "device".to_string(),
                (true, false) => format!("{} rows", l.rows),
            },
            l.reason.clone(),
        ]);
    }
    let mut out = text(&t);
    let s = selection;
    let _ = writeln!(out, "{shown} of {all} layers");
    if let Some(first) = selection.too_large.first() {
        let _ =
            writeln!(
            out,
            "{} more stay on the CPU, beyond the kernel's K of {} or {MAX_ROWS} rows: {first}{}",
            selection.too_large.len(),
            s.geometry.max_k(),
            if selection.too_large.len() > 1 { ", .." } else { "" },
        );
    }
    if let Some(head) = &s.head {
        let _ = writeln!(
            out,
            "lm_head, {} x {}, is not ternary and stays on the CPU: {} there; as weights of {} trits, which are near it and not \
             it, {} here ({}; `run` does not offer it)",
            head.n,
            head.k,
            head.cpu,
            head.trits,
            head.device.total(),
            s.device_tier(),
        );
    }
    let _ = writeln!(out);
    let _ = writeln!(out, "{}", board_line(s));
    let _ = writeln!(
        out,
        "{}: {} on the CPU ({}), {} with the plan ({})",
        match s.tokens {
            1 => s.workload.to_string(),
            tokens => format!("{}, each of its {tokens} tokens", s.workload),
        },
        s.token_cpu,
        s.cpu_tier(),
        s.token_hybrid,
        s.device_tier(),
    );
    if let Some(energy) = s.energy {
        let _ = writeln!(
            out,
            "energy a token: {:.3} J on the CPU, {:.3} J with the plan (projected; what the CPU draws while it waits is not in it)",
            energy.cpu_j, energy.hybrid_j
        );
    }
    let _ = writeln!(out, "{}", s.decision);
    out
}

fn board_line(s: &Selection) -> String {
    let assumed: Vec<&str> = s
        .board
        .figures()
        .into_iter()
        .filter(|(_, f)| f.basis == crate::board::Basis::Assumed)
        .map(|(key, _)| key)
        .collect();
    format!(
        "{} with {}, kernel {} at {} MHz, {} us; assumed for this board: {}",
        s.board.title,
        s.dispatch,
        s.geometry,
        s.board.clock_mhz.value,
        match s.dispatch.mode {
            Mode::Launch => format!("launch {}", s.board.dispatch_us.value),
            Mode::Ring => format!("doorbell and completion {}", s.board.ring_dispatch_us.value),
        },
        if assumed.is_empty() {
            "nothing".to_string()
        } else {
            assumed.join(", ")
        }
    )
}

/// Why a layer moves or stays; `rows` of it are on the device.
pub(super) fn reason(
    l: &LayerCost,
    rows: usize,
    device: &DeviceTime,
    gain: Seconds,
    overlap: Seconds,
) -> String {
    let overhead = device.dispatch + device.link();
    if rows > 0 && rows < l.n {
        return format!(
            "CPU {} of {}: both work at once, {overlap} of the group side by side",
            l.n - rows,
            l.n
        );
    }
    if rows > 0 && device.total() < l.cpu {
        format!("CPU {} against {} in all", l.cpu, device.total())
    } else if rows > 0 && gain < Seconds::default() {
        format!(
            "forced: {} in all against the CPU's {}",
            device.total(),
            l.cpu
        )
    } else if rows > 0 {
        format!("the CPU computes the rest of the group meanwhile, which ends {gain} sooner")
    } else if gain > Seconds::default() {
        "the board's memory has no room for it".to_string()
    } else if overhead >= l.cpu {
        format!(
            "launch and link cost {overhead}, more than the CPU's {}",
            l.cpu
        )
    } else if device.total() > l.cpu {
        format!(
            "kernel {} and launch and link {overhead} exceed the CPU's {}",
            device.compute, l.cpu
        )
    } else {
        format!(
            "the CPU computes its {} while the device has the rest of the group",
            l.cpu
        )
    }
}

/// The answer in a sentence; `saved` is of a pass.
pub(super) fn decision(s: &Selection, config: &SelectConfig, saved: Seconds) -> String {
    let (moved, layers, pass) = (s.parts.len(), s.layers.len(), s.workload);
    let title = format!("{} with {}", s.board.title, s.dispatch);
    let split = match s.split() {
        0 => String::new(),
        1 => " (one of them in part)".to_string(),
        split => format!(" ({split} of them in part)"),
    };
    let what = match s.energy {
        Some(e) => format!("{:.3} J a token", (e.cpu_j - e.hybrid_j).abs()),
        None => format!("{} a {pass}", Seconds(saved.0.abs())),
    };
    let memory = match s.memory_limited {
        true => "; the board's memory has no room for more",
        false => "",
    };
    match (config.force_top, moved) {
        (Some(_), _) if saved < Seconds::default() => format!(
            "not recommended: {moved} of {layers} layers are forced onto the {title} and cost {what}"
        ),
        (Some(_), _) => format!(
            "forced: {moved} of {layers} layers on the {title} save {what}; \
             without --force-top the best choice is made"
        ),
        (None, 0) => format!("offload nothing: on the {title} every choice of layers would cost {}",
            if s.energy.is_some() { "energy" } else { "time" }),
        (None, _) => format!("offload {moved} of {layers} layers{split}: the {title} saves {what}{memory}"),
    }
}

/// Runners-up that are shown.
const SHOWN_OTHERS: usize = 5;

/// The runners-up; nothing if nothing else was tried.
pub fn others_text(answer: &Answer) -> String {
    if answer.others.is_empty() {
        return String::new();
    }
    let token = format!("token ({})", answer.best.device_tier());
    let head = ["next best", "kernel", "layers", &token];
    let mut t = table(Style::Terminal, &head, &[2, 3]);
    for other in answer.others.iter().take(SHOWN_OTHERS) {
        t.add_row([
            other.dispatch.to_string(),
            other.geometry.to_string(),
            other.layers.to_string(),
            other.token.to_string(),
        ]);
    }
    format!("\n{}", text(&t))
}

/// Which assumption would change whether anything is offloaded.
pub fn flips_text(selection: &Selection, flips: &[Flip]) -> String {
    if flips.is_empty() {
        return String::new();
    }
    let (now, other) = match selection.offloaded().is_empty() {
        true => ("offload nothing", "something is offloaded"),
        false => ("offload", "nothing is offloaded"),
    };
    let mut t = table(
        Style::Terminal,
        &["figure", "value", "basis", "flips at"],
        &[1, 3],
    );
    for flip in flips {
        t.add_row([
            flip.figure.to_string(),
            format!("{:.4}", flip.value),
            flip.basis.to_string(),
            match flip.flips_at {
                Some(value) => format!("{value:.4}"),
                None => "never".to_string(),
            },
        ]);
    }
    format!(
        "\nThe answer is to {now}. Where a figure, alone, would have to be for another: {other} from there on\n\n{}\
         never: not within a factor of 64. Modelled, with the other figures, the mode and the units as they are.\n",
        text(&t)
    )
}

/// What each limit costs; nothing if none does.
pub fn prices_text(selection: &Selection, prices: &[Price]) -> String {
    if prices.is_empty() {
        return String::new();
    }
    if prices.iter().all(|p| !p.is_felt()) {
        return "\nNo limit of the board and of the options costs anything: without them the answer is the same.\n"
            .to_string();
    }
    let token = format!("token without it ({})", selection.device_tier());
    let mut t = table(
        Style::Terminal,
        &["limit", &token, "it costs", "what would then be best"],
        &[1, 2],
    );
    for price in prices.iter().filter(|p| p.is_felt()) {
        let what = match price.layers {
            0 => "offload nothing".to_string(),
            layers => format!(
                "{layers} layers, {} with {}",
                price.geometry, price.dispatch
            ),
        };
        t.add_row([
            price.limit.clone(),
            price.token.to_string(),
            price.costs.to_string(),
            what,
        ]);
    }
    format!(
        "\nWhat limits cost; those that are not listed cost nothing\n\n{}",
        text(&t)
    )
}

/// Several boards, the fastest first.
pub fn boards_text(answers: &[&Answer]) -> String {
    let head = [
        "board",
        "best",
        "kernel",
        "layers",
        "token",
        "tokens/s",
        "against the CPU",
        "tier",
    ];
    let mut t = table(Style::Terminal, &head, &[3, 4, 5, 6]);
    let mut sorted = answers.to_vec();
    sorted.sort_by(|a, b| a.best.token_hybrid.0.total_cmp(&b.best.token_hybrid.0));
    for answer in &sorted {
        let s = &answer.best;
        let moved = s.offloaded().len();
        let (best, kernel, tier) = match moved {
            0 => ("offload nothing".into(), String::new(), s.cpu_tier()),
            _ => (
                s.dispatch.to_string(),
                s.geometry.to_string(),
                s.device_tier(),
            ),
        };
        t.add_row([
            s.board.title.clone(),
            best,
            kernel,
            format!("{moved} of {}", s.layers.len()),
            s.token_hybrid.to_string(),
            format!("{:.1}", s.token_hybrid.per_second()),
            format!("{:.2}x", s.token_cpu.0 / s.token_hybrid.0),
            tier.to_string(),
        ]);
    }
    let cpu = sorted[0].best.token_cpu;
    format!(
        "{}\ntoken on the CPU alone: {cpu}, {:.1} tokens/s ({})\n",
        text(&t),
        cpu.per_second(),
        sorted[0].best.cpu_tier(),
    )
}
