//! A whole ternary matrix times one token or many, on several threads.
//!
//! Sums are exact, so they depend neither on the threads nor on the order of the work. Each is handed
//! to the caller's `finish(token, sums, out)` while it is still in a cache: rescaling there costs no pass
//! over memory of its own.

use super::activations::Activations;
use super::matrix::{Order, TernaryMatrix};
use super::packed::PackedTrits;
use super::panel::TILE_ROWS;
use super::threads::Work;
use super::{padded_rows, Cpu, Lines, Loop};

/// Pieces of the columns for each thread: enough to even out threads that are held up.
const PIECES: usize = 4;

/// Columns below which a piece is not worth sums of its own.
const MIN_PIECE: usize = 64;

/// Buffers of the products, reused from call to call.
pub struct Scratch {
    /// Whether columns whose activation is zero are left out.
    skip_zeros: bool,
    /// Columns whose activation is not zero.
    open: Vec<u32>,
    /// Sums of each piece of the columns, of listed rows, or of tiles.
    sums: Vec<i32>,
    /// Bytes of weights read so far.
    bytes_read: u64,
}

impl Scratch {
    /// No buffers yet. `skip_zeros`: whether columns whose activation is zero are left out, which
    /// changes no sum.
    pub fn new(skip_zeros: bool) -> Self {
        Scratch {
            skip_zeros,
            open: Vec::new(),
            sums: Vec::new(),
            bytes_read: 0,
        }
    }

    /// Bytes of weights that products with these buffers have read, each weight of a product once.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Cpu {
    /// Turns the exact sums `sum_k W[n, k] * x[t, k]` of all rows into `out: [T, N]`, by
    /// `finish(t, sums, out)` for some rows of token t at a time.
    ///
    /// With one token and weights in columns, columns whose activation is zero need not be read.
    ///
    /// # Panics
    /// If K differs or `out` is not T * N long.
    pub fn ternary<T: Send>(
        &self,
        w: &TernaryMatrix,
        x: &Activations,
        scratch: &mut Scratch,
        out: &mut [T],
        finish: impl Fn(usize, &[i32], &mut [T]) + Sync + Send,
    ) {
        assert_eq!(w.k(), x.k(), "K of weights and activations");
        assert_eq!(out.len(), w.n() * x.tokens(), "results");
        match (x.tokens(), w.order()) {
            (1, Order::Rows) => {
                scratch.bytes_read += w.bytes() as u64;
                self.all_rows(w.lines(), x, out, finish);
            }
            (1, Order::Columns) => self.open_columns(w, x, scratch, out, finish),
            _ => {
                scratch.bytes_read += w.bytes() as u64;
                self.tiles(w, x, scratch, out, finish);
            }
        }
    }

    /// The same for one token and the rows of a list only, `out` being as long as `list`; the other rows
    /// are not read.
    ///
    /// # Panics
    /// If `w` is not in rows, K differs, there are several tokens, or a row is not there.
    pub fn listed_rows<T: Send>(
        &self,
        w: &TernaryMatrix,
        list: &[u32],
        x: &Activations,
        out: &mut [T],
        finish: impl Fn(&[i32], &mut [T]) + Sync + Send,
    ) {
        assert_eq!(w.order(), Order::Rows, "order of the lines");
        assert_eq!(out.len(), list.len(), "results");
        let work = Work::ternary(w.bytes() / w.n() * list.len(), w.k() * list.len());
        self.for_each_part(work, out, TILE_ROWS, |i, out| {
            let mut sums = [0; TILE_ROWS];
            let sums = &mut sums[..out.len()];
            let rows = Lines::Listed(&list[i * TILE_ROWS..]);
            self.kernel.rows(w.lines(), rows, x, sums);
            finish(sums, out);
        });
    }

    fn all_rows<T: Send>(
        &self,
        w: &PackedTrits,
        x: &Activations,
        out: &mut [T],
        finish: impl Fn(usize, &[i32], &mut [T]) + Sync + Send,
    ) {
        let work = Work::ternary(w.bytes(), w.n() * w.k());
        self.for_each_part(work, out, TILE_ROWS, |i, out| {
            let mut sums = [0; TILE_ROWS];
            let sums = &mut sums[..out.len()];
            self.kernel.rows(w, Lines::From(i * TILE_ROWS), x, sums);
            finish(0, sums, out);
        });
    }

    /// Each thread takes some of the open columns, all rows of them, and has sums of its own.
    fn open_columns<T: Send>(
        &self,
        w: &TernaryMatrix,
        x: &Activations,
        scratch: &mut Scratch,
        out: &mut [T],
        finish: impl Fn(usize, &[i32], &mut [T]) + Sync + Send,
    ) {
        let Scratch {
            skip_zeros,
            open,
            sums,
            bytes_read,
        } = scratch;
        open.clear();
        let codes = x.codes(0).iter().zip(0..);
        open.extend(
            codes
                .filter(|(&code, _)| code != 0 || !*skip_zeros)
                .map(|(_, k)| k),
        );

        let pieces = (self.threads() * PIECES).min(open.len() / MIN_PIECE).max(1);
        let piece = open.len().div_ceil(pieces).max(1);
        let rows = padded_rows(w.n());
        sums.resize(pieces * rows, 0);
        let bytes = w.bytes() / w.k() * open.len();
        *bytes_read += bytes as u64;
        let work = Work::ternary(bytes, w.n() * open.len());
        self.for_each_part(work, sums, rows, |i, sums| {
            let columns = open.chunks(piece).nth(i).unwrap_or_default();
            self.kernel.columns(w.lines(), columns, x, sums);
        });

        let (total, others) = sums.split_at_mut(rows);
        self.kernel.vectorize(AddUp {
            total,
            others,
            less: x.sum(0),
        });
        finish(0, &total[..w.n()], out);
    }

    fn tiles<T: Send>(
        &self,
        w: &TernaryMatrix,
        x: &Activations,
        scratch: &mut Scratch,
        out: &mut [T],
        finish: impl Fn(usize, &[i32], &mut [T]) + Sync + Send,
    ) {
        let (n, tokens) = (w.n(), x.tokens());
        if tokens == 0 {
            return;
        }
        let tile = TILE_ROWS * tokens;
        let sums = &mut scratch.sums;
        sums.resize(n.div_ceil(TILE_ROWS) * tile, 0);
        let work = Work::ternary(w.bytes(), n * w.k() * tokens);
        self.for_each_part(work, sums, tile, |i, sums| {
            self.kernel.tile(w.order(), w.lines(), i, x, sums);
        });
        let sums = &*sums;
        self.for_each_part(Work::copy(4 * sums.len()), out, n, |t, out| {
            for (tile, out) in sums.chunks_exact(tile).zip(out.chunks_mut(TILE_ROWS)) {
                finish(t, &tile[t * TILE_ROWS..][..out.len()], out);
            }
        });
    }
}

/// Adds the sums of all pieces to the first, and subtracts `less` from each.
struct AddUp<'a> {
    total: &'a mut [i32],
    others: &'a [i32],
    less: i32,
}

impl Loop for AddUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for sum in self.total.iter_mut() {
            *sum -= self.less;
        }
        for piece in self.others.chunks_exact(self.total.len()) {
            for (sum, add) in self.total.iter_mut().zip(piece) {
                *sum += add;
            }
        }
    }
}
