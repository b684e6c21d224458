//! A whole ternary matrix times one token or many, on several threads.
//!
//! Sums are exact, so they depend neither on the threads nor on the order of the work. Each is handed
//! to the caller's `finish(token, sums, out)` while it is still in a cache: rescaling there costs no pass
//! over memory of its own.

use super::activations::Activations;
use super::matrix::{Order, TernaryMatrix};
use super::panel::TILE_ROWS;
use super::threads::Work;
use super::{padded_rows, Cpu, Lines, Loop};

/// Pieces of the columns for each thread: enough to even out threads that are held up.
const PIECES: usize = 4;

/// Columns below which a piece is not worth sums of its own.
const MIN_PIECE: usize = 64;

/// Tokens up to which unpacking a panel of weights costs more than it saves: each token has its own pass
/// over lines that are in a cache by then.
const FEW_TOKENS: usize = 24;

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
    /// With few tokens and weights in columns, columns whose activation is zero need not be read.
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
                self.some_rows(w, w.n(), Lines::From, x, out, |sums, out| {
                    finish(0, sums, out)
                });
            }
            (1..=FEW_TOKENS, Order::Columns) => {
                let mut bytes = 0;
                for (t, out) in out.chunks_exact_mut(w.n()).enumerate() {
                    bytes += self.open_columns(w, x, t, scratch, out, &finish);
                }
                // Columns that several tokens need count once; which these are is not looked up.
                scratch.bytes_read += bytes.min(w.bytes() as u64);
            }
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
        assert_eq!(x.tokens(), 1, "tokens");
        let lines = |i: usize| Lines::Listed(&list[i..]);
        self.some_rows(w, list.len(), lines, x, out, finish);
    }

    /// One token and `count` rows, those from place i on being `lines(i)`.
    fn some_rows<'l, T: Send>(
        &self,
        w: &TernaryMatrix,
        count: usize,
        lines: impl Fn(usize) -> Lines<'l> + Sync + Send,
        x: &Activations,
        out: &mut [T],
        finish: impl Fn(&[i32], &mut [T]) + Sync + Send,
    ) {
        let work = Work::ternary(w.bytes() / w.n() * count, w.k() * count);
        self.for_each_part(work, out, TILE_ROWS, |i, out| {
            let mut sums = [0; TILE_ROWS];
            let sums = &mut sums[..out.len()];
            self.kernel
                .rows(w.lines(), lines(i * TILE_ROWS), x, 0, sums);
            finish(sums, out);
        });
    }

    /// Token t: each thread takes some of the open columns, all rows of them, and has sums of its own.
    /// Returns the bytes read.
    fn open_columns<T: Send>(
        &self,
        w: &TernaryMatrix,
        x: &Activations,
        t: usize,
        scratch: &mut Scratch,
        out: &mut [T],
        finish: &impl Fn(usize, &[i32], &mut [T]),
    ) -> u64 {
        let Scratch {
            skip_zeros,
            open,
            sums,
            ..
        } = scratch;
        let skips = *skip_zeros;
        list_where(open, x.codes(t), |&code| code != 0 || !skips);

        let pieces = (self.threads() * PIECES).min(open.len() / MIN_PIECE).max(1);
        let piece = open.len().div_ceil(pieces).max(1);
        let rows = padded_rows(w.n());
        sums.resize(pieces * rows, 0);
        let bytes = w.bytes() / w.k() * open.len();
        let work = Work::ternary(bytes, w.n() * open.len());
        self.for_each_part(work, sums, rows, |i, sums| {
            let columns = open.chunks(piece).nth(i).unwrap_or_default();
            self.kernel.columns(w.lines(), columns, x, t, sums);
        });

        let (total, others) = sums.split_at_mut(rows);
        self.kernel.vectorize(AddUp {
            total,
            others,
            less: x.sum(t),
        });
        finish(t, &total[..w.n()], out);
        bytes as u64
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
            if tokens > FEW_TOKENS {
                self.kernel.tile(w.order(), w.lines(), i, x, sums);
                return;
            }
            let (first, rows) = (i * TILE_ROWS, TILE_ROWS.min(n - i * TILE_ROWS));
            for (t, sums) in sums.chunks_exact_mut(TILE_ROWS).enumerate() {
                let sums = &mut sums[..rows];
                self.kernel.rows(w.lines(), Lines::From(first), x, t, sums);
            }
        });
        let sums = &*sums;
        self.for_each_part(Work::copy(4 * sums.len()), out, n, |t, out| {
            for (tile, out) in sums.chunks_exact(tile).zip(out.chunks_mut(TILE_ROWS)) {
                finish(t, &tile[t * TILE_ROWS..][..out.len()], out);
            }
        });
    }
}

/// Lists the places of those elements that `is_listed`, without a branch: which these are cannot be foretold.
pub fn list_where<T>(list: &mut Vec<u32>, elements: &[T], is_listed: impl Fn(&T) -> bool) {
    list.resize(elements.len(), 0);
    let mut count = 0;
    for (i, element) in (0..).zip(elements) {
        list[count] = i;
        count += usize::from(is_listed(element));
    }
    list.truncate(count);
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
