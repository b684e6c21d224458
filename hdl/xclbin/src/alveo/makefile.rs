//! `Makefile`: from the Verilog to a device image that says its geometry.

use tercet_contract::{Geometry, CONTRACT_VERSION, KERNEL_NAME};

use super::cards::Card;
use crate::{CONTRACT_KEY, GEOMETRY_KEY};

/// Kernel clock in MHz that the Makefile asks for where none is named.
pub const CLOCK_MHZ: u32 = 250;

/// Release of Vitis whose documents the scripts follow.
pub const VITIS: &str = "2023.2";

/// The file around the names; words between `@` are replaced.
const TEMPLATE: &str = include_str!("Makefile.in");

/// The Makefile for a geometry. The first of `cards` is built for where none is named.
pub fn makefile(geometry: &Geometry, cards: &[&Card]) -> String {
    let names: Vec<_> = cards.iter().map(|card| card.name).collect();
    let replaced = [
        ("@GEOMETRY@", geometry.to_string()),
        ("@CONTRACT@", CONTRACT_VERSION.to_string()),
        ("@KERNEL@", KERNEL_NAME.to_string()),
        (
            "@CARD@",
            names.first().copied().unwrap_or_default().to_string(),
        ),
        ("@CARDS@", names.join(" ")),
        ("@CLOCK_MHZ@", CLOCK_MHZ.to_string()),
        ("@GEOMETRY_KEY@", GEOMETRY_KEY.to_string()),
        ("@CONTRACT_KEY@", CONTRACT_KEY.to_string()),
    ];
    let fill = |text: String, (mark, value): &(&str, String)| text.replace(mark, value);
    replaced.iter().fold(TEMPLATE.to_string(), fill)
}
