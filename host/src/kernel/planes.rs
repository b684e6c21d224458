//! An int8 copy of a dense matrix, split into four planes of two bits, and how far each is off.
//!
//! Row n has scale `s = max |w| / 127`; a weight is `s * (u - 128)` with `u = rne(w / s) + 128`, and
//! plane p holds bits `6 - 2p` and `7 - 2p` of u, packed as [`PackedTrits`] packs codes. All four planes
//! are an int8 matrix. The first few alone are one with fewer bits, whose weights stand in the middle of
//! what the missing bits could be: with planes 0 to p, `u` is known up to `4^(3 - p) - 1`.
//!
//! For every row the norm of what is missing is kept, rounded up. By Cauchy-Schwarz
//! `|w . x - v . z| <= |w - v| |z| + |w| |x - z|`, v being the row so far and z the int8 codes of x over
//! their scale: a proven bound on how far a logit can be off.

use rayon::prelude::*;

use super::activations::{absmax, ROUND};
use super::packed::{Chunk, PackedTrits, CHUNK_BYTES, CHUNK_WEIGHTS};
use super::{Kernel, Loop};
use crate::checkpoint::weights::DenseMatrix;

/// Planes of two bits.
pub const PLANES: usize = 4;

/// Largest K: the sum of K products of an unsigned and a signed byte stays within int32.
pub const MAX_PLANES_K: usize = i32::MAX as usize / (255 * 128);

/// Largest int8 code.
const LARGEST: f32 = 127.0;

/// Rows between two releases of the source.
const BLOCK_ROWS: usize = 8192;

/// What is added to an int8 code to make it unsigned.
pub const OFFSET: f64 = 128.0;

/// Dense `W: [N, K]` as planes.
pub struct PlaneMatrix {
    planes: [PackedTrits; PLANES],
    rows: Vec<PlaneRow>,
}

/// What is known of a row besides its codes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlaneRow {
    /// Weight of one step of u.
    pub scale: f32,
    /// At least `|w|`.
    pub norm: f32,
    /// At least `|w - v|` where v has planes 0 to p.
    pub rest: [f32; PLANES],
}

/// f32 of a row.
const ROW_VALUES: usize = 2 + PLANES;

impl PlaneRow {
    /// Rows as little-endian f32, in the order of the fields.
    pub fn to_bytes(rows: &[PlaneRow]) -> Vec<u8> {
        let values = rows.iter().flat_map(|row| {
            let [a, b, c, d] = row.rest;
            [row.scale, row.norm, a, b, c, d]
        });
        values.flat_map(f32::to_le_bytes).collect()
    }

    /// The rows of [`PlaneRow::to_bytes`]; none if there are no whole rows of numbers.
    pub fn from_bytes(bytes: &[u8]) -> Option<Vec<PlaneRow>> {
        let (values, []) = bytes.as_chunks::<4>() else {
            return None;
        };
        let (rows, []) = values.as_chunks::<ROW_VALUES>() else {
            return None;
        };
        let row = |row: &[[u8; 4]; ROW_VALUES]| {
            let values = row.map(f32::from_le_bytes);
            let [scale, norm, rest @ ..] = values;
            let sound = values.iter().all(|v| *v >= 0.0);
            sound.then_some(PlaneRow { scale, norm, rest })
        };
        rows.iter().map(row).collect()
    }
}

/// What a plane's code counts in steps of u.
pub fn plane_weight(plane: usize) -> f64 {
    f64::from(1u32 << (2 * (PLANES - 1 - plane)))
}

/// Middle of what the planes after this one can add to u.
pub fn plane_middle(plane: usize) -> f64 {
    (plane_weight(plane) - 1.0) / 2.0
}

impl PlaneMatrix {
    /// Planes and rows made before; none if they do not fit each other.
    pub fn from_parts(planes: [PackedTrits; PLANES], rows: Vec<PlaneRow>) -> Option<Self> {
        let shape = (rows.len(), planes[0].k());
        let fits = planes.iter().all(|plane| (plane.n(), plane.k()) == shape);
        fits.then_some(PlaneMatrix { planes, rows })
    }

