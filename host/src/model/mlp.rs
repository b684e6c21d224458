//! What the MLP does between its linears: `h = act(gate) * up`.

use crate::checkpoint::config::HiddenAct;
use crate::kernel::{Kernel, Loop};

/// Replaces `gate` by `act(gate) * up`; both `[T, intermediate]`.
pub fn gated(kernel: Kernel, act: HiddenAct, gate: &mut [f32], up: &[f32]) {
    kernel.vectorize(Gated { act, gate, up });
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

    #[test]
    fn both_activations_follow_their_definitions() {
        let apply = |act, g: f32| {
            let mut gate = [g];
            gated(Kernel::detect(), act, &mut gate, &[3.0]);
            gate[0]
        };
        assert_eq!(apply(HiddenAct::Relu2, 2.0), 12.0);
        assert_eq!(apply(HiddenAct::Relu2, -2.0), 0.0);
        let silu = apply(HiddenAct::Silu, 2.0);
        assert!((silu - 3.0 * 2.0 / (1.0 + (-2f32).exp())).abs() < 1e-6);
    }
}
