//! Two-bit packing of ternary weights for the CPU, the same on every ISA.
//!
//! Row `n` of `W: [N, K]` is `ceil(K / 256)` chunks of 64 bytes, rows following each other without
//! a gap. Bits `2q` and `2q + 1` of byte `j` of chunk `c` hold `W[n, 256 c + 64 q + j] + 1`, that is
//! 0, 1 or 2; places past K hold 1 (weight zero). In trits 3 is never written; the planes of a head
//! ([`super::planes`]) use all four codes.
//!
//! So one 64-byte load and three shifts give four vectors of codes, each for 64 consecutive
//! activations, without a shuffle; 32-byte vectors take the two halves of each. The codes are
//! unsigned, as `maddubs` and `vpdpbusd` want them, and the kernels subtract the sum of the
//! activations: `sum (w + 1) x - sum x = sum w x`.

use std::convert::Infallible;
use std::ops::Range;

use rayon::prelude::*;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::mapped::MappedBytes;

/// Weights in one chunk.
pub const CHUNK_WEIGHTS: usize = 256;

/// Bytes of one chunk.
pub const CHUNK_BYTES: usize = 64;

/// Longest K: the code sum `2 * 128 * K` must stay within int32.
pub const MAX_K: usize = (1 << 23) - CHUNK_WEIGHTS;

/// The code of a zero weight.
const ZERO: u8 = 1;

/// 256 weights in 64 bytes, on a cache line of its own.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct Chunk(pub(crate) [u8; CHUNK_BYTES]);

/// Ternary `W: [N, K]`, two bits a weight.
pub struct PackedTrits {
    n: usize,
    k: usize,
    chunks: Chunks,
}

/// Where the chunks are.
enum Chunks {
    Owned(Vec<Chunk>),
    /// Bytes that are known to be whole, aligned chunks.
    Mapped(MappedBytes),
}

/// [`PackedTrits`] as a kernel reads them.
#[derive(Clone, Copy)]
pub struct View<'a> {
    n: usize,
    row_chunks: usize,
    chunks: &'a [Chunk],
}

impl<'a> View<'a> {
    /// Rows.
    #[inline(always)]
    pub fn n(self) -> usize {
        self.n
    }

    /// Number of chunks of a row.
    #[inline(always)]
    pub fn row_chunks(self) -> usize {
        self.row_chunks
    }

    /// Chunks of one row.
    #[inline(always)]
    pub fn row(self, n: usize) -> &'a [Chunk] {
        &self.chunks[n * self.row_chunks..][..self.row_chunks]
    }
}

impl Chunks {
    #[inline]
    fn as_slice(&self) -> &[Chunk] {
        match self {
            Chunks::Owned(chunks) => chunks,
            Chunks::Mapped(bytes) => <[Chunk]>::ref_from_bytes(bytes).expect("checked when mapped"),
        }
    }
}

impl PackedTrits {
    /// Packs rows given as codes: `fill(n, codes)` writes K values `W[n, k] + 1`. Rows are packed in
    /// parallel; the first error is returned.
    ///
    /// # Panics
    /// If K is 0 or above [`MAX_K`].
    pub fn from_codes<E: Send>(
        n: usize,
        k: usize,
        fill: impl Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        assert!((1..=MAX_K).contains(&k), "K = {k}, supported 1..={MAX_K}");
        let row_chunks = k.div_ceil(CHUNK_WEIGHTS);
        let mut chunks = vec![Chunk([0; CHUNK_BYTES]); n * row_chunks];
        chunks
            .par_chunks_exact_mut(row_chunks)
            .enumerate()
            .try_for_each_init(
                || vec![ZERO; row_chunks * CHUNK_WEIGHTS],
                |codes, (row, chunks)| {
                    fill(row, &mut codes[..k])?;
                    for (chunk, codes) in chunks.iter_mut().zip(codes.chunks_exact(CHUNK_WEIGHTS)) {
                        *chunk = pack_chunk(codes);
                    }
                    Ok(())
                },
            )?;
        let chunks = Chunks::Owned(chunks);
        Ok(PackedTrits { n, k, chunks })
    }

    /// Rows that were packed before: `bytes` are those of [`PackedTrits::as_bytes`], mapped. None if they
    /// are not as many as N and K ask for, do not begin at a multiple of [`CHUNK_BYTES`], or K is unsupported.
    /// The codes are not looked at: 3 would count as weight 2.
    pub fn from_mapped(n: usize, k: usize, bytes: MappedBytes) -> Option<Self> {
        let expected = n.checked_mul(k.div_ceil(CHUNK_WEIGHTS));
        let fits = <[Chunk]>::ref_from_bytes(&bytes).is_ok_and(|c| Some(c.len()) == expected);
        if !fits || !(1..=MAX_K).contains(&k) {
            return None;
        }
        let chunks = Chunks::Mapped(bytes);
        Some(PackedTrits { n, k, chunks })
    }