    /// Copies a dense matrix, rows in parallel. Rows that lie in a file are let go of once they are
    /// copied.
    pub fn new(kernel: Kernel, w: &DenseMatrix) -> Self {
        let (n, k) = (w.rows(), w.columns());
        let row_chunks = k.div_ceil(CHUNK_WEIGHTS);
        let empty = || vec![Chunk([0; CHUNK_BYTES]); n * row_chunks];
        let mut planes: [Vec<Chunk>; PLANES] = std::array::from_fn(|_| empty());
        let mut rows = vec![PlaneRow::default(); n];
        for first in (0..n).step_by(BLOCK_ROWS) {
            let block = first..n.min(first + BLOCK_ROWS);
            let chunks = block.start * row_chunks..block.end * row_chunks;
            let [a, b, c, d] = &mut planes;
            (
                rows[block.clone()].par_iter_mut(),
                a[chunks.clone()].par_chunks_exact_mut(row_chunks),
                b[chunks.clone()].par_chunks_exact_mut(row_chunks),
                c[chunks.clone()].par_chunks_exact_mut(row_chunks),
                d[chunks].par_chunks_exact_mut(row_chunks),
            )
                .into_par_iter()
                .enumerate()
                .for_each_init(
                    || (vec![0.0; k], vec![0; row_chunks * CHUNK_WEIGHTS]),
                    |(values, codes), (i, (row, a, b, c, d))| {
                        w.dtype().widen(w.row(first + i), values);
                        *row = kernel.vectorize(Copy {
                            values,
                            codes,
                            planes: [a, b, c, d],
                        });
                    },
                );
            w.release(block);
        }
        PlaneMatrix {
            planes: planes.map(|chunks| PackedTrits::from_chunks(n, k, chunks)),
            rows,
        }
    }

    /// Rows N.
    pub fn n(&self) -> usize {
        self.rows.len()
    }

    /// Columns K.
    pub fn k(&self) -> usize {
        self.planes[0].k()
    }

    /// Codes of a plane, 0 to 3.
    pub fn plane(&self, plane: usize) -> &PackedTrits {
        &self.planes[plane]
    }

    /// Scale and bounds of every row.
    pub fn rows(&self) -> &[PlaneRow] {
        &self.rows
    }

    /// Bytes of a row in one plane.
    pub fn row_bytes(&self) -> usize {
        self.planes[0].bytes() / self.n().max(1)
    }
}

/// One row: codes into planes.
struct Copy<'a> {
    values: &'a [f32],
    /// Scratch, as long as the chunks of a plane; what stands past K stays zero.
    codes: &'a mut [u8],
    planes: [&'a mut [Chunk]; PLANES],
}

impl Loop for Copy<'_> {
    type Output = PlaneRow;

    #[inline(always)]
    fn run(self) -> PlaneRow {
        let Copy {
            values,
            codes,
            planes,
        } = self;
        let scale = quantize(values, codes);
        let mut rest = [0.0; PLANES];
        for (p, (plane, rest)) in planes.into_iter().zip(&mut rest).enumerate() {
            let shift = 2 * (PLANES - 1 - p);
            for (chunk, codes) in plane.iter_mut().zip(codes.as_chunks::<CHUNK_WEIGHTS>().0) {
                for (j, byte) in chunk.0.iter_mut().enumerate() {
                    let field = |q: usize| (codes[q * CHUNK_BYTES + j] >> shift & 3) << (2 * q);
                    *byte = field(0) | field(1) | field(2) | field(3);
                }
            }
            *rest = missing(values, codes, scale, p);
        }
        PlaneRow {
            scale,
            norm: norm_above(values, |w, _| f64::from(w)),
            rest,
        }
    }
}

/// u of every weight of a row; returns the scale.
#[inline(always)]
fn quantize(values: &[f32], codes: &mut [u8]) -> f32 {
    let scale = absmax(values, 0.0) / LARGEST;
    // A row of zeros, or of numbers so small that their scale is none, is all middle.
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (code, w) in codes.iter_mut().zip(values) {
        // A number beyond f32 becomes the largest code: what is missing is measured afterwards.
        let step = (w * inverse).clamp(-LARGEST, LARGEST);
        *code = (((step + ROUND) - ROUND) as i32 + OFFSET as i32) as u8;
    }
    scale
}

/// At least the norm of what is missing after a plane.
#[inline(always)]
fn missing(values: &[f32], codes: &[u8], scale: f32, plane: usize) -> f32 {
    let known = 0xff_u8 << (2 * (PLANES - 1 - plane));
    let offset = plane_middle(plane) - OFFSET;
    let scale = f64::from(scale);
    norm_above(values, |w, i| {
        f64::from(w) - scale * (f64::from(codes[i] & known) + offset)
    })
}

/// Norm of `value(x[i], i)` over all i, rounded up: K additions in f64 lose far less than one part in
/// 2^30.
#[inline(always)]
pub fn norm_above(x: &[f32], value: impl Fn(f32, usize) -> f64) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (groups, rest) = x.as_chunks::<LANES>();
    for (i, group) in groups.iter().enumerate() {
        for lane in 0..LANES {
            let v = value(group[lane], i * LANES + lane);
            sums[lane] += v * v;
        }
    }
    for (lane, &x) in rest.iter().enumerate() {
        let v = value(x, groups.len() * LANES + lane);
        sums[lane] += v * v;
    }
    let norm = sums.iter().sum::<f64>().sqrt() * (1.0 + 2.0f64.powi(-30));
    let rounded = norm as f32;
    if f64::from(rounded) < norm {
        rounded.next_up()
    } else {
        rounded
    }
}
