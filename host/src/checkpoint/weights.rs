//! Dense and ternary tensors out of weight files.
//!
//! A ternary weight `W: [N, K]` is stored in one of three forms, told apart as transformers does:
//!
//! | form | tensor | scale |
//! |---|---|---|
//! | packed | u8 `[N/4, K]` as in [`super::packing`] | `weight_scale` `[1]` |
//! | unpacked | bf16, f16 or f32 `[N, K]` of -1, 0, 1 | `weight_scale` `[1]` |
//! | master | bf16, f16 or f32 `[N, K]`, made ternary here by [`Absmean`] | from the weights |

use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

use super::config::{LinearClass, Quantization, QuantizationMode};
use super::files::{Bytes, Tensor, TensorFiles};
use super::packing::{self, ROWS_PER_BYTE};
use super::CheckpointError;
use crate::kernel::matrix::{Order, TernaryMatrix};
use crate::model::{ScaleRule, TernaryLinear};

/// Smallest mean |W| that weights are scaled by.
const MIN_ABSMEAN: f32 = 1e-5;

/// Bytes of a tensor that are looked through at once for values that are not finite.
const CHECK_BYTES: usize = 1 << 16;

/// Types a dense tensor may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseType {
    /// bfloat16.
    Bf16,
    /// IEEE half.
    F16,
    /// IEEE single.
    F32,
}

impl DenseType {
    /// The dense type of a tensor, or an error naming it.
    pub fn of(tensor: &Tensor) -> Result<Self, CheckpointError> {
        match tensor.dtype {
            Dtype::BF16 => Ok(DenseType::Bf16),
            Dtype::F16 => Ok(DenseType::F16),
            Dtype::F32 => Ok(DenseType::F32),
            other => Err(tensor.wrong(format!("dtype {other:?}"), "BF16, F16 or F32")),
        }
    }

    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            DenseType::Bf16 | DenseType::F16 => 2,
            DenseType::F32 => 4,
        }
    }

    /// Widens little-endian elements; exact for every type.
    pub fn widen(self, data: &[u8], out: &mut [f32]) {
        match self {
            DenseType::Bf16 => {
                for (o, b) in out.iter_mut().zip(data.chunks_exact(2)) {
                    *o = bf16::from_le_bytes([b[0], b[1]]).to_f32();
                }
            }
            DenseType::F16 => {
                for (o, b) in out.iter_mut().zip(data.chunks_exact(2)) {
                    *o = f16::from_le_bytes([b[0], b[1]]).to_f32();
                }
            }
            DenseType::F32 => {
                for (o, b) in out.iter_mut().zip(data.chunks_exact(4)) {
                    *o = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                }
            }
        }
    }
}

/// A dense matrix `[rows, columns]` that stays in its file.
pub struct DenseMatrix {
    rows: usize,
    columns: usize,
    dtype: DenseType,
    file: Arc<Bytes>,
    range: Range<usize>,
}

