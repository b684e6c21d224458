//! The 64-byte records that tell the kernel what to do.
//!
#![doc = include_str!("command_record.md")]

use crate::digits::MAX_DIGITS;
use crate::geometry::{Geometry, MAX_ROWS};
use crate::layout::ALIGNMENT;

/// Bytes of a command record.
pub const COMMAND_BYTES: usize = 64;

/// Bytes of an entry of a run list.
pub const RUN_BYTES: usize = 8;

/// Bits of an address that the kernel works with; offsets and bases are below `2^48`.
pub const BYTE_ADDRESS_BITS: usize = 48;

/// Opcode of a matrix-vector product.
pub const OPCODE_GEMV: u8 = 1;

/// Opcode that ends a list or a ring.
pub const OPCODE_STOP: u8 = 2;

/// Flag: keep the activations in the RAM instead of loading them.
pub const FLAG_KEEP_ACTIVATIONS: u8 = 1;

/// Flag: read the runs of the run list instead of the whole matrix.
pub const FLAG_RUN_LIST: u8 = 2;

/// Every flag.
pub const FLAGS: u8 = FLAG_KEEP_ACTIVATIONS | FLAG_RUN_LIST;

/// Byte of each field in the record.
pub mod field {
    /// `opcode`, 1 byte.
    pub const OPCODE: usize = 0;
    /// `flags`, 1 byte.
    pub const FLAGS: usize = 1;
    /// `vectors`, 1 byte.
    pub const VECTORS: usize = 2;
    /// `digits`, 1 byte.
    pub const DIGITS: usize = 3;
    /// `rows`, 4 bytes.
    pub const ROWS: usize = 4;
    /// `k`, 2 bytes.
    pub const K: usize = 8;
    /// `row_beats`, 2 bytes.
    pub const ROW_BEATS: usize = 10;
    /// `weight_beats`, 4 bytes.
    pub const WEIGHT_BEATS: usize = 12;
    /// `runs`, 4 bytes.
    pub const RUNS: usize = 16;
    /// `tag`, 4 bytes.
    pub const TAG: usize = 20;
    /// `weights`, 8 bytes.
    pub const WEIGHTS: usize = 24;
    /// `activations`, 8 bytes.
    pub const ACTIVATIONS: usize = 32;
    /// `results`, 8 bytes.
    pub const RESULTS: usize = 40;
    /// `run_list`, 8 bytes.
    pub const RUN_LIST: usize = 48;
}

/// One command record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to do: [`OPCODE_GEMV`] or [`OPCODE_STOP`].
    pub opcode: u8,
    /// [`FLAG_KEEP_ACTIVATIONS`], [`FLAG_RUN_LIST`].
    pub flags: u8,
    /// Vectors in this pass.
    pub vectors: u8,
    /// Trits of a weight.
    pub digits: u8,
    /// N, rows of W.
    pub rows: u32,
    /// K, columns of W and length of each vector.
    pub k: u16,
    /// Beats of one weight row.
    pub row_beats: u16,
    /// Beats of the whole matrix, or of all runs.
    pub weight_beats: u32,
    /// Entries of the run list.
    pub runs: u32,
    /// The host's own number for this command.
    pub tag: u32,
    /// Byte offset of W from the weights base.
    pub weights: u64,
    /// Byte offset of `x: [vectors, K]` from the data base; vectors lie [`Geometry::vector_stride`] apart.
    pub activations: u64,
    /// Byte offset of `y: [rows, batch]` from the data base.
    pub results: u64,
    /// Byte offset of the run list from the data base.
    pub run_list: u64,
}

/// A run of weight beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First beat, counted from `weights`.
    pub first_beat: u32,
    /// Beats; a run of 0 beats is skipped.
    pub beats: u32,
}

impl Run {
    /// The entry as the kernel reads it: `first_beat`, then `beats`.
    pub fn to_bytes(self) -> [u8; RUN_BYTES] {
        let mut b = [0; RUN_BYTES];
        b[..4].copy_from_slice(&self.first_beat.to_le_bytes());
        b[4..].copy_from_slice(&self.beats.to_le_bytes());
        b
    }

