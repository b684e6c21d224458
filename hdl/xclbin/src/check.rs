//! Whether an image fits the contract of `ternary_gemv`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use tercet_contract::arguments::{DATA, WEIGHTS};
use tercet_contract::{Geometry, CONTRACT_VERSION, KERNEL_NAME};

use crate::contents::{Argument, ComputeUnit, Contents, Control, Memory};
use crate::image::Xclbin;
use crate::kernel_xml::{contract_arguments, ports};
use crate::{CONTRACT_KEY, GEOMETRY_KEY};

/// Addresses that the kernel takes are multiples of this.
const ALIGNMENT: u64 = 64;

/// Addresses that the kernel takes are below this.
const ADDRESS_END: u64 = 1 << 48;

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub expected: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: found {}, expected {}",
            self.subject, self.found, self.expected
        )
    }
}

/// Compares an image with the contract; an empty list says that it fits. Kernels of other names are not looked at.
pub fn check(image: &Xclbin) -> Vec<Finding> {
    let contents = image.contents();
    let mut findings = Findings(Vec::new());
    let geometry = check_keys(contents, &mut findings);
    let units = || {
        let all = contents.compute_units.iter();
        all.filter(|cu| cu.kernel == KERNEL_NAME)
    };
    // Arguments and ports are the same for every instance of a kernel.
    match units().next() {
        Some(first) => {
            check_arguments(first, &mut findings);
            check_ports(first, geometry, &mut findings);
        }
        None => {
            let mut names: Vec<_> = contents.compute_units.iter().map(|cu| &cu.kernel).collect();
            names.dedup();
            let found = match names.is_empty() {
                true => "none".to_string(),
                false => format!("{names:?}"),
            };
            findings.add("kernels", found, KERNEL_NAME);
        }
    }
    for cu in units() {
        check_unit(cu, contents, &mut findings);
    }
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        subject: impl Into<String>,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) {
        self.0.push(Finding {
            subject: subject.into(),
            found: found.to_string(),
            expected: expected.to_string(),
        });
    }

    fn compare<T: PartialEq + fmt::Display>(&mut self, subject: String, found: T, expected: T) {
        if found != expected {
            self.add(subject, found, expected);
        }
    }
}

fn check_keys(contents: &Contents, findings: &mut Findings) -> Option<Geometry> {
    let geometry = contents.key_values.get(GEOMETRY_KEY);
    let subject = format!("key-value {GEOMETRY_KEY}");
    if let Some(version) = contents.key_values.get(CONTRACT_KEY) {
        let subject = format!("key-value {CONTRACT_KEY}");
        findings.compare(subject, version.clone(), CONTRACT_VERSION.to_string());
    }
    match geometry.map(|name| name.parse()) {
        None => {
            let expected = format!(
                "a geometry such as {} (xclbinutil --key-value USER:{GEOMETRY_KEY}:{0})",
                Geometry::DEFAULT
            );
            findings.add(subject, "none", expected);
            None
        }
        Some(Err(e)) => {
            let found = geometry.map_or("", |name| name);
            findings.add(subject, format!("{found:?}"), format!("a geometry ({e})"));
            None
        }
        Some(Ok(geometry)) => Some(geometry),
    }
}

fn check_arguments(cu: &ComputeUnit, findings: &mut Findings) {
    let kernel = &cu.kernel;
    let expected = contract_arguments();
    if cu.arguments.len() != expected.len() {
        let subject = format!("arguments of {kernel}");
        findings.add(subject, cu.arguments.len(), expected.len());
    }
    for wanted in &expected {
        let subject = |what: &str| format!("argument {} of {kernel}: {what}", wanted.id);
        match cu.arguments.iter().find(|a| a.id == wanted.id) {
            None => findings.add(subject("name"), "no such argument", &wanted.name),
            Some(found) => check_argument(found, wanted, subject, findings),
        }
    }
}

fn check_argument(
    found: &Argument,
    wanted: &Argument,
    subject: impl Fn(&str) -> String,
    findings: &mut Findings,
) {
    let kind = |a: &Argument| if a.buffer { "buffer" } else { "scalar" };
    findings.compare(subject("name"), &found.name, &wanted.name);
    findings.compare(
        subject("offset"),
        format!("{:#x}", found.offset),
        format!("{:#x}", wanted.offset),
    );
    findings.compare(subject("bytes"), found.bytes, wanted.bytes);
    findings.compare(subject("kind"), kind(found), kind(wanted));
    // Tools of the vendor write names of ports in either case.
    if !found.port.eq_ignore_ascii_case(&wanted.port) {
        findings.add(subject("port"), format!("{:?}", found.port), &wanted.port);
    }
}

fn check_ports(cu: &ComputeUnit, geometry: Option<Geometry>, findings: &mut Findings) {
    for wanted in ports(&geometry.unwrap_or(Geometry::DEFAULT)) {
        let port = cu
            .ports
            .iter()
            .find(|p| p.name.eq_ignore_ascii_case(&wanted.name));
        let subject = format!("port {} of {}", wanted.name, cu.kernel);
        let Some(port) = port else {
            findings.add(subject, "no such port", "one");
            continue;
        };
        // Only where the geometry is known is the width of its ports.
        if geometry.is_some() && port.data_bits != 0 {
            let bits = |bits| format!("{bits} bits");
            findings.compare(subject, bits(port.data_bits), bits(wanted.data_bits));
        }
    }
}

fn check_unit(cu: &ComputeUnit, contents: &Contents, findings: &mut Findings) {
    let name = &cu.instance;
    if !matches!(cu.control, Control::Handshake | Control::Chain) {
        let subject = format!("control of {name}");
        findings.add(subject, format!("{:?}", cu.control), "ap_ctrl_hs");
    }
    let mut shared = contents.compute_units.iter();
    if let Some(other) = shared.find(|o| o.base == cu.base && o.instance != cu.instance) {
        let found = format!("{:#x}, that of {}", cu.base, other.instance);
        findings.add(
            format!("registers of {name}"),
            found,
            "addresses of its own",
        );
    }
    for (id, argument) in [(WEIGHTS, "weights"), (DATA, "data")] {
        let connections = cu.connections.iter().filter(|c| c.argument == id);
        let memories = connections.map(|c| &contents.memories[c.memory]);
        let usable: Vec<_> = memories.filter(|m| m.used).collect();
        if usable.is_empty() {
            let subject = format!("memory of {argument} of {name}");
            findings.add(subject, "none", "a memory bank (sp= when linking)");
        }
        for memory in usable {
            check_memory(memory, findings);
        }
    }
    for c in &cu.connections {
        if c.argument != WEIGHTS && c.argument != DATA {
            let subject = format!("argument {} of {name}", c.argument);
            let found = format!("memory {}", contents.memories[c.memory].tag);
            findings.add(subject, found, "no memory: it is a number");
        }
    }
}

fn check_memory(memory: &Memory, findings: &mut Findings) {
    let subject = |what: &str| format!("memory {}: {what}", memory.tag);
    if !memory.base.is_multiple_of(ALIGNMENT) {
        let expected = format!("a multiple of {ALIGNMENT}");
        findings.add(subject("base"), format!("{:#x}", memory.base), expected);
    }
    if memory.bytes == 0 {
        findings.add(subject("bytes"), 0, "more");
    }
    let end = memory.base.saturating_add(memory.bytes);
    if end > ADDRESS_END {
        let expected = format!("at most {ADDRESS_END:#x}");
        findings.add(subject("end"), format!("{end:#x}"), expected);
    }
}