    /// Lines that are packed already: `ceil(K / 256)` chunks each.
    ///
    /// # Panics
    /// If there are not N lines.
    pub fn from_chunks(n: usize, k: usize, chunks: Vec<Chunk>) -> Self {
        assert_eq!(chunks.len(), n * k.div_ceil(CHUNK_WEIGHTS), "chunks");
        let chunks = Chunks::Owned(chunks);
        PackedTrits { n, k, chunks }
    }

    /// The lines of a range, copied.
    ///
    /// # Panics
    /// If one of them is not there.
    pub fn lines(&self, range: Range<usize>) -> Self {
        let row_chunks = self.row_chunks();
        let chunks = &self.chunks.as_slice()[range.start * row_chunks..range.end * row_chunks];
        Self::from_chunks(range.len(), self.k, chunks.to_vec())
    }

    /// Packs `trits: [N, K]`, each -1, 0 or 1.
    ///
    /// # Panics
    /// If `trits` is not N * K long, a value is no trit, or K is unsupported.
    pub fn from_trits(n: usize, k: usize, trits: &[i8]) -> Self {
        assert_eq!(trits.len(), n * k, "trits of W");
        let Ok(packed) = Self::from_codes(n, k, codes_of(trits, k));
        packed
    }

    /// Rows (out_features).
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns (in_features).
    pub fn k(&self) -> usize {
        self.k
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.as_bytes().len()
    }

    /// All chunks, row after row.
    pub fn as_bytes(&self) -> &[u8] {
        self.chunks.as_slice().as_bytes()
    }

    /// The rows, looked up once where they are: for the inner loops of kernels.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View {
            n: self.n,
            row_chunks: self.row_chunks(),
            chunks: self.chunks.as_slice(),
        }
    }

    /// Number of chunks of a row.
    #[inline]
    pub fn row_chunks(&self) -> usize {
        self.k.div_ceil(CHUNK_WEIGHTS)
    }

    /// Chunks of one row.
    #[inline]
    pub fn row(&self, n: usize) -> &[Chunk] {
        let row_chunks = self.row_chunks();
        &self.chunks.as_slice()[n * row_chunks..][..row_chunks]
    }

    /// `W[n, k]`: -1, 0 or 1.
    pub fn trit(&self, n: usize, k: usize) -> i8 {
        let (chunk, place) = (k / CHUNK_WEIGHTS, k % CHUNK_WEIGHTS);
        let byte = self.row(n)[chunk].0[place % CHUNK_BYTES];
        (byte >> (2 * (place / CHUNK_BYTES)) & 3) as i8 - 1
    }

    /// Writes the K weights of row `n`, each -1, 0 or 1.
    pub fn unpack_row(&self, n: usize, trits: &mut [i8]) {
        assert_eq!(trits.len(), self.k, "weights of a row");
        for (chunk, trits) in self.row(n).iter().zip(trits.chunks_mut(CHUNK_WEIGHTS)) {
            for (q, trits) in trits.chunks_mut(CHUNK_BYTES).enumerate() {
                for (t, byte) in trits.iter_mut().zip(chunk.0) {
                    *t = (byte >> (2 * q) & 3) as i8 - 1;
                }
            }
        }
    }
}

/// Writes the codes of a row of `trits: [N, K]`.
///
/// # Panics
/// If a value is no trit.
pub(super) fn codes_of(
    trits: &[i8],
    k: usize,
) -> impl Fn(usize, &mut [u8]) -> Result<(), Infallible> + Sync + '_ {
    move |row, codes| {
        for (code, &t) in codes.iter_mut().zip(&trits[row * k..]) {
            assert!((-1..=1).contains(&t), "weight {t} is not a trit");
            *code = (t + 1) as u8;
        }
        Ok(())
    }
}

fn pack_chunk(codes: &[u8]) -> Chunk {
    let mut chunk = [0; CHUNK_BYTES];
    for (q, codes) in codes.chunks_exact(CHUNK_BYTES).enumerate() {
        for (byte, code) in chunk.iter_mut().zip(codes) {
            *byte |= code << (2 * q);
        }
    }
    Chunk(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_at_odd_lengths() {
        for k in [1, 63, 64, 65, 255, 256, 257, 700] {
            let trits: Vec<i8> = (0..3 * k).map(|i| (i * 7 % 3) as i8 - 1).collect();
            let packed = PackedTrits::from_trits(3, k, &trits);
            let mut row = vec![0; k];
            for n in 0..3 {
                packed.unpack_row(n, &mut row);
                assert_eq!(row, trits[n * k..(n + 1) * k], "K = {k}");
            }
        }
    }

    #[test]
    fn bytes_stand_where_the_documentation_says() {
        let mut trits = vec![0i8; 300];
        trits[64 + 5] = 1;
        trits[256 + 3] = -1;
        let packed = PackedTrits::from_trits(1, 300, &trits);
        let zeros = 0b01_01_01_01;
        assert_eq!(packed.row(0)[0].0[5], 0b01_01_10_01);
        assert_eq!(packed.row(0)[1].0[3], 0b01_01_01_00);
        assert_eq!(packed.row(0)[1].0[63], zeros);
    }

    #[test]
    #[should_panic(expected = "not a trit")]
    fn a_value_that_is_no_trit_is_refused() {
        PackedTrits::from_trits(1, 1, &[2]);
    }
}
