//! Products with a dense matrix that reads fewer bytes: its int8 copy, or just as much of it as proves
//! which rows are the largest.
//!
//! Screening reads two planes of every row and has, for each, an interval that its logit lies in. A
//! few promising rows are finished exactly; the k-th largest of them is a logit that the k-th largest of
//! all cannot fall below. Rows whose interval ends below it are out. The others get the next plane, and
//! in the end those that are left are finished: exactly the product that the whole head would give them.

use std::ops::Range;

use super::activations::Activations;
use super::planes::{
    norm_above, plane_middle, plane_weight, PlaneMatrix, PlaneRow, OFFSET, PLANES,
};
use super::threads::Work;
use super::{dense, Cpu, Lines, Loop};
use crate::checkpoint::weights::DenseMatrix;

/// Planes that are read of every row.
const FIRST_PLANES: usize = 2;

/// Rows of a task, and of a block that sends its best row to be finished early: many, since each plane of a
/// task begins somewhere else in memory, where nothing has been prefetched.
const BLOCK: usize = 256;

/// Rows that are finished rather than looked at again.
const FEW: usize = 64;

/// Rows finished early at least.
const MIN_SEEDS: usize = 16;

/// Buffers of the screening, reused from token to token.
#[derive(Default)]
pub struct Screen {
    /// int8 codes of x.
    activations: Activations,
    /// What is known of each row.
    rows: Vec<Known>,
    /// What is known of each block of rows.
    blocks: Vec<Block>,
    /// Rows to be finished.
    exact_rows: Vec<u32>,
    /// Their logits.
    exact: Vec<f32>,
    /// Every row that was finished.
    finished: Vec<u32>,
    /// Rows and bytes that the last product read.
    read: Read,
}

/// What is known of a row.
#[derive(Clone, Copy, Default)]
struct Known {
    /// `sum over the planes read of plane_weight(p) * sum_k u_p[n, k] x[k]`.
    sum: i32,
    /// Upper end of its interval; minus infinity once it is out.
    upper: f32,
}

/// What is known of a block of rows.
#[derive(Clone, Copy, Default)]
struct Block {
    /// Its largest upper end.
    upper: f32,
    /// The row that has it.
    best: u32,
    /// Rows that the last plane was read of.
    read: u32,
}

/// What a screened product read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Bytes of planes, row bounds and finished rows.
    pub bytes: u64,
    /// Rows that were finished exactly.
    pub rows: usize,
}

/// x as the bounds need it.
struct Input {
    /// One over the scale of the codes.
    inverse_scale: f64,
    code_sum: f64,
    /// At least `|z|`, z being codes over scale.
    norm: f32,
    /// At least `|x - z|`.
    rest: f32,
    /// What rounding may add: the exact product is a sum of f32.
    slack: f32,
    /// What underflow may add, whatever the row.
    underflow: f32,
}

impl Input {
    fn new(x: &[f32], codes: &Activations) -> Self {
        let scale = f64::from(codes.scale(0));
        let z = |i: usize| f64::from(codes.codes(0)[i]) / scale;
        let norm = norm_above(x, |x, _| f64::from(x));
        // Each lane adds K / 32 products and the lanes are folded; twice that, and a few more for the
        // bound itself, which is computed in f32.
        let roundings = 2 * (x.len() / dense::LANES) + 64;
        Input {
            inverse_scale: 1.0 / scale,
            code_sum: f64::from(codes.sum(0)),
            norm: norm_above(x, |_, i| z(i)),
            rest: norm_above(x, |x, i| f64::from(x) - z(i)),
            slack: norm * roundings as f32 * f32::EPSILON,
            underflow: (x.len() + 64) as f32 * f32::from_bits(1),
        }
    }

    /// Upper end of a row's interval after a plane, from its sum of codes so far. What dividing by the
    /// scale rounds otherwise than multiplying by its inverse is far below the bound's own epsilons.
    #[inline(always)]
    fn upper(&self, bounds: &PlaneRow, plane: usize, sum: i32) -> f32 {
        let steps = f64::from(sum) + (plane_middle(plane) - OFFSET) * self.code_sum;
        let product = (f64::from(bounds.scale) * steps * self.inverse_scale) as f32;
        let missing = bounds.rest[plane] * self.norm + bounds.norm * (self.rest + self.slack);
        let upper = product + missing + product.abs() * (4.0 * f32::EPSILON) + self.underflow;
        // Infinity times zero: nothing is known of the row, so it may win.
        if upper.is_nan() {
            f32::INFINITY
        } else {
            upper
        }
    }
}

/// Adds the sums of a plane to what is known of the listed rows of a block.
struct Learn<'a> {
    input: &'a Input,
    plane: usize,
    /// Number of the block's first row.
    first: usize,
    list: &'a [u32],
    /// One for each row of the list.
    sums: &'a [i32],
    /// Of the block, as `known`.
    bounds: &'a [PlaneRow],
    known: &'a mut [Known],
}

