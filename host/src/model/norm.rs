//! RMSNorm: `y = gain * (x / sqrt(mean(x^2) + eps))`, in f32.

use crate::kernel::threads::Work;
use crate::kernel::{Cpu, Loop};

/// Normalises each row of `x: [T, n]` into `y: [T, n]`, n being the length of `gain`.
pub fn rms_norm(cpu: &Cpu, gain: &[f32], eps: f32, x: &[f32], y: &mut [f32]) {
    let n = gain.len();
    cpu.for_each_part(Work::elementwise(x.len()), y, n, |t, y| {
        let x = &x[t * n..][..n];
        let mut squares = [0.0];
        cpu.kernel().dots(x, x, &mut squares);
        let inverse = 1.0 / (squares[0] / n as f32 + eps).sqrt();
        cpu.kernel().vectorize(Row {
            gain,
            inverse,
            x,
            y,
        });
    });
}

struct Row<'a> {
    gain: &'a [f32],
    inverse: f32,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Loop for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((y, x), gain) in self.y.iter_mut().zip(self.x).zip(self.gain) {
            *y = gain * (x * self.inverse);
        }
    }
}
