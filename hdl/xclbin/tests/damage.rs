//! Damaged images: an error or an image, never a panic, and never more memory than the bytes warrant.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::Geometry;
use tercet_xclbin::{check, ReadError, Xclbin};

fn image(cus: usize) -> Vec<u8> {
    let image = Xclbin::emulation(&Geometry::DEFAULT, cus, 250e6).unwrap();
    image.into_bytes()
}

/// Reads what may be damaged; what can be read can be checked.
fn read(bytes: Vec<u8>) -> Result<(), ReadError> {
    let image = Xclbin::from_bytes(bytes)?;
    for finding in check(&image) {
        assert!(!finding.to_string().is_empty());
    }
    Ok(())
}

/// Sets the length in the header, so that what comes after it is looked at.
fn with_length(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len() as u64;
    bytes[304..312].copy_from_slice(&length.to_le_bytes());
    bytes
}

#[test]
fn every_truncation_is_an_error() {
    let whole = image(2);
    for end in 0..whole.len() {
        read(whole[..end].to_vec()).unwrap_err();
    }
}

#[test]
fn truncations_that_lie_about_their_length_do_not_panic() {
    let whole = image(2);
    for end in 312..whole.len() {
        let cut = with_length(whole[..end].to_vec());
        // The last section may be cut in a way that leaves its records whole.
        let _ = read(cut);
    }
}

#[test]
fn every_flipped_bit_is_survived() {
    let whole = image(1);
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = read(flipped);
    }
}

#[test]
fn random_damage_is_survived() {
    let whole = image(3);
    for seed in 0..20_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..20) {
            let at = rng.random_range(0..bytes.len());
            let extreme = [0, 0x7f, 0x80, 0xff][rng.random_range(0..4)];
            let end = bytes.len().min(at + rng.random_range(1..9));
            bytes[at..end].fill(extreme);
        }
        let _ = read(with_length(bytes));
    }
}

#[test]
fn lying_counts_and_sizes_are_named() {
    let whole = image(1);
    let table = 456;
    let entry = |place: usize| table + 40 * place;
    let patched = |at: usize, bytes: &[u8]| {
        let mut patched = whole.clone();
        patched[at..at + bytes.len()].copy_from_slice(bytes);
        read(patched).unwrap_err().to_string()
    };
    // The memories are there twice; the groups, in the eighth section, are what counts.
    let offset = whole[entry(7) + 24..entry(7) + 32].try_into().unwrap();
    let groups = u64::from_le_bytes(offset) as usize;
    for (at, bytes, part) in [
        (0, &b"ELF"[..], "no xclbin"),
        (304, &u64::MAX.to_le_bytes(), "the header says"),
        (448, &u32::MAX.to_le_bytes(), "the table of sections"),
        (448, &0x1_0001u32.to_le_bytes(), "the table of sections"),
        (entry(1) + 24, &u64::MAX.to_le_bytes(), "do not lie"),
        (entry(1) + 32, &u64::MAX.to_le_bytes(), "do not lie"),
        (
            groups,
            &i32::MAX.to_le_bytes(),
            "too short for its 2147483647 records",
        ),
        (
            groups,
            &(-1i32).to_le_bytes(),
            "too short for its -1 records",
        ),
        // Without memories the connections name nothing.
        (groups, &0u32.to_le_bytes(), "names memory 0"),
    ] {
        let error = patched(at, bytes);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn deep_xml_is_survived() {
    let marker = b"<project";
    let whole = image(1);
    let at = whole
        .windows(marker.len())
        .position(|w| w == marker)
        .unwrap();
    let depth = 200_000;
    // The section that holds it is the sixth; all that follow it are dropped.
    let mut bytes = whole[..at].to_vec();
    bytes.extend(b"<a>".repeat(depth));
    bytes[448..452].copy_from_slice(&6u32.to_le_bytes());
    let entry = 456 + 40 * 5;
    let offset = u64::from_le_bytes(bytes[entry + 24..entry + 32].try_into().unwrap());
    let size = bytes.len() as u64 - offset;
    bytes[entry + 32..entry + 40].copy_from_slice(&size.to_le_bytes());
    let error = read(with_length(bytes)).unwrap_err().to_string();
    assert!(error.contains("EMBEDDED_METADATA"), "{error}");
}
