//! `package_kernel.tcl`: Vivado packages the Verilog into an IP and a kernel object.

use std::fmt::Write as _;

use tercet_contract::arguments::{arguments, ArgumentKind, CONTROL_PORT, DATA_PORT, WEIGHTS_PORT};
use tercet_contract::registers::REGISTERS;
use tercet_contract::{Geometry, CONTRACT_VERSION, KERNEL_NAME};

use crate::kernel_xml::{ip_version, CONTROL_RANGE, LIBRARY, VENDOR};

/// The script around the tables; words between `@` are replaced.
const TEMPLATE: &str = include_str!("package_kernel.tcl.in");

/// Registers below this are those of the control protocol.
const PROTOCOL_END: u32 = 0x10;

/// The script for a geometry.
pub fn package_tcl(geometry: &Geometry) -> String {
    let memory_ports = format!("{WEIGHTS_PORT} {DATA_PORT}");
    let replaced = [
        ("@GEOMETRY@", geometry.to_string()),
        ("@CONTRACT@", CONTRACT_VERSION.to_string()),
        ("@KERNEL@", KERNEL_NAME.to_string()),
        ("@VENDOR@", VENDOR.to_string()),
        ("@LIBRARY@", LIBRARY.to_string()),
        ("@VERSION@", ip_version()),
        ("@CONTROL_PORT@", CONTROL_PORT.to_string()),
        ("@CONTROL_RANGE@", CONTROL_RANGE.to_string()),
        ("@MEMORY_PORTS@", memory_ports),
        ("@REGISTERS@", registers()),
    ];
    let fill = |text: String, (mark, value): &(&str, String)| text.replace(mark, value);
    replaced.iter().fold(TEMPLATE.to_string(), fill)
}

/// A row for each register that XRT writes: name, offset, bits, port of a buffer.
fn registers() -> String {
    let mut rows = String::new();
    let protocol = REGISTERS.iter().filter(|r| r.offset < PROTOCOL_END);
    for r in protocol {
        let _ = writeln!(
            rows,
            "    {:<11} {:#05x} {:>3} {{}}",
            r.name, r.offset, r.bits
        );
    }
    for a in arguments() {
        let port = match a.kind {
            ArgumentKind::Buffer { port } => port,
            ArgumentKind::Scalar { .. } => "{}",
        };
        let bits = 8 * a.bytes();
        let _ = writeln!(
            rows,
            "    {:<11} {:#05x} {bits:>3} {port}",
            a.name, a.offset
        );
    }
    rows.trim_end().to_string()
}
