//! Rotary position embedding, rotate-half form: element i is paired with i + d/2.
//!
//! `inv_freq[i] = 1 / theta^(2i/d)`, the angle is position times inv_freq, both rounded to f32 as the
//! reference does; cos and sin are those of that f32 angle, correctly rounded.

use crate::kernel::threads::Work;
use crate::kernel::{Cpu, Loop};

/// cos and sin of every position up to some length, extended on demand.
pub struct Rope {
    inv_freq: Vec<f32>,
    /// `[position, d/2]`.
    cos: Vec<f32>,
    /// `[position, d/2]`.
    sin: Vec<f32>,
}

impl Rope {
    /// Frequencies of heads of width `head_dim`, which is even.
    pub fn new(head_dim: usize, theta: f64) -> Self {
        let theta = f64::from(theta as f32);
        let inv_freq = (0..head_dim / 2)
            .map(|i| {
                let exponent = (2 * i) as f32 / head_dim as f32;
                1.0 / theta.powf(f64::from(exponent)) as f32
            })
            .collect();
        Rope {
            inv_freq,
            cos: Vec::new(),
            sin: Vec::new(),
        }
    }

    /// Angle per position of each pair: `[d/2]`.
    pub fn inv_freq(&self) -> &[f32] {
        &self.inv_freq
    }

    /// Makes positions 0..length available.
    pub fn extend_to(&mut self, length: usize) {
        let half = self.inv_freq.len();
        for position in self.cos.len() / half..length {
            for f in &self.inv_freq {
                let angle = f64::from(position as f32 * f);
                self.cos.push(angle.cos() as f32);
                self.sin.push(angle.sin() as f32);
            }
        }
    }

    /// Rotates every head of `x: [T, heads, head_dim]`; the first token stands at position `start`.
    ///
    /// # Panics
    /// If a position was not made available.
    pub fn rotate(&self, cpu: &Cpu, x: &mut [f32], width: usize, start: usize) {
        let half = self.inv_freq.len();
        cpu.for_each_part(Work::elementwise(x.len()), x, width, |t, x| {
            let at = (start + t) * half;
            let (cos, sin) = (&self.cos[at..][..half], &self.sin[at..][..half]);
            cpu.kernel().vectorize(Rotate { x, cos, sin });
        });
    }
}

/// The heads of one token.
struct Rotate<'a> {
    x: &'a mut [f32],
    cos: &'a [f32],
    sin: &'a [f32],
}

impl Loop for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let half = self.cos.len();
        for head in self.x.chunks_exact_mut(2 * half) {
            let (low, high) = head.split_at_mut(half);
            let pairs = low.iter_mut().zip(high);
            for ((low, high), (cos, sin)) in pairs.zip(self.cos.iter().zip(self.sin)) {
                let (a, b) = (*low, *high);
                *low = a * cos - b * sin;
                *high = b * cos + a * sin;
            }
        }
    }
}
