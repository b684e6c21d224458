//! Reads the header of a request and judges it (`tercet_contract::serial::message`): combinational.

use rust_hdl::prelude::*;
use tercet_contract::registers::ADDRESS_BITS;
use tercet_contract::serial::frame::CRC_BYTES;
use tercet_contract::serial::message::{MAX_COUNT, REQUEST_HEADER};
use tercet_contract::serial::Status;

use crate::constant;

/// The judge, for memories of 16-byte beats.
#[derive(LogicBlock)]
pub struct RequestJudge {
    /// Header of the request, byte 0 lowest.
    pub header: Signal<In, Bits<80>>,
    /// Bytes of the request with its check value.
    pub length: Signal<In, Bits<12>>,
    /// Session of the board, 0 if it has none.
    pub session: Signal<In, Bits<16>>,
    /// What is asked.
    pub opcode: Signal<Out, Bits<8>>,
    /// Sequence number.
    pub number: Signal<Out, Bits<8>>,
    /// Session of the request.
    pub asked_session: Signal<Out, Bits<16>>,
    /// Bytes to write or read.
    pub count: Signal<Out, Bits<16>>,
    /// Where.
    pub address: Signal<Out, Bits<32>>,
    /// It is about registers.
    pub is_register: Signal<Out, Bit>,
    /// How the request ends if it is refused; 0 if it is to be carried out.
    pub status: Signal<Out, Bits<2>>,

    payload: Signal<Local, Bits<16>>,
    expected: Signal<Local, Bits<16>>,
    offset: Signal<Local, Bits<32>>,
    past: Signal<Local, Bits<32>>,
    limit: Signal<Local, Bits<32>>,
    low_bits: Signal<Local, Bits<4>>,
    is_memory: Signal<Local, Bit>,
    in_session: Signal<Local, Bit>,
    well_formed: Signal<Local, Bit>,

    overhead: Constant<Bits<16>>,
    most: Constant<Bits<16>>,
    weights_end: Constant<Bits<32>>,
    data_end: Constant<Bits<32>>,
    registers_end: Constant<Bits<32>>,
    offset_mask: Constant<Bits<32>>,
    opcode_status: Constant<Bits<2>>,
    session_status: Constant<Bits<2>>,
    range_status: Constant<Bits<2>>,
}

impl RequestJudge {
    /// For memories of so many bytes.
    pub fn new(weights: u32, data: u32) -> Self {
        RequestJudge {
            header: Default::default(),
            length: Default::default(),
            session: Default::default(),
            opcode: Default::default(),
            number: Default::default(),
            asked_session: Default::default(),
            count: Default::default(),
            address: Default::default(),
            is_register: Default::default(),
            status: Default::default(),
            payload: Default::default(),
            expected: Default::default(),
            offset: Default::default(),
            past: Default::default(),
            limit: Default::default(),
            low_bits: Default::default(),
            is_memory: Default::default(),
            in_session: Default::default(),
            well_formed: Default::default(),
            overhead: constant((REQUEST_HEADER + CRC_BYTES) as u64),
            most: constant(MAX_COUNT as u64),
            weights_end: constant(weights.into()),
            data_end: constant(data.into()),
            registers_end: constant(1 << ADDRESS_BITS),
            offset_mask: constant(0x7fff_ffff),
            opcode_status: constant(Status::Opcode as u64),
            session_status: constant(Status::Session as u64),
            range_status: constant(Status::Range as u64),
        }
    }
}

