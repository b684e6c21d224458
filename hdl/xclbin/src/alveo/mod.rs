//! What Vitis needs to build the kernel for an Alveo card: scripts generated from the contract and from [`cards`].
//!
//! `bitstreams/alveo` holds them for the usual geometry; a test keeps it fresh.

pub mod cards;
mod connectivity;
mod makefile;
mod package_tcl;

use tercet_contract::Geometry;

use crate::kernel_xml::kernel_xml;

pub use cards::{Card, CardMemory, CARDS};
pub use connectivity::{connectivity, ConnectivityError};
pub use makefile::{makefile, CLOCK_MHZ, VITIS};
pub use package_tcl::package_tcl;

/// A file by name, and its text.
pub type File = (String, String);

/// Everything but the Verilog: `kernel.xml`, `package_kernel.tcl`, `Makefile` and `<card>.cfg` for each card.
///
/// `cus` compute units a card, or as many as the card's own default. The first card is the one that the Makefile
/// builds for where none is named.
pub fn files(
    geometry: &Geometry,
    cards: &[&Card],
    cus: Option<usize>,
) -> Result<Vec<File>, ConnectivityError> {
    let mut files = vec![
        ("kernel.xml".to_string(), kernel_xml(geometry)),
        ("package_kernel.tcl".to_string(), package_tcl(geometry)),
        ("Makefile".to_string(), makefile(geometry, cards)),
    ];
    for card in cards {
        let cus = cus.unwrap_or(card.default_cus);
        files.push((format!("{}.cfg", card.name), connectivity(card, cus)?));
    }
    Ok(files)
}
