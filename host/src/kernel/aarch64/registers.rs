//! Moves between memory and registers, and bytes within registers.

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::packed::{Chunk, CHUNK_BYTES};

/// Bytes of a register.
pub const BYTES: usize = 16;

/// int32 of a register.
pub const LANES: usize = 4;

/// Registers that hold a chunk.
pub const QUARTERS: usize = CHUNK_BYTES / BYTES;

/// Sixteen packed bytes of a chunk.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_quarter(chunk: &Chunk, quarter: usize) -> uint8x16_t {
    let (quarters, _) = chunk.0.as_chunks::<BYTES>();
    // SAFETY: an array of sixteen bytes.
    unsafe { vld1q_u8(quarters[quarter].as_ptr()) }
}

/// Sixteen activations.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_codes(codes: &[i8; BYTES]) -> int8x16_t {
    // SAFETY: an array of sixteen bytes.
    unsafe { vld1q_s8(codes.as_ptr()) }
}

/// Four activations in every dword.
#[inline]
#[target_feature(enable = "neon")]
pub fn broadcast([a, b, c, d]: [i8; 4]) -> int8x16_t {
    let dword = i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]);
    vreinterpretq_s8_s32(vdupq_n_s32(dword))
}

/// Four codes each of four rows of a panel.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_rows(rows: &[u32; LANES]) -> int8x16_t {
    // SAFETY: an array of four dwords.
    unsafe { vreinterpretq_s8_u32(vld1q_u32(rows.as_ptr())) }
}

/// Writes what [`load_rows`] reads.
#[inline]
#[target_feature(enable = "neon")]
pub fn store_rows(rows: &mut [u32; LANES], codes: int8x16_t) {
    // SAFETY: an array of four dwords.
    unsafe { vst1q_u32(rows.as_mut_ptr(), vreinterpretq_u32_s8(codes)) }
}

/// Four sums.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_sums(sums: &[i32; LANES]) -> int32x4_t {
    // SAFETY: an array of four int32.
    unsafe { vld1q_s32(sums.as_ptr()) }
}

/// Writes four sums.
#[inline]
#[target_feature(enable = "neon")]
pub fn store_sums(sums: &mut [i32; LANES], v: int32x4_t) {
    // SAFETY: an array of four int32.
    unsafe { vst1q_s32(sums.as_mut_ptr(), v) }
}

/// The four codes of every byte.
#[inline]
#[target_feature(enable = "neon")]
pub fn fields(raw: uint8x16_t) -> [int8x16_t; 4] {
    let mask = vdupq_n_u8(3);
    [
        vreinterpretq_s8_u8(vandq_u8(raw, mask)),
        vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8::<2>(raw), mask)),
        vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8::<4>(raw), mask)),
        vreinterpretq_s8_u8(vshrq_n_u8::<6>(raw)),
    ]
}

/// Bytes j of four registers side by side, in the order of j.
#[inline]
#[target_feature(enable = "neon")]
pub fn interleave([a, b, c, d]: [uint8x16_t; 4]) -> [uint8x16_t; 4] {
    let ab = [vzip1q_u8(a, b), vzip2q_u8(a, b)].map(|v| vreinterpretq_u16_u8(v));
    let cd = [vzip1q_u8(c, d), vzip2q_u8(c, d)].map(|v| vreinterpretq_u16_u8(v));
    [
        vreinterpretq_u8_u16(vzip1q_u16(ab[0], cd[0])),
        vreinterpretq_u8_u16(vzip2q_u16(ab[0], cd[0])),
        vreinterpretq_u8_u16(vzip1q_u16(ab[1], cd[1])),
        vreinterpretq_u8_u16(vzip2q_u16(ab[1], cd[1])),
    ]
}

/// Transposes a 4 x 4 matrix of dwords.
#[inline]
#[target_feature(enable = "neon")]
pub fn transpose_dwords(v: [uint8x16_t; 4]) -> [uint8x16_t; 4] {
    let [a, b, c, d] = v.map(|v| vreinterpretq_u32_u8(v));
    let even = [vtrn1q_u32(a, b), vtrn1q_u32(c, d)].map(|v| vreinterpretq_u64_u32(v));
    let odd = [vtrn2q_u32(a, b), vtrn2q_u32(c, d)].map(|v| vreinterpretq_u64_u32(v));
    [
        vreinterpretq_u8_u64(vtrn1q_u64(even[0], even[1])),
        vreinterpretq_u8_u64(vtrn1q_u64(odd[0], odd[1])),
        vreinterpretq_u8_u64(vtrn2q_u64(even[0], even[1])),
        vreinterpretq_u8_u64(vtrn2q_u64(odd[0], odd[1])),
    ]
}

/// Chunk c of a line will be read soon; it need not be there.
#[inline]
pub fn prefetch(line: &[Chunk], c: usize) {
    let address = line.as_ptr().wrapping_add(c);
    // SAFETY: a hint, which any address may be given to; the intrinsic is not stable.
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
}
