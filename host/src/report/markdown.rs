//! `report.md`: the report for a terminal or a repository, with pictures beside it.

use std::fmt::Write;

use super::figures::Figure;
use super::sources::Sources;
use super::views::{views, View};
use super::PICTURES;
use crate::table::{table, text, Style};

/// The report as Markdown.
pub fn markdown(sources: &Sources, figures: &[Figure]) -> String {
    let c = &sources.comparison;
    let mut out = format!("# {}\n\n**{}**\n", c.model, c.conclusion);
    for figure in figures {
        let (name, heading, caption) = (figure.name, figure.heading, &figure.caption);
        let _ = write!(
            out,
            "\n## {heading}\n\n![{heading}]({PICTURES}/{name}.svg)\n\n{caption}\n"
        );
    }
    for view in views(sources) {
        out.push_str(&section(&view));
    }
    for line in &sources.missing {
        let _ = write!(out, "\nNot in the folder: {line}\n");
    }
    out
}

fn section(view: &View) -> String {
    let head: Vec<&str> = view.head.iter().map(String::as_str).collect();
    let is_number = |column: &usize| {
        let mut cells = view.rows.iter().filter_map(|row| row.get(*column));
        cells.any(|cell| cell.value.is_some())
    };
    let numbers: Vec<usize> = (0..head.len()).filter(is_number).collect();
    let mut t = table(Style::Markdown, &head, &numbers);
    for row in &view.rows {
        t.add_row(row.iter().map(|cell| cell.text.replace('|', "\\|")));
    }
    let note = match view.note.is_empty() {
        true => String::new(),
        false => format!("\n{}\n", view.note),
    };
    format!("\n## {}\n\n{}{note}", view.heading, text(&t))
}
