//! int8 activation codes of a batch of tokens, as every ternary product takes them.
//!
//! Per token `x: [K]` f32: `m = max(max |x|, 1e-5)`, `s = fl(fl(1/m) * 127)`,
//! `q = clamp(rne(x * s), -128, 127)`. The reference computes `127 / m` as reciprocal times 127, which
//! differs from the quotient by one ulp in a quarter of all cases, and ties go to even.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::packed::CHUNK_WEIGHTS;
use super::threads::Work;
use super::{Cpu, Loop};

/// Smallest absmax a token is scaled by.
const MIN_ABSMAX: f32 = 1e-5;

/// 1.5 * 2^23: adding and subtracting it rounds |v| < 2^22 to the nearest integer, ties to even.
/// Baseline x86-64 has no rounding instruction, and a call per element costs more than a GEMV.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Codes `[T, K]` with the scale and the code sum of each token.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    k: usize,
    /// K rounded up to whole chunks; what stands past K is zero.
    stride: usize,
    codes: Vec<Line>,
    tokens: Vec<Token>,
}

/// Codes of a cache line: a load that straddles two lines takes twice as long, and the kernels load codes
/// with every chunk of weights.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
struct Line([i8; LINE]);

/// Bytes of a cache line.
const LINE: usize = 64;

/// The codes of some lines.
fn flat(lines: &[Line]) -> &[i8] {
    <[i8]>::ref_from_bytes(lines.as_bytes()).expect("any byte is a code")
}

fn flat_mut(lines: &mut [Line]) -> &mut [i8] {
    <[i8]>::mut_from_bytes(lines.as_mut_bytes()).expect("any byte is a code")
}

/// What the codes of a token need to become results.
#[derive(Clone, Copy, Debug, Default)]
struct Token {
    scale: f32,
    /// Sum of the codes.
    sum: i32,
}

impl Activations {
    /// Quantises `x: [T, K]`.
    pub fn quantize(cpu: &Cpu, x: &[f32], k: usize) -> Self {
        let mut activations = Self::default();
        activations.requantize(cpu, x, k);
        activations
    }

    /// Quantises `x: [T, K]` into the buffers already held.
    ///
    /// # Panics
    /// If K is 0 or does not divide the length of `x`.
    pub fn requantize(&mut self, cpu: &Cpu, x: &[f32], k: usize) {
        self.reset(x.len(), k);
        let work = Work::elementwise(x.len());
        let (codes, stride) = (&mut self.codes, self.stride);
        cpu.for_each_pair(
            work,
            (codes, stride / LINE),
            (&mut self.tokens, 1),
            |t, codes, token| {
                let (x, codes) = (&x[t * k..][..k], &mut flat_mut(codes)[..k]);
                token[0] = cpu.kernel().vectorize(Quantize { x, codes });
            },
        );
    }

    /// Takes codes `[T, K]` that are already int8; scales are 1.
    ///
    /// # Panics
    /// If K is 0 or does not divide the number of codes.
    pub fn from_codes(codes: &[i8], k: usize) -> Self {
        let mut activations = Self::default();
        activations.reset(codes.len(), k);
        for (token, codes) in codes.chunks_exact(k).enumerate() {
            let first = token * activations.stride;
            flat_mut(&mut activations.codes)[first..][..k].copy_from_slice(codes);
            activations.tokens[token] = Token {
                scale: 1.0,
                sum: codes.iter().map(|&c| i32::from(c)).sum(),
            };
        }
        activations
    }

    fn reset(&mut self, values: usize, k: usize) {
        assert!(
            k > 0 && values.is_multiple_of(k),
            "{values} values in rows of {k}"
        );
        let tokens = values / k;
        if self.k != k {
            // What stands past another K need not be zero.
            self.codes.clear();
            self.k = k;
        }
        self.stride = k.next_multiple_of(CHUNK_WEIGHTS);
        self.codes
            .resize(tokens * self.stride / LINE, Line([0; LINE]));
        self.tokens.resize(tokens, Token::default());
    }

    /// Number of tokens T.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
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
        &flat(&self.codes)[token * self.stride..][..self.stride]
    }

    /// Scale `s` of a token: `x` is about `code / s`.
    pub fn scale(&self, token: usize) -> f32 {
        self.tokens[token].scale
    }

    /// Sum of a token's codes.
    pub fn sum(&self, token: usize) -> i32 {
        self.tokens[token].sum
    }
}

/// Codes of one token.
struct Quantize<'a> {
    x: &'a [f32],
    codes: &'a mut [i8],
}

impl Loop for Quantize<'_> {
    type Output = Token;

    #[inline(always)]
    fn run(self) -> Token {
        let scale = (1.0 / absmax(self.x, MIN_ABSMAX)) * 127.0;
        let mut sum = 0;
        for (code, v) in self.codes.iter_mut().zip(self.x) {
            let scaled = v * scale;
            // What is no number gets code 0.
            let scaled = if scaled.is_nan() { 0.0 } else { scaled };
            // The lowest bits of the sum are those of the integer. (A cast would keep the loop from being
            // vectorised.)
            let shifted = scaled.clamp(-128.0, 127.0) + ROUND;
            let rounded = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
            *code = rounded as i8;
            sum += rounded;
        }
        Token { scale, sum }
    }
}

/// max(max |x|, least). Values that are no numbers do not count.
#[inline(always)]
pub(crate) fn absmax(x: &[f32], least: f32) -> f32 {
    // Without their sign, floats are in the order of their bits, whose maximum is vectorised.
    let mut most = least.to_bits();
    for v in x {
        let bits = v.abs().to_bits();
        most = most.max(if bits > f32::INFINITY.to_bits() {
            0
        } else {
            bits
        });
    }
    f32::from_bits(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    fn cpu() -> Cpu {
        Cpu::new(2, Kernel::detect()).unwrap()
    }

    fn quantize(x: &[f32], k: usize) -> Activations {
        Activations::quantize(&cpu(), x, k)
    }

    #[test]
    fn ties_go_to_even_and_zero_tokens_to_zero() {
        let x = [127.0, 0.5, 1.5, -0.5, -2.5, 3.5, 0.0, 0.0];
        let a = quantize(&x, 8);
        assert_eq!(a.scale(0), (1.0 / 127.0) * 127.0);
        assert_eq!(a.codes(0), [127, 0, 2, 0, -2, 4, 0, 0]);
        assert_eq!(a.sum(0), 131);
        let zero = quantize(&[0.0; 3], 3);
        assert_eq!((zero.codes(0), zero.sum(0)), (&[0i8; 3][..], 0));
        assert_eq!(zero.scale(0), (1.0f32 / 1e-5) * 127.0);
    }

    #[test]
    fn the_padding_is_zero_after_reuse() {
        let mut a = quantize(&[1.0; 300], 300);
        a.requantize(&cpu(), &[1.0; 6], 3);
        assert_eq!(a.tokens(), 2);
        assert!(a.padded(1)[3..].iter().all(|&c| c == 0));
    }

    #[test]
    fn values_that_are_no_numbers_do_not_panic() {
        let a = quantize(&[f32::NAN, f32::INFINITY, 1.0, f32::MIN], 4);
        assert_eq!(a.codes(0).len(), 4);
    }
}
