//! The AXI4-Lite register map of `s_axi_control`, and the page generated from it.
//!
//! 0x00 to 0x3F follow the `ap_ctrl_hs` convention of Vitis kernels, so XRT drives the kernel as
//! any other. From 0x80 on stands the first command, from 0x100 on what the kernel is and what it has
//! counted.

use std::fmt::Write as _;

use crate::command::COMMAND_BYTES;
use crate::error_code::ErrorCode;
use crate::geometry::{Encoding, Geometry};
use crate::{CONTRACT_VERSION, KERNEL_NAME};

/// Address bits of `s_axi_control`: 4 KiB.
pub const ADDRESS_BITS: usize = 12;

/// Value of [`MAGIC`]: `TCET` in ASCII, read as a little-endian word.
pub const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"TCET");

/// Control and status (`ap_ctrl_hs`).
pub const CTRL: u32 = 0x00;
/// Global interrupt enable.
pub const GIE: u32 = 0x04;
/// Interrupt enable.
pub const IER: u32 = 0x08;
/// Interrupt status.
pub const ISR: u32 = 0x0c;
/// Base address of the weight memory, low and high word.
pub const WEIGHTS: u32 = 0x10;
/// Base address of the data memory, low and high word.
pub const DATA: u32 = 0x1c;
/// Byte offset of the command list or ring from the data base, low and high word.
pub const LIST: u32 = 0x28;
/// Commands in the list, or records that the ring holds.
pub const COUNT: u32 = 0x34;
/// How commands come: [`MODE_RING`], [`MODE_IMMEDIATE`].
pub const MODE: u32 = 0x3c;
/// Address of the completion word, low and high word.
pub const COMPLETION: u32 = 0x44;
/// Commands submitted since the ring was started: the doorbell.
pub const TAIL: u32 = 0x50;
/// The first command of a launch with [`MODE_IMMEDIATE`]: bytes 0 to 55 of its record.
pub const COMMAND: u32 = 0x80;
/// Always [`MAGIC_VALUE`].
pub const MAGIC: u32 = 0x100;
/// Contract version of the kernel.
pub const VERSION: u32 = 0x104;
/// Geometry of the kernel, as [`geometry_word`].
pub const GEOMETRY: u32 = 0x108;
/// Longest K.
pub const MAX_K: u32 = 0x10c;
/// Clock cycles since configuration, free running, low and high word.
pub const UPTIME: u32 = 0x110;
/// Code of the first error, 0 if none.
pub const ERROR: u32 = 0x120;
/// Index of the command that failed.
pub const ERROR_INDEX: u32 = 0x124;
/// Commands completed.
pub const COMMANDS_DONE: u32 = 0x128;
/// Cycles in which commands were under way, low and high word.
pub const CYCLES: u32 = 0x130;
/// Weight beats consumed, low and high word.
pub const WEIGHT_BEATS: u32 = 0x138;
/// Cycles in which the lanes waited for weights, low and high word.
pub const STARVED: u32 = 0x140;
/// Cycles in which weights waited because results could not leave, low and high word.
pub const BLOCKED: u32 = 0x148;

/// Words of a record that [`COMMAND`] holds.
pub const COMMAND_WORDS: u32 = 14;

/// `MODE` bit: commands come through a ring instead of a list.
pub const MODE_RING: u32 = 1;
/// `MODE` bit: the first command is in [`COMMAND`] instead of memory.
pub const MODE_IMMEDIATE: u32 = 1 << 1;

/// `CTRL` bit: start; stays set until the kernel has taken the command list.
pub const CTRL_START: u32 = 1;
/// `CTRL` bit: done; cleared by reading `CTRL`.
pub const CTRL_DONE: u32 = 1 << 1;
/// `CTRL` bit: idle.
pub const CTRL_IDLE: u32 = 1 << 2;
/// `CTRL` bit: ready for the next start.
pub const CTRL_READY: u32 = 1 << 3;

/// Who may do what with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The host writes and reads it.
    ReadWrite,
    /// The host reads it.
    ReadOnly,
    /// The host writes it.
    WriteOnly,
    /// A written 1 toggles the bit.
    ToggleOnWrite,
}

