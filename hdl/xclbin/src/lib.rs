//! Device images: the AXLF container that XRT loads.

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

/// Bytes of each memory of an emulated card: the space up to the next.
pub const MEMORY_BYTES: u64 = 1 << 32;
