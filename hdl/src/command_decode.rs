//! Command decoder: the fields of a record and what is wrong with them.
//!
//! The record is `tercet_contract::command`. `fault` is the code of the first check that fails, 0 if all pass.
//!
//! Cycle contract: the fields follow the record at once; `stop`, `keep`, `has_runs`, `activation_beats` and `fault` a
//! cycle later, for which the record holds still.

use rust_hdl::prelude::*;
use tercet_contract::command::{
    BYTE_ADDRESS_BITS, FLAGS, FLAG_KEEP_ACTIVATIONS, FLAG_RUN_LIST, OPCODE_GEMV, OPCODE_STOP,
};
use tercet_contract::digits::MAX_DIGITS;
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::Geometry;

use crate::constant;

/// 32-bit words of a record that mean something.
pub const RECORD_WORDS: usize = 14;

/// Splits and checks a record.
#[derive(LogicBlock)]
pub struct CommandDecode {
    /// Kernel clock.
    pub clock: Signal<In, Clock>,
    /// The record, word 0 first.
    pub record: Vec<Signal<In, Bits<32>>>,
    /// K of the activations loaded last, 0 if there are none.
    pub loaded_k: Signal<In, Bits<16>>,
    /// Their vectors.
    pub loaded_vectors: Signal<In, Bits<8>>,
    /// The list or ring ends here.
    pub stop: Signal<Out, Bit>,
    /// The activations in the RAM are to be used.
    pub keep: Signal<Out, Bit>,
    /// The weights are the runs of a list.
    pub has_runs: Signal<Out, Bit>,
    /// Vectors.
    pub vectors: Signal<Out, Bits<8>>,
    /// Digits.
    pub digits: Signal<Out, Bits<3>>,
    /// N.
    pub rows: Signal<Out, Bits<20>>,
    /// K.
    pub k: Signal<Out, Bits<16>>,
    /// Beats of a weight row.
    pub row_beats: Signal<Out, Bits<11>>,
    /// Beats of the matrix.
    pub weight_beats: Signal<Out, Bits<32>>,
    /// Entries of the run list.
    pub runs: Signal<Out, Bits<32>>,
    /// Bus beats that hold K activations.
    pub activation_beats: Signal<Out, Bits<12>>,
    /// Offset of the weights.
    pub weights: Signal<Out, Bits<48>>,
    /// Offset of the activations.
    pub activations: Signal<Out, Bits<48>>,
    /// Offset of the results.
    pub results: Signal<Out, Bits<48>>,
    /// Offset of the run list.
    pub run_list: Signal<Out, Bits<48>>,
    /// Error code, or 0.
    pub fault: Signal<Out, Bits<8>>,

    opcode: Signal<Local, Bits<8>>,
    flags: Signal<Local, Bits<8>>,
    command_vectors: Signal<Local, Bits<8>>,
    command_digits: Signal<Local, Bits<8>>,
    command_rows: Signal<Local, Bits<32>>,
    command_k: Signal<Local, Bits<16>>,
    command_row_beats: Signal<Local, Bits<16>>,
    command_beats: Signal<Local, Bits<32>>,
    command_runs: Signal<Local, Bits<32>>,
    low: Signal<Local, Bits<32>>,
    high: Signal<Local, Bits<32>>,
    keeps: Signal<Local, Bit>,
    lists: Signal<Local, Bit>,
    padded_k: Signal<Local, Bits<20>>,
    wide_row_beats: Signal<Local, Bits<20>>,
    excess: Signal<Local, Bits<20>>,
    wrong_row: Signal<Local, Bit>,
    fault_ahead: Signal<Local, Bits<8>>,
    fault_behind: Signal<Local, Bits<8>>,

