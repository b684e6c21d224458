//! Tables for the terminal and for Markdown: one look everywhere.

use comfy_table::{presets, CellAlignment, Table};

/// Where a table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Aligned columns, a rule under the head.
    Terminal,
    /// A Markdown table.
    Markdown,
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

/// The table as text without trailing blanks, one line break at the end.
pub fn text(table: &Table) -> String {
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
