//! The kernel as XML: `kernel.xml` for packaging, and the ports and arguments of an image.

use std::fmt::Write as _;

use tercet_contract::arguments::{arguments, ArgumentKind, CONTROL_PORT, DATA_PORT, WEIGHTS_PORT};
use tercet_contract::registers::ADDRESS_BITS;
use tercet_contract::{Geometry, CONTRACT_VERSION, KERNEL_NAME};

use crate::contents::{Argument, Port};

/// Bytes of the registers' address range.
pub const CONTROL_RANGE: u64 = 1 << ADDRESS_BITS;

/// Address range of a memory port.
const MEMORY_RANGE: u64 = u64::MAX;

/// Width of the registers' port in bits.
const CONTROL_BITS: u32 = 32;

/// Vendor of the packaged IP.
pub const VENDOR: &str = "tercet";

/// Library of the packaged IP.
pub const LIBRARY: &str = "kernel";

/// Version of the packaged IP: that of the contract.
pub fn ip_version() -> String {
    format!("{CONTRACT_VERSION}.0")
}

/// The ports of the kernel.
pub fn ports(geometry: &Geometry) -> Vec<Port> {
    let memory = |name: &str| Port {
        name: name.to_string(),
        master: true,
        range: MEMORY_RANGE,
        data_bits: geometry.bus_bits() as u32,
    };
    let control = Port {
        name: CONTROL_PORT.to_string(),
        master: false,
        range: CONTROL_RANGE,
        data_bits: CONTROL_BITS,
    };
    vec![control, memory(WEIGHTS_PORT), memory(DATA_PORT)]
}

/// The arguments of the contract, as an image has them.
pub fn contract_arguments() -> Vec<Argument> {
    let all = arguments().into_iter().map(|argument| {
        let (port, buffer) = match argument.kind {
            ArgumentKind::Buffer { port } => (port, true),
            ArgumentKind::Scalar { .. } => (CONTROL_PORT, false),
        };
        Argument {
            id: argument.id,
            offset: argument.offset.into(),
            bytes: argument.bytes().into(),
            c_type: argument.c_type().to_string(),
            port: port.to_string(),
            buffer,
            name: argument.name,
        }
    });
    all.collect()
}

/// `kernel.xml` of a geometry, for `package_xo -kernel_xml`.
pub fn kernel_xml(geometry: &Geometry) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let out = &mut xml;
    let _ = writeln!(
        out,
        "<!-- {KERNEL_NAME} {geometry}, contract {CONTRACT_VERSION}. Generated from hdl/contract; do not edit. -->\n\
         <root versionMajor=\"1\" versionMinor=\"6\">\n  \
         <kernel name=\"{KERNEL_NAME}\" language=\"ip_c\" vlnv=\"{VENDOR}:{LIBRARY}:{KERNEL_NAME}:{}\" attributes=\"\" \
         preferredWorkGroupSizeMultiple=\"0\" workGroupSize=\"1\" interrupt=\"true\" hwControlProtocol=\"ap_ctrl_hs\">\n    \
         <ports>",
        ip_version()
    );
    for port in ports(geometry) {
        let _ = writeln!(out, "      {}", port_element(&port));
    }
    out.push_str("    </ports>\n    <args>\n");
    for argument in contract_arguments() {
        let _ = writeln!(out, "      {}", argument_element(&argument));
    }
    out.push_str("    </args>\n  </kernel>\n</root>\n");
    xml
}

/// A port as an element.
pub fn port_element(port: &Port) -> String {
    let mode = if port.master { "master" } else { "slave" };
    format!(
        "<port name=\"{}\" mode=\"{mode}\" range=\"{:#x}\" dataWidth=\"{}\" portType=\"addressable\" base=\"0x0\"/>",
        escaped(&port.name),
        port.range,
        port.data_bits
    )
}

/// An argument as an element.
pub fn argument_element(argument: &Argument) -> String {
    format!(
        "<arg name=\"{}\" addressQualifier=\"{}\" id=\"{}\" port=\"{}\" size=\"{:#x}\" offset=\"{:#x}\" \
         hostOffset=\"0x0\" hostSize=\"{:#x}\" type=\"{}\"/>",
        escaped(&argument.name),
        u8::from(argument.buffer),
        argument.id,
        escaped(&argument.port),
        argument.bytes,
        argument.offset,
        argument.bytes,
        escaped(&argument.c_type)
    )
}

/// A text inside an attribute.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
