//! The packed form of published checkpoints: u8 `[N/4, K]`.
//!
//! Bits `2i` and `2i + 1` of byte `[r, k]` hold `W[i * N/4 + r, k] + 1`. Code 3 is no trit.

/// Rows that share one byte row.
pub const ROWS_PER_BYTE: usize = 4;

/// Packs trits `W: [N, K]`, each -1, 0 or 1, into `[N/4, K]` bytes; `fill(n, trits)` writes row `n`.
///
/// # Panics
/// If N is no multiple of 4.
pub fn pack(n: usize, k: usize, mut fill: impl FnMut(usize, &mut [i8])) -> Vec<u8> {
    assert_eq!(n % ROWS_PER_BYTE, 0, "rows of a packed weight");
    let byte_rows = n / ROWS_PER_BYTE;
    let mut bytes = vec![0; byte_rows * k];
    let mut trits = vec![0; k];
    for row in 0..n {
        fill(row, &mut trits);
        let (quarter, byte_row) = (row / byte_rows, row % byte_rows);
        for (byte, t) in bytes[byte_row * k..].iter_mut().zip(&trits) {
            *byte |= ((t + 1) as u8) << (2 * quarter);
        }
    }
    bytes
}

/// Writes the codes (value + 1; 3 is invalid) of row `row` of `W: [N, K]`, K being `codes.len()`.
pub fn unpack_row(bytes: &[u8], n: usize, row: usize, codes: &mut [u8]) {
    let byte_rows = n / ROWS_PER_BYTE;
    let (quarter, byte_row) = (row / byte_rows, row % byte_rows);
    let bytes = &bytes[byte_row * codes.len()..];
    for (code, byte) in codes.iter_mut().zip(bytes) {
        *code = byte >> (2 * quarter) & 3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let (n, k) = (12, 5);
        let trits: Vec<i8> = (0..n * k).map(|i| (i * i % 3) as i8 - 1).collect();
        let bytes = pack(n, k, |row, out| out.copy_from_slice(&trits[row * k..][..k]));
        let mut codes = vec![0; k];
        for (row, want) in trits.chunks(k).enumerate() {
            unpack_row(&bytes, n, row, &mut codes);
            assert!(codes.iter().zip(want).all(|(c, t)| *c as i8 - 1 == *t));
        }
    }

    #[test]
    fn bytes_stand_where_the_documentation_says() {
        // W = [1, 0, -1, 1] as a column: one byte, row i in bits 2i.
        let column = [1, 0, -1, 1];
        assert_eq!(pack(4, 1, |row, out| out[0] = column[row]), [0b10_00_01_10]);
    }
}
