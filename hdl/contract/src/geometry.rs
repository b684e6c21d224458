//! Geometry: the compile-time parameters of one kernel, and the sizes that follow from them.
//!
//! A geometry is named `<bus bits>-<encoding>[-x<batch>][-k<longest K>]`, for example `512-b3` or
//! `512-b3-x4-k8192`. Every kernel of the table is generated; nothing else lists geometries.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// How trits are packed into the bytes of a weight beat (codes in [`crate::trit`]).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Four trits a byte: 2 bits a weight.
    B2,
    /// Five trits a byte: 1.6 bits a weight.
    B3,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Encoding; 2] = [Encoding::B2, Encoding::B3];

    /// Trits in one byte: 4 or 5.
    pub const fn trits_per_byte(self) -> usize {
        match self {
            Encoding::B2 => 4,
            Encoding::B3 => 5,
        }
    }

    /// Storage per weight in bits, without row padding: 2 or 1.6.
    pub fn bits_per_weight(self) -> f64 {
        8.0 / self.trits_per_byte() as f64
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::B2 => "b2",
            Encoding::B3 => "b3",
        })
    }
}

impl FromStr for Encoding {
    type Err = GeometryError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.to_ascii_lowercase().as_str() {
            "b2" => Ok(Encoding::B2),
            "b3" => Ok(Encoding::B3),
            _ => Err(GeometryError::Encoding(s.to_string())),
        }
    }
}

/// Bus widths a kernel can be built with, in bits.
pub const BUS_BITS: [usize; 3] = [128, 256, 512];

/// Vectors per weight pass a kernel can be built with.
pub const BATCHES: [usize; 3] = [1, 2, 4];

/// Longest K (in_features) that a kernel's activation RAM can be built for. The first is the one
/// meant where a name says nothing.
pub const LONGEST_K: [usize; 3] = [16_384, 8_192, 32_768];

/// Most rows (out_features) of one command.
pub const MAX_ROWS: usize = (1 << 20) - 1;

/// Weight bytes that one read burst fetches at most. It divides 4 KiB, so bursts that start
/// aligned never cross a 4 KiB boundary (AXI4 A3.4.1).
pub const BURST_BYTES: usize = 1024;

/// Weight beats the read FIFO holds, which bounds the beats in flight: enough to hide
/// 128 cycles of memory latency twice over.
pub const WEIGHT_FIFO_BEATS: usize = 256;

/// Compile-time parameters of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Geometry {
    bus_bits: usize,
    encoding: Encoding,
    batch: usize,
    max_k: usize,
}

/// Why a geometry name was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GeometryError {
    /// Not of the form `<bus bits>-<encoding>[-x<batch>][-k<longest K>]`.
    #[error(
        "geometry `{0}`: expected <bus bits>-<encoding>[-x<batch>][-k<longest K>], for example 512-b3 or 512-b3-x4-k8192"
    )]
    Form(String),
    /// No such encoding.
    #[error("encoding `{0}`: expected b2 or b3")]
    Encoding(String),
    /// A bus width that no kernel is built with.
    #[error("bus width {0} bits: expected one of {BUS_BITS:?}")]
    BusBits(usize),
    /// A batch that no kernel is built with.
    #[error("batch {0}: expected one of {BATCHES:?}")]
    Batch(usize),
    /// A longest K that no kernel is built for.
    #[error("longest K {0}: expected one of {LONGEST_K:?}")]
    MaxK(usize),
}

impl Geometry {
    /// The geometry used when none is named: 512 bits, 1.6-bit weights, one vector a pass.
    pub const DEFAULT: Geometry = Geometry {
        bus_bits: 512,
        encoding: Encoding::B3,
        batch: 1,
        max_k: LONGEST_K[0],
    };

    /// A geometry of the supported table, with the usual longest K.
    pub fn new(bus_bits: usize, encoding: Encoding, batch: usize) -> Result<Self, GeometryError> {
        if !BUS_BITS.contains(&bus_bits) {
            return Err(GeometryError::BusBits(bus_bits));
        }
        if !BATCHES.contains(&batch) {
            return Err(GeometryError::Batch(batch));
        }
        Ok(Geometry {
            bus_bits,
            encoding,
            batch,
            max_k: LONGEST_K[0],
        })
    }

    /// The same kernel with an activation RAM for another longest K.
    pub fn with_max_k(self, max_k: usize) -> Result<Self, GeometryError> {
        if !LONGEST_K.contains(&max_k) {
            return Err(GeometryError::MaxK(max_k));
        }
        Ok(Geometry { max_k, ..self })
    }

    /// The same kernel with another batch.
    pub fn with_batch(self, batch: usize) -> Result<Self, GeometryError> {
        Geometry::new(self.bus_bits, self.encoding, batch)?.with_max_k(self.max_k)
    }

    /// Every geometry with the usual longest K, in the order bus width, encoding, batch.
    pub fn standard() -> Vec<Geometry> {
        let mut all = Vec::new();
        for bus_bits in BUS_BITS {
            for encoding in Encoding::ALL {
                for batch in BATCHES {
                    all.push(Geometry {
                        bus_bits,
                        encoding,
                        batch,
                        max_k: LONGEST_K[0],
                    });
                }
            }
        }
        all
    }

    /// Every supported geometry: [`Geometry::standard`] with each longest K.
    pub fn all() -> Vec<Geometry> {
        Geometry::standard()
            .into_iter()
            .flat_map(|g| LONGEST_K.map(|max_k| Geometry { max_k, ..g }))
            .collect()
    }

    /// Width of the AXI data buses in bits.
    pub const fn bus_bits(&self) -> usize {
        self.bus_bits
    }

