//! int8 activation codes of a batch of tokens, as every ternary product takes them.
//!
//! Per token `x: [K]` f32: `m = max(max |x|, 1e-5)`, `s = fl(fl(1/m) * 127)`,
//! `q = clamp(rne(x * s), -128, 127)`. The reference computes `127 / m` as reciprocal times 127, which
//! differs from the quotient by one ulp in a quarter of all cases, and ties go to even.

use super::packed::CHUNK_WEIGHTS;

/// Smallest absmax a token is scaled by.
const MIN_ABSMAX: f32 = 1e-5;

/// 1.5 * 2^23: adding and subtracting it rounds |v| < 2^22 to the nearest integer, ties to even.
/// Baseline x86-64 has no rounding instruction, and a call per element costs more than a GEMV.
const ROUND: f32 = 12_582_912.0;

/// Codes `[T, K]` with the scale and the code sum of each token.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    k: usize,
    /// K rounded up to whole chunks; what stands past K is zero.
    stride: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl Activations {
    /// Quantises `x: [T, K]`.
    pub fn quantize(x: &[f32], k: usize) -> Self {
        let mut activations = Self::default();
        activations.requantize(x, k);
        activations
    }

    /// Quantises `x: [T, K]` into the buffers already held.
    ///
    /// # Panics
    /// If K is 0 or does not divide the length of `x`.
    pub fn requantize(&mut self, x: &[f32], k: usize) {
        self.reset(x.len(), k);
        for (token, x) in x.chunks_exact(k).enumerate() {
            let codes = &mut self.codes[token * self.stride..][..k];
            let (scale, sum) = quantize_token(x, codes);
            self.scales[token] = scale;
            self.sums[token] = sum;
        }
    }

    /// Takes codes `[T, K]` that are already int8; scales are 1.
    ///
    /// # Panics
    /// If K is 0 or does not divide the number of codes.
    pub fn from_codes(codes: &[i8], k: usize) -> Self {
        let mut activations = Self::default();
        activations.reset(codes.len(), k);
        for (token, codes) in codes.chunks_exact(k).enumerate() {
            activations.codes[token * activations.stride..][..k].copy_from_slice(codes);
            activations.scales[token] = 1.0;
            activations.sums[token] = codes.iter().map(|&c| i32::from(c)).sum();
        }
        activations
    }

    fn reset(&mut self, values: usize, k: usize) {
        assert!(
            k > 0 && values.is_multiple_of(k),
            "{values} values in rows of {k}"
        );
        let tokens = values / k;
        self.k = k;
        self.stride = k.next_multiple_of(CHUNK_WEIGHTS);
        self.codes.clear();
        self.codes.resize(tokens * self.stride, 0);
        self.scales.resize(tokens, 0.0);
        self.sums.resize(tokens, 0);
    }

    /// Number of tokens T.
    pub fn tokens(&self) -> usize {
        self.scales.len()
    }

    /// Codes a token.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The K codes of a token.
    pub fn codes(&self, token: usize) -> &[i8] {
        &self.padded(token)[..self.k]
    }

    /// The codes of a token, zeros up to whole chunks of 256.
    pub fn padded(&self, token: usize) -> &[i8] {
        &self.codes[token * self.stride..][..self.stride]
    }

    /// Scale `s` of every token: `x` is about `code / s`.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Sum of a token's codes.
    pub fn sum(&self, token: usize) -> i32 {
        self.sums[token]
    }
}

/// Codes of one token; returns its scale and the sum of its codes.
fn quantize_token(x: &[f32], codes: &mut [i8]) -> (f32, i32) {
    let absmax = x.iter().fold(MIN_ABSMAX, |m, v| m.max(v.abs()));
    let scale = (1.0 / absmax) * 127.0;
    let mut sum = 0;
    for (code, v) in codes.iter_mut().zip(x) {
        let rounded = (v * scale + ROUND) - ROUND;
        *code = rounded.clamp(-128.0, 127.0) as i8;
        sum += i32::from(*code);
    }
    (scale, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_even_and_zero_tokens_to_zero() {
        let x = [127.0, 0.5, 1.5, -0.5, -2.5, 3.5, 0.0, 0.0];
        let a = Activations::quantize(&x, 8);
        assert_eq!(a.scales(), [(1.0 / 127.0) * 127.0]);
        assert_eq!(a.codes(0), [127, 0, 2, 0, -2, 4, 0, 0]);
        assert_eq!(a.sum(0), 131);
        let zero = Activations::quantize(&[0.0; 3], 3);
        assert_eq!((zero.codes(0), zero.sum(0)), (&[0i8; 3][..], 0));
        assert_eq!(zero.scales(), [(1.0f32 / 1e-5) * 127.0]);
    }

    #[test]
    fn the_padding_is_zero_after_reuse() {
        let mut a = Activations::quantize(&[1.0; 300], 300);
        a.requantize(&[1.0; 6], 3);
        assert_eq!(a.tokens(), 2);
        assert!(a.padded(1)[3..].iter().all(|&c| c == 0));
    }

    #[test]
    fn values_that_are_no_numbers_do_not_panic() {
        let a = Activations::quantize(&[f32::NAN, f32::INFINITY, 1.0, f32::MIN], 4);
        assert_eq!(a.codes(0).len(), 4);
    }
}
