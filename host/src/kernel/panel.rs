//! What a product of many tokens unpacks once and then uses for each of them: the codes of 64 rows and
//! 256 columns, a byte each.
//!
//! Quad j, that is columns `4 j` to `4 j + 3` of the block, holds those four codes of every row in the
//! bytes of a dword, lowest first: one dword of activations then multiplies all rows.

use super::matrix::Order;
use super::packed::{View, CHUNK_BYTES, CHUNK_WEIGHTS};

/// Rows of a tile.
pub const TILE_ROWS: usize = 64;

/// Columns of a quad.
pub const QUAD: usize = 4;

/// Quads of a panel: one chunk of a row.
pub const PANEL_QUADS: usize = CHUNK_WEIGHTS / QUAD;

/// One code in each byte of a dword.
const CODES: u32 = 0x0303_0303;

/// `[quad][row]`.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Panel(pub [[u32; TILE_ROWS]; PANEL_QUADS]);

impl Panel {
    /// All codes zero.
    pub const fn new() -> Self {
        Panel([[0; TILE_ROWS]; PANEL_QUADS])
    }

    /// Unpacks columns `256 block ..` of rows `64 tile ..`. Rows and columns past the end get any code.
    #[inline(always)]
    pub fn fill(&mut self, order: Order, w: View, tile: usize, block: usize) {
        match order {
            Order::Rows => self.fill_from_rows(w, tile, block),
            Order::Columns => self.fill_from_columns(w, tile, block),
        }
    }

    #[inline(always)]
    fn fill_from_rows(&mut self, w: View, tile: usize, block: usize) {
        let first = tile * TILE_ROWS;
        for i in 0..TILE_ROWS.min(w.n() - first) {
            let (dwords, _) = w.row(first + i)[block].0.as_chunks::<QUAD>();
            for (j, dword) in dwords.iter().enumerate() {
                let dword = u32::from_le_bytes(*dword);
                for q in 0..4 {
                    self.0[q * dwords.len() + j][i] = dword >> (2 * q) & CODES;
                }
            }
        }
    }

    #[inline(always)]
    fn fill_from_columns(&mut self, w: View, tile: usize, block: usize) {
        let first = tile * TILE_ROWS;
        let (chunk, q) = (first / CHUNK_WEIGHTS, first % CHUNK_WEIGHTS / CHUNK_BYTES);
        for (j, rows) in self.0.iter_mut().enumerate() {
            let column = block * CHUNK_WEIGHTS + QUAD * j;
            let line = |i: usize| &w.row((column + i).min(w.n() - 1))[chunk].0;
            let [a, b, c, d] = [line(0), line(1), line(2), line(3)];
            for (i, codes) in rows.iter_mut().enumerate() {
                *codes = u32::from_le_bytes([a[i], b[i], c[i], d[i]]) >> (2 * q) & CODES;
            }
        }
    }
}

impl Default for Panel {
    fn default() -> Self {
        Self::new()
    }
}
