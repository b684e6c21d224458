//! Published hardware, reproduced with this program's board files, cycle model and time model.
//!
//! Each row puts a published figure beside ours and says what went in. A miss above [`TOLERANCE`] has its explanation.
//! The table is committed as `host/validation/published.md` and `.json`; `scripts/validate-published` writes it anew,
//! and a test compares.

mod gemv;
mod hbm;
mod kv260;
mod render;

use schemars::JsonSchema;
use serde::Serialize;

use crate::tier::Tier;

pub(crate) use render::Validation;
pub use render::{json, markdown};

/// Relative error above which a row must explain itself.
pub const TOLERANCE: f64 = 0.10;

/// One published figure beside ours.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// The published work and the quantity.
    pub what: String,
    /// Unit of both figures.
    pub unit: &'static str,
    /// The published figure.
    pub published: f64,
    /// Ours, to four significant digits.
    pub ours: f64,
    /// Evidence behind ours.
    pub tier: Tier,
    /// Where the published figure stands.
    pub source: &'static str,
    /// What went into ours, and why it misses if it does.
    pub remark: String,
}

impl Row {
    /// `ours / published - 1`.
    pub fn error(&self) -> f64 {
        self.ours / self.published - 1.0
    }
}

/// Every row, the same in every build.
///
/// # Panics
/// If a built-in board file is broken.
pub fn rows() -> Vec<Row> {
    let mut rows = kv260::rows();
    rows.extend(hbm::rows());
    rows.extend(gemv::rows());
    for row in &mut rows {
        row.ours = significant(row.ours);
    }
    rows
}

/// To four significant digits, so that the committed table does not depend on the last bit.
fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().expect("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_table_is_fresh() {
        let rows = rows();
        let how = "run scripts/validate-published";
        assert_eq!(
            markdown(&rows),
            include_str!("../../validation/published.md"),
            "{how}"
        );
        let data = include_str!("../../validation/published.json");
        assert_eq!(json(&rows), data, "{how}");
    }

    #[test]
    fn what_misses_says_why() {
        for row in rows() {
            assert!(row.published > 0.0 && row.ours > 0.0, "{}", row.what);
            let explained = row.remark.contains("misses because");
            assert_eq!(
                row.error().abs() > TOLERANCE,
                explained,
                "{}: {}",
                row.what,
                row.error()
            );
        }
    }
}