impl Logic for RequestJudge {
    #[hdl_gen]
    fn update(&mut self) {
        self.opcode.next = self.header.val().get_bits::<8>(0);
        self.number.next = self.header.val().get_bits::<8>(8);
        self.asked_session.next = self.header.val().get_bits::<16>(16);
        self.count.next = self.header.val().get_bits::<16>(32);
        self.address.next = self.header.val().get_bits::<32>(48);

        self.payload.next = bit_cast::<16, 12>(self.length.val()) - self.overhead.val();
        self.in_session.next = (self.header.val().get_bits::<16>(16) == self.session.val())
            & (self.session.val() != 0);
        self.is_memory.next =
            (self.header.val().get_bits::<8>(0) == 2) | (self.header.val().get_bits::<8>(0) == 3);
        self.is_register.next =
            (self.header.val().get_bits::<8>(0) == 4) | (self.header.val().get_bits::<8>(0) == 5);
        self.expected.next = 0.into();
        if (self.header.val().get_bits::<8>(0) == 2) | (self.header.val().get_bits::<8>(0) == 4) {
            self.expected.next = self.header.val().get_bits::<16>(32);
        }
        self.offset.next = self.header.val().get_bits::<32>(48);
        self.limit.next = self.weights_end.val();
        if self.is_register.val() {
            self.limit.next = self.registers_end.val();
        } else if self.header.val().get_bit(79) {
            self.offset.next = self.header.val().get_bits::<32>(48) & self.offset_mask.val();
            self.limit.next = self.data_end.val();
        }
        self.past.next = self.offset.val() + bit_cast::<32, 16>(self.count.val());
        self.low_bits.next =
            self.header.val().get_bits::<4>(48) | self.header.val().get_bits::<4>(32);
        self.well_formed.next = self.payload.val() == self.expected.val();
        if self.is_memory.val() | self.is_register.val() {
            // An address that wraps with the count is above the limit by itself.
            if (self.count.val() == 0)
                | (self.count.val() > self.most.val())
                | (self.past.val() > self.limit.val())
                | (self.offset.val() > self.limit.val())
                | (self.low_bits.val().get_bits::<2>(0) != 0)
                | (self.is_memory.val() & (self.low_bits.val() != 0))
            {
                self.well_formed.next = false;
            }
        } else if self.count.val() != 0 {
            self.well_formed.next = false;
        }

        self.status.next = 0.into();
        if (self.opcode.val() == 0) | (self.opcode.val() > 6) {
            self.status.next = self.opcode_status.val();
        } else if (self.opcode.val() != 1) & !self.in_session.val() {
            self.status.next = self.session_status.val();
        } else if !self.well_formed.val() | (self.header.val().get_bits::<16>(16) == 0) {
            self.status.next = self.range_status.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tercet_contract::serial::message::DATA_SPACE;
    use tercet_contract::serial::{Opcode, Request};

    fn status(session: u16, request: &Request) -> u64 {
        let mut uut = RequestJudge::new(256 << 10, 32 << 10);
        uut.connect_all();
        let body = request.to_bytes();
        let header = body[..REQUEST_HEADER].iter().rev();
        uut.header.next = header.fold(Bits::<80>::default(), |h, b| (h << 8) | u64::from(*b));
        uut.length.next = ((body.len() + CRC_BYTES) as u64).into();
        uut.session.next = u64::from(session).into();
        simulate(&mut uut, 10);
        assert_eq!(uut.opcode.val(), u64::from(body[0]));
        assert_eq!(uut.address.val(), u64::from(request.address));
        uut.status.val().to_u8().into()
    }

    fn request(opcode: Opcode, address: u32, count: u16, payload: usize) -> Request {
        Request {
            opcode,
            sequence: 9,
            session: 5,
            count,
            address,
            payload: vec![0; payload],
        }
    }

    #[test]
    fn requests_are_taken_up_to_the_last_byte_and_no_further() {
        use Opcode::*;
        let (weights, data) = (256 << 10, 32 << 10);
        for (opcode, address, count, payload, want) in [
            (WriteMemory, weights - 16, 16, 16, Status::Ok),
            (WriteMemory, weights, 16, 16, Status::Range),
            (WriteMemory, weights - 16, 32, 32, Status::Range),
            (
                WriteMemory,
                DATA_SPACE + data - 1024,
                1024,
                1024,
                Status::Ok,
            ),
            (
                WriteMemory,
                DATA_SPACE + data - 1008,
                1024,
                1024,
                Status::Range,
            ),
            (WriteMemory, 0, 16, 15, Status::Range),
            (WriteMemory, u32::MAX - 15, 16, 16, Status::Range),
            (ReadMemory, 16, 16, 0, Status::Ok),
            (ReadMemory, 8, 16, 0, Status::Range),
            (ReadMemory, 0, 1040, 0, Status::Range),
            (ReadMemory, 0, 0, 0, Status::Range),
            (ReadRegisters, 4092, 4, 0, Status::Ok),
            (ReadRegisters, 4092, 8, 0, Status::Range),
            (ReadRegisters, 2, 4, 0, Status::Range),
            (WriteRegisters, 8, 4, 8, Status::Range),
            (ResetKernel, 0, 0, 0, Status::Ok),
            (ResetKernel, 0, 4, 0, Status::Range),
        ] {
            let asked = request(opcode, address, count, payload);
            assert_eq!(
                status(5, &asked),
                want as u64,
                "{opcode:?} {address:#x} {count}"
            );
            assert_eq!(status(6, &asked), Status::Session as u64);
        }
    }

    #[test]
    fn without_a_session_only_opening_one_is_taken() {
        assert_eq!(status(0, &request(Opcode::Open, 0, 0, 0)), 0);
        let of_none = |asked| Request {
            session: 0,
            ..asked
        };
        let asked = of_none(request(Opcode::ReadMemory, 0, 16, 0));
        assert_eq!(status(0, &asked), Status::Session as u64);
        let asked = of_none(request(Opcode::Open, 0, 0, 0));
        assert_eq!(status(0, &asked), Status::Range as u64);
    }
}
