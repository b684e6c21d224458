//! What the MLP does between its linears: `h = act(gate) * up`.

use crate::checkpoint::config::HiddenAct;
use crate::kernel::threads::Work;
use crate::kernel::{Cpu, Loop};

/// Elements that a thread takes at once.
const PART: usize = 4096;

/// Replaces `gate` by `act(gate) * up`; both `[T, intermediate]`.
pub fn gated(cpu: &Cpu, act: HiddenAct, gate: &mut [f32], up: &[f32]) {
    cpu.for_each_part(Work::elementwise(up.len()), gate, PART, |i, gate| {
        let up = &up[i * PART..][..gate.len()];
        cpu.kernel().vectorize(Gated { act, gate, up });
    });
}

struct Gated<'a> {
    act: HiddenAct,
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Loop for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.act {
            HiddenAct::Relu2 => {
                for (g, up) in self.gate.iter_mut().zip(self.up) {
                    let positive = g.max(0.0);
                    *g = positive * positive * up;
                }
            }
            HiddenAct::Silu => {
                for (g, up) in self.gate.iter_mut().zip(self.up) {
                    *g = *g / (1.0 + (-*g).exp()) * up;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    #[test]
    fn both_activations_follow_their_definitions() {
        let apply = |act, g: f32| {
            let mut gate = [g];
            let cpu = Cpu::new(1, Kernel::detect()).unwrap();
            gated(&cpu, act, &mut gate, &[3.0]);
            gate[0]
        };
        assert_eq!(apply(HiddenAct::Relu2, 2.0), 12.0);
        assert_eq!(apply(HiddenAct::Relu2, -2.0), 0.0);
        let silu = apply(HiddenAct::Silu, 2.0);
        assert!((silu - 3.0 * 2.0 / (1.0 + (-2f32).exp())).abs() < 1e-6);
    }
}
