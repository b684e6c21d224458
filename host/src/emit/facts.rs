//! `kernel_facts.json`: what packaging a kernel needs, such as the `kernel.xml` of an xclbin.

use schemars::JsonSchema;
use serde::Serialize;
use tercet_contract::registers as map;
use tercet_contract::{Geometry, CONTRACT_VERSION, KERNEL_NAME};

/// Address bits of the memory ports.
const MEMORY_ADDRESS_BITS: usize = 64;

/// Bits of a register word.
const WORD_BITS: usize = 32;

/// A kernel as its host and its packaging see it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct KernelFacts {
    /// `tercet.kernel`.
    pub schema: &'static str,
    /// Version of the schema.
    pub version: u32,
    /// Name of the Verilog module and of the kernel.
    pub name: &'static str,
    /// Version of the contract between hardware and software.
    pub contract_version: u32,
    /// Geometry by name.
    pub geometry: Geometry,
    /// Width of the memory ports' data in bits.
    pub bus_bits: usize,
    /// Trits in a byte of weights.
    pub trits_per_byte: usize,
    /// Vectors in one pass over the weights.
    pub batch: usize,
    /// Longest K.
    pub max_k: usize,
    /// Multiply lanes.
    pub lanes: usize,
    /// Most beats of a burst on a memory port.
    pub burst_beats: usize,
    /// How a kernel is started and tells that it is done.
    pub control_protocol: &'static str,
    /// Clock input.
    pub clock: &'static str,
    /// Reset input, active low.
    pub reset: &'static str,
    /// Interrupt output.
    pub interrupt: &'static str,
    /// AXI ports.
    pub ports: Vec<Port>,
    /// Arguments, in the order of their ids.
    pub args: Vec<Arg>,
}

/// An AXI port.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Port {
    /// Prefix of its signals.
    pub name: &'static str,
    /// `axi4` or `axi4-lite`.
    pub protocol: &'static str,
    /// `master` or `slave`.
    pub mode: &'static str,
    /// Data width in bits.
    pub data_bits: usize,
    /// Address width in bits.
    pub address_bits: usize,
    /// Bytes of the address range.
    pub range: String,
    /// `read`, or `read-write`.
    pub access: &'static str,
}

/// An argument: registers that the host writes before a start.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Arg {
    /// Its number.
    pub id: usize,
    /// Its name.
    pub name: &'static str,
    /// 1 for the address of a memory, 0 for a value.
    pub address_qualifier: usize,
    /// Port that it belongs to: the memory port of an address, else the control port.
    pub port: &'static str,
    /// Byte offset in the register map.
    pub offset: String,
    /// Bytes of its registers.
    pub size: String,
    /// C type.
    #[serde(rename = "type")]
    pub c_type: &'static str,
}

impl KernelFacts {
    /// The facts of a geometry.
    pub fn of(geometry: &Geometry) -> Self {
        let control_bytes = 1usize << map::ADDRESS_BITS;
        let memory = |name, access| Port {
            name,
            protocol: "axi4",
            mode: "master",
            data_bits: geometry.bus_bits(),
            address_bits: MEMORY_ADDRESS_BITS,
            range: "0xFFFFFFFFFFFFFFFF".to_string(),
            access,
        };
        KernelFacts {
            schema: "tercet.kernel",
            version: 1,
            name: KERNEL_NAME,
            contract_version: CONTRACT_VERSION,
            geometry: *geometry,
            bus_bits: geometry.bus_bits(),
            trits_per_byte: geometry.encoding().trits_per_byte(),
            batch: geometry.batch(),
            max_k: geometry.max_k(),
            lanes: geometry.lanes(),
            burst_beats: geometry.burst_beats(),
            control_protocol: "ap_ctrl_hs",
            clock: "ap_clk",
            reset: "ap_rst_n",
            interrupt: "interrupt",
            ports: vec![
                Port {
                    name: CONTROL,
                    protocol: "axi4-lite",
                    mode: "slave",
                    data_bits: WORD_BITS,
                    address_bits: map::ADDRESS_BITS,
                    range: format!("{control_bytes:#x}"),
                    access: "read-write",
                },
                memory(WEIGHTS, "read"),
                memory(DATA, "read-write"),
            ],
            args: args(),
        }
    }
}

const CONTROL: &str = "s_axi_control";
const WEIGHTS: &str = "m_axi_weights";
const DATA: &str = "m_axi_data";

/// The registers from `WEIGHTS` to `TAIL`, as arguments.
fn args() -> Vec<Arg> {
    let of = |offset: u32| match offset {
        map::WEIGHTS => Some(("weights", 1, WEIGHTS, "void*")),
        map::DATA => Some(("data", 1, DATA, "void*")),
        map::LIST => Some(("list", 0, CONTROL, "ulong")),
        map::COUNT => Some(("count", 0, CONTROL, "uint")),
        map::MODE => Some(("mode", 0, CONTROL, "uint")),
        map::COMPLETION => Some(("completion", 0, CONTROL, "ulong")),
        map::TAIL => Some(("tail", 0, CONTROL, "uint")),
        _ => None,
    };
    let arguments = map::REGISTERS
        .iter()
        .filter_map(|r| of(r.offset).map(|a| (r, a)));
    arguments
        .enumerate()
        .map(|(id, (register, (name, qualifier, port, c_type)))| Arg {
            id,
            name,
            address_qualifier: qualifier,
            port,
            offset: format!("{:#x}", register.offset),
            size: format!("{:#x}", register.bits / 8),
            c_type,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_is_a_register_of_its_size() {
        let facts = KernelFacts::of(&"256-b2-x4".parse().unwrap());
        let names: Vec<_> = facts.args.iter().map(|a| a.name).collect();
        let expected = [
            "weights",
            "data",
            "list",
            "count",
            "mode",
            "completion",
            "tail",
        ];
        assert_eq!(names, expected);
        let weights = &facts.args[0];
        assert_eq!(
            (weights.offset.as_str(), weights.size.as_str()),
            ("0x10", "0x8")
        );
        assert_eq!((facts.batch, facts.ports[1].data_bits), (4, 256));
        let ports: Vec<_> = facts.ports.iter().map(|p| p.name).collect();
        assert!(facts.args.iter().all(|a| ports.contains(&a.port)));
    }
}
