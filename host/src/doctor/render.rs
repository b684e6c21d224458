//! The report as text.

use super::kernel::Link;
use super::{Report, State};
use crate::table::{self, Style};

/// Published costs of a real card, to stand beside what was measured.
const PUBLISHED: [(&str, &str, &str); 3] = [
    (
        "launch through XRT",
        "50 to 100 us",
        "U55C, Xilinx/XRT issue 8687",
    ),
    (
        "transfer of 4096 bytes",
        "about 5 us",
        "U50, Xilinx/XRT issue 6787",
    ),
    (
        "large transfers",
        "11.9 / 12.0 GB/s",
        "U50, Xilinx/XRT pull request 937",
    ),
];

/// Tables for the terminal, and advice below.
pub fn text(report: &Report) -> String {
    let mut checks = table::table(Style::Terminal, &["check", "state", "found"], &[]);
    for check in &report.checks {
        checks.add_row([
            check.name.as_str(),
            state(check.state),
            check.found.as_str(),
        ]);
    }
    let mut out = table::text(&checks);
    let advice: Vec<_> = report
        .checks
        .iter()
        .filter(|c| c.state != State::Ok)
        .filter_map(|c| Some(format!("{}: {}\n", c.name, c.advice.as_ref()?)))
        .collect();
    if !advice.is_empty() {
        out.push_str("\nWhat to do\n\n");
        out.extend(advice);
    }
    if let Some(link) = &report.link {
        out.push_str(&link_text(link));
    }
    out
}

fn state(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Note => "note",
        State::Warning => "WARNING",
        State::Failed => "FAILED",
    }
}

fn link_text(link: &Link) -> String {
    let us = |seconds: f64| format!("{:.1} us", seconds * 1e6);
    let measured = [
        us(link.dispatch_s.0),
        format!(
            "{} / {}",
            us(link.transfer_to_s.0),
            us(link.transfer_from_s.0)
        ),
        format!(
            "{:.2} / {:.2} GB/s",
            link.to_device_bytes_per_s / 1e9,
            link.from_device_bytes_per_s / 1e9
        ),
    ];
    let here = format!("{} here ({})", link.device, link.tier);
    let head = [
        "to / from the device",
        &here,
        "a card (published)",
        "source",
    ];
    let mut costs = table::table(Style::Terminal, &head, &[]);
    for ((what, card, source), here) in PUBLISHED.into_iter().zip(measured) {
        costs.add_row([what, &here, card, source]);
    }
    let mut out = format!(
        "\nHost path, a dispatch of nothing and transfers\n\n{}",
        table::text(&costs)
    );
    if link.device != "xrt" {
        out.push_str("The figures here are those of a simulation: they say nothing of a card.\n");
    }
    out
}
