//! The report as text.

use comfy_table::Table;

use super::kernel::{Link, REPETITIONS};
use super::published::{Cost, Published};
use super::{Report, State};
use crate::table::{self, Style};

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
        out.push_str(&link_text(link, &report.published));
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

fn link_text(link: &Link, published: &[Published]) -> String {
    let us = |seconds: f64| format!("{:.1} us", seconds * 1e6);
    let pair = |a: &str, b: &str| format!("{a} / {b}");
    let (unit, scale) = match link.to_device_bytes_per_s {
        rate if rate < 1e7 => ("kB/s", 1e3),
        _ => ("GB/s", 1e9),
    };
    let rate = |rate: f64| format!("{:.2}", rate / scale);
    let measured = |cost: Cost| match cost {
        Cost::Launch => us(link.dispatch_s.0),
        Cost::SmallTransfer => pair(&us(link.transfer_to_s.0), &us(link.transfer_from_s.0)),
        Cost::LargeTransfer => {
            let rates = pair(
                &rate(link.to_device_bytes_per_s),
                &rate(link.from_device_bytes_per_s),
            );
            format!("{rates} {unit}")
        }
    };
    let here = format!("{} here ({})", link.device, link.tier);
    if published.is_empty() {
        let mut costs = table::table(Style::Terminal, &["cost", &here], &[]);
        for (what, cost) in [
            ("launch", Cost::Launch),
            ("small transfer", Cost::SmallTransfer),
            ("large transfer", Cost::LargeTransfer),
        ] {
            costs.add_row([what, &measured(cost)]);
        }
        return host_path(link, &costs);
    }
    let head = ["cost", &here, "a card (published)", "source"];
    let mut costs = table::table(Style::Terminal, &head, &[]);
    for known in published {
        costs.add_row([
            &known.what,
            &measured(known.cost),
            &known.value,
            &known.source,
        ]);
    }
    let request = us(link.request_s.0);
    let whole = us(link.dispatch_s.0 + link.request_s.0);
    costs.add_row(["request to the process that calls XRT", &request, "-", "-"]);
    costs.add_row(["dispatch: request and launch", &whole, "-", "-"]);
    host_path(link, &costs)
}

fn host_path(link: &Link, costs: &Table) -> String {
    let mut out = format!(
        "\nHost path: launches of nothing, transfers to / from the device, medians of {REPETITIONS}\n\n{}",
        table::text(costs)
    );
    if !link.is_of_a_card {
        out.push_str("The figures here are those of a simulation: they say nothing of a card.\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::published::published;
    use super::*;
    use crate::tier::Tier;
    use crate::units::Seconds;

    #[test]
    fn the_costs_of_the_host_path_stand_beside_published_ones() {
        let report = Report {
            checks: Vec::new(),
            link: Some(Link {
                is_of_a_card: false,
                device: "xrt-emu".into(),
                tier: Tier::Measured,
                dispatch_s: Seconds(70e-6),
                request_s: Seconds(12.5e-6),
                transfer_to_s: Seconds(20e-6),
                transfer_from_s: Seconds(21e-6),
                to_device_bytes_per_s: 2.1e9,
                from_device_bytes_per_s: 1.6e9,
                clock_hz: 3e8,
            }),
            published: published(),
        };
        let shown = text(&report);
        for part in [
            "xrt-emu here (measured)",
            "a card (published)",
            "70.0 us",
            "50 to 100 us",
            "12.5 us",
            "82.5 us",
            "2.10 / 1.60 GB/s",
            "U55C, Xilinx/XRT issue 8687",
            "those of a simulation",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        // The JSON has the same figures.
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        assert!(json.contains("request_s") && json.contains("50 to 100 us"));
    }
}
