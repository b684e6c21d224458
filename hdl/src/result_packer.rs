//! Result packer: the int32 results of rows become bus beats.
//!
//! A row brings B results at once, one for each vector of the batch, which become the next B words of
//! the beat. `beat_end` closes the beat: it is full, or the command ends here; words of it that no row has
//! brought keep what stood there before and are not written, since the write master strobes only
//! the words of the command.
//!
//! Cycle contract: a row a cycle; `beat_valid` follows the row with `beat_end` by one cycle, and `beat` holds still
//! in that cycle only.
//!
//! Written as Verilog text, since each word has an enable of its own; `update` is its meaning.

use std::fmt::Write as _;

use rust_hdl::prelude::*;

/// Packs rows of `B` results, `R = 32 B` bits, into beats of `W` bits.
#[derive(LogicBlock)]
pub struct ResultPacker<const W: usize> {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// Forgets a beat that was begun.
    pub reset: Signal<In, Bit>,
    /// A finished row: `results[v]` of vector v.
    pub results: Vec<Signal<In, Bits<32>>>,
    /// `results` are there.
    pub result_valid: Signal<In, Bit>,
    /// This row closes the beat.
    pub beat_end: Signal<In, Bit>,
    /// A closed beat, word n in bits 32n to 32n + 31.
    pub beat: Signal<Out, Bits<W>>,
    /// `beat` is there, in this cycle only.
    pub beat_valid: Signal<Out, Bit>,
    _words: Vec<u32>,
    _place: usize,
}

impl<const W: usize> ResultPacker<W> {
    /// A packer for `batch` results a row.
    pub fn new(batch: usize) -> Self {
        assert!((W / 32).is_multiple_of(batch), "whole rows fill a beat");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            results: crate::many(batch),
            result_valid: Default::default(),
            beat_end: Default::default(),
            beat: Default::default(),
            beat_valid: Default::default(),
            _words: vec![0; W / 32],
            _place: 0,
        }
    }
}

impl<const W: usize> Logic for ResultPacker<W> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let closes = self.result_valid.val() && self.beat_end.val();
            self.beat_valid.next = closes && !self.reset.val();
            if self.result_valid.val() {
                for (v, result) in self.results.iter().enumerate() {
                    self._words[self._place + v] = result.val().to_u32();
                }
                self._place = match closes {
                    true => 0,
                    false => (self._place + self.results.len()) % self._words.len(),
                };
            }
            if self.reset.val() {
                self._place = 0;
            }
            let mut beat = Bits::<W>::default();
            for (n, word) in self._words.iter().enumerate() {
                for b in 0..32 {
                    beat = beat.replace_bit(32 * n + b, word >> b & 1 == 1);
                }
            }
            self.beat.next = beat;
        }
    }

    fn connect(&mut self) {
        self.beat.connect();
        self.beat_valid.connect();
    }

    fn hdl(&self) -> Verilog {
        let batch = self.results.len();
        let places = W / 32 / batch;
        let mut v = format!("reg [{}:0] words;\nreg closed;\n", W - 1);
        let mut body = String::new();
        if places > 1 {
            let bits = places.trailing_zeros();
            let _ = writeln!(v, "reg [{}:0] place;", bits - 1);
            let _ = writeln!(
                body,
                "if (reset) place <= 0; else if (result_valid) place <= beat_end ? {bits}'d0 : place + {bits}'d1;"
            );
        }
        for place in 0..places {
            let here = match places {
                1 => "result_valid".to_string(),
                _ => format!("result_valid & (place == {place})"),
            };
            for lane in 0..batch {
                let low = 32 * (place * batch + lane);
                let _ = writeln!(
                    body,
                    "if ({here}) words[{}:{low}] <= results${lane};",
                    low + 31
                );
            }
        }
        let _ = writeln!(body, "closed <= result_valid & beat_end & ~reset;");
        let _ = writeln!(v, "always @(posedge clock) begin\n{body}end");
        let _ = writeln!(
            v,
            "always @(*) begin beat = words; beat_valid = closed; end"
        );
        Verilog::Custom(v)
    }

    fn timing(&self) -> Vec<TimingInfo> {
        let mut inputs: Vec<String> = ["reset", "result_valid", "beat_end"]
            .map(String::from)
            .into();
        inputs.extend((0..self.results.len()).map(|v| format!("results${v}")));
        vec![TimingInfo {
            name: "result_packer".into(),
            clock: "clock".into(),
            inputs,
            outputs: vec!["beat".into(), "beat_valid".into()],
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::Rng;

    #[test]
    fn rows_fill_beats_in_order_and_commands_start_afresh() {
        for batch in [1usize, 2, 4] {
            let mut rng = seeded(5);
            let mut uut = ResultPacker::<128>::new(batch);
            uut.connect_all();
            let places = 4 / batch;
            let mut beats = Vec::new();
            let mut want: Vec<Vec<u64>> = Vec::new();
            let mut open: Vec<u64> = Vec::new();
            for cycle in 0..400u64 {
                let valid = rng.random_bool(0.6);
                let full = open.len() + batch == 4;
                let end = full || rng.random_bool(0.2);
                uut.result_valid.next = valid;
                uut.beat_end.next = end;
                for v in 0..batch {
                    uut.results[v].next = (cycle * 4 + v as u64).into();
                }
                if valid {
                    open.extend((0..batch as u64).map(|v| cycle * 4 + v));
                    if end {
                        want.push(std::mem::take(&mut open));
                    }
                }
                tick(&mut uut, |u, level| u.clock.next = level.into());
                if uut.beat_valid.val() {
                    beats.push(uut.beat.val());
                }
            }
            assert_eq!(beats.len(), want.len());
            assert!(places == 1 || want.iter().any(|w| w.len() < 4));
            for (beat, want) in beats.iter().zip(want) {
                for (n, word) in want.iter().enumerate() {
                    assert_eq!(beat.get_bits::<32>(32 * n).to_u64(), *word);
                }
            }
        }
    }
}