impl DenseMatrix {
    /// Finds a tensor of this shape and checks that every element is finite.
    pub fn load(
        files: &TensorFiles,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Self, CheckpointError> {
        let tensor = files.require(name, format!("[{rows}, {columns}]"))?;
        check_finite(&tensor, check_dense(&tensor, &[rows, columns])?)?;
        Self::find(files, name, rows, columns)
    }

    /// Finds a tensor of this shape, whose elements are known to be finite.
    pub(crate) fn find(
        files: &TensorFiles,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Self, CheckpointError> {
        let tensor = files.require(name, format!("[{rows}, {columns}]"))?;
        let dtype = check_dense(&tensor, &[rows, columns])?;
        let (file, range) = tensor.keep();
        Ok(DenseMatrix {
            rows,
            columns,
            dtype,
            file,
            range,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DenseType {
        self.dtype
    }

    /// Bytes of the matrix as stored.
    pub fn bytes(&self) -> usize {
        self.range.len()
    }

    /// Takes rows out of memory until they are read again from their file.
    pub(crate) fn release(&self, rows: Range<usize>) {
        let bytes = self.columns * self.dtype.bytes();
        let start = self.range.start;
        self.file
            .release(start + rows.start * bytes..start + rows.end * bytes);
    }

    /// Little-endian elements of one row.
    pub fn row(&self, row: usize) -> &[u8] {
        let bytes = self.columns * self.dtype.bytes();
        &(*self.file).as_ref()[self.range.clone()][row * bytes..(row + 1) * bytes]
    }
}

/// A dense vector `[length]`, widened, every element finite.
pub fn dense_vector(
    files: &TensorFiles,
    name: &str,
    length: usize,
) -> Result<Vec<f32>, CheckpointError> {
    let tensor = files.require(name, format!("[{length}]"))?;
    let dtype = check_dense(&tensor, &[length])?;
    check_finite(&tensor, dtype)?;
    let mut values = vec![0.0; length];
    dtype.widen(tensor.data, &mut values);
    Ok(values)
}

/// Loads `W: [n, k]` in whichever form it is stored, and keeps it in `order`. What was read of the file
/// leaves memory.
pub fn ternary_linear(
    files: &TensorFiles,
    quantization: Quantization,
    name: &str,
    order: Order,
    n: usize,
    k: usize,
) -> Result<TernaryLinear, CheckpointError> {
    let rule = match quantization.linear_class {
        LinearClass::AutoBitLinear => ScaleRule::Multiply,
        LinearClass::BitLinear => ScaleRule::Divide,
    };
    let (weights, scale) = match quantization.mode {
        QuantizationMode::Online => {
            let tensor = files.require(name, format!("[{n}, {k}]"))?;
            let master = Master::new(tensor, n, k)?;
            let packed = (master.pack(order), master.absmean.scale());
            master.tensor().release();
            packed
        }
        QuantizationMode::Offline => {
            let packed = n / ROWS_PER_BYTE;
            let expected = format!("U8 [{packed}, {k}], or BF16, F16 or F32 [{n}, {k}]");
            let tensor = files.require(name, expected.as_str())?;
            let scale = weight_scale(files, name)?;
            let weights = if tensor.dtype == Dtype::U8 {
                unpack(&tensor, order, n, k)?
            } else if DenseType::of(&tensor).is_err() {
                return Err(tensor.wrong(format!("dtype {:?}", tensor.dtype), expected));
            } else {
                dense_trits(&tensor, order, n, k)?
            };
            tensor.release();
            (weights, scale)
        }
    };
    Ok(TernaryLinear::new(weights, scale, rule))
}

/// The scale beside a ternary weight.
fn weight_scale(files: &TensorFiles, weight: &str) -> Result<f32, CheckpointError> {
    let tensor = files.require(
        &format!("{weight}_scale"),
        "a scale [1] beside a ternary weight",
    )?;
    let dtype = DenseType::of(&tensor)?;
    if tensor.data.len() != dtype.bytes() {
        return Err(tensor.wrong(format!("shape {:?}", tensor.shape), "shape [1]"));
    }
    let mut scale = [0.0];
    dtype.widen(tensor.data, &mut scale);
    if !(scale[0].is_finite() && scale[0] > 0.0) {
        return Err(tensor.wrong(format!("scale {}", scale[0]), "a positive finite number"));
    }
    Ok(scale[0])
}

/// u8 `[n/4, k]`.
fn unpack(
    tensor: &Tensor,
    order: Order,
    n: usize,
    k: usize,
) -> Result<TernaryMatrix, CheckpointError> {
    let rows = n / ROWS_PER_BYTE;
    if !n.is_multiple_of(ROWS_PER_BYTE) || tensor.shape != [rows, k] {
        return Err(tensor.wrong(
            format!("shape {:?}", tensor.shape),
            format!("[{n} / {ROWS_PER_BYTE}, {k}] packed trits"),
        ));
    }
    TernaryMatrix::from_codes(order, n, k, |row, codes| {
        packing::unpack_row(tensor.data, n, row, codes);
        match codes.iter().position(|&c| c == 3) {
            None => Ok(()),
            Some(column) => Err(tensor.wrong(
                format!("code 3 at row {row}, column {column}"),
                "codes 0, 1 and 2 (-1, 0 and +1)",
            )),
        }
    })
}

/// Dense `[n, k]` whose values are already -1, 0 and 1.
fn dense_trits(
    tensor: &Tensor,
    order: Order,
    n: usize,
    k: usize,
) -> Result<TernaryMatrix, CheckpointError> {
    let dtype = check_dense(tensor, &[n, k])?;
    TernaryMatrix::from_codes(order, n, k, |row, codes| {
        let mut values = vec![0.0; k];
        dtype.widen(&tensor.data[row * k * dtype.bytes()..], &mut values);
        for (column, (code, &v)) in codes.iter_mut().zip(&values).enumerate() {
            *code = match v {
                -1.0 => 0,
                0.0 => 1,
                1.0 => 2,
                _ => {
                    return Err(tensor.wrong(
                        format!("{v} at row {row}, column {column}"),
                        "-1, 0 or 1 in an offline checkpoint",
                    ))
                }
            };
        }
        Ok(())
    })
}

/// The absmean rule: `T = clamp(rne(W * S), -1, 1)`, `S = 1 / max(mean |W|, 1e-5)` in f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Absmean {
    inverse: f32,
    mean: f32,
}

impl Absmean {
    /// From the mean of |W| over the whole tensor.
    pub fn new(mean: f32) -> Self {
        let mean = mean.max(MIN_ABSMEAN);
        Absmean {
            inverse: 1.0 / mean,
            mean,
        }
    }

    /// max(mean |W|, 1e-5): what an offline checkpoint stores as `weight_scale`.
    pub fn mean(&self) -> f32 {
        self.mean
    }

    /// `1 / S`, what the online class scales by: not always the mean, since it is inverted twice.
    pub fn scale(&self) -> f32 {
        1.0 / self.inverse
    }

    /// The trit of a weight.
    pub fn trit(&self, weight: f32) -> i8 {
        // Beyond 1 the rounding does not matter, so this is rne followed by the clamp: at exactly
        // one half ties go to even, that is to zero.
        let scaled = weight * self.inverse;
        i8::from(scaled > 0.5) - i8::from(scaled < -0.5)
    }
}

/// A dense weight `[n, k]` about to become ternary.
pub struct Master<'a> {
    tensor: Tensor<'a>,
    dtype: DenseType,
    n: usize,
    k: usize,
    /// Its scaling.
    pub absmean: Absmean,
}

impl<'a> Master<'a> {
    /// Checks type, shape and values, and measures mean |W|.
    ///
    /// The mean is summed in f64 and rounded once; the f32 sums of torch and numpy lie within a few
    /// ulp of it, depending on their blocking.
    pub fn new(tensor: Tensor<'a>, n: usize, k: usize) -> Result<Self, CheckpointError> {
        let dtype = check_dense(&tensor, &[n, k])?;
        check_finite(&tensor, dtype)?;
        let rows = tensor.data.par_chunks_exact(k * dtype.bytes());
        let sums: Vec<f64> = rows
            .map_init(
                || vec![0.0; k],
                |row, data| {
                    dtype.widen(data, row);
                    row.iter().map(|v| f64::from(v.abs())).sum()
                },
            )
            .collect();
        // In the order of the rows, so that the sum does not depend on the threads.
        let sum: f64 = sums.iter().sum();
        Ok(Master {
            tensor,
            dtype,
            n,
            k,
            absmean: Absmean::new((sum / (n as f64 * k as f64)) as f32),
        })
    }

    /// The tensor itself.
    pub fn tensor(&self) -> &Tensor<'a> {
        &self.tensor
    }

    /// Shape (N, K).
    pub fn shape(&self) -> (usize, usize) {
        (self.n, self.k)
    }

    /// Widens one row of weights.
    pub fn row(&self, row: usize, values: &mut [f32]) {
        let bytes = self.k * self.dtype.bytes();
        self.dtype
            .widen(&self.tensor.data[row * bytes..(row + 1) * bytes], values);
    }

    /// The ternary weights.
    fn pack(&self, order: Order) -> TernaryMatrix {
        let packed = TernaryMatrix::from_codes(order, self.n, self.k, |row, codes| {
            let mut values = vec![0.0; self.k];
            self.row(row, &mut values);
            for (code, v) in codes.iter_mut().zip(values) {
                *code = (self.absmean.trit(v) + 1) as u8;
            }
            Ok::<(), std::convert::Infallible>(())
        });
        match packed {
            Ok(packed) => packed,
            Err(never) => match never {},
        }
    }
}

/// The dense type of a tensor of this shape.
pub(crate) fn check_dense(tensor: &Tensor, shape: &[usize]) -> Result<DenseType, CheckpointError> {
    let dtype = DenseType::of(tensor)?;
    if tensor.shape != shape {
        return Err(tensor.wrong(format!("shape {:?}", tensor.shape), format!("{shape:?}")));
    }
    Ok(dtype)
}

/// Refuses NaN and infinities: all exponent bits set.
pub(crate) fn check_finite(tensor: &Tensor, dtype: DenseType) -> Result<(), CheckpointError> {
    let bad = match dtype {
        DenseType::Bf16 => {
            first_not_finite(tensor.data, |b| all_set(u16::from_le_bytes(b), 0x7f80))
        }
        DenseType::F16 => first_not_finite(tensor.data, |b| all_set(u16::from_le_bytes(b), 0x7c00)),
        DenseType::F32 => first_not_finite(tensor.data, |b| !f32::from_le_bytes(b).is_finite()),
    };
    match bad {
        None => Ok(()),
        Some(element) => Err(tensor.wrong(
            format!("NaN or infinity at element {element}"),
            "finite values",
        )),
    }
}

fn all_set(bits: u16, mask: u16) -> bool {
    bits & mask == mask
}

/// Place of the first element of `SIZE` bytes that is `bad`.
fn first_not_finite<const SIZE: usize>(
    data: &[u8],
    bad: impl Fn([u8; SIZE]) -> bool + Sync,
) -> Option<usize> {
    let bad = |b: &[u8]| bad(b.try_into().expect("a whole element"));
    // Without a way out in the middle the compiler takes many elements at once; the place is only
    // looked for where there is one.
    let any = |chunk: &[u8]| chunk.chunks_exact(SIZE).fold(false, |any, b| any | bad(b));
    let chunk = data.par_chunks(CHECK_BYTES).position_first(any)?;
    let first = chunk * CHECK_BYTES;
    let place = data[first..].chunks_exact(SIZE).position(bad)?;
    Some(first / SIZE + place)
}
