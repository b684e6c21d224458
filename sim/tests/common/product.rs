//! One product and its expected results, in plain scalar arithmetic.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::command::Run;
use tercet_contract::digits::{max_weight, split_rows, MAX_DIGITS};
use tercet_contract::Geometry;

/// One product `y = W[rows] x`.
#[derive(Clone)]
pub struct Product {
    pub n: usize,
    pub k: usize,
    /// Trits of a weight.
    pub digits: usize,
    /// `W: [n, k]`, row-major.
    pub weights: Vec<i32>,
    /// `x: [vectors, k]`
    pub x: Vec<Vec<i8>>,
    /// The rows that are wanted, through a run list; `None` for all of them without one.
    pub rows: Option<Vec<u32>>,
    /// Shape of the run list.
    pub run_seed: u64,
    /// Use the vectors of the product before, which must begin with these.
    pub keep: bool,
}

impl Product {
    /// Uniform trits and one vector of uniform activations.
    pub fn random(rng: &mut StdRng, n: usize, k: usize) -> Self {
        Product {
            weights: (0..n * k).map(|_| rng.random_range(-1..=1)).collect(),
            x: vec![vector(rng, k)],
            ..Product::constant(n, k, 0, 0)
        }
    }

    /// Every weight `w`, every activation `x`.
    pub fn constant(n: usize, k: usize, w: i32, x: i8) -> Self {
        Product {
            n,
            k,
            digits: 1,
            weights: vec![w; n * k],
            x: vec![vec![x; k]],
            rows: None,
            run_seed: 0,
            keep: false,
        }
    }

    /// The same with so many random vectors.
    pub fn with_vectors(mut self, rng: &mut StdRng, vectors: usize) -> Self {
        self.x = (0..vectors).map(|_| vector(rng, self.k)).collect();
        self
    }

    /// The same with uniform weights of so many digits.
    pub fn with_digits(mut self, rng: &mut StdRng, digits: usize) -> Self {
        let most = max_weight(digits);
        self.digits = digits;
        for w in &mut self.weights {
            *w = rng.random_range(-most..=most);
        }
        self
    }

    /// The same with a run list of so many rows, in any order and repeated as it comes.
    pub fn with_run_list(mut self, rng: &mut StdRng, rows: usize) -> Self {
        let mut chosen: Vec<u32> = Vec::new();
        while chosen.len() < rows {
            let first = rng.random_range(0..self.n);
            let more = rng.random_range(1..=3).min(rows - chosen.len());
            chosen.extend((first..self.n).take(more).map(|n| n as u32));
        }
        self.rows = Some(chosen);
        self.run_seed = rng.random();
        self
    }

    /// Vectors, digits and a run list as they come.
    pub fn mixed(rng: &mut StdRng, g: &Geometry, n: usize, k: usize) -> Self {
        let vectors = rng.random_range(1..=g.batch());
        let mut product = Product::random(rng, n, k).with_vectors(rng, vectors);
        if rng.random_bool(0.5) {
            let digits = rng.random_range(1..=MAX_DIGITS);
            product = product.with_digits(rng, digits);
        }
        if rng.random_bool(0.4) {
            let rows = rng.random_range(1..=n + 2);
            product = product.with_run_list(rng, rows);
        }
        product
    }

    /// Rows of the result.
    pub fn result_rows(&self) -> usize {
        self.rows.as_ref().map_or(self.n, Vec::len)
    }

    /// The trits as the weight memory holds them, `[n * digits, k]`.
    pub fn trits(&self) -> Vec<i8> {
        split_rows(&self.weights, self.k, self.digits).expect("weights within reach")
    }

    /// The run list: the rows, cut into more runs than needed, with empty runs between and runs that name
    /// no memory behind the last beat.
    pub fn runs(&self, g: &Geometry) -> Option<Vec<Run>> {
        let row_beats = (g.row_beats(self.k) * self.digits) as u32;
        let rows = self.rows.as_ref()?;
        let mut rng = StdRng::seed_from_u64(self.run_seed);
        let nowhere = |beats| Run {
            first_beat: u32::MAX - 7,
            beats,
        };
        let mut runs = Vec::new();
        for run in Run::of_rows(rows.iter().copied(), row_beats) {
            if rng.random_bool(0.2) {
                runs.push(nowhere(0));
            }
            let head = rng.random_range(0..run.beats);
            if head != 0 && rng.random_bool(0.3) {
                runs.push(Run { beats: head, ..run });
                runs.push(Run {
                    first_beat: run.first_beat + head,
                    beats: run.beats - head,
                });
            } else {
                runs.push(run);
            }
        }
        for _ in 0..rng.random_range(0..4) {
            let beats = rng.random_range(0..3);
            runs.push(nowhere(beats));
        }
        Some(runs)
    }

    /// `y: [rows, vectors]`, one product at a time.
    pub fn expected(&self) -> Vec<Vec<i32>> {
        let all: Vec<u32> = (0..self.n as u32).collect();
        let rows = self.rows.as_ref().unwrap_or(&all);
        let of = |row: u32, x: &Vec<i8>| {
            let w = &self.weights[row as usize * self.k..][..self.k];
            w.iter().zip(x).map(|(w, x)| w * i32::from(*x)).sum()
        };
        rows.iter()
            .map(|row| self.x.iter().map(|x| of(*row, x)).collect())
            .collect()
    }

    /// What names it in a failure.
    pub fn shape(&self) -> String {
        format!(
            "{}x{} digits {} vectors {} rows {:?} keep {}",
            self.n,
            self.k,
            self.digits,
            self.x.len(),
            self.rows.as_ref().map(Vec::len),
            self.keep
        )
    }
}

fn vector(rng: &mut StdRng, k: usize) -> Vec<i8> {
    (0..k).map(|_| rng.random()).collect()
}