    is_stop: DFF<Bit>,
    is_keep: DFF<Bit>,
    is_list: DFF<Bit>,
    // The first half of the checks.
    beats_of_k: DFF<Bits<13>>,
    beats_of_row: DFF<Bits<20>>,
    no_gemv: DFF<Bit>,
    wrong_flags: DFF<Bit>,
    wrong_vectors: DFF<Bit>,
    wrong_digits: DFF<Bit>,
    wrong_rows: DFF<Bit>,
    wrong_k: DFF<Bit>,
    wrong_address: DFF<Bit>,
    wrong_length: DFF<Bit>,

    opcode_gemv: Constant<Bits<8>>,
    opcode_stop: Constant<Bits<8>>,
    known_flags: Constant<Bits<8>>,
    keep_flag: Constant<Bits<8>>,
    runs_flag: Constant<Bits<8>>,
    max_vectors: Constant<Bits<8>>,
    max_digits: Constant<Bits<8>>,
    max_rows: Constant<Bits<32>>,
    max_k: Constant<Bits<16>>,
    misaligned: Constant<Bits<32>>,
    too_high: Constant<Bits<32>>,
    beat_mask: Constant<Bits<20>>,
    beat_shift: Constant<Bits<4>>,
    trits: Constant<Bits<20>>,
    // One trit more than four a byte.
    fifth_trit: Constant<Bit>,
    bad_opcode: Constant<Bits<8>>,
    bad_rows: Constant<Bits<8>>,
    bad_k: Constant<Bits<8>>,
    bad_vectors: Constant<Bits<8>>,
    bad_digits: Constant<Bits<8>>,
    bad_address: Constant<Bits<8>>,
    bad_length: Constant<Bits<8>>,
    bad_flags: Constant<Bits<8>>,
}

impl CommandDecode {
    /// The decoder with the bounds of `geometry`.
    pub fn new(geometry: &Geometry) -> Self {
        let beat_bytes = geometry.beat_bytes() as u64;
        let trits = geometry.encoding().trits_per_byte();
        assert!(trits == 4 || trits == 5, "beats of a row from its words");
        Self {
            clock: Default::default(),
            record: crate::many(RECORD_WORDS),
            loaded_k: Default::default(),
            loaded_vectors: Default::default(),
            stop: Default::default(),
            keep: Default::default(),
            has_runs: Default::default(),
            vectors: Default::default(),
            digits: Default::default(),
            rows: Default::default(),
            k: Default::default(),
            row_beats: Default::default(),
            weight_beats: Default::default(),
            runs: Default::default(),
            activation_beats: Default::default(),
            weights: Default::default(),
            activations: Default::default(),
            results: Default::default(),
            run_list: Default::default(),
            fault: Default::default(),
            opcode: Default::default(),
            flags: Default::default(),
            command_vectors: Default::default(),
            command_digits: Default::default(),
            command_rows: Default::default(),
            command_k: Default::default(),
            command_row_beats: Default::default(),
            command_beats: Default::default(),
            command_runs: Default::default(),
            low: Default::default(),
            high: Default::default(),
            keeps: Default::default(),
            lists: Default::default(),
            padded_k: Default::default(),
            wide_row_beats: Default::default(),
            excess: Default::default(),
            wrong_row: Default::default(),
            fault_ahead: Default::default(),
            fault_behind: Default::default(),
            is_stop: Default::default(),
            is_keep: Default::default(),
            is_list: Default::default(),
            beats_of_k: Default::default(),
            beats_of_row: Default::default(),
            no_gemv: Default::default(),
            wrong_flags: Default::default(),
            wrong_vectors: Default::default(),
            wrong_digits: Default::default(),
            wrong_rows: Default::default(),
            wrong_k: Default::default(),
            wrong_address: Default::default(),
            wrong_length: Default::default(),
            opcode_gemv: constant(OPCODE_GEMV.into()),
            opcode_stop: constant(OPCODE_STOP.into()),
            known_flags: constant(FLAGS.into()),
            keep_flag: constant(FLAG_KEEP_ACTIVATIONS.into()),
            runs_flag: constant(FLAG_RUN_LIST.into()),
            max_vectors: constant(geometry.batch() as u64),
            max_digits: constant(MAX_DIGITS as u64),
            max_rows: constant(MAX_ROWS as u64),
            max_k: constant(geometry.max_k() as u64),
            misaligned: constant(ALIGNMENT as u64 - 1),
            too_high: constant(u64::from(u32::MAX << (BYTE_ADDRESS_BITS - 32))),
            beat_mask: constant(beat_bytes - 1),
            beat_shift: constant(beat_bytes.trailing_zeros().into()),
            trits: constant(trits as u64),
            fifth_trit: Constant::new(trits == 5),
            bad_opcode: constant(ErrorCode::BadOpcode as u64),
            bad_rows: constant(ErrorCode::BadRows as u64),
            bad_k: constant(ErrorCode::BadK as u64),
            bad_vectors: constant(ErrorCode::BadVectors as u64),
            bad_digits: constant(ErrorCode::BadDigits as u64),
            bad_address: constant(ErrorCode::BadAddress as u64),
            bad_length: constant(ErrorCode::BadLength as u64),
            bad_flags: constant(ErrorCode::BadFlags as u64),
        }
    }
}