    /// Reads an entry.
    pub fn from_bytes(b: &[u8; RUN_BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes(b[at..at + 4].try_into().expect("4 bytes"));
        Run {
            first_beat: word(0),
            beats: word(4),
        }
    }

    /// The runs of the chosen rows of a matrix whose rows are `row_beats` beats; rows that follow each
    /// other become one run. `rows` is in the order in which results are wanted.
    pub fn of_rows(rows: impl IntoIterator<Item = u32>, row_beats: u32) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for row in rows {
            let first_beat = row * row_beats;
            match runs.last_mut() {
                Some(run) if run.first_beat + run.beats == first_beat => run.beats += row_beats,
                _ => runs.push(Run {
                    first_beat,
                    beats: row_beats,
                }),
            }
        }
        runs
    }
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
    /// More vectors than the kernel has lanes for, or none.
    #[error("{vectors} vectors on a {geometry} kernel: expected 1 to {}", geometry.batch())]
    Vectors {
        /// Vectors asked for.
        vectors: usize,
        /// The kernel.
        geometry: Geometry,
    },
    /// Digits out of range.
    #[error("{digits} digits a weight: expected 1 to {MAX_DIGITS}")]
    Digits {
        /// Digits asked for.
        digits: usize,
    },
    /// More weight beats than a record can name.
    #[error("{beats} weight beats in one command: expected at most {}", u32::MAX)]
    Beats {
        /// Beats of the matrix.
        beats: u64,
    },
    /// An offset that is not a multiple of [`ALIGNMENT`], or too large.
    #[error(
        "{what} at byte {offset}: expected a multiple of {ALIGNMENT} below 2^{BYTE_ADDRESS_BITS}"
    )]
    Offset {
        /// Which buffer.
        what: &'static str,
        /// Its offset.
        offset: u64,
    },
}

