//! Figures of the documents that this program was built to replace, beside its own.
//!
//! Each row has what the document prints and what Tercet computes now. The page is committed as
//! `host/validation/documents.md`; `scripts/validate-published` writes it anew, and a test compares.

mod sizes;
mod times;

use super::report::{Analysis, Operator};
use super::{analyze, Input, Options};
use crate::executor::Phase;
use crate::table::{table, text, Style};

/// One figure of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The document.
    pub document: &'static str,
    /// The quantity.
    pub figure: String,
    /// What the document prints.
    pub printed: String,
    /// What Tercet computes.
    pub tercet: String,
    /// What it holds, or why the document is wrong.
    pub why: String,
}

impl Row {
    /// Whether the document's figure is Tercet's.
    pub fn agrees(&self) -> bool {
        self.printed == self.tercet
    }
}

/// Every row, the same in every build.
///
/// # Panics
/// If a built-in preset or device file is broken.
pub fn rows() -> Vec<Row> {
    [
        sizes::model_report(),
        sizes::memory_report(),
        times::cpu_profile(),
        sizes::counting_guide(),
        times::roofline_note(),
    ]
    .concat()
}

fn row(document: &'static str, figure: &str, printed: &str, tercet: String, why: &str) -> Row {
    Row {
        document,
        figure: figure.to_string(),
        printed: printed.to_string(),
        tercet,
        why: why.to_string(),
    }
}

fn preset(name: &str, options: Options) -> Analysis {
    analyze(&Input::Preset(name.to_string()), &options).expect("a built-in preset")
}

fn operator<'a>(a: &'a Analysis, phase: Phase, name: &str) -> &'a Operator {
    let mut operators = a.operators.iter();
    let found = operators.find(|op| op.phase == phase && op.name == name);
    found.expect("an operator of every model")
}

fn weights(a: &Analysis, bits: f64) -> u64 {
    let found = a.memory.weights.iter().find(|f| f.bits == bits);
    found.map_or(0, |f| f.bytes)
}

/// The rows as a Markdown page.
pub fn markdown(rows: &[Row]) -> String {
    let head = [
        "document",
        "figure",
        "the document",
        "Tercet",
        "same",
        "why",
    ];
    let mut out = table(Style::Markdown, &head, &[2, 3]);
    for row in rows {
        out.add_row([
            row.document.to_string(),
            row.figure.clone(),
            row.printed.clone(),
            row.tercet.clone(),
            if row.agrees() { "yes" } else { "**no**" }.to_string(),
            row.why.clone(),
        ]);
    }
    let same = rows.iter().filter(|r| r.agrees()).count();
    format!(
        "# Documents against Tercet\n\n\
         Written by `scripts/validate-published`; do not edit. Five documents about transformer models stood at the start \
         of this\nproject. `tercet analyze` computes what they hold: {same} of these {} figures are the same, the others are \
         errors of the\ndocuments, and the last column says which. Counts are exact; times are projected from the device \
         files in `host/devices`.\n\n{}",
        rows.len(),
        text(&out)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_fresh() {
        assert_eq!(
            markdown(&rows()),
            include_str!("../../validation/documents.md"),
            "run scripts/validate-published"
        );
    }

    #[test]
    fn what_differs_says_why() {
        let rows = rows();
        for row in &rows {
            assert!(row.agrees() || row.why.starts_with("wrong: "), "{row:?}");
            assert!(!row.agrees() || !row.why.starts_with("wrong"), "{row:?}");
        }
        assert!(rows.iter().filter(|r| r.agrees()).count() >= 35);
    }
}
