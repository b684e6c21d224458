//! How a flow tells where it is.

/// What became of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran; what came out in a few words.
    Done(String),
    /// Its inputs and its files are as the last run left them.
    Unchanged,
    /// There is nothing for it to do, and why.
    NotNeeded(String),
    /// Its file was edited by hand and stays as it is.
    Kept(String),
}

/// Told of every stage as it begins, advances and ends.
pub trait Progress {
    /// A stage begins.
    fn begin(&mut self, stage: &str);
    /// The stage has done `done` of `total` steps.
    fn step(&mut self, done: usize, total: usize);
    /// The stage is over.
    fn end(&mut self, stage: &str, outcome: &Outcome);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _stage: &str) {}
    fn step(&mut self, _done: usize, _total: usize) {}
    fn end(&mut self, _stage: &str, _outcome: &Outcome) {}
}
