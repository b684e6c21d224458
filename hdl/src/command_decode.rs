//! Command decoder: the fields of a 64-byte record and what is wrong with them.
//!
//! The record is `tercet_contract::command`. Combinational: `fault` is the code of the first check that
//! fails, 0 if all pass.

use rust_hdl::prelude::*;
use tercet_contract::command::{field, FLAG_KEEP_ACTIVATIONS, OPCODE_GEMV};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::geometry::MAX_ROWS;
use tercet_contract::layout::ALIGNMENT;
use tercet_contract::Geometry;

use crate::constant;

/// Splits and checks a record.
#[derive(LogicBlock)]
pub struct CommandDecode {
    /// The record, byte 0 in the lowest bits.
    pub record: Signal<In, Bits<512>>,
    /// K of the activations in the RAM, 0 if there are none.
    pub loaded_k: Signal<In, Bits<32>>,
    /// The activations in the RAM are to be used.
    pub keep: Signal<Out, Bit>,
    /// N.
    pub rows: Signal<Out, Bits<32>>,
    /// K.
    pub k: Signal<Out, Bits<32>>,
    /// Beats of a row.
    pub row_beats: Signal<Out, Bits<32>>,
    /// Beats of the matrix.
    pub weight_beats: Signal<Out, Bits<32>>,
    /// Bus beats that hold K activations.
    pub activation_beats: Signal<Out, Bits<32>>,
    /// Offset of the weights.
    pub weights: Signal<Out, Bits<64>>,
    /// Offset of the activations.
    pub activations: Signal<Out, Bits<64>>,
    /// Offset of the results.
    pub results: Signal<Out, Bits<64>>,
    /// Error code, or 0.
    pub fault: Signal<Out, Bits<8>>,

    opcode: Signal<Local, Bits<8>>,
    flags: Signal<Local, Bits<8>>,
    vectors: Signal<Local, Bits<8>>,
    command_rows: Signal<Local, Bits<32>>,
    command_k: Signal<Local, Bits<32>>,
    command_row_beats: Signal<Local, Bits<32>>,
    command_weight_beats: Signal<Local, Bits<32>>,
    weights_offset: Signal<Local, Bits<64>>,
    activations_offset: Signal<Local, Bits<64>>,
    results_offset: Signal<Local, Bits<64>>,
    offsets: Signal<Local, Bits<64>>,
    padded_k: Signal<Local, Bits<32>>,
    keeps: Signal<Local, Bit>,

    opcode_at: Constant<Bits<16>>,
    flags_at: Constant<Bits<16>>,
    vectors_at: Constant<Bits<16>>,
    rows_at: Constant<Bits<16>>,
    k_at: Constant<Bits<16>>,
    row_beats_at: Constant<Bits<16>>,
    weight_beats_at: Constant<Bits<16>>,
    weights_at: Constant<Bits<16>>,
    activations_at: Constant<Bits<16>>,
    results_at: Constant<Bits<16>>,
    opcode_gemv: Constant<Bits<8>>,
    known_flags: Constant<Bits<8>>,
    max_vectors: Constant<Bits<8>>,
    max_rows: Constant<Bits<32>>,
    max_k: Constant<Bits<32>>,
    max_row_beats: Constant<Bits<32>>,
    misaligned: Constant<Bits<64>>,
    beat_mask: Constant<Bits<32>>,
    beat_shift: Constant<Bits<4>>,
    bad_opcode: Constant<Bits<8>>,
    bad_rows: Constant<Bits<8>>,
    bad_k: Constant<Bits<8>>,
    bad_vectors: Constant<Bits<8>>,
    bad_alignment: Constant<Bits<8>>,
    bad_length: Constant<Bits<8>>,
    bad_flags: Constant<Bits<8>>,
}

/// Bit offset of a record field.
fn bit_of(byte: usize) -> Constant<Bits<16>> {
    constant(8 * byte as u64)
}

