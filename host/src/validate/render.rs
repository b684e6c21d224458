//! The table as Markdown and JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Row, TOLERANCE};
use crate::table::{table, text, Style};

/// Published hardware beside what our model says of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Validation<'a> {
    schema: &'static str,
    version: u32,
    rows: Vec<RowJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct RowJson<'a> {
    #[serde(flatten)]
    row: &'a Row,
    error_percent: f64,
}

/// Rows with their errors as indented JSON.
pub fn json(rows: &[Row]) -> String {
    let row = |row| RowJson {
        row,
        error_percent: percent(row),
    };
    let json = Validation {
        schema: "tercet.validation",
        version: 1,
        rows: rows.iter().map(row).collect(),
    };
    let mut text = serde_json::to_string_pretty(&json).expect("plain values");
    text.push('\n');
    text
}

/// To a tenth of a percent; never `-0`.
fn percent(row: &Row) -> f64 {
    (row.error() * 1000.0).round() / 10.0 + 0.0
}

/// Rows as a Markdown page.
pub fn markdown(rows: &[Row]) -> String {
    let head = [
        "what",
        "unit",
        "published",
        "ours",
        "error %",
        "tier of ours",
        "source",
        "remark",
    ];
    let mut out = table(Style::Markdown, &head, &[2, 3, 4]);
    for row in rows {
        out.add_row([
            row.what.clone(),
            row.unit.to_string(),
            row.published.to_string(),
            row.ours.to_string(),
            format!("{:+.1}", percent(row)),
            row.tier.to_string(),
            row.source.to_string(),
            row.remark.clone(),
        ]);
    }
    let within = rows.iter().filter(|r| r.error().abs() <= TOLERANCE).count();
    format!(
        "# Published hardware and our model\n\n\
         Written by `scripts/validate-published`; do not edit. Ours comes from the board files, the cycle model and the\n\
         time model of this program. {within} of {} rows lie within {:.0} %; each of the others says why it misses.\n\n{}",
        rows.len(),
        TOLERANCE * 100.0,
        text(&out)
    )
}
