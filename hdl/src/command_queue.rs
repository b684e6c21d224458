//! Command queue: what a unit needs of each command, in the order of the commands.
//!
//! First in, first out; `entry` shows the oldest while `valid` is set, and `take` takes it. The oldest stands in
//! registers, the others in distributed RAM, so `take` may come late in its cycle. The front end lets no more
//! commands under way than there is room for.
//!
//! Cycle contract: an entry written in cycle t is `valid` from t + 2 on if nothing is before it; one write and one
//! `take` each cycle are sustained.
//!
//! Written as Verilog text, since the RAM is read without a clock; `update` is its meaning.

use std::collections::VecDeque;

use rust_hdl::prelude::*;

use crate::front_end::MAX_IN_FLIGHT;

/// A queue of entries of `W` bits.
#[derive(LogicBlock, Default)]
pub struct CommandQueue<const W: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Empties the queue.
    pub reset: Signal<In, Bit>,
    /// Stores `data_in`.
    pub write: Signal<In, Bit>,
    /// Entry to store.
    pub data_in: Signal<In, Bits<W>>,
    /// Takes the entry shown; ignored while `valid` is clear.
    pub take: Signal<In, Bit>,
    /// Oldest entry.
    pub entry: Signal<Out, Bits<W>>,
    /// `entry` is one.
    pub valid: Signal<Out, Bit>,
    _waiting: VecDeque<Bits<W>>,
    _shown: bool,
}

impl<const W: usize> Logic for CommandQueue<W> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if !self._shown || self.take.val() {
                let next = self._waiting.pop_front();
                self._shown = next.is_some();
                if let Some(next) = next {
                    self.entry.next = next;
                }
            }
            if self.write.val() {
                self._waiting.push_back(self.data_in.val());
            }
            if self.reset.val() {
                self._waiting.clear();
                self._shown = false;
            }
            self.valid.next = self._shown;
        }
    }

    fn connect(&mut self) {
        self.entry.connect();
        self.valid.connect();
    }

    fn hdl(&self) -> Verilog {
        let bits = MAX_IN_FLIGHT.trailing_zeros();
        Verilog::Custom(format!(
            "reg [{word}:0] mem[{last}:0];\n\
             reg [{bits}:0] write_pointer;\n\
             reg [{bits}:0] read_pointer;\n\
             reg shown;\n\
             wire waiting;\n\
             assign waiting = write_pointer != read_pointer;\n\
             always @(posedge clock) begin\n\
             if (write) begin\n\
             mem[write_pointer[{high}:0]] <= data_in;\n\
             write_pointer <= write_pointer + {pointer}'d1;\n\
             end\n\
             if (!shown | take) begin\n\
             entry <= mem[read_pointer[{high}:0]];\n\
             shown <= waiting;\n\
             if (waiting) read_pointer <= read_pointer + {pointer}'d1;\n\
             end\n\
             if (reset) begin\n\
             write_pointer <= 0;\n\
             read_pointer <= 0;\n\
             shown <= 0;\n\
             end\n\
             end\n\
             always @(*) valid = shown;\n",
            word = W - 1,
            last = MAX_IN_FLIGHT - 1,
            high = bits - 1,
            pointer = bits + 1,
        ))
    }

    fn timing(&self) -> Vec<TimingInfo> {
        vec![TimingInfo {
            name: "command_queue".into(),
            clock: "clock".into(),
            inputs: ["reset", "write", "data_in", "take"]
                .map(String::from)
                .into(),
            outputs: vec!["entry".into(), "valid".into()],
        }]
    }
}

const _: () = assert!(MAX_IN_FLIGHT.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    #[test]
    fn entries_keep_their_order_and_show_after_two_cycles() {
        let clock = |u: &mut CommandQueue<8>, level: bool| u.clock.next = level.into();
        let mut rng = seeded(2);
        let mut uut = CommandQueue::<8>::default();
        uut.connect_all();
        let mut inside: VecDeque<(u64, u64)> = VecDeque::new();
        let mut oldest_since = 0;
        let mut next = 0;
        for cycle in 0..2000u64 {
            let write = inside.len() < MAX_IN_FLIGHT && rng.random_bool(0.4);
            let take = rng.random_bool(0.4);
            uut.write.next = write;
            uut.data_in.next = (next % 256).into();
            uut.take.next = take;
            simulate(&mut uut, 10);
            let shown = inside
                .front()
                .filter(|(_, written)| (written + 2).max(oldest_since) <= cycle);
            assert_eq!(uut.valid.val(), shown.is_some(), "cycle {cycle}");
            if let Some((value, _)) = shown {
                assert_eq!(uut.entry.val(), value % 256, "cycle {cycle}");
                if take {
                    inside.pop_front();
                    oldest_since = cycle + 1;
                }
            }
            if write {
                inside.push_back((next, cycle));
                next += 1;
            }
            tick(&mut uut, clock);
        }
        assert!(next > 500);
    }
}