impl CommandDecode {
    /// The decoder with the bounds of `geometry`.
    pub fn new(geometry: &Geometry) -> Self {
        let beat_bytes = geometry.beat_bytes() as u64;
        Self {
            record: Default::default(),
            loaded_k: Default::default(),
            keep: Default::default(),
            rows: Default::default(),
            k: Default::default(),
            row_beats: Default::default(),
            weight_beats: Default::default(),
            activation_beats: Default::default(),
            weights: Default::default(),
            activations: Default::default(),
            results: Default::default(),
            fault: Default::default(),
            opcode: Default::default(),
            flags: Default::default(),
            vectors: Default::default(),
            command_rows: Default::default(),
            command_k: Default::default(),
            command_row_beats: Default::default(),
            command_weight_beats: Default::default(),
            weights_offset: Default::default(),
            activations_offset: Default::default(),
            results_offset: Default::default(),
            offsets: Default::default(),
            padded_k: Default::default(),
            keeps: Default::default(),
            opcode_at: bit_of(field::OPCODE),
            flags_at: bit_of(field::FLAGS),
            vectors_at: bit_of(field::VECTORS),
            rows_at: bit_of(field::ROWS),
            k_at: bit_of(field::K),
            row_beats_at: bit_of(field::ROW_BEATS),
            weight_beats_at: bit_of(field::WEIGHT_BEATS),
            weights_at: bit_of(field::WEIGHTS),
            activations_at: bit_of(field::ACTIVATIONS),
            results_at: bit_of(field::RESULTS),
            opcode_gemv: constant(OPCODE_GEMV.into()),
            known_flags: constant(FLAG_KEEP_ACTIVATIONS.into()),
            max_vectors: constant(geometry.batch() as u64),
            max_rows: constant(MAX_ROWS as u64),
            max_k: constant(geometry.max_k() as u64),
            max_row_beats: constant(geometry.activation_words() as u64),
            misaligned: constant(ALIGNMENT as u64 - 1),
            beat_mask: constant(beat_bytes - 1),
            beat_shift: constant(beat_bytes.trailing_zeros().into()),
            bad_opcode: constant(ErrorCode::BadOpcode as u64),
            bad_rows: constant(ErrorCode::BadRows as u64),
            bad_k: constant(ErrorCode::BadK as u64),
            bad_vectors: constant(ErrorCode::BadVectors as u64),
            bad_alignment: constant(ErrorCode::BadAlignment as u64),
            bad_length: constant(ErrorCode::BadLength as u64),
            bad_flags: constant(ErrorCode::BadFlags as u64),
        }
    }
}

