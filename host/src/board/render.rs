//! Boards as text for the terminal.

use std::fmt::Write;

use tercet_contract::{Encoding, Geometry};

use super::{max_cus, Board};
use crate::table::{table, text, Style};
use crate::units::Bytes;

/// A line for each board.
pub fn list(boards: &[Board]) -> String {
    let head = [
        "board",
        "title",
        "memory",
        "peak GB/s",
        "port GB/s",
        "link",
        "launch us",
        "LUT",
        "512-b3 CUs",
    ];
    let mut out = table(Style::Terminal, &head, &[3, 4, 6, 7, 8]);
    let unknown = || "?".to_string();
    for board in boards {
        let memory = board.extras.memory.as_ref();
        let resources = board.extras.resources.as_ref();
        out.add_row([
            board.name.clone(),
            board.title.clone(),
            memory.map_or_else(unknown, |m| format!("{} x {}", m.channels.value, m.kind)),
            memory.map_or_else(unknown, |m| m.peak_gb_s.value.to_string()),
            board.port_gb_s.value.to_string(),
            board.extras.link_kind.clone().unwrap_or_else(unknown),
            board.dispatch_us.value.to_string(),
            resources.map_or_else(unknown, |r| r.device.lut.value.to_string()),
            max_cus(board, &Geometry::DEFAULT).map_or_else(|_| unknown(), |m| m.cus.to_string()),
        ]);
    }
    text(&out) + "\nEach figure with its basis and source: tercet boards NAME\n"
}

/// A board in full: every figure with its source, and how many compute units fit.
pub fn page(board: &Board) -> String {
    let mut out = format!("{} ({})\n\n", board.title, board.name);
    let mut figures = table(
        Style::Terminal,
        &["figure", "value", "basis", "source"],
        &[1],
    );
    for (within, key, f) in board.every_figure() {
        figures.add_row([
            format!("{within}.{key}"),
            f.value.to_string(),
            f.basis.to_string(),
            f.source.clone(),
        ]);
    }
    out += &text(&figures);
    out.push('\n');
    out += &compute_units(board);
    if let Some(memory) = &board.extras.memory {
        let bytes = memory.capacity_gb.value * 1e9;
        let weights = |e: Encoding| bytes * 8.0 / e.bits_per_weight() / 1e9;
        let _ = writeln!(
            out,
            "\nmemory holds {} of weights: {:.1} billion as b3, {:.1} billion as b2",
            Bytes(bytes as u64),
            weights(Encoding::B3),
            weights(Encoding::B2),
        );
    }
    if let Some(resources) = &board.extras.resources {
        let bytes = resources.on_chip_bytes();
        let _ = writeln!(
            out,
            "block RAM and UltraRAM outside the shell hold {}: {:.0} million weights as b3 at most",
            Bytes(bytes as u64),
            bytes * 8.0 / Encoding::B3.bits_per_weight() / 1e6,
        );
    }
    out
}

/// Geometries and how many compute units of each fit.
fn compute_units(board: &Board) -> String {
    let mut rows = table(
        Style::Terminal,
        &["kernel", "max CUs", "one more is short of"],
        &[1],
    );
    let mut unknown = Vec::new();
    for geometry in Geometry::standard() {
        match max_cus(board, &geometry) {
            Ok(most) => {
                rows.add_row([
                    geometry.to_string(),
                    most.cus.to_string(),
                    most.limited_by.join(", "),
                ]);
            }
            Err(why) => unknown.push(why),
        }
    }
    let tier = "max CUs: projected, from synthesis (hdl/resources), the shell and the limits above";
    match (rows.is_empty(), unknown.first()) {
        (true, Some(why)) => format!("max CUs: unknown, {why}\n"),
        (_, Some(_)) => format!(
            "{}{tier}; other kernels were not synthesised for this part\n",
            text(&rows)
        ),
        (_, None) => format!("{}{tier}\n", text(&rows)),
    }
}