/// One register or register pair.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Byte offset from the start of `s_axi_control`.
    pub offset: u32,
    /// Name as in this module.
    pub name: &'static str,
    /// 32, 64 (two words, low first), or those of [`COMMAND`].
    pub bits: u32,
    /// Who may do what.
    pub access: Access,
    /// Meaning, for the generated page.
    pub meaning: &'static str,
}

const fn register(
    offset: u32,
    name: &'static str,
    bits: u32,
    access: Access,
    meaning: &'static str,
) -> Register {
    Register {
        offset,
        name,
        bits,
        access,
        meaning,
    }
}

/// Every register, by offset.
pub const REGISTERS: [Register; 24] = {
    use Access::{ReadOnly, ReadWrite, ToggleOnWrite, WriteOnly};
    [
        register(CTRL, "CTRL", 32, ReadWrite, "bit 0 `ap_start`: write 1 to start, clears itself. Bit 1 `ap_done`: the list or ring has ended; cleared by reading. Bit 2 `ap_idle`. Bit 3 `ap_ready`: pulses with `ap_done`, cleared by reading. Other bits read 0; writing them (`ap_continue`, `auto_restart`) has no effect"),
        register(GIE, "GIE", 32, ReadWrite, "bit 0: global interrupt enable"),
        register(IER, "IER", 32, ReadWrite, "bit 0: interrupt on `ap_done`; bit 1: interrupt on `ap_ready`"),
        register(ISR, "ISR", 32, ToggleOnWrite, "bit 0: `ap_done` happened while enabled; bit 1: `ap_ready` happened while enabled"),
        register(WEIGHTS, "WEIGHTS", 64, ReadWrite, "base address of the weight memory, in bytes on `m_axi_weights`; a multiple of 64 below 2^48. This register and those up to `COMPLETION` keep their values while the kernel runs, whatever is written"),
        register(DATA, "DATA", 64, ReadWrite, "base address of the data memory (commands, activations, results), in bytes on `m_axi_data`; a multiple of 64 below 2^48"),
        register(LIST, "LIST", 64, ReadWrite, "byte offset of the command list or ring from `DATA`; a multiple of 64 below 2^48"),
        register(COUNT, "COUNT", 32, ReadWrite, "commands in the list, 0 is done at once; in ring mode the records that the ring holds"),
        register(MODE, "MODE", 32, ReadWrite, "bit 0: ring mode; bit 1: the first command of the list is in `COMMAND`, and its record in memory is not read"),
        register(COMPLETION, "COMPLETION", 64, ReadWrite, "ring mode: address on `m_axi_data` of the word that receives the number of completed commands; a multiple of 64 below 2^48"),
        register(TAIL, "TAIL", 32, ReadWrite, "ring mode, the doorbell: commands submitted since the start, modulo 2^32. May be written at any time; write 0 before a start"),
        register(COMMAND, "COMMAND", COMMAND_WORDS * 32, WriteOnly, "bytes 0 to 55 of the first command's record, for `MODE` bit 1; word i at 0x80 + 4 i. Write them after the last launch has ended and in full: the kernel uses them up. Reads 0"),
        register(MAGIC, "MAGIC", 32, ReadOnly, "0x54454354, the letters TCET"),
        register(VERSION, "VERSION", 32, ReadOnly, "version of this contract"),
        register(GEOMETRY, "GEOMETRY", 32, ReadOnly, "bits 15:0 bus width in bits; bits 23:16 trits a byte (4 = B2, 5 = B3); bits 31:24 batch"),
        register(MAX_K, "MAX_K", 32, ReadOnly, "longest K of a command"),
        register(UPTIME, "UPTIME", 64, ReadOnly, "clock cycles since configuration or reset; two reads and a wall clock give the kernel clock"),
        register(ERROR, "ERROR", 32, ReadOnly, "code of the first error, 0 if none (table below)"),
        register(ERROR_INDEX, "ERROR_INDEX", 32, ReadOnly, "index of the command that failed, counted from the start"),
        register(COMMANDS_DONE, "COMMANDS_DONE", 32, ReadOnly, "commands completed, results visible in memory"),
        register(CYCLES, "CYCLES", 64, ReadOnly, "cycles in which commands were under way: from `ap_start` to `ap_done` less those in which a ring was empty"),
        register(WEIGHT_BEATS, "WEIGHT_BEATS", 64, ReadOnly, "weight beats that went through the lanes"),
        register(STARVED, "STARVED", 64, ReadOnly, "cycles in which a command was streaming and no weight beat was there"),
        register(BLOCKED, "BLOCKED", 64, ReadOnly, "cycles in which a weight beat was there and results could not leave"),
    ]
};

