//! What quantisation gains: bytes of all linears and the head in several formats.
//!
//! The head is not ternary. It counts at its own precision wherever the linears are smaller than that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{HeadKind, Model};
use crate::units::Bytes;

/// Bits of a weight of the int8 head, its row scales left out.
const INT8_BITS: u64 = 8;

/// How the weights of linears may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    Bf16,
    /// 8-bit integers.
    Int8,
    /// Four ternary weights a byte.
    TwoBit,
    /// Five ternary weights a byte: 1.6 bits.
    FiveInAByte,
}

impl Format {
    /// Every format, the largest first.
    pub const ALL: [Format; 5] = [
        Format::F32,
        Format::Bf16,
        Format::Int8,
        Format::TwoBit,
        Format::FiveInAByte,
    ];

    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::Bf16 => "bf16",
            Format::Int8 => "int8",
            Format::TwoBit => "2 bit",
            Format::FiveInAByte => "1.6 bit",
        }
    }

    /// Bytes of `[N, K]`, each row in whole bytes.
    pub const fn bytes(self, n: usize, k: usize) -> u64 {
        let row = match self {
            Format::F32 => 4 * k,
            Format::Bf16 => 2 * k,
            Format::Int8 => k,
            Format::TwoBit => k.div_ceil(4),
            Format::FiveInAByte => k.div_ceil(5),
        };
        (n * row) as u64
    }
}

/// Bytes of the linears in one format, and of the head beside them; from shapes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormatSize {
    /// The format.
    pub format: Format,
    /// All ternary linears in it.
    pub linears_bytes: Bytes,
    /// The head in it, but never below its own precision.
    pub head_bytes: Bytes,
}

impl FormatSize {
    /// Linears and head.
    pub fn total(&self) -> Bytes {
        self.linears_bytes + self.head_bytes
    }
}

/// Sizes of a model in every format.
pub(super) fn sizes(model: &Model) -> Vec<FormatSize> {
    let head = model.lm_head();
    let own_bits = match model.head_kind() {
        HeadKind::Int8 => INT8_BITS,
        HeadKind::Stored | HeadKind::Screened => 8 * head.dtype().bytes() as u64,
    };
    let shapes: Vec<_> = model
        .linear_ids()
        .map(|id| (model.linear(id).n(), model.linear(id).k()))
        .collect();
    sizes_of(&shapes, (head.rows(), head.columns()), own_bits)
}

/// Sizes of linears of these shapes and of a head whose weights have `own_bits` bits.
fn sizes_of(linears: &[(usize, usize)], head: (usize, usize), own_bits: u64) -> Vec<FormatSize> {
    let own = (head.0 * head.1) as u64 * own_bits / 8;
    let size = |format: Format| FormatSize {
        format,
        linears_bytes: Bytes(linears.iter().map(|&(n, k)| format.bytes(n, k)).sum()),
        head_bytes: Bytes(format.bytes(head.0, head.1).max(own)),
    };
    Format::ALL.map(size).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of BitNet b1.58 2B-4T.
    #[test]
    fn the_head_is_not_counted_as_ternary() {
        let block = [
            (2560, 2560),
            (640, 2560),
            (640, 2560),
            (2560, 2560),
            (6912, 2560),
            (6912, 2560),
            (2560, 6912),
        ];
        let linears = block.repeat(30);
        let sizes = sizes_of(&linears, (128_256, 2560), 16);
        assert_eq!(sizes[0].total(), Bytes(4 * 2_412_380_160));
        assert_eq!(sizes[1].total(), Bytes(2 * 2_412_380_160));
        let head = 2 * 328_335_360;
        assert_eq!(sizes[2].total(), Bytes(2_084_044_800 + head));
        assert_eq!(sizes[3].linears_bytes, Bytes(2_084_044_800 / 4));
        assert_eq!(sizes[3].head_bytes, Bytes(head));
        // 6912 is not a multiple of five: a row of `down` ends within a byte.
        let down = 30 * 2560 * (6912usize.div_ceil(5) as u64);
        let others = (2_084_044_800 - 30 * 17_694_720) / 5;
        assert_eq!(sizes[4].linears_bytes, Bytes(others + down));
    }
}
