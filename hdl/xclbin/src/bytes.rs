//! Little-endian fields of fixed-size records, in slices whose length is known.

/// The `N` bytes at `offset`. The record is long enough: its size was checked when it was cut out.
pub fn array<const N: usize>(record: &[u8], offset: usize) -> [u8; N] {
    record[offset..offset + N]
        .try_into()
        .expect("a slice of N bytes")
}

/// The 16-bit number at `offset`.
pub fn u16_at(record: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array(record, offset))
}

/// The 32-bit number at `offset`.
pub fn u32_at(record: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(record, offset))
}

/// The 64-bit number at `offset`.
pub fn u64_at(record: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array(record, offset))
}

/// The text in a field of fixed size: up to the first zero byte; what is no UTF-8 is replaced.
pub fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Writes `bytes` at `offset`.
pub fn put(record: &mut [u8], offset: usize, bytes: &[u8]) {
    record[offset..offset + bytes.len()].copy_from_slice(bytes);
}
