//! A ternary matrix in the order that its products read it.
//!
//! | order | packed lines | serves |
//! |---|---|---|
//! | [`Order::Rows`] | N rows of K trits | rows that are not needed are not read: `up` behind a closed gate |
//! | [`Order::Columns`] | K columns of N trits | columns whose activation is zero are not read: `down` |
//!
//! Both hold a line as [`PackedTrits`] does, so the bytes are the same on every machine. Sums are
//! exact in either order.

use std::convert::Infallible;
use std::ops::Range;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::packed::{codes_of, PackedTrits};

/// Columns that are transposed at once: one cache line of every row.
const BLOCK_COLUMNS: usize = 64;

/// Most columns that may lie together: the sums of an AVX-512 lane, whose codes count up to 64-fold, must
/// stay within int32.
pub const MAX_COLUMNS: usize = (1 << 17) - 1;
const _: () = assert!(MAX_COLUMNS * 64 * 2 * 128 <= i32::MAX as usize);

/// Which lines of a matrix lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Row after row: `W[n, ..]` is one line.
    Rows,
    /// Column after column: `W[.., k]` is one line.
    Columns,
}

/// Ternary `W: [N, K]`, two bits a weight.
pub struct TernaryMatrix {
    n: usize,
    k: usize,
    order: Order,
    lines: PackedTrits,
}

impl TernaryMatrix {
    /// A matrix of lines already packed: `[N, K]` in rows, `[K, N]` in columns.
    pub fn new(order: Order, lines: PackedTrits) -> Self {
        let (n, k) = match order {
            Order::Rows => (lines.n(), lines.k()),
            Order::Columns => (lines.k(), lines.n()),
        };
        TernaryMatrix { n, k, order, lines }
    }

    /// Packs rows given as codes: `fill(n, codes)` writes K values `W[n, k] + 1`. Rows are filled in
    /// parallel; the first error is returned.
    ///
    /// # Panics
    /// If the length of a line is 0 or above [`MAX_K`](super::packed::MAX_K), or there are more than
    /// [`MAX_COLUMNS`] columns that are to lie together.
    pub fn from_codes<E: Send>(
        order: Order,
        n: usize,
        k: usize,
        fill: impl Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        if order == Order::Rows {
            return Ok(Self::new(order, PackedTrits::from_codes(n, k, fill)?));
        }
        assert!(k <= MAX_COLUMNS, "{k} columns, at most {MAX_COLUMNS}");
        let mut rows = vec![0; n * k];
        rows.par_chunks_exact_mut(k)
            .enumerate()
            .try_for_each(|(row, codes)| fill(row, codes))?;
        // Column by column would take a cache line of every row for one code.
        let blocks: Vec<Vec<u8>> = (0..k.div_ceil(BLOCK_COLUMNS))
            .into_par_iter()
            .map(|block| transpose_block(&rows, n, k, block * BLOCK_COLUMNS))
            .collect();
        drop(rows);
        let lines = PackedTrits::from_codes(k, n, |column, codes| {
            let block = &blocks[column / BLOCK_COLUMNS];
            codes.copy_from_slice(&block[column % BLOCK_COLUMNS * n..][..n]);
            Ok(())
        })?;
        Ok(Self::new(order, lines))
    }

    /// Packs `trits: [N, K]`, each -1, 0 or 1.
    ///
    /// # Panics
    /// If `trits` is not N * K long, a value is no trit, or a line is too long.
    pub fn from_trits(order: Order, n: usize, k: usize, trits: &[i8]) -> Self {
        assert_eq!(trits.len(), n * k, "trits of W");
        let Ok(packed) = Self::from_codes(order, n, k, codes_of(trits, k));
        packed
    }

    /// Rows: out_features.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns: in_features.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Which lines lie together.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The packed lines.
    pub fn lines(&self) -> &PackedTrits {
        &self.lines
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lines.bytes()
    }

