//! The image of an emulated card: compute units with memories of their own.

use std::collections::BTreeMap;

use tercet_contract::arguments::{DATA, WEIGHTS};
use tercet_contract::{Geometry, CONTRACT_VERSION, KERNEL_NAME};

use crate::contents::{
    Clock, ClockKind, ComputeUnit, Connection, Contents, Control, Memory, MemoryKind, Mode,
};
use crate::error::WriteError;
use crate::kernel_xml::{contract_arguments, ports};
use crate::{CONTRACT_KEY, GEOMETRY_KEY};

/// Platform of an emulated card.
pub const PLATFORM: &str = "tercet_emulation_1";

/// Most compute units of an emulated card: XRT 2.13 knows 64 memories, and each compute unit has two.
pub const MAX_CUS: usize = 32;

/// Bytes of each memory of an emulated card: the space up to the next.
pub const MEMORY_BYTES: u64 = 1 << 32;

/// Address of the registers of compute unit `cu` in the control space of an emulated card.
pub fn control_base(cu: usize) -> u64 {
    0x180_0000 + 0x1_0000 * cu as u64
}

/// Address at which the weight memory of compute unit `cu` of an emulated card begins.
pub fn weights_base(cu: usize) -> u64 {
    (1 + 2 * cu as u64) << 32
}

/// Address at which the data memory of compute unit `cu` of an emulated card begins.
pub fn data_base(cu: usize) -> u64 {
    (2 + 2 * cu as u64) << 32
}

/// What the image of an emulated card says: `cus` compute units of `geometry` at `clock_hz`, which is rounded to MHz.
///
/// Memory `2 i` is `weights_{i}`, memory `2 i + 1` is `data_{i}`.
pub fn contents(geometry: &Geometry, cus: usize, clock_hz: f64) -> Result<Contents, WriteError> {
    if !(1..=MAX_CUS).contains(&cus) {
        return Err(WriteError::ComputeUnits {
            found: cus,
            limit: MAX_CUS,
        });
    }
    let mhz = (clock_hz / 1e6).round();
    if !(1.0..=f64::from(u16::MAX)).contains(&mhz) {
        return Err(WriteError::Clock { hz: clock_hz });
    }
    let clock = |name: &str, kind| Clock {
        name: name.to_string(),
        kind,
        mhz: mhz as u16,
    };
    let key_values = [
        (GEOMETRY_KEY, geometry.to_string()),
        (CONTRACT_KEY, CONTRACT_VERSION.to_string()),
    ];
    Ok(Contents {
        platform: PLATFORM.to_string(),
        mode: Mode::HardwareEmulation,
        timestamp: 0,
        clocks: vec![
            clock("DATA_CLK", ClockKind::Data),
            clock("KERNEL_CLK", ClockKind::Kernel),
        ],
        memories: (0..cus).flat_map(memories).collect(),
        compute_units: (0..cus).map(|cu| compute_unit(geometry, cu)).collect(),
        key_values: BTreeMap::from(key_values.map(|(key, value)| (key.to_string(), value))),
    })
}

fn memories(cu: usize) -> [Memory; 2] {
    let memory = |tag, base| Memory {
        tag,
        kind: MemoryKind::Ddr4,
        used: true,
        base,
        bytes: MEMORY_BYTES,
    };
    [
        memory(format!("weights_{cu}"), weights_base(cu)),
        memory(format!("data_{cu}"), data_base(cu)),
    ]
}

fn compute_unit(geometry: &Geometry, cu: usize) -> ComputeUnit {
    let connection = |argument, memory| Connection { argument, memory };
    ComputeUnit {
        kernel: KERNEL_NAME.to_string(),
        instance: format!("{KERNEL_NAME}_{}", cu + 1),
        base: control_base(cu),
        control: Control::Handshake,
        ports: ports(geometry),
        arguments: contract_arguments(),
        connections: vec![connection(WEIGHTS, 2 * cu), connection(DATA, 2 * cu + 1)],
    }
}
