//! Lane RAM: a write port with a strobe a byte, and a read port.
//!
//! Cycle contract: `read_data` shows the word of `read_address` a cycle later, and stays with `hold`. What a word reads as that is written in the
//! same cycle is left open.
//!
//! Written as Verilog text, one block RAM array a byte, since no form with strobes is taken for block RAM by every tool;
//! `update` is its meaning.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rust_hdl::prelude::*;

/// `2^A` beats of 16 bytes.
#[derive(LogicBlock, Default)]
pub struct LaneRam<const A: usize> {
    /// Clock of both ports.
    pub clock: Signal<In, Clock>,
    /// Beat to read.
    pub read_address: Signal<In, Bits<A>>,
    /// Keeps the beat read.
    pub hold: Signal<In, Bit>,
    /// The beat read.
    pub read_data: Signal<Out, Bits<128>>,
    /// Beat to write.
    pub write_address: Signal<In, Bits<A>>,
    /// Its new value.
    pub write_data: Signal<In, Bits<128>>,
    /// Which bytes to write.
    pub write_strobe: Signal<In, Bits<16>>,
    _beats: BTreeMap<Bits<A>, Bits<128>>,
}

impl<const A: usize> Logic for LaneRam<A> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if !self.hold.val() {
                let beat = self._beats.get(&self.read_address.val());
                self.read_data.next = beat.copied().unwrap_or_default();
            }
            let strobe = self.write_strobe.val();
            let beat = self._beats.entry(self.write_address.val()).or_default();
            for bit in (0..128).filter(|bit| strobe.get_bit(bit / 8)) {
                *beat = beat.replace_bit(bit, self.write_data.val().get_bit(bit));
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut arrays = String::new();
        let mut ports = String::new();
        for lane in 0..16 {
            let (low, high) = (8 * lane, 8 * lane + 7);
            let _ = writeln!(
                arrays,
                "(* ram_style = \"block\", no_rw_check *) reg [7:0] lane{lane}[{}:0];",
                (1u64 << A) - 1
            );
            let _ = writeln!(
                ports,
                "if (!hold) read_data[{high}:{low}] <= lane{lane}[read_address];\n\
                 if (write_strobe[{lane}]) lane{lane}[write_address] <= write_data[{high}:{low}];"
            );
        }
        Verilog::Custom(format!(
            "{arrays}always @(posedge clock) begin\n{ports}end\n"
        ))
    }

    fn timing(&self) -> Vec<TimingInfo> {
        vec![TimingInfo {
            name: "lane_ram".into(),
            clock: "clock".into(),
            inputs: [
                "read_address",
                "hold",
                "write_address",
                "write_data",
                "write_strobe",
            ]
            .map(String::from)
            .into(),
            outputs: vec!["read_data".into()],
        }]
    }
}
