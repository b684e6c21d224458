//! Random weights and activations of a [`GemvJob`], and the sums they must give.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::digits::{max_weight, split_rows};
use tercet_contract::{layout, Geometry};

use super::{scalar_gemv, GemvJob};

/// Rows between the matrices of two commands of a queue. Four rows are whole lines of
/// [`layout::ALIGNMENT`] bytes on every bus, so each command has weights of its own, and the memory is
/// hardly larger than that of one.
pub(super) const ROW_STEP: usize = 4;

/// Weights and activations of a queue of products.
///
/// Command `c` multiplies rows `4 c` to `4 c + rows` of `W: [rows + 4 (commands - 1), K]`, or the chosen of them,
/// with `x: [vectors, K]`.
#[derive(Clone, Debug)]
pub struct GemvData {
    pub(super) rows: usize,
    pub(super) k: usize,
    pub(super) vectors: usize,
    pub(super) digits: usize,
    pub(super) commands: usize,
    /// Rows that a run list names; none if all are read.
    pub(super) chosen: Option<Vec<u32>>,
    weights: Vec<i8>,
    x: Vec<i8>,
}

impl GemvData {
    /// Random data of a job: weights are uniform over the reach of their digits; activations are uniform over
    /// int8, and every eighth is -128.
    pub fn random(job: &GemvJob) -> Self {
        let mut rng = StdRng::seed_from_u64(job.seed);
        let stored = job.rows + ROW_STEP * job.commands.saturating_sub(1);
        let most = max_weight(job.digits) as i8;
        let weights = (0..stored * job.k).map(|_| rng.random_range(-most..=most));
        let weights = weights.collect();
        let x = (0..job.vectors * job.k).map(|_| match rng.random_ratio(1, 8) {
            true => i8::MIN,
            false => rng.random(),
        });
        let x = x.collect();
        let chosen = job.rows_share.map(|share| {
            let rows = 0..job.rows as u32;
            let mut chosen: Vec<u32> = rows.filter(|_| rng.random_bool(share)).collect();
            if chosen.is_empty() {
                chosen.push(rng.random_range(0..job.rows as u32));
            }
            chosen
        });
        GemvData {
            rows: job.rows,
            k: job.k,
            vectors: job.vectors,
            digits: job.digits,
            commands: job.commands,
            chosen,
            weights,
            x,
        }
    }

    /// The share of a compute unit: some of the rows, all activations.
    ///
    /// # Panics
    /// If the rows are not there.
    pub fn part(&self, rows: Range<usize>) -> GemvData {
        let stored = rows.start..rows.end + self.weights.len() / self.k - self.rows;
        let (start, end) = (rows.start as u32, rows.end as u32);
        GemvData {
            rows: rows.len(),
            chosen: self.chosen.as_ref().map(|chosen| {
                let mine = chosen.iter().filter(|row| (start..end).contains(row));
                mine.map(|row| row - start).collect()
            }),
            weights: self.weights[stored.start * self.k..stored.end * self.k].to_vec(),
            x: self.x.clone(),
            ..*self
        }
    }

    /// Rows that a command computes.
    pub fn computed_rows(&self) -> usize {
        self.chosen.as_ref().map_or(self.rows, Vec::len)
    }

    /// `y: [computed rows, vectors]` of a command.
    pub(super) fn expected(&self, command: usize) -> Vec<i32> {
        let columns: Vec<Vec<i32>> = self
            .x
            .chunks_exact(self.k)
            .map(|x| scalar_gemv(self.weights_of(command), x))
            .collect();
        let all = |row: usize| columns.iter().map(move |y| y[row]);
        match &self.chosen {
            None => (0..self.rows).flat_map(all).collect(),
            Some(chosen) => chosen.iter().flat_map(|row| all(*row as usize)).collect(),
        }
    }

    fn weights_of(&self, command: usize) -> &[i8] {
        &self.weights[ROW_STEP * command * self.k..][..self.rows * self.k]
    }

    /// The weights as the kernel reads them.
    pub(super) fn packed(&self, geometry: &Geometry) -> Vec<u8> {
        let rows = self.weights.len() / self.k * self.digits;
        if self.digits == 1 {
            return layout::pack_matrix(geometry, rows, self.k, &self.weights);
        }
        let wide: Vec<i32> = self.weights.iter().map(|w| i32::from(*w)).collect();
        let trits = split_rows(&wide, self.k, self.digits).expect("weights within their digits");
        layout::pack_matrix(geometry, rows, self.k, &trits)
    }

    /// The activations as the kernel reads them: each vector fills whole beats.
    pub(super) fn codes(&self, geometry: &Geometry) -> Vec<u8> {
        let stride = geometry.vector_stride(self.k);
        let mut bytes = vec![0; self.vectors * stride];
        for (vector, x) in bytes
            .chunks_exact_mut(stride)
            .zip(self.x.chunks_exact(self.k))
        {
            for (byte, x) in vector.iter_mut().zip(x) {
                *byte = *x as u8;
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_give_the_rows_of_the_whole() {
        let job = GemvJob {
            vectors: 2,
            digits: 5,
            commands: 3,
            rows_share: Some(0.5),
            ..GemvJob::new(11, 7, 3)
        };
        let whole = GemvData::random(&job);
        for command in 0..3 {
            let parts = [0..3, 3..7, 7..11].map(|rows| whole.part(rows).expected(command));
            assert_eq!(parts.concat(), whole.expected(command));
        }
        assert_ne!(whole.expected(0), whole.expected(1));
    }
}
