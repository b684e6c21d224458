//! Progress on stderr: bars on a terminal, one line a stage elsewhere.

use std::io::{stderr, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tercet::flow::{Outcome, Progress};

use super::output::{is_quiet, note};

/// A bar for one piece of work; gone when dropped.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar called `name`. Without a terminal, or with --quiet, nothing is drawn.
    pub fn new(name: &str) -> Self {
        if is_quiet() {
            let bar = ProgressBar::hidden();
            return Bar { bar };
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix:12} {bar:30} {pos}/{len} {elapsed}")
            .expect("a valid template");
        bar.set_style(style);
        bar.set_prefix(name.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar { bar }
    }

    /// `done` of `total` steps are done.
    pub fn step(&mut self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Bars of a flow, and a line for every finished stage.
#[derive(Default)]
pub struct FlowProgress {
    bar: Option<Bar>,
}

impl Progress for FlowProgress {
    fn begin(&mut self, stage: &str) {
        if stderr().is_terminal() {
            self.bar = Some(Bar::new(stage));
        }
    }

    fn step(&mut self, done: usize, total: usize) {
        if let Some(bar) = &mut self.bar {
            bar.step(done, total);
        }
    }

    fn end(&mut self, stage: &str, outcome: &Outcome) {
        self.bar = None;
        let text = match outcome {
            Outcome::Done(note) => note.clone(),
            Outcome::Unchanged => "unchanged, skipped".to_string(),
            Outcome::NotNeeded(why) => format!("not needed: {why}"),
            Outcome::Kept(why) => format!("kept: {why}"),
        };
        note(format_args!("{stage:12} {text}"));
    }
}