impl Loop for Learn<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (&n, &sum) in self.list.iter().zip(self.sums) {
            let place = n as usize - self.first;
            let known = &mut self.known[place];
            known.sum += sum;
            known.upper = self.input.upper(&self.bounds[place], self.plane, known.sum);
        }
    }
}

impl Cpu {
    /// `y[n] = W[n, ..] . x` by the int8 copy of W and int8 codes of `x: [K]`; exact but for these.
    pub fn int8(&self, w: &PlaneMatrix, x: &[f32], screen: &mut Screen, y: &mut [f32]) {
        assert_eq!((w.k(), w.n()), (x.len(), y.len()), "K and N");
        let Screen { activations, .. } = screen;
        activations.requantize(self, x, w.k());
        let (x, work) = (&*activations, Work::dense(PLANES * w.n() * w.row_bytes()));
        let (scale, offset) = (x.scale(0), OFFSET as i32 * x.sum(0));
        self.for_each_part(work, y, BLOCK, |i, y| {
            let mut sums = [0; BLOCK];
            for plane in 0..PLANES {
                self.add_plane(w, plane, Lines::From(i * BLOCK), x, &mut sums[..y.len()]);
            }
            let rows = &w.rows()[i * BLOCK..];
            for ((y, sum), row) in y.iter_mut().zip(sums).zip(rows) {
                *y = (sum - offset) as f32 / scale * row.scale;
            }
        });
        screen.read = Read {
            bytes: (PLANES * w.n() * w.row_bytes()) as u64,
            rows: 0,
        };
    }

    /// The `top` largest of `y[n] = W[n, ..] . x` and perhaps some more, as the dense product gives
    /// them; all others are minus infinity. `planes` is the copy of `w`.
    pub fn screened(
        &self,
        w: &DenseMatrix,
        planes: &PlaneMatrix,
        x: &[f32],
        top: usize,
        screen: &mut Screen,
        y: &mut [f32],
    ) {
        let n = w.rows();
        assert_eq!((planes.k(), planes.n()), (x.len(), n), "the copy");
        assert_eq!((w.columns(), y.len()), (x.len(), n), "K and N");
        let all = x.iter().any(|v| !v.is_finite());
        if all || top >= n.div_ceil(BLOCK) {
            // No interval is known, or no block could be left out.
            self.dense(w, x, y);
            screen.read = Read {
                bytes: w.bytes() as u64,
                rows: n,
            };
            return;
        }
        y.fill(f32::NEG_INFINITY);
        screen.finished.clear();
        screen.activations.requantize(self, x, w.columns());
        let input = Input::new(x, &screen.activations);
        self.first_planes(planes, &input, screen);
        let (bounds, plane_bytes) = (size_of_val(planes.rows()), planes.row_bytes());
        let mut read = bounds + n * FIRST_PLANES * plane_bytes;
        let mut threshold = self.raise(w, x, top, screen, y);
        let mut left = n;
        for plane in FIRST_PLANES..PLANES {
            // Finishing a few rows costs less than another look at all of them.
            if left < FEW {
                break;
            }
            left = self.look(planes, plane..plane + 1, &input, threshold, screen);
            read += left * plane_bytes;
            threshold = self.raise(w, x, top, screen, y);
        }
        screen.choose_rest(threshold, y);
        self.finish_rows(w, x, screen, y);
        let rows = screen.finished.len();
        screen.read = Read {
            bytes: (read + rows * (w.bytes() / n)) as u64,
            rows,
        };
    }

    /// Finishes the most promising rows; returns what the `top`-th largest logit is at least.
    fn raise(
        &self,
        w: &DenseMatrix,
        x: &[f32],
        top: usize,
        screen: &mut Screen,
        y: &mut [f32],
    ) -> f32 {
        screen.choose_seeds(top.max(MIN_SEEDS), y);
        self.finish_rows(w, x, screen, y);
        screen.threshold(top, y)
    }

    /// Adds `plane_weight(plane) * sum_k u_p[n, k] x[k]` of some rows.
    fn add_plane(
        &self,
        w: &PlaneMatrix,
        plane: usize,
        rows: Lines,
        x: &Activations,
        sums: &mut [i32],
    ) {
        let mut products = [0; BLOCK];
        let products = &mut products[..sums.len()];
        self.kernel.rows(w.plane(plane), rows, x, 0, products);
        let weight = plane_weight(plane) as i32;
        for (sum, product) in sums.iter_mut().zip(products) {
            // The kernel takes codes for trits plus one.
            *sum += weight * (*product + x.sum(0));
        }
    }

    /// Sums and intervals of all rows.
    fn first_planes(&self, w: &PlaneMatrix, input: &Input, screen: &mut Screen) {
        let nothing = Known {
            sum: 0,
            upper: f32::INFINITY,
        };
        screen.rows.clear();
        screen.rows.resize(w.n(), nothing);
        screen
            .blocks
            .resize(w.n().div_ceil(BLOCK), Block::default());
        self.look(w, 0..FIRST_PLANES, input, f32::NEG_INFINITY, screen);
    }

