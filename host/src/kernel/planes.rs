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

use std::convert::Infallible;

use rayon::prelude::*;

use super::packed::PackedTrits;
use crate::checkpoint::weights::DenseMatrix;

/// Planes of two bits.
pub const PLANES: usize = 4;

/// Largest int8 code.
const LARGEST: f32 = 127.0;

/// What is added to an int8 code to make it unsigned.
pub const OFFSET: f64 = 128.0;

/// Dense `W: [N, K]` as planes.
pub struct PlaneMatrix {
    planes: [PackedTrits; PLANES],
    rows: Vec<PlaneRow>,
}

/// What is known of a row besides its codes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct PlaneRow {
    /// Weight of one step of u.
    pub scale: f32,
    /// At least `|w|`.
    pub norm: f32,
    /// At least `|w - v|` where v has planes 0 to p.
    pub rest: [f32; PLANES],
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
    /// Copies a dense matrix, rows in parallel.
    pub fn new(w: &DenseMatrix) -> Self {
        let (n, k) = (w.rows(), w.columns());
        let rows: Vec<PlaneRow> = (0..n)
            .into_par_iter()
            .map_init(
                || (vec![0.0; k], vec![0; k]),
                |(values, codes), row| {
                    w.dtype().widen(w.row(row), values);
                    let scale = quantize(values, codes);
                    PlaneRow {
                        scale,
                        norm: norm_above(values.iter().map(|&w| f64::from(w))),
                        rest: std::array::from_fn(|p| rest(values, codes, scale, p)),
                    }
                },
            )
            .collect();
        let planes = std::array::from_fn(|plane| {
            let packed = PackedTrits::from_codes(n, k, |row, out| {
                let mut values = vec![0.0; k];
                w.dtype().widen(w.row(row), &mut values);
                quantize(&values, out);
                for code in out {
                    *code = *code >> (2 * (PLANES - 1 - plane)) & 3;
                }
                Ok::<(), Infallible>(())
            });
            match packed {
                Ok(packed) => packed,
                Err(never) => match never {},
            }
        });
        PlaneMatrix { planes, rows }
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

/// u of every weight of a row; returns the scale.
fn quantize(values: &[f32], codes: &mut [u8]) -> f32 {
    let largest = values.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    // A row of zeros, or of numbers so small that their scale is none, is all middle.
    let scale = largest / LARGEST;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (code, w) in codes.iter_mut().zip(values) {
        // A number beyond f32 becomes the largest code, and what is missing is measured afterwards.
        let step = (w * inverse).clamp(-LARGEST, LARGEST);
        *code = (step.round_ties_even() as i32 + OFFSET as i32) as u8;
    }
    scale
}

/// At least the norm of what is missing after a plane.
fn rest(values: &[f32], codes: &[u8], scale: f32, plane: usize) -> f32 {
    let (known, middle) = (0xff_u8 << (2 * (PLANES - 1 - plane)), plane_middle(plane));
    norm_above(values.iter().zip(codes).map(|(&w, &code)| {
        let so_far = f64::from(code & known) + middle - OFFSET;
        f64::from(w) - f64::from(scale) * so_far
    }))
}

/// Norm of a vector, rounded up: K additions in f64 lose far less than one part in 2^30.
pub fn norm_above(values: impl Iterator<Item = f64>) -> f32 {
    let norm = values.map(|v| v * v).sum::<f64>().sqrt() * (1.0 + 2.0f64.powi(-30));
    let rounded = norm as f32;
    if f64::from(rounded) < norm {
        rounded.next_up()
    } else {
        rounded
    }
}
