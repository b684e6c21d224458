//! The kernel's arguments as XRT sees them: register pairs of `s_axi_control`, in the order of their ids.
//!
//! From this table come `kernel.xml`, the metadata of an xclbin and the calls of the host.

use crate::registers as map;

/// AXI port behind which the weight memory lies.
pub const WEIGHTS_PORT: &str = "m_axi_weights";
/// AXI port behind which commands, activations and results lie.
pub const DATA_PORT: &str = "m_axi_data";
/// AXI4-Lite port of the registers.
pub const CONTROL_PORT: &str = "s_axi_control";

/// Id of the buffer with the weights.
pub const WEIGHTS: u32 = 0;
/// Id of the buffer with commands, activations and results.
pub const DATA: u32 = 1;
/// Id of the byte offset of the list or ring.
pub const LIST: u32 = 2;
/// Id of the number of commands, or records.
pub const COUNT: u32 = 3;
/// Id of the mode bits.
pub const MODE: u32 = 4;
/// Id of the address of the completion word. A number, not a buffer: it is an address *inside* the data buffer.
pub const COMPLETION: u32 = 5;
/// Id of the ring's tail; 0 at a start.
pub const TAIL: u32 = 6;
/// Id of the first 64-bit word of the command in the registers; the others follow.
pub const COMMAND: u32 = 7;

/// 64-bit words of the command in the registers.
pub const COMMAND_ARGUMENTS: u32 = map::COMMAND_WORDS / 2;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A buffer behind a port; 64 bits.
    Buffer {
        /// The port.
        port: &'static str,
    },
    /// A number of 32 or 64 bits.
    Scalar {
        /// Its bits.
        bits: u32,
    },
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its place in the kernel's signature.
    pub id: u32,
    /// Name in the metadata.
    pub name: String,
    /// Offset of its register.
    pub offset: u32,
    /// What it is.
    pub kind: ArgumentKind,
}

impl Argument {
    /// Bytes in the registers.
    pub fn bytes(&self) -> u32 {
        match self.kind {
            ArgumentKind::Buffer { .. } => 8,
            ArgumentKind::Scalar { bits } => bits / 8,
        }
    }

    /// Its C type in the metadata.
    pub fn c_type(&self) -> &'static str {
        match self.kind {
            ArgumentKind::Buffer { .. } => "void*",
            ArgumentKind::Scalar { bits: 64 } => "unsigned long",
            ArgumentKind::Scalar { .. } => "unsigned int",
        }
    }
}

/// Every argument, by id.
pub fn arguments() -> Vec<Argument> {
    let buffer = |port| ArgumentKind::Buffer { port };
    let scalar = |bits| ArgumentKind::Scalar { bits };
    let named = [
        ("weights", map::WEIGHTS, buffer(WEIGHTS_PORT)),
        ("data", map::DATA, buffer(DATA_PORT)),
        ("list", map::LIST, scalar(64)),
        ("count", map::COUNT, scalar(32)),
        ("mode", map::MODE, scalar(32)),
        ("completion", map::COMPLETION, scalar(64)),
        ("tail", map::TAIL, scalar(32)),
    ];
    let named = named
        .into_iter()
        .map(|(name, offset, kind)| (name.to_string(), offset, kind));
    let words =
        (0..COMMAND_ARGUMENTS).map(|i| (format!("command_{i}"), map::COMMAND + 8 * i, scalar(64)));
    let all = named.chain(words);
    all.zip(0..)
        .map(|((name, offset, kind), id)| Argument {
            id,
            name,
            offset,
            kind,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::REGISTERS;

    #[test]
    fn every_argument_is_a_register_that_the_host_writes() {
        let all = arguments();
        assert_eq!(all.len() as u32, COMMAND + COMMAND_ARGUMENTS);
        for argument in &all {
            let register = REGISTERS
                .iter()
                .find(|r| (r.offset..r.offset + r.bits / 8).contains(&argument.offset));
            let register = register.unwrap_or_else(|| panic!("{argument:?}"));
            assert!(register.bits / 8 >= argument.bytes(), "{argument:?}");
        }
    }

    #[test]
    fn ids_are_places() {
        let all = arguments();
        for (id, name) in [
            (WEIGHTS, "weights"),
            (DATA, "data"),
            (LIST, "list"),
            (COUNT, "count"),
            (MODE, "mode"),
            (COMPLETION, "completion"),
            (TAIL, "tail"),
            (COMMAND, "command_0"),
        ] {
            assert_eq!(all[id as usize].name, name);
            assert_eq!(all[id as usize].id, id);
        }
    }
}
