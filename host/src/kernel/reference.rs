//! The definition that every ternary kernel is tested against.

use ndarray::{Array2, ArrayView2};

/// `acc[t, n] = sum_k W[n, k] * x[t, k]`, exact in int32; `W: [N, K]` of trits, `x: [T, K]`.
///
/// # Panics
/// If K differs.
pub fn ternary(w: ArrayView2<i8>, x: ArrayView2<i8>) -> Array2<i32> {
    assert_eq!(w.ncols(), x.ncols(), "K of weights and activations");
    Array2::from_shape_fn((x.nrows(), w.nrows()), |(t, n)| {
        let products = w.row(n).into_iter().zip(x.row(t));
        products.map(|(&w, &x)| i32::from(w) * i32::from(x)).sum()
    })
}
