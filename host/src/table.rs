//! Tables for the terminal and for Markdown: one look everywhere.

use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style as Paint};
use comfy_table::{presets, CellAlignment, Table};

use crate::tier::Tier;

/// Where a table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Aligned columns, nothing between them.
    Terminal,
    /// A Markdown table.
    Markdown,
}

/// Whether tables for the terminal are coloured: a program decides that once, by what its stdout is.
static COLOURS: AtomicBool = AtomicBool::new(false);

/// Colours tables for the terminal from now on, or not: heads bold, tiers by how sure they are.
pub fn set_colours(on: bool) {
    COLOURS.store(on, Ordering::Relaxed);
}

/// A table with `head`; columns named in `numbers` (by index) are aligned to the right.
pub fn table(style: Style, head: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(match style {
        Style::Terminal => presets::NOTHING,
        Style::Markdown => presets::ASCII_MARKDOWN,
    });
    table.set_header(head.iter().copied());
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Names and values, a pair a line: a table without a head.
pub fn pairs(rows: impl IntoIterator<Item = (String, String)>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name, value]);
    }
    text(&table)
}

/// The table as text without trailing blanks, one line break at the end.
pub fn text(table: &Table) -> String {
    let coloured = COLOURS.load(Ordering::Relaxed)
        && table.clone().current_style_as_preset() == presets::NOTHING;
    lines(table, coloured)
}

fn lines(table: &Table, coloured: bool) -> String {
    let mut out = String::new();
    for (i, line) in table.to_string().lines().enumerate() {
        let line = line.trim_end();
        match (coloured, i) {
            (false, _) => out.push_str(line),
            (true, 0) if table.header().is_some() => {
                out.push_str(&painted(Paint::new().bold(), line))
            }
            (true, _) => out.push_str(&with_tiers(line)),
        }
        out.push('\n');
    }
    out
}

fn painted(paint: Paint, text: &str) -> String {
    format!("{paint}{text}{paint:#}")
}

/// The line with its tiers in colour: counted or measured, computed, assumed.
fn with_tiers(line: &str) -> String {
    let word = |w: &str| match w.trim_matches(['(', ')', ',']) {
        w if w == Tier::Measured.to_string() || w == Tier::CycleAccurate.to_string() => {
            Some(AnsiColor::Green)
        }
        w if w == Tier::Modelled.to_string() || w == Tier::Published.to_string() => {
            Some(AnsiColor::Cyan)
        }
        w if w == Tier::Projected.to_string() => Some(AnsiColor::Yellow),
        _ => None,
    };
    let words = line.split(' ').map(|w| match word(w) {
        Some(colour) => painted(colour.on_default(), w),
        None => w.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_letter() {
        let mut t = table(Style::Terminal, &["figure", "tier"], &[0]);
        t.add_row(["12", "measured"]);
        t.add_row(["3", "projected"]);
        let plain = lines(&t, false);
        assert_eq!(plain, text(&t), "off unless a program says otherwise");
        assert!(!plain.contains('\x1b'));
        let coloured = lines(&t, true);
        assert!(coloured.starts_with("\x1b[1m"), "{coloured:?}");
        assert!(coloured.contains("\x1b[32mmeasured\x1b[0m"), "{coloured:?}");
        assert!(coloured.contains("\x1b[33mprojected"), "{coloured:?}");
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }
}
