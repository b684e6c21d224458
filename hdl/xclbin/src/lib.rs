//! Device images: the AXLF container (`.xclbin`) that XRT loads.
//!
//! | module | what |
//! |---|---|
//! | [`contents`] | what an image says: compute units, arguments, memories, clocks, key-values |
//! | [`image`] | an image as bytes and file |
//! | [`emulation`] | the image of an emulated card |
//! | [`mod@check`] | whether an image fits the contract of `ternary_gemv` |
//! | [`mod@kernel_xml`] | the kernel as XML, for packaging and for images |
//! | [`alveo`] | scripts that build an image for a card with Vitis |
//! | [`error`] | why an image is not read or not written |
//!
//! Inside: `axlf` is the container, `records` the tables of fixed-size records, `metadata` the XML, `key_values` the
//! JSON. The layouts are those of XRT's `xclbin.h`.

pub mod alveo;
mod axlf;
mod bytes;
pub mod check;
pub mod contents;
pub mod emulation;
pub mod error;
pub mod image;
pub mod kernel_xml;
mod key_values;
mod metadata;
mod records;

pub use check::{check, Finding};
pub use contents::{
    Argument, Clock, ClockKind, ComputeUnit, Connection, Contents, Control, Memory, MemoryKind,
    Mode, Port,
};
pub use emulation::{control_base, data_base, weights_base, MEMORY_BYTES};
pub use error::{ReadError, WriteError};
pub use image::{Uuid, Xclbin};
pub use kernel_xml::kernel_xml;

/// Key-value that names the geometry of the kernel.
pub const GEOMETRY_KEY: &str = "tercet.geometry";

/// Key-value with the version of the contract that the kernel was built from.
pub const CONTRACT_KEY: &str = "tercet.contract";
