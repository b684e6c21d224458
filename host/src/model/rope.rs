//! Rotary position embedding, rotate-half form: element i is paired with i + d/2.
//!
//! `inv_freq[i] = 1 / theta^(2i/d)`, the angle is position times inv_freq, both rounded to f32 as the
//! reference does; cos and sin are those of that f32 angle, correctly rounded.

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

    /// Rotates every head of `x: [heads, head_dim]` to a position.
    ///
    /// # Panics
    /// If the position was not made available.
    pub fn rotate(&self, x: &mut [f32], position: usize) {
        let half = self.inv_freq.len();
        let cos = &self.cos[position * half..][..half];
        let sin = &self.sin[position * half..][..half];
        for head in x.chunks_exact_mut(2 * half) {
            let (low, high) = head.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (low[i], high[i]);
                low[i] = a * cos[i] - b * sin[i];
                high[i] = b * cos[i] + a * sin[i];
            }
        }
    }
}
