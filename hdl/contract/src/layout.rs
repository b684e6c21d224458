//! How weights, activations and results lie in the kernel's memories.
//!
//! **Weight beat.** A beat of `bus_bits` bits holds `C = bus_bits / 8` one-byte codes, stored
//! plane by plane: bit `p` of code `j` is bit `p * C + j` of the beat, so the decoder is the same
//! few gates on eight C-bit vectors. Trit `i` of code `j` belongs to lane `i * C + j`. Beat bit `b` is
//! bit `b % 8` of memory byte `b / 8` (little endian, as AXI numbers its lanes).
//!
//! **Weight row.** Row `n` of `W: [N, K]` is `row_beats = ceil(K / lanes)` beats; lane `l` of beat `s`
//! holds `W[n, s * lanes + l]`, zero where that is past K. Rows follow each other without a gap.
//!
//! **Activations.** `x: [vectors, K]` int8, plain: `x[v][k]` is byte `v * vector_stride + k`, where the stride
//! is K rounded up to whole beats. The kernel reads whole beats, so the buffer must be readable up to
//! the next multiple of `beat_bytes`; what stands there is multiplied by zero trits.
//!
//! **Results.** `y: [N, batch]` int32 little endian, `y[n][v]` at byte `4 (batch * n + v)`; `batch` is the kernel's, and only
//! the bytes of the vectors that the command has are written.
//!
//! All three start at multiples of [`ALIGNMENT`] bytes.

use crate::geometry::Geometry;
use crate::trit::{self, MAX_TRITS};

/// Alignment in bytes of every buffer the kernel is given.
pub const ALIGNMENT: usize = 64;

/// Packs one row of K trits (-1, 0, 1) into `row`, which is `geometry.row_bytes(K)` bytes.
///
/// # Panics
/// If `row` has another length, or a value is no trit.
pub fn pack_row(geometry: &Geometry, trits: &[i8], row: &mut [u8]) {
    assert_eq!(
        row.len(),
        geometry.row_bytes(trits.len()),
        "bytes of the packed row"
    );
    let columns = geometry.beat_bytes();
    for (beat, lanes) in row
        .chunks_exact_mut(columns)
        .zip(trits.chunks(geometry.lanes()))
    {
        for j8 in (0..columns).step_by(8) {
            // Bit b of `codes[p]` is plane p of code j8 + b.
            let mut codes = [0u8; 8];
            for b in 0..8 {
                let code = code_of_column(geometry, lanes, j8 + b);
                for (p, plane) in codes.iter_mut().enumerate() {
                    *plane |= (code >> p & 1) << b;
                }
            }
            for (p, plane) in codes.into_iter().enumerate() {
                beat[(p * columns + j8) / 8] = plane;
            }
        }
    }
}

fn code_of_column(geometry: &Geometry, lanes: &[i8], j: usize) -> u8 {
    let mut trits = [0i8; MAX_TRITS];
    for (i, t) in trits
        .iter_mut()
        .enumerate()
        .take(geometry.encoding().trits_per_byte())
    {
        *t = lanes
            .get(i * geometry.beat_bytes() + j)
            .copied()
            .unwrap_or(0);
        assert!((-1..=1).contains(t), "weight {t} is not a trit");
    }
    trit::encode(geometry.encoding(), &trits)
}

/// Packs `W: [N, K]` of trits, row-major, into `geometry.matrix_bytes(N, K)` bytes.
///
/// # Panics
/// If `trits` is not N * K long, or a value is no trit.
pub fn pack_matrix(geometry: &Geometry, n: usize, k: usize, trits: &[i8]) -> Vec<u8> {
    assert_eq!(trits.len(), n * k, "trits of W");
    let mut bytes = vec![0; geometry.matrix_bytes(n, k)];
    if k > 0 {
        for (row, packed) in trits
            .chunks_exact(k)
            .zip(bytes.chunks_exact_mut(geometry.row_bytes(k)))
        {
            pack_row(geometry, row, packed);
        }
    }
    bytes
}

/// Trits of one beat in lane order; the inverse of packing one beat.
///
/// # Panics
/// If `beat` is not `beat_bytes` long or `lanes` not `lanes()` long.
pub fn unpack_beat(geometry: &Geometry, beat: &[u8], lanes: &mut [i8]) {
    let columns = geometry.beat_bytes();
    assert_eq!(beat.len(), columns, "bytes of the beat");
    assert_eq!(lanes.len(), geometry.lanes(), "lanes of the beat");
    for j in 0..columns {
        let mut code = 0;
        for p in 0..8 {
            let bit = p * columns + j;
            code |= (beat[bit / 8] >> (bit % 8) & 1) << p;
        }
        let trits = trit::decode(geometry.encoding(), code);
        for (i, t) in trits
            .iter()
            .enumerate()
            .take(geometry.encoding().trits_per_byte())
        {
            lanes[i * columns + j] = *t;
        }
    }
}

/// Bytes rounded up to [`ALIGNMENT`].
pub const fn align(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn unpacking_gives_the_row_back_and_zero_padding() {
        let mut rng = StdRng::seed_from_u64(1);
        for g in Geometry::all() {
            for k in [
                1,
                7,
                g.lanes() - 1,
                g.lanes(),
                g.lanes() + 1,
                3 * g.lanes() + 5,
            ] {
                let row: Vec<i8> = (0..k).map(|_| rng.random_range(-1..=1)).collect();
                let packed = pack_matrix(&g, 1, k, &row);
                let mut lanes = vec![0i8; g.lanes()];
                for (s, beat) in packed.chunks(g.beat_bytes()).enumerate() {
                    unpack_beat(&g, beat, &mut lanes);
                    for (l, t) in lanes.iter().enumerate() {
                        let want = row.get(s * g.lanes() + l).copied().unwrap_or(0);
                        assert_eq!(*t, want, "{g} k {k} beat {s} lane {l}");
                    }
                }
            }
        }
    }

    #[test]
    fn planes_stand_where_the_documentation_says() {
        // 128 bits: C = 16. One trit +1 in lane 0 is B2 bit 0 of code 0, hence beat bit 0; a -1 in
        // lane 17 is trit 1 of code 1: nz is plane 1, neg plane 5.
        let g = "128-b2".parse::<Geometry>().unwrap();
        let mut row = vec![0i8; g.lanes()];
        row[0] = 1;
        row[17] = -1;
        let packed = pack_matrix(&g, 1, row.len(), &row);
        let set: Vec<usize> = (0..128)
            .filter(|b| packed[b / 8] >> (b % 8) & 1 == 1)
            .collect();
        assert_eq!(set, [0, 16 + 1, 5 * 16 + 1]);
    }

    #[test]
    #[should_panic(expected = "not a trit")]
    fn a_value_that_is_no_trit_is_refused() {
        pack_matrix(&Geometry::DEFAULT, 1, 1, &[2]);
    }
}
