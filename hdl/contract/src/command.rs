//! The 64-byte record that tells the kernel to multiply.
//!
//! Records lie one behind the other in the data memory, little endian:
//!
//! | byte | field | meaning |
//! |---|---|---|
//! | 0 | opcode | 1 = GEMV |
//! | 1 | flags | bit 0: use the activations that an earlier command of this list loaded, which must be of the same K; other bits zero |
//! | 2 | vectors | vectors in this pass, 1 up to the kernel's batch |
//! | 3 | - | zero |
//! | 4..8 | rows | N, 1 up to [`MAX_ROWS`] |
//! | 8..12 | k | K, 1 up to the kernel's longest K |
//! | 12..16 | row_beats | `ceil(K / lanes)` |
//! | 16..20 | weight_beats | `rows * row_beats` |
//! | 20..24 | tag | the host's own; the kernel does not read it |
//! | 24..32 | weights | byte offset from the `weights` base register |
//! | 32..40 | activations | byte offset from the `data` base register |
//! | 40..48 | results | byte offset from the `data` base register |
//! | 48..64 | - | zero |
//!
//! `row_beats` and `weight_beats` follow from the other fields; they are given so that the kernel
//! needs neither divider nor multiplier; it counts, and stops with an error if they are wrong. Bytes said to be
//! zero are not looked at. Offsets are relative to base registers, so a list of commands
//! can be built before it is known where a buffer will lie.

use crate::geometry::{Geometry, MAX_ROWS};
use crate::layout::ALIGNMENT;

/// Bytes of a command record.
pub const COMMAND_BYTES: usize = 64;

/// Opcode of a matrix-vector product.
pub const OPCODE_GEMV: u8 = 1;

/// Flag: keep the activations in the RAM instead of loading them.
pub const FLAG_KEEP_ACTIVATIONS: u8 = 1;

/// Byte of each field in the record.
pub mod field {
    /// `opcode`, 1 byte.
    pub const OPCODE: usize = 0;
    /// `flags`, 1 byte.
    pub const FLAGS: usize = 1;
    /// `vectors`, 1 byte.
    pub const VECTORS: usize = 2;
    /// `rows`, 4 bytes.
    pub const ROWS: usize = 4;
    /// `k`, 4 bytes.
    pub const K: usize = 8;
    /// `row_beats`, 4 bytes.
    pub const ROW_BEATS: usize = 12;
    /// `weight_beats`, 4 bytes.
    pub const WEIGHT_BEATS: usize = 16;
    /// `tag`, 4 bytes.
    pub const TAG: usize = 20;
    /// `weights`, 8 bytes.
    pub const WEIGHTS: usize = 24;
    /// `activations`, 8 bytes.
    pub const ACTIVATIONS: usize = 32;
    /// `results`, 8 bytes.
    pub const RESULTS: usize = 40;
}

/// One command record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to do: [`OPCODE_GEMV`].
    pub opcode: u8,
    /// [`FLAG_KEEP_ACTIVATIONS`] or 0.
    pub flags: u8,
    /// Vectors in this pass.
    pub vectors: u8,
    /// N, rows of W.
    pub rows: u32,
    /// K, columns of W and length of each vector.
    pub k: u32,
    /// Beats of one weight row.
    pub row_beats: u32,
    /// Beats of the whole matrix.
    pub weight_beats: u32,
    /// The host's own number for this command.
    pub tag: u32,
    /// Byte offset of W from the weights base.
    pub weights: u64,
    /// Byte offset of x from the data base.
    pub activations: u64,
    /// Byte offset of y from the data base.
    pub results: u64,
}

/// Why a command cannot be built for a geometry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// N out of range.
    #[error("{rows} rows in one command: expected 1 to {MAX_ROWS}")]
    Rows {
        /// N asked for.
        rows: usize,
    },
    /// K out of range.
    #[error("K = {k} on a {geometry} kernel: expected 1 to {max}")]
    K {
        /// K asked for.
        k: usize,
        /// Longest K of the kernel.
        max: usize,
        /// The kernel.
        geometry: Geometry,
    },
    /// An offset that is not a multiple of [`ALIGNMENT`].
    #[error("{what} at byte {offset}: expected a multiple of {ALIGNMENT}")]
    Alignment {
        /// Which buffer.
        what: &'static str,
        /// Its offset.
        offset: u64,
    },
}