impl Logic for CommandDecode {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            is_stop,
            is_keep,
            is_list,
            beats_of_k,
            beats_of_row,
            no_gemv,
            wrong_flags,
            wrong_vectors,
            wrong_digits,
            wrong_rows,
            wrong_k,
            wrong_address,
            wrong_length
        );
        self.opcode.next = self.record[0].val().get_bits::<8>(0);
        self.flags.next = self.record[0].val().get_bits::<8>(8);
        self.command_vectors.next = self.record[0].val().get_bits::<8>(16);
        self.command_digits.next = self.record[0].val().get_bits::<8>(24);
        self.command_rows.next = self.record[1].val();
        self.command_k.next = self.record[2].val().get_bits::<16>(0);
        self.command_row_beats.next = self.record[2].val().get_bits::<16>(16);
        self.command_beats.next = self.record[3].val();
        self.command_runs.next = self.record[4].val();
        self.keeps.next = (self.flags.val() & self.keep_flag.val()) != 0;
        self.lists.next = (self.flags.val() & self.runs_flag.val()) != 0;
        self.is_stop.d.next = self.opcode.val() == self.opcode_stop.val();
        self.is_keep.d.next = self.keeps.val();
        self.is_list.d.next = self.lists.val();
        self.stop.next = self.is_stop.q.val();
        self.keep.next = self.is_keep.q.val();
        self.has_runs.next = self.is_list.q.val();
        self.vectors.next = self.command_vectors.val();
        self.digits.next = self.command_digits.val().get_bits::<3>(0);
        self.rows.next = self.command_rows.val().get_bits::<20>(0);
        self.k.next = self.command_k.val();
        self.row_beats.next = self.command_row_beats.val().get_bits::<11>(0);
        self.weight_beats.next = self.command_beats.val();
        self.runs.next = self.command_runs.val();
        self.weights.next = bit_cast::<48, 32>(self.record[6].val())
            | (bit_cast::<48, 32>(self.record[7].val()) << 32);
        self.activations.next = bit_cast::<48, 32>(self.record[8].val())
            | (bit_cast::<48, 32>(self.record[9].val()) << 32);
        self.results.next = bit_cast::<48, 32>(self.record[10].val())
            | (bit_cast::<48, 32>(self.record[11].val()) << 32);
        self.run_list.next = bit_cast::<48, 32>(self.record[12].val())
            | (bit_cast::<48, 32>(self.record[13].val()) << 32);

        self.padded_k.next = bit_cast::<20, 16>(self.command_k.val()) + self.beat_mask.val();
        self.beats_of_k.d.next = bit_cast::<13, 20>(self.padded_k.val() >> self.beat_shift.val());
        self.activation_beats.next = self.beats_of_k.q.val().get_bits::<12>(0);
        self.wide_row_beats.next = bit_cast::<20, 16>(self.command_row_beats.val());
        self.beats_of_row.d.next = self.wide_row_beats.val() << 2;
        if self.fifth_trit.val() {
            self.beats_of_row.d.next = (self.wide_row_beats.val() << 2) + self.wide_row_beats.val();
        }

        // A bit that is set in any offset is set in their union.
        self.low.next = (self.record[6].val() | self.record[8].val()) | self.record[10].val();
        self.high.next = (self.record[7].val() | self.record[9].val()) | self.record[11].val();
        if self.lists.val() {
            self.low.next = (self.record[6].val() | self.record[8].val())
                | (self.record[10].val() | self.record[12].val());
            self.high.next = (self.record[7].val() | self.record[9].val())
                | (self.record[11].val() | self.record[13].val());
        }
        self.no_gemv.d.next = self.opcode.val() != self.opcode_gemv.val();
        self.wrong_flags.d.next = (self.flags.val() > self.known_flags.val())
            | (self.keeps.val()
                & ((self.command_k.val() != self.loaded_k.val())
                    | (self.command_vectors.val() > self.loaded_vectors.val())));
        self.wrong_vectors.d.next = (self.command_vectors.val() == 0)
            | (self.command_vectors.val() > self.max_vectors.val());
        self.wrong_digits.d.next =
            (self.command_digits.val() == 0) | (self.command_digits.val() > self.max_digits.val());
        self.wrong_rows.d.next =
            (self.command_rows.val() == 0) | (self.command_rows.val() > self.max_rows.val());
        self.wrong_k.d.next =
            (self.command_k.val() == 0) | (self.command_k.val() > self.max_k.val());
        self.wrong_address.d.next = ((self.low.val() & self.misaligned.val()) != 0)
            | ((self.high.val() & self.too_high.val()) != 0);
        self.wrong_length.d.next =
            (self.command_beats.val() == 0) | (self.lists.val() & (self.command_runs.val() == 0));

        // row_beats is right if the beats of K fill more than all but the last of its words.
        self.excess.next = self.beats_of_row.q.val() - bit_cast::<20, 13>(self.beats_of_k.q.val());
        self.wrong_row.next = self.excess.val() >= self.trits.val();

        // The first of these that holds is reported; the order is part of the contract. `wrong_row` comes late, and
        // so stands alone between those before and behind it.
        self.fault_ahead.next = 0.into();
        if self.no_gemv.q.val() {
            self.fault_ahead.next = self.bad_opcode.val();
        } else if self.wrong_flags.q.val() {
            self.fault_ahead.next = self.bad_flags.val();
        } else if self.wrong_vectors.q.val() {
            self.fault_ahead.next = self.bad_vectors.val();
        } else if self.wrong_digits.q.val() {
            self.fault_ahead.next = self.bad_digits.val();
        } else if self.wrong_rows.q.val() {
            self.fault_ahead.next = self.bad_rows.val();
        } else if self.wrong_k.q.val() {
            self.fault_ahead.next = self.bad_k.val();
        }
        self.fault_behind.next = 0.into();
        if self.wrong_address.q.val() {
            self.fault_behind.next = self.bad_address.val();
        } else if self.wrong_length.q.val() {
            self.fault_behind.next = self.bad_length.val();
        }
        self.fault.next = self.fault_behind.val();
        if self.wrong_row.val() {
            self.fault.next = self.bad_k.val();
        }
        if self.fault_ahead.val() != 0 {
            self.fault.next = self.fault_ahead.val();
        }
        if self.is_stop.q.val() {
            self.fault.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tick;
    use tercet_contract::Command;

    fn fault(change: impl FnOnce(&mut Command), loaded_k: u64) -> Option<ErrorCode> {
        let g = Geometry::DEFAULT;
        let mut command = Command::gemv(&g, 640, 2560, 64, 128, 192).expect("a good command");
        change(&mut command);
        let mut uut = CommandDecode::new(&g);
        uut.connect_all();
        for (i, word) in command.to_bytes().chunks_exact(4).enumerate() {
            if i < RECORD_WORDS {
                let word = u32::from_le_bytes(word.try_into().expect("4 bytes"));
                uut.record[i].next = u64::from(word).into();
            }
        }
        uut.loaded_k.next = loaded_k.into();
        uut.loaded_vectors.next = 1.into();
        tick(&mut uut, |u, level| u.clock.next = level.into());
        assert_eq!(uut.rows.val(), u64::from(command.rows & 0xf_ffff));
        assert_eq!(uut.weights.val(), command.weights & 0xffff_ffff_ffff);
        assert_eq!(uut.keep.val(), command.keeps_activations());
        ErrorCode::from_register(uut.fault.val().to_u32())
    }

    #[test]
    fn a_good_command_has_no_fault() {
        assert_eq!(fault(|_| (), 0), None);
        assert_eq!(fault(|c| *c = c.keep_activations(), 2560), None);
        assert_eq!(fault(|c| *c = c.with_run_list(64, 3).unwrap(), 0), None);
        assert_eq!(fault(|c| *c = Command::stop(), 0), None);
    }

    #[test]
    fn each_fault_has_its_code() {
        let max_k = Geometry::DEFAULT.max_k() as u16;
        assert_eq!(fault(|c| c.opcode = 0, 0), Some(ErrorCode::BadOpcode));
        assert_eq!(fault(|c| c.flags = 4, 0), Some(ErrorCode::BadFlags));
        assert_eq!(
            fault(|c| *c = c.keep_activations(), 640),
            Some(ErrorCode::BadFlags)
        );
        assert_eq!(fault(|c| c.vectors = 0, 0), Some(ErrorCode::BadVectors));
        assert_eq!(fault(|c| c.vectors = 2, 0), Some(ErrorCode::BadVectors));
        assert_eq!(fault(|c| c.digits = 0, 0), Some(ErrorCode::BadDigits));
        assert_eq!(fault(|c| c.digits = 6, 0), Some(ErrorCode::BadDigits));
        assert_eq!(fault(|c| c.rows = 0, 0), Some(ErrorCode::BadRows));
        assert_eq!(fault(|c| c.rows = 1 << 20, 0), Some(ErrorCode::BadRows));
        assert_eq!(fault(|c| c.k = max_k + 1, 0), Some(ErrorCode::BadK));
        assert_eq!(fault(|c| c.row_beats = 7, 0), Some(ErrorCode::BadK));
        assert_eq!(fault(|c| c.row_beats = 9, 0), Some(ErrorCode::BadK));
        assert_eq!(fault(|c| c.row_beats = 0, 0), Some(ErrorCode::BadK));
        assert_eq!(fault(|c| c.results += 4, 0), Some(ErrorCode::BadAddress));
        assert_eq!(
            fault(|c| c.weights = 1 << 48, 0),
            Some(ErrorCode::BadAddress)
        );
        assert_eq!(
            fault(|c| (c.flags, c.runs, c.run_list) = (2, 1, 8), 0),
            Some(ErrorCode::BadAddress)
        );
        assert_eq!(fault(|c| c.weight_beats = 0, 0), Some(ErrorCode::BadLength));
        assert_eq!(fault(|c| c.flags = 2, 0), Some(ErrorCode::BadLength));
    }

    #[test]
    fn row_beats_must_be_those_of_k() {
        for name in ["128-b2", "128-b3", "512-b3"] {
            let g: Geometry = name.parse().expect("a supported geometry");
            let mut uut = CommandDecode::new(&g);
            uut.connect_all();
            for k in (1..g.max_k())
                .step_by(97)
                .chain([g.lanes(), g.lanes() + 1, g.max_k()])
            {
                for off in [-1i64, 0, 1] {
                    let row_beats = (g.row_beats(k) as i64 + off) as u64;
                    uut.record[2].next = (k as u64 | row_beats << 16).into();
                    tick(&mut uut, |u, level| u.clock.next = level.into());
                    assert_eq!(uut.wrong_row.val(), off != 0, "{g} k {k} off by {off}");
                }
            }
        }
    }
}