    /// Some of its rows as a matrix of their own, in the same order.
    ///
    /// # Panics
    /// If the rows are not there.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        assert!(rows.end <= self.n, "rows {rows:?} of {}", self.n);
        let lines = match self.order {
            Order::Rows => self.lines.lines(rows),
            Order::Columns => {
                let packed = PackedTrits::from_codes(self.k, rows.len(), |column, codes| {
                    let mut line = vec![0; self.n];
                    self.lines.unpack_row(column, &mut line);
                    for (code, trit) in codes.iter_mut().zip(&line[rows.clone()]) {
                        *code = (trit + 1) as u8;
                    }
                    Ok::<(), Infallible>(())
                });
                let Ok(packed) = packed;
                packed
            }
        };
        Self::new(self.order, lines)
    }

    /// Exact `sum_k W[n, k] * x[k]` of one row, slowly: for checks.
    ///
    /// # Panics
    /// If the row is not there or `x` is not K long.
    pub fn row_sum(&self, n: usize, x: &[i8]) -> i32 {
        assert_eq!(x.len(), self.k, "codes of a token");
        let mut trits = vec![0; self.k];
        self.unpack_rows(n..n + 1, &mut trits);
        let products = trits.iter().zip(x);
        products.map(|(w, x)| i32::from(*w) * i32::from(*x)).sum()
    }

    /// Writes the weights of some rows, `trits: [rows, K]`, each -1, 0 or 1. In columns this reads every
    /// line, so ask for many rows at once.
    ///
    /// # Panics
    /// If the rows are not there or `trits` is not rows * K long.
    pub fn unpack_rows(&self, rows: Range<usize>, trits: &mut [i8]) {
        assert!(rows.end <= self.n, "rows {rows:?} of {}", self.n);
        assert_eq!(trits.len(), rows.len() * self.k, "trits of the rows");
        match self.order {
            Order::Rows => {
                for (row, trits) in rows.zip(trits.chunks_exact_mut(self.k)) {
                    self.lines.unpack_row(row, trits);
                }
            }
            Order::Columns => {
                for column in 0..self.k {
                    for (i, row) in rows.clone().enumerate() {
                        trits[i * self.k + column] = self.lines.trit(column, row);
                    }
                }
            }
        }
    }
}

/// Codes of some columns, `[columns, N]`, out of `rows: [N, K]`.
fn transpose_block(rows: &[u8], n: usize, k: usize, first: usize) -> Vec<u8> {
    let columns = BLOCK_COLUMNS.min(k - first);
    let mut block = vec![0; columns * n];
    for (row, codes) in rows.chunks_exact(k).enumerate() {
        for (column, &code) in codes[first..first + columns].iter().enumerate() {
            block[column * n + row] = code;
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_give_their_rows_back() {
        for (n, k) in [(1, 1), (3, 65), (70, 64), (257, 130)] {
            let trits: Vec<i8> = (0..n * k).map(|i| (i * i % 7 % 3) as i8 - 1).collect();
            for order in [Order::Rows, Order::Columns] {
                let w = TernaryMatrix::from_trits(order, n, k, &trits);
                assert_eq!((w.n(), w.k()), (n, k));
                let rows = n / 3..n;
                let mut some = vec![9; rows.len() * k];
                w.unpack_rows(rows.clone(), &mut some);
                assert_eq!(some, trits[rows.start * k..], "{order:?} {n}x{k}");
                let x: Vec<i8> = (0..k).map(|i| (i * 31 % 255) as u8 as i8).collect();
                let last = trits[(n - 1) * k..].iter().zip(&x);
                let want: i32 = last.map(|(w, x)| i32::from(*w) * i32::from(*x)).sum();
                assert_eq!(w.row_sum(n - 1, &x), want);
                let part = w.rows(rows.clone());
                assert_eq!((part.n(), part.k(), part.order()), (rows.len(), k, order));
                let mut again = vec![9; some.len()];
                part.unpack_rows(0..rows.len(), &mut again);
                assert_eq!(again, some, "{order:?} {n}x{k}");
            }
        }
    }
}
