//! FPGA boards as devices: every memory channel feeds a compute unit of the ternary kernel.

use tercet_contract::Geometry;

use super::{Device, Engine};
use crate::board::{max_cus, Board, Figure};

/// A board with a compute unit on each memory channel. Launches and link are left out: `tercet select` has them.
pub fn device(board: Board) -> Device {
    let memory = board.extras.memory.clone();
    let channels = memory.as_ref().map_or(1.0, |m| m.channels.value);
    let port = &board.port_gb_s;
    let sustained_gb_s = Figure {
        value: port.value * channels,
        basis: memory
            .as_ref()
            .map_or(port.basis, |m| weaker(port, &m.channels)),
        source: format!(
            "{channels} channels of {} GB/s: {}",
            port.value, port.source
        ),
    };
    Device {
        name: board.name.clone(),
        title: board.title.clone(),
        peak_gb_s: memory
            .as_ref()
            .map_or_else(|| sustained_gb_s.clone(), |m| m.peak_gb_s.clone()),
        sustained_gb_s,
        capacity_gb: memory.map(|m| m.capacity_gb),
        link_gb_s: None,
        engine: Engine::TernaryKernel {
            channels: channels as u64,
            most_cus: max_cus(&board, &Geometry::DEFAULT).ok().map(|m| m.cus),
            board: Box::new(board),
        },
    }
}

fn weaker(a: &Figure, b: &Figure) -> crate::board::Basis {
    match a.basis.tier() >= b.basis.tier() {
        true => a.basis,
        false => b.basis,
    }
}
