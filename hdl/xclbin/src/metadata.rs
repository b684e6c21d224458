//! The XML of an image: kernels with ports, arguments and instances, where XRT looks for them.
//!
//! `project > platform > device > core > kernel`, whose children are `port`, `arg` and `instance`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use roxmltree::{Document, Node, ParsingOptions};

use crate::contents::{Argument, Clock, ClockKind, ComputeUnit, Port};
use crate::error::ReadError;
use crate::kernel_xml::{argument_element, escaped, port_element};

/// Nodes that are read at most; a real image has some thousands.
const MAX_NODES: u32 = 1_000_000;

/// Arguments, or ports, of a kernel that are read at most.
const MAX_ARGUMENTS: usize = 512;

/// Id of arguments that the hardware has and the signature has not.
const NO_ID: &str = "";

/// A kernel of the XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    pub name: String,
    pub ports: Vec<Port>,
    pub arguments: Vec<Argument>,
}

/// Reads the kernels.
pub fn read(data: &[u8]) -> Result<Vec<Kernel>, ReadError> {
    let error = |e: String| ReadError::Metadata(e);
    let end = data
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&data[..end]).map_err(|e| error(e.to_string()))?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|e| error(e.to_string()))?;
    let mut node = document.root_element();
    for name in ["platform", "device", "core"] {
        let child = node.children().find(|n| n.has_tag_name(name));
        node = child.ok_or_else(|| error(format!("no element {name}")))?;
    }
    let kernels = node.children().filter(|n| n.has_tag_name("kernel"));
    kernels.map(kernel).collect()
}

fn kernel(node: Node) -> Result<Kernel, ReadError> {
    let children = |name: &'static str| node.children().filter(move |n| n.has_tag_name(name));
    let arguments = children("arg").filter(|n| n.attribute("id") != Some(NO_ID));
    let mut arguments = arguments.map(argument).collect::<Result<Vec<_>, _>>()?;
    arguments.sort_by_key(|a| a.id);
    let ports = children("port").map(port).collect::<Result<Vec<_>, _>>()?;
    // Every compute unit gets a copy.
    let found = arguments.len().max(ports.len());
    if found > MAX_ARGUMENTS {
        return Err(ReadError::TooMany {
            what: "arguments or ports of a kernel",
            found,
            limit: MAX_ARGUMENTS,
        });
    }
    Ok(Kernel {
        name: text(node, "name")?,
        ports,
        arguments,
    })
}

fn port(node: Node) -> Result<Port, ReadError> {
    // Streams have no range, and images of old tools no width.
    let number_or_zero = |attribute| match node.attribute(attribute) {
        None => Ok(0),
        Some(_) => number(node, attribute),
    };
    Ok(Port {
        name: text(node, "name")?,
        master: node.attribute("mode") == Some("master"),
        range: number_or_zero("range")?,
        data_bits: number_or_zero("dataWidth")?.try_into().unwrap_or(u32::MAX),
    })
}

fn argument(node: Node) -> Result<Argument, ReadError> {
    Ok(Argument {
        id: number(node, "id")?
            .try_into()
            .map_err(|_| wrong(node, "id", "a number of 32 bits"))?,
        name: text(node, "name")?,
        offset: number(node, "offset")?,
        bytes: number(node, "size")?,
        c_type: node.attribute("type").unwrap_or_default().to_string(),
        port: node.attribute("port").unwrap_or_default().to_string(),
        buffer: number(node, "addressQualifier")? != 0,
    })
}

fn text(node: Node, attribute: &str) -> Result<String, ReadError> {
    let found = node.attribute(attribute).map(str::to_string);
    found.ok_or_else(|| wrong(node, attribute, "a text"))
}

/// A decimal or hexadecimal number.
fn number(node: Node, attribute: &str) -> Result<u64, ReadError> {
    let parsed = node.attribute(attribute).and_then(|text| {
        let hexadecimal = text.strip_prefix("0x").or(text.strip_prefix("0X"));
        match hexadecimal {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    });
    parsed.ok_or_else(|| wrong(node, attribute, "a number"))
}

fn wrong(node: Node, attribute: &str, expected: &str) -> ReadError {
    ReadError::Metadata(format!(
        "attribute {attribute} of {} {:?} is {:?}, expected {expected}",
        node.tag_name().name(),
        node.attribute("name").unwrap_or_default(),
        node.attribute(attribute)
    ))
}

/// Writes the XML of compute units, those of a kernel one after the other.
pub fn write(platform: &str, clocks: &[Clock], compute_units: &[ComputeUnit]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let out = &mut xml;
    let platform = escaped(platform);
    let _ = writeln!(
        out,
        "<project name=\"tercet\">\n  <platform vendor=\"tercet\" boardid=\"emulation\" name=\"{platform}\" featureRomTime=\"0\">\n    \
         <device name=\"fpga0\" fpgaDevice=\"emulated\">\n      <core name=\"OCL_REGION_0\" target=\"hw_em\" type=\"clc_region\">"
    );
    out.push_str("        <kernelClocks>\n");
    for clock in clocks {
        let port = match clock.kind {
            ClockKind::Kernel => "KERNEL_CLK",
            _ => "DATA_CLK",
        };
        let _ = writeln!(
            out,
            "          <clock port=\"{port}\" frequency=\"{}MHz\"/>",
            clock.mhz
        );
    }
    out.push_str("        </kernelClocks>\n");
    let names: BTreeSet<&str> = compute_units.iter().map(|cu| cu.kernel.as_str()).collect();
    for name in names {
        let units = || compute_units.iter().filter(|cu| cu.kernel == name);
        write_kernel(out, name, units);
    }
    out.push_str("      </core>\n    </device>\n  </platform>\n</project>\n");
    xml
}

fn write_kernel<'a, I: Iterator<Item = &'a ComputeUnit>>(
    out: &mut String,
    name: &str,
    units: impl Fn() -> I,
) {
    let _ = writeln!(
        out,
        "        <kernel name=\"{}\" language=\"ip_c\" vlnv=\"\" type=\"pl\" workGroupSize=\"1\" interrupt=\"true\">",
        escaped(name)
    );
    let (ports, arguments) = units()
        .next()
        .map(|cu| (&cu.ports[..], &cu.arguments[..]))
        .unwrap_or_default();
    for port in ports {
        let _ = writeln!(out, "          {}", port_element(port));
    }
    for argument in arguments {
        let _ = writeln!(out, "          {}", argument_element(argument));
    }
    let control = ports.iter().find(|p| !p.master);
    let control = control.map_or("", |p| &p.name);
    for cu in units() {
        let _ = writeln!(
            out,
            "          <instance name=\"{}\">\n            <addrRemap base=\"{:#x}\" port=\"{}\"/>\n          </instance>",
            escaped(&cu.instance),
            cu.base,
            escaped(control)
        );
    }
    out.push_str("        </kernel>\n");
}