impl Logic for CommandDecode {
    #[hdl_gen]
    fn update(&mut self) {
        self.opcode.next = self
            .record
            .val()
            .get_bits::<8>(self.opcode_at.val().index());
        self.flags.next = self.record.val().get_bits::<8>(self.flags_at.val().index());
        self.vectors.next = self
            .record
            .val()
            .get_bits::<8>(self.vectors_at.val().index());
        self.command_rows.next = self.record.val().get_bits::<32>(self.rows_at.val().index());
        self.command_k.next = self.record.val().get_bits::<32>(self.k_at.val().index());
        self.command_row_beats.next = self
            .record
            .val()
            .get_bits::<32>(self.row_beats_at.val().index());
        self.command_weight_beats.next = self
            .record
            .val()
            .get_bits::<32>(self.weight_beats_at.val().index());
        self.weight_beats.next = self.command_weight_beats.val();
        self.weights_offset.next = self
            .record
            .val()
            .get_bits::<64>(self.weights_at.val().index());
        self.activations_offset.next = self
            .record
            .val()
            .get_bits::<64>(self.activations_at.val().index());
        self.results_offset.next = self
            .record
            .val()
            .get_bits::<64>(self.results_at.val().index());
        self.rows.next = self.command_rows.val();
        self.k.next = self.command_k.val();
        self.row_beats.next = self.command_row_beats.val();
        self.weights.next = self.weights_offset.val();
        self.activations.next = self.activations_offset.val();
        self.results.next = self.results_offset.val();
        self.padded_k.next = self.command_k.val() + self.beat_mask.val();
        self.activation_beats.next = self.padded_k.val() >> self.beat_shift.val();
        self.keeps.next = (self.flags.val() & self.known_flags.val()) != 0;
        self.keep.next = self.keeps.val();

        // A low bit that is set in any offset is set in their union.
        self.offsets.next =
            self.weights_offset.val() | self.activations_offset.val() | self.results_offset.val();

        // The first of these that holds is reported; the order is part of the contract.
        self.fault.next = 0.into();
        if self.opcode.val() != self.opcode_gemv.val() {
            self.fault.next = self.bad_opcode.val();
        } else if (self.flags.val() > self.known_flags.val())
            | (self.keeps.val() & (self.command_k.val() != self.loaded_k.val()))
        {
            self.fault.next = self.bad_flags.val();
        } else if (self.vectors.val() == 0) | (self.vectors.val() > self.max_vectors.val()) {
            self.fault.next = self.bad_vectors.val();
        } else if (self.command_rows.val() == 0) | (self.command_rows.val() > self.max_rows.val()) {
            self.fault.next = self.bad_rows.val();
        } else if (self.command_k.val() == 0)
            | (self.command_k.val() > self.max_k.val())
            | (self.command_row_beats.val() == 0)
            | (self.command_row_beats.val() > self.max_row_beats.val())
        {
            self.fault.next = self.bad_k.val();
        } else if (self.offsets.val() & self.misaligned.val()) != 0 {
            self.fault.next = self.bad_alignment.val();
        } else if self.command_weight_beats.val() == 0 {
            self.fault.next = self.bad_length.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tercet_contract::Command;

    fn fault(change: impl FnOnce(&mut Command), loaded_k: u64) -> Option<ErrorCode> {
        let g = Geometry::DEFAULT;
        let mut command = Command::gemv(&g, 640, 2560, 64, 128, 192).expect("a good command");
        change(&mut command);
        let mut record = Bits::<512>::default();
        for (i, byte) in command.to_bytes().into_iter().enumerate() {
            for b in 0..8 {
                record = record.replace_bit(8 * i + b, byte >> b & 1 == 1);
            }
        }
        let mut uut = CommandDecode::new(&g);
        uut.connect_all();
        uut.record.next = record;
        uut.loaded_k.next = loaded_k.into();
        simulate(&mut uut, 10);
        assert_eq!(uut.rows.val(), u64::from(command.rows));
        assert_eq!(uut.weights.val(), command.weights);
        assert_eq!(uut.keep.val(), command.keeps_activations());
        ErrorCode::from_register(uut.fault.val().to_u32())
    }

    #[test]
    fn a_good_command_has_no_fault() {
        assert_eq!(fault(|_| (), 0), None);
        assert_eq!(fault(|c| *c = c.keep_activations(), 2560), None);
    }

    #[test]
    fn each_fault_has_its_code() {
        let max_k = Geometry::DEFAULT.max_k() as u32;
        assert_eq!(fault(|c| c.opcode = 0, 0), Some(ErrorCode::BadOpcode));
        assert_eq!(fault(|c| c.flags = 2, 0), Some(ErrorCode::BadFlags));
        assert_eq!(
            fault(|c| *c = c.keep_activations(), 640),
            Some(ErrorCode::BadFlags)
        );
        assert_eq!(fault(|c| c.vectors = 0, 0), Some(ErrorCode::BadVectors));
        assert_eq!(fault(|c| c.vectors = 2, 0), Some(ErrorCode::BadVectors));
        assert_eq!(fault(|c| c.rows = 0, 0), Some(ErrorCode::BadRows));
        assert_eq!(fault(|c| c.rows = 1 << 20, 0), Some(ErrorCode::BadRows));
        assert_eq!(fault(|c| c.k = max_k + 1, 0), Some(ErrorCode::BadK));
        assert_eq!(fault(|c| c.row_beats = 65, 0), Some(ErrorCode::BadK));
        assert_eq!(fault(|c| c.results += 4, 0), Some(ErrorCode::BadAlignment));
        assert_eq!(fault(|c| c.weight_beats = 0, 0), Some(ErrorCode::BadLength));
    }
}
