//! Checked manifests as text, and as the table of `bitstreams/README.md`.

use std::fmt::Write as _;
use std::path::Path;

use super::{Manifest, Used, Verified};

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
        let _ = writeln!(out, "  {}, {}, {}", m.state.text(), kernels(m), m.part);
        let _ = writeln!(out, "  clock: {}", clock(m));
        if let Some(u) = &m.utilisation {
            let cells = u.cells.iter().map(|(kind, count)| share(kind, count));
            let cells: Vec<_> = cells.collect();
            let _ = writeln!(
                out,
                "  {} ({}; {})",
                cells.join(", "),
                u.source,
                u.tier.text()
            );
        }
        let _ = writeln!(out, "  verified: {}", m.verified);
        for problem in problems {
            let _ = writeln!(out, "  problem: {problem}");
        }
    }
    out
}

/// A row for each manifest; files are named from `folder`.
pub fn markdown(checked: &[Verified], folder: &Path) -> String {
    // Not aligned: the cells are sentences.
    let mut out = "| target | kernel | file | state | clock | utilisation | what was verified |\n"
        .to_string();
    out += "|---|---|---|---|---|---|---|\n";
    for Verified {
        path, manifest: m, ..
    } in checked
    {
        let near = match path.strip_prefix(folder) {
            Ok(near) if near != Path::new("") => near,
            _ => path,
        };
        let file = match &m.built {
            Some(built) => near.with_file_name(&built.file),
            None => near.to_path_buf(),
        };
        let utilisation = m.utilisation.as_ref().map_or("unknown".to_string(), |u| {
            let cells = u.cells.iter().filter(|(_, count)| count.used > 0.0);
            let cells: Vec<_> = cells.map(|(kind, count)| share(kind, count)).collect();
            format!("{} ({}; {})", cells.join(", "), u.source, u.tier.text())
        });
        let cells = [
            m.target.clone(),
            kernels(m),
            format!("`{}`", file.display()),
            m.state.text().to_string(),
            clock(m),
            utilisation,
            m.verified.clone(),
        ];
        let _ = writeln!(
            out,
            "| {} |",
            cells.map(|c| c.replace('|', "\\|")).join(" | ")
        );
    }
    out
}

fn kernels(m: &Manifest) -> String {
    match m.compute_units {
        1 => m.geometry.clone(),
        n => format!("{n} x {}", m.geometry),
    }
}

fn clock(m: &Manifest) -> String {
    match &m.built {
        Some(b) => {
            let (asked, reached, tier) = (m.clock_mhz, b.fmax_mhz, b.tier.text());
            format!("{asked} MHz; timing analysis allows {reached} MHz ({tier})")
        }
        None => format!("{} MHz asked for, not known to be reached", m.clock_mhz),
    }
}

fn share(kind: &str, Used { used, available }: &Used) -> String {
    let percent = 100.0 * used / available.max(1.0);
    format!("{kind} {used} of {available} ({percent:.0} %)")
}
