//! Sections, tables and lines of a report.

use comfy_table::Table;

use crate::table::{table, text, Style};

/// A report being written.
pub struct Page {
    style: Style,
    out: String,
}

impl Page {
    /// An empty one.
    pub fn new(style: Style) -> Self {
        Page {
            style,
            out: String::new(),
        }
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        let title = match self.style {
            Style::Terminal => format!("{title}\n\n"),
            Style::Markdown => format!("## {title}\n\n"),
        };
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(&title);
    }

    /// An empty table; `numbers` are columns aligned to the right.
    pub fn new_table(&self, head: &[&str], numbers: std::ops::Range<usize>) -> Table {
        table(self.style, head, &numbers.collect::<Vec<_>>())
    }

    /// Ends a table.
    pub fn table(&mut self, table: &Table) {
        self.out.push_str(&text(table));
    }

    /// A paragraph on a line of its own.
    pub fn line(&mut self, line: &str) {
        if self.style == Style::Markdown {
            self.out.push('\n');
        }
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Text of a model, on one line and without meaning to Markdown.
    pub fn quoted(&self, text: &str) -> String {
        let quoted = format!("{text:?}");
        match self.style {
            Style::Terminal => quoted,
            Style::Markdown => quoted.replace('|', "\\|"),
        }
    }

    /// The report.
    pub fn into_text(self) -> String {
        self.out
    }
}