/// The `GEOMETRY` register of a kernel.
pub const fn geometry_word(geometry: &Geometry) -> u32 {
    geometry.bus_bits() as u32
        | (geometry.encoding().trits_per_byte() as u32) << 16
        | (geometry.batch() as u32) << 24
}

/// The geometry that the registers `GEOMETRY` and `MAX_K` name, if it is one of the supported table.
pub fn geometry_of_words(word: u32, max_k: u32) -> Option<Geometry> {
    let encoding = Encoding::ALL
        .into_iter()
        .find(|e| e.trits_per_byte() as u32 == word >> 16 & 0xff)?;
    Geometry::new((word & 0xffff) as usize, encoding, (word >> 24) as usize)
        .and_then(|g| g.with_max_k(max_k as usize))
        .ok()
}

/// `registers.md` of a kernel.
pub fn registers_markdown(geometry: &Geometry) -> String {
    let mut page = String::new();
    let out = &mut page;
    let _ = writeln!(
        out,
        "# Registers of `{KERNEL_NAME}` {geometry}\n\n\
         AXI4-Lite port `s_axi_control`, {ADDRESS_BITS} address bits, 32-bit words. \
         64-bit registers are two words, low word first; of one that counts, read high, low, high.\n\
         Generated from `hdl/contract`, contract version {CONTRACT_VERSION}; do not edit.\n\n\
         | offset | register | bits | access | meaning |\n|---|---|---|---|---|"
    );
    for r in REGISTERS {
        let access = match r.access {
            Access::ReadWrite => "read, write",
            Access::ReadOnly => "read",
            Access::WriteOnly => "write",
            Access::ToggleOnWrite => "read, write 1 toggles",
        };
        let _ = writeln!(
            out,
            "| {:#05x} | {} | {} | {access} | {} |",
            r.offset, r.name, r.bits, r.meaning
        );
    }
    let _ = writeln!(
        out,
        "\nThe counters and `ERROR` are cleared by `ap_start`. On this kernel `GEOMETRY` reads \
         {:#010x} and `MAX_K` {}.\n\n## Error codes\n\n| code | meaning |\n|---|---|",
        geometry_word(geometry),
        geometry.max_k()
    );
    for code in ErrorCode::ALL {
        let _ = writeln!(out, "| {:#04x} | {} |", code as u32, code.meaning());
    }
    let record = include_str!("command_record.md");
    let _ = write!(
        out,
        "\n## Command record\n\n{COMMAND_BYTES} bytes. {record}"
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_do_not_overlap() {
        for pair in REGISTERS.windows(2) {
            assert!(
                pair[0].offset + pair[0].bits / 8 <= pair[1].offset,
                "{pair:?}"
            );
        }
        assert!(REGISTERS
            .iter()
            .all(|r| r.offset % 4 == 0 && r.offset < 1 << ADDRESS_BITS));
    }

    #[test]
    fn geometry_words_round_trip() {
        for g in Geometry::all() {
            assert_eq!(
                geometry_of_words(geometry_word(&g), g.max_k() as u32),
                Some(g)
            );
        }
        assert_eq!(geometry_of_words(0, 16_384), None);
    }

    /// `TERCET_BLESS=1 cargo test -p tercet-contract` rewrites the page.
    #[test]
    fn the_committed_page_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/registers.md");
        let page = registers_markdown(&Geometry::DEFAULT);
        if std::env::var_os("TERCET_BLESS").is_some() {
            std::fs::write(path, &page).expect("registers.md is writable");
        }
        let committed = std::fs::read_to_string(path).expect("registers.md is committed");
        assert_eq!(
            committed, page,
            "registers.md is out of date; see this test's comment"
        );
    }

    #[test]
    fn the_page_names_every_register_and_code() {
        let page = registers_markdown(&Geometry::DEFAULT);
        assert!(REGISTERS.iter().all(|r| page.contains(r.name)));
        assert!(ErrorCode::ALL.iter().all(|c| page.contains(c.meaning())));
        assert!(page.contains("0x01050200"), "{page}");
    }
}
