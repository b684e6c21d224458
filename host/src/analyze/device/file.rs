//! Device files: TOML, strict, every figure with its basis and source.
//!
//! | key | meaning |
//! |---|---|
//! | `compute.f16_tflops` | dense products of 16-bit operands, 1e12 FLOP/s |
//! | `compute.int8_tops` | products of 8-bit operands; without it the 16-bit rate holds |
//! | `compute.f32_tflops` | everything that is no product |
//! | `compute.tile` | `[m, n, k]` of one matrix instruction |
//! | `memory.peak_gb_s`, `.sustained_gb_s` | by data sheet; what times are computed with (the peak if left out) |
//! | `memory.capacity_gb` | 1e9 bytes |
//! | `link.gb_s` | to the other ranks of a tensor-parallel group, each direction |

use serde::Deserialize;
use toml::Spanned;

use super::{Device, Engine};
use crate::board::{Basis, Figure};
use crate::toml_file::{TomlError, TomlFile};

/// Schema that device files name.
const SCHEMA: &str = "tercet.device/1";

/// Largest tile edge.
const MAX_TILE: u64 = 4096;

const BUILT_IN: [(&str, &str); 5] = [
    ("a100", include_str!("../../../devices/a100.toml")),
    ("a100-40gb", include_str!("../../../devices/a100-40gb.toml")),
    ("h100", include_str!("../../../devices/h100.toml")),
    ("rtx-4090", include_str!("../../../devices/rtx-4090.toml")),
    (
        "ryzen-9700x",
        include_str!("../../../devices/ryzen-9700x.toml"),
    ),
];

/// Names of the device files that are part of the program.
pub fn available() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// Text of the file of a built-in device.
pub fn text(name: &str) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(n, _)| *n == name);
    found.map(|(_, text)| *text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceFile {
    schema: Spanned<String>,
    name: String,
    title: String,
    #[serde(rename = "kind")]
    _kind: Kind,
    compute: Compute,
    memory: Memory,
    link: Option<Link>,
}

/// For readers of the file.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Gpu,
    Cpu,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compute {
    f16_tflops: RawFigure,
    int8_tops: Option<RawFigure>,
    f32_tflops: RawFigure,
    tile: Spanned<[u64; 3]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    peak_gb_s: RawFigure,
    sustained_gb_s: Option<RawFigure>,
    capacity_gb: Option<RawFigure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    gb_s: RawFigure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFigure {
    value: Spanned<f64>,
    basis: Basis,
    source: Spanned<String>,
}

/// Parses a device file; `file` is its name for errors.
pub fn parse(file: &str, text: &str) -> Result<Device, TomlError> {
    let toml = TomlFile::new(file, text);
    let raw: DeviceFile = toml.parse()?;
    if raw.schema.get_ref() != SCHEMA {
        let message = format!("schema {:?}: expected {SCHEMA:?}", raw.schema.get_ref());
        return Err(toml.error(raw.schema.span(), message));
    }
    let tile = *raw.compute.tile.get_ref();
    if tile.iter().any(|edge| !(1..=MAX_TILE).contains(edge)) {
        let message = format!("tile = {tile:?}: expected edges of 1 to {MAX_TILE}");
        return Err(toml.error(raw.compute.tile.span(), message));
    }
    let check = |key: &str, raw: RawFigure, high: f64| figure(&toml, key, raw, high);
    let option =
        |key: &str, raw: Option<RawFigure>, high| raw.map(|r| check(key, r, high)).transpose();
    let peak_gb_s = check("peak_gb_s", raw.memory.peak_gb_s, 1e5)?;
    let at = raw.memory.sustained_gb_s.as_ref().map(|f| f.value.span());
    let sustained = option("sustained_gb_s", raw.memory.sustained_gb_s, 1e5)?;
    if let (Some(f), Some(at)) = (&sustained, at) {
        if f.value > peak_gb_s.value {
            let message = format!(
                "sustained_gb_s = {}: above the peak of {} GB/s",
                f.value, peak_gb_s.value
            );
            return Err(toml.error(at, message));
        }
    }
    Ok(Device {
        engine: Engine::Processor {
            f16_tflops: check("f16_tflops", raw.compute.f16_tflops, 1e5)?,
            int8_tops: option("int8_tops", raw.compute.int8_tops, 1e5)?,
            f32_tflops: check("f32_tflops", raw.compute.f32_tflops, 1e5)?,
            tile,
        },
        sustained_gb_s: sustained.unwrap_or_else(|| peak_gb_s.clone()),
        peak_gb_s,
        capacity_gb: option("capacity_gb", raw.memory.capacity_gb, 1e6)?,
        link_gb_s: option("gb_s", raw.link.map(|l| l.gb_s), 1e5)?,
        name: raw.name,
        title: raw.title,
    })
}

/// Ranges are wide; they are there to catch a figure in the wrong unit.
fn figure(toml: &TomlFile, key: &str, raw: RawFigure, high: f64) -> Result<Figure, TomlError> {
    let value = *raw.value.get_ref();
    if !(1e-3..=high).contains(&value) {
        let message = format!("{key} = {value}: expected 0.001 to {high}; is the unit right?");
        return Err(toml.error(raw.value.span(), message));
    }
    if raw.source.get_ref().trim().is_empty() {
        let message = format!("{key}: the source is empty; say where the figure comes from");
        return Err(toml.error(raw.source.span(), message));
    }
    Ok(Figure {
        value,
        basis: raw.basis,
        source: raw.source.into_inner(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_line() {
        let good = text("a100").unwrap();
        for (from, to, part) in [
            ("tercet.device/1", "tercet.device/9", "schema"),
            ("value = 312.0", "value = 312e12", "is the unit right"),
            ("value = 1500.0", "value = 2500.0", "above the peak"),
            ("[16, 8, 16]", "[0, 8, 16]", "expected edges"),
            ("f16_tflops", "f17_tflops", "unknown field"),
        ] {
            let e = parse("x.toml", &good.replace(from, to))
                .unwrap_err()
                .to_string();
            assert!(e.contains(part) && e.contains("x.toml line "), "{e}");
        }
    }
}