impl Command {
    /// A product of ternary `W: [rows, k]` with one vector, loading its activations.
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
        check_offset("weights", weights)?;
        check_offset("activations", activations)?;
        check_offset("results", results)?;
        let row_beats = geometry.row_beats(k);
        let command = Command {
            opcode: OPCODE_GEMV,
            flags: 0,
            vectors: 1,
            digits: 1,
            rows: rows as u32,
            k: k as u16,
            row_beats: row_beats as u16,
            weight_beats: 0,
            runs: 0,
            tag: 0,
            weights,
            activations,
            results,
            run_list: 0,
        };
        command.with_beats()
    }

    /// The command that ends a list or a ring.
    pub fn stop() -> Self {
        let mut bytes = [0; COMMAND_BYTES];
        bytes[field::OPCODE] = OPCODE_STOP;
        Command::from_bytes(&bytes)
    }

    /// The same command without the activation load: an earlier one loaded them.
    pub fn keep_activations(mut self) -> Self {
        self.flags |= FLAG_KEEP_ACTIVATIONS;
        self
    }

    /// The same product with several vectors in one pass.
    pub fn with_vectors(
        mut self,
        geometry: &Geometry,
        vectors: usize,
    ) -> Result<Self, CommandError> {
        if vectors == 0 || vectors > geometry.batch() {
            return Err(CommandError::Vectors {
                vectors,
                geometry: *geometry,
            });
        }
        self.vectors = vectors as u8;
        Ok(self)
    }

    /// The same product with weights of several trits.
    pub fn with_digits(mut self, digits: usize) -> Result<Self, CommandError> {
        if digits == 0 || digits > MAX_DIGITS {
            return Err(CommandError::Digits { digits });
        }
        self.digits = digits as u8;
        self.with_beats()
    }

    /// The same product with the rows of a run list. `rows` of the command is the number of rows that the
    /// runs name together.
    pub fn with_run_list(mut self, run_list: u64, runs: usize) -> Result<Self, CommandError> {
        check_offset("run list", run_list)?;
        self.flags |= FLAG_RUN_LIST;
        self.runs = runs as u32;
        self.run_list = run_list;
        Ok(self)
    }

    fn with_beats(mut self) -> Result<Self, CommandError> {
        let beats = u64::from(self.rows) * u64::from(self.digits) * u64::from(self.row_beats);
        self.weight_beats = u32::try_from(beats).map_err(|_| CommandError::Beats { beats })?;
        Ok(self)
    }

    /// Whether the activations of an earlier command are used.
    pub fn keeps_activations(&self) -> bool {
        self.flags & FLAG_KEEP_ACTIVATIONS != 0
    }

    /// Whether the weights are those of a run list.
    pub fn has_run_list(&self) -> bool {
        self.flags & FLAG_RUN_LIST != 0
    }

    /// The record as the kernel reads it.
    pub fn to_bytes(&self) -> [u8; COMMAND_BYTES] {
        let mut b = [0; COMMAND_BYTES];
        b[field::OPCODE] = self.opcode;
        b[field::FLAGS] = self.flags;
        b[field::VECTORS] = self.vectors;
        b[field::DIGITS] = self.digits;
        for (at, half) in [(field::K, self.k), (field::ROW_BEATS, self.row_beats)] {
            b[at..at + 2].copy_from_slice(&half.to_le_bytes());
        }
        for (at, word) in [
            (field::ROWS, self.rows),
            (field::WEIGHT_BEATS, self.weight_beats),
            (field::RUNS, self.runs),
            (field::TAG, self.tag),
        ] {
            b[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        for (at, word) in [
            (field::WEIGHTS, self.weights),
            (field::ACTIVATIONS, self.activations),
            (field::RESULTS, self.results),
            (field::RUN_LIST, self.run_list),
        ] {
            b[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        b
    }

    /// Reads a record; the fields are not checked.
    pub fn from_bytes(b: &[u8; COMMAND_BYTES]) -> Self {
        let u16_at = |at: usize| u16::from_le_bytes(b[at..at + 2].try_into().expect("2 bytes"));
        let u32_at = |at: usize| u32::from_le_bytes(b[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(b[at..at + 8].try_into().expect("8 bytes"));
        Command {
            opcode: b[field::OPCODE],
            flags: b[field::FLAGS],
            vectors: b[field::VECTORS],
            digits: b[field::DIGITS],
            rows: u32_at(field::ROWS),
            k: u16_at(field::K),
            row_beats: u16_at(field::ROW_BEATS),
            weight_beats: u32_at(field::WEIGHT_BEATS),
            runs: u32_at(field::RUNS),
            tag: u32_at(field::TAG),
            weights: u64_at(field::WEIGHTS),
            activations: u64_at(field::ACTIVATIONS),
            results: u64_at(field::RESULTS),
            run_list: u64_at(field::RUN_LIST),
        }
    }
}

/// Whether the kernel accepts a byte offset or base address.
pub const fn is_address(offset: u64) -> bool {
    offset.is_multiple_of(ALIGNMENT as u64) && offset >> BYTE_ADDRESS_BITS == 0
}

fn check_offset(what: &'static str, offset: u64) -> Result<(), CommandError> {
    match is_address(offset) {
        true => Ok(()),
        false => Err(CommandError::Offset { what, offset }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_field_at_its_byte() {
        let rows = include_str!("command_record.md")
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| ")?.split(" | ");
                let first = cells.next()?.split("..").next()?.parse::<usize>().ok()?;
                Some((first, cells.next()?))
            });
        use field::*;
        let fields = [
            (OPCODE, "opcode"),
            (FLAGS, "flags"),
            (VECTORS, "vectors"),
            (DIGITS, "digits"),
            (ROWS, "rows"),
            (K, "k"),
            (ROW_BEATS, "row_beats"),
            (WEIGHT_BEATS, "weight_beats"),
            (RUNS, "runs"),
            (TAG, "tag"),
            (WEIGHTS, "weights"),
            (ACTIVATIONS, "activations"),
            (RESULTS, "results"),
            (RUN_LIST, "run_list"),
            (RUN_LIST + 8, "-"),
        ];
        assert_eq!(rows.collect::<Vec<_>>(), fields);
        let page = include_str!("command_record.md");
        assert!(page.contains(&format!("N, 1 up to {MAX_ROWS} ")));
        assert!(page.contains(&format!("1 to {MAX_DIGITS};")));
    }

    #[test]
    fn records_round_trip() {
        let g: Geometry = "512-b3-x4".parse().unwrap();
        let mut c = Command::gemv(&g, 2560, 6912, 64, 128, 4096)
            .unwrap()
            .keep_activations()
            .with_vectors(&g, 3)
            .unwrap()
            .with_digits(5)
            .unwrap()
            .with_run_list(8192, 17)
            .unwrap();
        c.tag = 7;
        assert_eq!((c.row_beats, c.weight_beats), (22, 5 * 22 * 2560));
        assert_eq!(Command::from_bytes(&c.to_bytes()), c);
    }

    #[test]
    fn ranges_are_checked() {
        let g = Geometry::DEFAULT;
        assert!(Command::gemv(&g, 0, 64, 0, 0, 0).is_err());
        assert!(Command::gemv(&g, MAX_ROWS + 1, 64, 0, 0, 0).is_err());
        assert!(Command::gemv(&g, 1, 0, 0, 0, 0).is_err());
        assert!(Command::gemv(&g, 1, g.max_k() + 1, 0, 0, 0).is_err());
        assert!(Command::gemv(&g, 1, 64, 1 << 48, 0, 0).is_err());
        let e = Command::gemv(&g, 1, 64, 0, 32, 0).unwrap_err();
        assert!(e.to_string().contains("activations at byte 32"), "{e}");
        let c = Command::gemv(&g, 1, 64, 0, 0, 0).unwrap();
        assert!(c.with_vectors(&g, 2).is_err());
        assert!(c.with_digits(6).is_err());
    }

    #[test]
    fn rows_that_follow_each_other_are_one_run() {
        let runs = Run::of_rows([0, 1, 4, 6, 7], 8);
        let want =
            [(0, 16), (32, 8), (48, 16)].map(|(first_beat, beats)| Run { first_beat, beats });
        assert_eq!(runs, want);
        assert_eq!(Run::from_bytes(&runs[2].to_bytes()), runs[2]);
    }
}
