//! The profile for people: tables for the terminal or a Markdown page, and advice.

mod advice;
mod linears;
mod page;
mod stages;
mod tokens;
mod zeros;

use super::Profile;
use crate::executor::Phase;
use crate::table::Style;
use crate::units::{Bytes, Seconds};
use page::Page;

/// What a report shows, and where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Terminal or Markdown.
    pub style: Style,
    /// Linears in the ranking of each phase; 0 for all.
    pub top: usize,
    /// Whether every linear is listed, in model order.
    pub all: bool,
    /// Whether every token is listed, and every point of the memory timeline.
    pub tokens: bool,
}

impl Default for Report {
    fn default() -> Self {
        Report {
            style: Style::Terminal,
            top: 20,
            all: false,
            tokens: false,
        }
    }
}

/// The whole report.
pub fn render(profile: &Profile, report: &Report) -> String {
    let mut page = Page::new(report.style);
    stages::system(&mut page, profile);
    stages::steps(&mut page, profile);
    for phase in [Phase::Prefill, Phase::Decode] {
        stages::passes(&mut page, profile, phase);
        linears::types(&mut page, profile, phase);
        linears::ranking(&mut page, profile, phase, report.top);
    }
    if report.all {
        linears::all(&mut page, profile);
    }
    tokens::statistics(&mut page, profile);
    if report.tokens {
        tokens::list(&mut page, profile);
    }
    tokens::memory(&mut page, profile, report.tokens);
    stages::overhead(&mut page, profile);
    stages::counters(&mut page, profile);
    zeros::zeros(&mut page, profile);
    advice::sizes(&mut page, profile);
    advice::advice(&mut page, profile);
    page.into_text()
}

/// The name of a unit variant, as in JSON.
fn name<T: serde::Serialize>(value: &T) -> String {
    let json = serde_json::to_value(value).expect("a unit variant");
    json.as_str().unwrap_or_default().to_string()
}

/// A part of a whole; a dash if there is no whole.
fn share(part: Seconds, whole: Seconds) -> String {
    if whole.0 > 0.0 {
        format!("{:.2} %", 100.0 * part.0 / whole.0)
    } else {
        "-".to_string()
    }
}

/// Memory, or that it is unknown.
fn bytes(bytes: Option<Bytes>) -> String {
    bytes.map_or("n/a".to_string(), |b| b.to_string())
}

#[cfg(test)]
mod tests;