    /// Weight encoding.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Vectors multiplied in one pass over the weights.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// Bytes of one beat: `bus_bits / 8`. Also the number of one-byte weight codes in a beat.
    pub const fn beat_bytes(&self) -> usize {
        self.bus_bits / 8
    }

    /// Weights of one beat, which is the number of multiply lanes.
    pub const fn lanes(&self) -> usize {
        self.beat_bytes() * self.encoding.trits_per_byte()
    }

    /// Beats of one weight row of K trits: `ceil(K / lanes)`. Rows are padded with zero trits.
    pub const fn row_beats(&self, k: usize) -> usize {
        k.div_ceil(self.lanes())
    }

    /// Bytes of one weight row of K trits, padding included.
    pub const fn row_bytes(&self, k: usize) -> usize {
        self.row_beats(k) * self.beat_bytes()
    }

    /// Bytes of a weight matrix `[N, K]`, padding included.
    pub const fn matrix_bytes(&self, n: usize, k: usize) -> usize {
        n * self.row_bytes(k)
    }

    /// Beats of K int8 activations: `ceil(K / beat_bytes)`.
    pub const fn activation_beats(&self, k: usize) -> usize {
        k.div_ceil(self.beat_bytes())
    }

    /// Beats of the results of N rows, which are `batch` int32 each.
    pub const fn result_beats(&self, n: usize) -> usize {
        self.result_bytes(n).div_ceil(self.beat_bytes())
    }

    /// Bytes of the results `y: [N, batch]` int32.
    pub const fn result_bytes(&self, n: usize) -> usize {
        4 * n * self.batch
    }

    /// Bytes from one vector of K activations to the next: whole beats.
    pub const fn vector_stride(&self, k: usize) -> usize {
        self.activation_beats(k) * self.beat_bytes()
    }

    /// Longest burst on any AXI port, in beats.
    pub const fn burst_beats(&self) -> usize {
        BURST_BYTES / self.beat_bytes()
    }

    /// Words of one of the two buffers of the activation RAM, each holding one int8 per lane.
    ///
    /// A power of two, since the RAM is addressed by whole bits.
    pub const fn activation_words(&self) -> usize {
        self.max_k.div_ceil(self.lanes()).next_power_of_two()
    }

    /// Longest K this geometry accepts.
    pub const fn max_k(&self) -> usize {
        self.max_k
    }

    /// int32 results that one beat holds.
    pub const fn beat_words(&self) -> usize {
        self.bus_bits / 32
    }

    /// Beats that the result FIFO holds: two bursts, so that one is written while the next gathers.
    pub const fn result_fifo_beats(&self) -> usize {
        2 * self.burst_beats()
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.bus_bits, self.encoding)?;
        if self.batch != 1 {
            write!(f, "-x{}", self.batch)?;
        }
        if self.max_k != LONGEST_K[0] {
            write!(f, "-k{}", self.max_k)?;
        }
        Ok(())
    }
}

impl FromStr for Geometry {
    type Err = GeometryError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let form = || GeometryError::Form(s.to_string());
        let mut parts = s.split('-');
        let (Some(bus), Some(encoding)) = (parts.next(), parts.next()) else {
            return Err(form());
        };
        let mut geometry = Geometry::new(bus.parse().map_err(|_| form())?, encoding.parse()?, 1)?;
        let mut options = parts.peekable();
        if let Some(batch) = options.peek().and_then(|p| p.strip_prefix('x')) {
            geometry = geometry.with_batch(batch.parse().map_err(|_| form())?)?;
            options.next();
        }
        if let Some(max_k) = options.peek().and_then(|p| p.strip_prefix('k')) {
            geometry = geometry.with_max_k(max_k.parse().map_err(|_| form())?)?;
            options.next();
        }
        match options.next() {
            None => Ok(geometry),
            Some(_) => Err(form()),
        }
    }
}

impl JsonSchema for Geometry {
    fn schema_name() -> Cow<'static, str> {
        "Geometry".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Kernel by name: bus bits - encoding [-x batch] [-k longest K].",
            "type": "string",
            "pattern": "^[0-9]+-b[23](-x[0-9]+)?(-k[0-9]+)?$",
        })
    }
}

impl Serialize for Geometry {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Geometry {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for g in Geometry::all() {
            assert_eq!(g.to_string().parse::<Geometry>().unwrap(), g);
        }
        assert_eq!("512-b3".parse::<Geometry>().unwrap(), Geometry::DEFAULT);
        assert_eq!("512-b3-x1".parse::<Geometry>().unwrap(), Geometry::DEFAULT);
        let long: Geometry = "128-b2-x4-k32768".parse().unwrap();
        assert_eq!((long.batch(), long.max_k()), (4, 32_768));
        assert_eq!(Geometry::all().len(), 54);
    }

    #[test]
    fn bad_names_say_what_is_expected() {
        let message = |s: &str| s.parse::<Geometry>().unwrap_err().to_string();
        assert!(message("512").contains("512-b3"));
        assert!(message("512-b3-4").contains("512-b3"));
        assert!(message("64-b3").contains("128"));
        assert!(message("512-b4").contains("b2 or b3"));
        assert!(message("512-b3-x3").contains("batch 3"));
        assert!(message("512-b3-k100").contains("longest K 100"));
        assert!(message("512-b3-k8192-x2").contains("512-b3"));
    }

    #[test]
    fn sizes_of_the_2b_4t_layers() {
        let g = Geometry::DEFAULT;
        assert_eq!((g.lanes(), g.beat_bytes()), (320, 64));
        assert_eq!(g.row_beats(2560), 8);
        assert_eq!(g.row_beats(6912), 22);
        assert_eq!(g.matrix_bytes(6912, 2560), 6912 * 512);
        assert!(g.activation_words() * g.lanes() >= g.max_k());
    }
}