impl Command {
    /// A product of `W: [rows, k]` with one vector, loading its activations.
    pub fn gemv(
        geometry: &Geometry,
        rows: usize,
        k: usize,
        weights: u64,
        activations: u64,
        results: u64,
    ) -> Result<Self, CommandError> {
        if rows == 0 || rows > MAX_ROWS {
            return Err(CommandError::Rows { rows });
        }
        if k == 0 || k > geometry.max_k() {
            return Err(CommandError::K {
                k,
                max: geometry.max_k(),
                geometry: *geometry,
            });
        }
        for (what, offset) in [
            ("weights", weights),
            ("activations", activations),
            ("results", results),
        ] {
            if offset % ALIGNMENT as u64 != 0 {
                return Err(CommandError::Alignment { what, offset });
            }
        }
        let row_beats = geometry.row_beats(k);
        Ok(Command {
            opcode: OPCODE_GEMV,
            flags: 0,
            vectors: 1,
            rows: rows as u32,
            k: k as u32,
            row_beats: row_beats as u32,
            weight_beats: (rows * row_beats) as u32,
            tag: 0,
            weights,
            activations,
            results,
        })
    }

    /// The same command without the activation load: the previous one loaded them.
    pub fn keep_activations(mut self) -> Self {
        self.flags |= FLAG_KEEP_ACTIVATIONS;
        self
    }

    /// Whether the activations of the previous command are used.
    pub fn keeps_activations(&self) -> bool {
        self.flags & FLAG_KEEP_ACTIVATIONS != 0
    }

    /// The record as the kernel reads it.
    pub fn to_bytes(&self) -> [u8; COMMAND_BYTES] {
        let mut b = [0; COMMAND_BYTES];
        b[field::OPCODE] = self.opcode;
        b[field::FLAGS] = self.flags;
        b[field::VECTORS] = self.vectors;
        for (at, word) in [
            (field::ROWS, self.rows),
            (field::K, self.k),
            (field::ROW_BEATS, self.row_beats),
            (field::WEIGHT_BEATS, self.weight_beats),
            (field::TAG, self.tag),
        ] {
            b[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        for (at, word) in [
            (field::WEIGHTS, self.weights),
            (field::ACTIVATIONS, self.activations),
            (field::RESULTS, self.results),
        ] {
            b[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        b
    }

    /// Reads a record; the fields are not checked.
    pub fn from_bytes(b: &[u8; COMMAND_BYTES]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes(b[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(b[at..at + 8].try_into().expect("8 bytes"));
        Command {
            opcode: b[field::OPCODE],
            flags: b[field::FLAGS],
            vectors: b[field::VECTORS],
            rows: u32_at(field::ROWS),
            k: u32_at(field::K),
            row_beats: u32_at(field::ROW_BEATS),
            weight_beats: u32_at(field::WEIGHT_BEATS),
            tag: u32_at(field::TAG),
            weights: u64_at(field::WEIGHTS),
            activations: u64_at(field::ACTIVATIONS),
            results: u64_at(field::RESULTS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        let g = Geometry::DEFAULT;
        let mut c = Command::gemv(&g, 2560, 6912, 64, 128, 4096)
            .unwrap()
            .keep_activations();
        c.tag = 7;
        assert_eq!((c.row_beats, c.weight_beats), (22, 22 * 2560));
        assert_eq!(Command::from_bytes(&c.to_bytes()), c);
    }

    #[test]
    fn ranges_are_checked() {
        let g = Geometry::DEFAULT;
        assert!(Command::gemv(&g, 0, 64, 0, 0, 0).is_err());
        assert!(Command::gemv(&g, MAX_ROWS + 1, 64, 0, 0, 0).is_err());
        assert!(Command::gemv(&g, 1, 0, 0, 0, 0).is_err());
        assert!(Command::gemv(&g, 1, g.max_k() + 1, 0, 0, 0).is_err());
        let e = Command::gemv(&g, 1, 64, 0, 32, 0).unwrap_err();
        assert!(e.to_string().contains("activations at byte 32"), "{e}");
    }
}
