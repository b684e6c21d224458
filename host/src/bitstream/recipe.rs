//! The manifest of an image for an Alveo card: not built, since Vitis cannot be had freely.

use std::collections::BTreeMap;

use tercet_contract::Geometry;
use tercet_hdl::EmitError;
use tercet_xclbin::alveo::{Card, File, CLOCK_MHZ, VITIS};

use super::manifest::{sha256, Input, Manifest, Origin, State, ToolTier, Used, Utilisation};
use crate::board::{Board, Footprint};

/// Name of the kernel's Verilog in the build folder.
const VERILOG: &str = "ternary_gemv.v";

/// What builds `compute_units` of a kernel for a card, or as many as the card's default. `files` are those of
/// [`tercet_xclbin::alveo::files`], which `command` writes into a folder `work`; those of other cards are left out.
pub fn recipe(
    card: &Card,
    geometry: &Geometry,
    compute_units: Option<usize>,
    files: &[File],
    command: &str,
) -> Result<Manifest, EmitError> {
    let compute_units = compute_units.unwrap_or(card.default_cus);
    let verilog = tercet_hdl::emit(geometry)?;
    let configuration = format!("{}.cfg", card.name);
    let scripts = files
        .iter()
        .filter(|(name, _)| !name.ends_with(".cfg") || *name == configuration)
        .map(|(name, text)| Input {
            name: name.clone(),
            sha256: sha256(text.as_bytes()),
            from: Origin::File,
        });
    let kernel = Input {
        name: VERILOG.to_string(),
        sha256: sha256(verilog.as_bytes()),
        from: Origin::Kernel,
    };
    let name = card.name;
    Ok(Manifest {
        target: name.to_string(),
        part: card.platform.to_string(),
        geometry: geometry.to_string(),
        compute_units,
        state: State::ToBeBuiltByYou,
        clock_mhz: CLOCK_MHZ.into(),
        inputs: std::iter::once(kernel).chain(scripts).collect(),
        commands: vec![
            command.to_string(),
            format!("tercet emit --geometry {geometry} --out work"),
            "tercet bitstream verify work".to_string(),
            format!("make -C work BOARD={name}"),
            format!("tercet xclbin inspect work/ternary_gemv-{geometry}-{name}.xclbin"),
        ],
        tools: BTreeMap::from([("vitis".to_string(), VITIS.to_string())]),
        utilisation: utilisation(card, geometry, compute_units),
        built: None,
        verified: "the scripts were run with stand-ins for Vitis, and the Verilog was simulated; no image was built".to_string(),
    })
}

/// Kernels alone, by the synthesis table, of the whole part.
fn utilisation(card: &Card, geometry: &Geometry, compute_units: usize) -> Option<Utilisation> {
    let board = Board::find(card.name).ok()?;
    let resources = board.extras.resources.as_ref()?;
    let footprint = Footprint::of(geometry, resources.family)?;
    let cells = footprint.each().into_iter().zip(resources.device.each());
    let cells = cells.map(|((kind, one), (_, device))| {
        let used = Used {
            used: one * compute_units as f64,
            available: device.value,
        };
        (kind.to_uppercase(), used)
    });
    Some(Utilisation {
        cells: cells.collect(),
        source: "kernels alone, yosys (hdl/resources)".to_string(),
        tier: ToolTier::Synthesised,
    })
}