    /// Reads some planes of the rows that reach the threshold; returns how many they are. The others are
    /// out.
    fn look(
        &self,
        w: &PlaneMatrix,
        planes: Range<usize>,
        input: &Input,
        threshold: f32,
        screen: &mut Screen,
    ) -> usize {
        let Screen {
            activations,
            rows,
            blocks,
            ..
        } = screen;
        let last = planes.end - 1;
        let work = Work::dense(planes.len() * w.n() * w.row_bytes());
        self.for_each_pair(work, (rows, BLOCK), (blocks, 1), |i, known, block| {
            let first = i * BLOCK;
            let (mut list, mut count) = ([0; BLOCK], 0);
            for (row, n) in known.iter_mut().zip(first as u32..) {
                // Without a branch: which rows are out cannot be foretold.
                let is_in = row.upper >= threshold;
                list[count] = n;
                count += usize::from(is_in);
                row.upper = if is_in { row.upper } else { f32::NEG_INFINITY };
            }
            let list = &list[..count];
            if count > 0 {
                let lines = match count == known.len() {
                    true => Lines::From(first),
                    false => Lines::Listed(list),
                };
                let mut sums = [0; BLOCK];
                let sums = &mut sums[..count];
                for plane in planes.clone() {
                    self.add_plane(w, plane, lines, activations, sums);
                }
                self.kernel.vectorize(Learn {
                    input,
                    plane: last,
                    first,
                    list,
                    sums,
                    bounds: &w.rows()[first..][..known.len()],
                    known: &mut *known,
                });
            }
            block[0] = Block::of(known, first, count);
        });
        blocks.iter().map(|block| block.read as usize).sum()
    }

    /// The dense product of the rows in `exact_rows`.
    fn finish_rows(&self, w: &DenseMatrix, x: &[f32], screen: &mut Screen, y: &mut [f32]) {
        let Screen {
            exact_rows,
            exact,
            finished,
            ..
        } = screen;
        exact.resize(exact_rows.len(), 0.0);
        let work = Work::dense(exact_rows.len() * w.bytes() / w.rows());
        self.for_each_part(work, exact, 4, |i, y| {
            let rows = Lines::Listed(&exact_rows[4 * i..]);
            self.kernel.dense_rows(w, rows, x, y);
        });
        for (&row, &exact) in exact_rows.iter().zip(exact.iter()) {
            y[row as usize] = exact;
        }
        finished.extend_from_slice(exact_rows);
    }
}

impl Screen {
    /// What the last product read.
    pub fn read(&self) -> Read {
        self.read
    }

    /// The most promising row of each of the `count` best blocks, unless it is finished already.
    fn choose_seeds(&mut self, count: usize, y: &[f32]) {
        let best = |a: &u32, b: &u32| {
            let upper = |row: u32| self.blocks[row as usize / BLOCK].upper;
            upper(*b).total_cmp(&upper(*a))
        };
        let rows = &mut self.exact_rows;
        rows.clear();
        rows.extend(self.blocks.iter().map(|block| block.best));
        if rows.len() > count {
            rows.select_nth_unstable_by(count, best);
            rows.truncate(count);
        }
        rows.retain(|&row| y[row as usize] == f32::NEG_INFINITY);
    }

    /// Every row that reaches the threshold, unless it is finished already.
    fn choose_rest(&mut self, threshold: f32, y: &[f32]) {
        self.exact_rows.clear();
        for (i, block) in self.blocks.iter().enumerate() {
            if block.upper < threshold {
                continue;
            }
            let first = i * BLOCK;
            for (row, known) in (first as u32..).zip(self.rows[first..].iter().take(BLOCK)) {
                if known.upper >= threshold && y[row as usize] == f32::NEG_INFINITY {
                    self.exact_rows.push(row);
                }
            }
        }
    }

    /// The `top`-th largest logit so far; minus infinity if there are fewer.
    fn threshold(&mut self, top: usize, y: &[f32]) -> f32 {
        let known = &mut self.exact;
        known.clear();
        known.extend(self.finished.iter().map(|&row| y[row as usize]));
        if known.len() < top {
            return f32::NEG_INFINITY;
        }
        *known
            .select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a))
            .1
    }
}

impl Block {
    /// Of rows from `first` on, `read` of which the last plane was read of.
    fn of(rows: &[Known], first: usize, read: usize) -> Self {
        let mut block = Block {
            upper: f32::NEG_INFINITY,
            best: first as u32,
            read: read as u32,
        };
        for (row, n) in rows.iter().zip(first as u32..) {
            if row.upper > block.upper {
                (block.upper, block.best) = (row.upper, n);
            }
        }
        block
    }
}

#[cfg(test)]
mod tests;
