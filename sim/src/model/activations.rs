//! The activation RAM, kept both as bytes and as bit planes.
//!
//! Byte `s * lanes + l` of a vector is the activation that lane `l` multiplies in beat `s` of a row. The RAM
//! keeps what it holds until a load overwrites it.
//!
//! The planes are grouped as the weights are read: a group is the [`GROUP_BYTES`] / beat_bytes beats
//! whose codes fill 64-bit planes. Bit `t * C + j` of plane `b` of trit `i` is bit `b` of the
//! activation of lane `i * C + j` in beat `t` of the group, with `C` = beat_bytes.

use tercet_contract::Geometry;

use super::decode::MAX_TRITS;

/// Weight bytes of a group: 64 one-byte codes, one to each bit of a plane.
pub const GROUP_BYTES: usize = 64;

/// Bit planes of the activations of one group: `[trit][bit of the int8]`.
pub type Group = [[u64; 8]; MAX_TRITS];

/// The RAM.
pub struct ActivationRam {
    columns: usize,
    trits: usize,
    /// One for each vector of the batch.
    vectors: Vec<Vector>,
}

/// The place of one vector.
#[derive(Clone)]
struct Vector {
    bytes: Vec<u8>,
    groups: Vec<Group>,
}

impl ActivationRam {
    /// A zeroed RAM.
    pub fn new(geometry: &Geometry) -> Self {
        let columns = geometry.beat_bytes();
        let groups = geometry.activation_words().div_ceil(GROUP_BYTES / columns);
        let trits = geometry.encoding().trits_per_byte();
        let vector = Vector {
            bytes: vec![0; groups * GROUP_BYTES * trits],
            groups: vec![Group::default(); groups],
        };
        ActivationRam {
            columns,
            trits,
            vectors: vec![vector; geometry.batch()],
        }
    }

    /// Overwrites vector `v` from its start.
    ///
    /// # Panics
    /// If the RAM has no such vector, or `x` is longer than its place.
    pub fn load(&mut self, v: usize, x: &[u8]) {
        let vector = &mut self.vectors[v];
        vector.bytes[..x.len()].copy_from_slice(x);
        let group_bytes = GROUP_BYTES * self.trits;
        let dirty = x.len().div_ceil(group_bytes);
        for (bytes, group) in vector
            .bytes
            .chunks_exact(group_bytes)
            .zip(&mut vector.groups)
            .take(dirty)
        {
            *group = Group::default();
            for (t, beat) in bytes.chunks_exact(self.columns * self.trits).enumerate() {
                for (i, lanes) in beat.chunks_exact(self.columns).enumerate() {
                    for (j8, eight) in lanes.chunks_exact(8).enumerate() {
                        let shift = t * self.columns + 8 * j8;
                        let planes = transpose(eight.try_into().expect("8 bytes"));
                        for (plane, byte) in group[i].iter_mut().zip(planes) {
                            *plane |= u64::from(byte) << shift;
                        }
                    }
                }
            }
        }
    }

    /// The groups of vector `v`, in the order of a row's beats.
    ///
    /// # Panics
    /// If the RAM has no such vector.
    pub fn groups(&self, v: usize) -> &[Group] {
        &self.vectors[v].groups
    }
}

/// Bit `j` of byte `b` of the result is bit `b` of byte `j`.
fn transpose(bytes: [u8; 8]) -> [u8; 8] {
    let word = u64::from_le_bytes(bytes);
    // The multiplication brings the lowest bit of byte j to bit 56 + j; no two products meet.
    std::array::from_fn(|b| {
        let lowest = (word >> b) & 0x0101_0101_0101_0101;
        (lowest.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_swaps_bytes_and_bits() {
        let bytes = [0x80, 0x01, 0xff, 0x00, 0x55, 0xaa, 0x7f, 0x10];
        let planes = transpose(bytes);
        for (j, byte) in bytes.into_iter().enumerate() {
            for (b, plane) in planes.into_iter().enumerate() {
                assert_eq!(plane >> j & 1, byte >> b & 1, "byte {j} bit {b}");
            }
        }
        assert_eq!(transpose(planes), bytes);
    }

    #[test]
    fn planes_stand_where_the_documentation_says() {
        for (name, v) in [("128-b3", 0), ("256-b2-x2", 1), ("512-b3-x4", 3)] {
            let g: Geometry = name.parse().unwrap();
            let (columns, lanes) = (g.beat_bytes(), g.lanes());
            let x: Vec<u8> = (0..3 * lanes).map(|k| (k * 37 + k / 251) as u8).collect();
            let mut ram = ActivationRam::new(&g);
            ram.load(v, &x);
            for (k, want) in x.iter().enumerate() {
                let (beat, lane) = (k / lanes, k % lanes);
                let per_group = GROUP_BYTES / columns;
                let bit = beat % per_group * columns + lane % columns;
                let planes = &ram.groups(v)[beat / per_group][lane / columns];
                let byte = (0..8).fold(0, |v, b| v | ((planes[b] >> bit & 1) as u8) << b);
                assert_eq!(byte, *want, "{g} x[{k}]");
            }
        }
    }
}
