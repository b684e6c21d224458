//! Hold RAM: one write port, one read port whose output can be held.
//!
//! Cycle contract: `read_data` shows the word of `read_address` a cycle later, and stays as it is after a cycle with
//! `hold`. What a word reads as that is written in the same cycle is left open: no user looks at it. Here and in
//! simulation it is as it was before.
//!
//! Written as Verilog text, in the form that synthesis takes for a RAM with a read enable; `update` is its meaning.

use std::collections::BTreeMap;

use rust_hdl::prelude::*;

/// `2^N` words of `W` bits.
#[derive(LogicBlock, Default)]
pub struct HoldRam<const W: usize, const N: usize> {
    /// Clock of both ports.
    pub clock: Signal<In, Clock>,
    /// Word to read.
    pub read_address: Signal<In, Bits<N>>,
    /// The output stays as it is.
    pub hold: Signal<In, Bit>,
    /// The word read.
    pub read_data: Signal<Out, Bits<W>>,
    /// Word to write.
    pub write_address: Signal<In, Bits<N>>,
    /// Its new value.
    pub write_data: Signal<In, Bits<W>>,
    /// Writes it.
    pub write_enable: Signal<In, Bit>,
    _words: BTreeMap<Bits<N>, Bits<W>>,
}

impl<const W: usize, const N: usize> Logic for HoldRam<W, N> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if !self.hold.val() {
                let word = self._words.get(&self.read_address.val());
                self.read_data.next = word.copied().unwrap_or_default();
            }
            if self.write_enable.val() {
                self._words
                    .insert(self.write_address.val(), self.write_data.val());
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!(
            "reg [{}:0] mem[{}:0];\n\
             always @(posedge clock) begin\n\
             if (!hold) read_data <= mem[read_address];\n\
             if (write_enable) mem[write_address] <= write_data;\n\
             end\n",
            W - 1,
            (1 << N) - 1
        ))
    }

    fn timing(&self) -> Vec<TimingInfo> {
        vec![TimingInfo {
            name: "hold_ram".into(),
            clock: "clock".into(),
            inputs: [
                "read_address",
                "hold",
                "write_address",
                "write_data",
                "write_enable",
            ]
            .map(String::from)
            .into(),
            outputs: vec!["read_data".into()],
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tick;

    #[test]
    fn a_word_comes_a_cycle_later_and_is_held() {
        let mut uut = HoldRam::<8, 2>::default();
        uut.connect_all();
        let clock = |u: &mut HoldRam<8, 2>, level: bool| u.clock.next = level.into();
        uut.write_enable.next = true;
        for address in 0..4u64 {
            uut.write_address.next = address.into();
            uut.write_data.next = (0x10 + address).into();
            tick(&mut uut, clock);
        }
        // Read and write in one cycle: the old word, in simulation.
        uut.write_data.next = 0x55.into();
        uut.read_address.next = 3.into();
        tick(&mut uut, clock);
        assert_eq!(uut.read_data.val(), 0x13);
        uut.write_enable.next = false;
        tick(&mut uut, clock);
        assert_eq!(uut.read_data.val(), 0x55);
        uut.hold.next = true;
        uut.read_address.next = 1.into();
        tick(&mut uut, clock);
        assert_eq!(uut.read_data.val(), 0x55);
        uut.hold.next = false;
        tick(&mut uut, clock);
        assert_eq!(uut.read_data.val(), 0x11);
    }
}
