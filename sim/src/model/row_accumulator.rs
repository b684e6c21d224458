//! From weight beats to results: weight rows gathered from the runs they come in, multiplied, and the rows of
//! a weight's digits combined, `y = 3 y + row sum`.

use tercet_contract::{Command, Geometry};

use super::activations::ActivationRam;
use super::lanes;

/// Weight rows multiplied at a time, which bounds the sums held besides the results.
const CHUNK_ROWS: usize = 256;

/// The results of one command.
pub struct RowAccumulator {
    geometry: Geometry,
    row_bytes: usize,
    vectors: usize,
    digits: u8,
    /// Weight rows of the row under way that have been added.
    digit: u8,
    /// Rows completed.
    row: usize,
    /// Beginning of a weight row whose end is in a later run.
    part: Vec<u8>,
    sums: Vec<i32>,
    results: Vec<i32>,
}

impl RowAccumulator {
    /// An accumulator without results.
    pub fn new(geometry: &Geometry) -> Self {
        RowAccumulator {
            geometry: *geometry,
            row_bytes: 0,
            vectors: 0,
            digits: 1,
            digit: 0,
            row: 0,
            part: Vec::new(),
            sums: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Begins a command that has been checked.
    pub fn begin(&mut self, command: &Command) {
        self.row_bytes = usize::from(command.row_beats) * self.geometry.beat_bytes();
        self.vectors = command.vectors.into();
        self.digits = command.digits;
        self.digit = 0;
        self.row = 0;
        self.part.clear();
        self.results.clear();
        self.results
            .resize(command.rows as usize * self.geometry.batch(), 0);
    }

    /// Takes the beats of a run, which may begin and end within a weight row.
    ///
    /// # Panics
    /// If there are more than the command's rows need.
    pub fn feed(&mut self, mut beats: &[u8], activations: &ActivationRam) {
        if !self.part.is_empty() {
            let (rest, after) = beats.split_at(beats.len().min(self.row_bytes - self.part.len()));
            self.part.extend_from_slice(rest);
            beats = after;
            if self.part.len() == self.row_bytes {
                let row = std::mem::take(&mut self.part);
                self.add(&row, activations);
                self.part = row;
                self.part.clear();
            }
        }
        let whole = beats.len() - beats.len() % self.row_bytes;
        for rows in beats[..whole].chunks(CHUNK_ROWS * self.row_bytes) {
            self.add(rows, activations);
        }
        self.part.extend_from_slice(&beats[whole..]);
    }

    /// `y: [rows, batch]`; places of vectors that the command does not have hold anything.
    pub fn results(&self) -> &[i32] {
        &self.results
    }

    /// Adds whole weight rows.
    fn add(&mut self, rows: &[u8], activations: &ActivationRam) {
        let lanes = lanes::vectors_of(self.vectors);
        self.sums.clear();
        self.sums.resize(rows.len() / self.row_bytes * lanes, 0);
        let sums = &mut self.sums;
        lanes::multiply(&self.geometry, rows, self.row_bytes, activations, sums);
        let batch = self.geometry.batch();
        for sums in self.sums.chunks_exact(lanes) {
            let results = &mut self.results[self.row * batch..][..self.vectors];
            for (y, sum) in results.iter_mut().zip(sums) {
                *y = y.wrapping_mul(3).wrapping_add(*sum);
            }
            self.digit += 1;
            if self.digit == self.digits {
                self.digit = 0;
                self.row += 1;
            }
        }
    }
}
