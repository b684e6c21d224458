//! Checked manifests as text.

use std::fmt::Write as _;

use super::{Used, Verified};

/// A paragraph for each manifest.
pub fn text(checked: &[Verified]) -> String {
    let mut out = String::new();
    for Verified {
        path,
        manifest: m,
        problems,
    } in checked
    {
        let verdict = if problems.is_empty() { "ok" } else { "NOT OK" };
        let _ = writeln!(out, "{}  {}  {verdict}", m.target, path.display());
        let _ = writeln!(
            out,
            "  {} kernel, clock {} MHz, at most {} MHz ({}), {}",
            m.geometry, m.clock_mhz, m.fmax_mhz, m.tier, m.verified
        );
        let kinds = m
            .utilisation
            .iter()
            .map(|(kind, Used { used, available })| {
                let percent = 100.0 * *used as f64 / (*available).max(1) as f64;
                format!("{kind} {used} of {available} ({percent:.0} %)")
            });
        let _ = writeln!(out, "  {}", kinds.collect::<Vec<_>>().join(", "));
        for problem in problems {
            let _ = writeln!(out, "  problem: {problem}");
        }
    }
    out
}
