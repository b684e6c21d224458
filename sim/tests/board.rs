//! The Verilated board, byte by byte over its serial line.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::registers as map;
use tercet_contract::serial::message::{Opcode, Reply, Request, Status, DATA_SPACE, MAX_COUNT};
use tercet_contract::serial::{encode, Decoder, Identity};
use tercet_contract::{layout, Command, Geometry};
use tercet_hdl::board::BIT_CYCLES;
use tercet_sim::board::SerialBoard;

const SESSION: u16 = 0x1234;

/// Variable with a netlist of the real board, to be tested in place of its Verilog (`scripts/build-bitstream`).
const NETLIST: &str = "TERCET_BOARD_NETLIST";

fn board() -> SerialBoard {
    match std::env::var_os(NETLIST) {
        None => SerialBoard::open().unwrap(),
        Some(path) => {
            let netlist = std::fs::read_to_string(&path).unwrap();
            SerialBoard::of_verilog(&netlist, BIT_CYCLES).unwrap()
        }
    }
}

/// A host that makes no mistakes, on a line without noise.
struct Host {
    board: SerialBoard,
    sequence: u8,
}

impl Host {
    fn new() -> Self {
        let mut host = Host {
            board: board(),
            sequence: 0,
        };
        host.board.run(1000).unwrap();
        host
    }

    /// A host with a session.
    fn open() -> Self {
        let mut host = Host::new();
        assert_eq!(host.ask(Opcode::Open, 0, 0, &[]).status, Status::Ok);
        host
    }

    fn request(&mut self, opcode: Opcode, address: u32, count: usize, payload: &[u8]) -> Request {
        self.sequence = self.sequence.wrapping_add(1);
        Request {
            opcode,
            sequence: self.sequence,
            session: SESSION,
            count: count as u16,
            address,
            payload: payload.to_vec(),
        }
    }

    fn ask(&mut self, opcode: Opcode, address: u32, count: usize, payload: &[u8]) -> Reply {
        let request = self.request(opcode, address, count, payload);
        let mut line = Vec::new();
        encode(&request.to_bytes(), &mut line);
        let mut replies = self.exchange(&line);
        assert_eq!(replies.len(), 1, "{request:?}");
        let reply = replies.remove(0);
        assert!(reply.answers(&request), "{request:?}: {reply:?}");
        reply
    }

    /// What comes back for these bytes.
    fn exchange(&mut self, line: &[u8]) -> Vec<Reply> {
        self.board.send(line);
        let bytes = self.board.run(10_000_000).unwrap();
        assert!(self.board.is_quiet());
        let mut decoder = Decoder::default();
        let bodies = bytes.iter().filter_map(|b| decoder.push(*b));
        bodies.map(|b| Reply::from_bytes(&b).unwrap()).collect()
    }

    fn write(&mut self, address: u32, bytes: &[u8]) {
        for (i, part) in bytes.chunks(MAX_COUNT).enumerate() {
            let at = address + (i * MAX_COUNT) as u32;
            let reply = self.ask(Opcode::WriteMemory, at, part.len(), part);
            assert_eq!(reply.status, Status::Ok);
        }
    }

    fn read(&mut self, address: u32, count: usize) -> Vec<u8> {
        let reply = self.ask(Opcode::ReadMemory, address, count, &[]);
        assert_eq!((reply.status, reply.payload.len()), (Status::Ok, count));
        reply.payload
    }

    fn register(&mut self, offset: u32) -> u32 {
        let reply = self.ask(Opcode::ReadRegisters, offset, 4, &[]);
        u32::from_le_bytes(reply.payload.try_into().unwrap())
    }
}

#[test]
fn a_session_is_opened_and_the_kernel_answers() {
    let mut host = Host::new();
    let reply = host.ask(Opcode::ReadRegisters, map::MAGIC, 4, &[]);
    assert_eq!((reply.status, reply.session), (Status::Session, 0));
    let reply = host.ask(Opcode::Open, 0, 0, &[]);
    assert_eq!((reply.status, reply.session), (Status::Ok, SESSION));
    let identity = Identity::from_bytes(&reply.payload).unwrap();
    assert_eq!((identity.weights, identity.data), (256 << 10, 32 << 10));
    assert!([tercet_sim::board::line::BIT_CYCLES, BIT_CYCLES].contains(&identity.bit_cycles));
    assert_eq!(host.register(map::MAGIC), map::MAGIC_VALUE);
    let geometry: Geometry = "128-b2".parse().unwrap();
    assert_eq!(host.register(map::GEOMETRY), map::geometry_word(&geometry));
    host.board.reset();
    host.board.run(20_000).unwrap();
    let reply = host.ask(Opcode::ReadRegisters, map::MAGIC, 4, &[]);
    assert_eq!((reply.status, reply.session), (Status::Session, 0));
}

#[test]
fn memories_keep_their_bytes() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut host = Host::open();
    let places = [0, (256 << 10) - 1024, DATA_SPACE, DATA_SPACE + (31 << 10)];
    let blocks = places.map(|at| {
        let bytes: Vec<u8> = (0..1024).map(|_| rng.random()).collect();
        host.write(at, &bytes);
        bytes
    });
    for (at, bytes) in places.into_iter().zip(blocks) {
        assert_eq!(host.read(at, 1024), bytes, "{at:#x}");
        assert_eq!(host.read(at + 48, 16), bytes[48..64]);
    }
}

#[test]
fn what_is_out_of_range_is_refused_without_effect() {
    let mut host = Host::open();
    host.write(DATA_SPACE, &[7; 32]);
    let refused = [
        (Opcode::WriteMemory, 256 << 10, 16, 16),
        (Opcode::WriteMemory, (256 << 10) - 16, 32, 32),
        (Opcode::WriteMemory, DATA_SPACE + (32 << 10), 16, 16),
        (Opcode::WriteMemory, DATA_SPACE, 16, 15),
        (Opcode::WriteMemory, DATA_SPACE, 15, 15),
        (Opcode::WriteMemory, DATA_SPACE + 8, 16, 16),
        (Opcode::WriteMemory, DATA_SPACE, 0, 0),
        (Opcode::WriteMemory, u32::MAX - 15, 16, 16),
        (Opcode::ReadMemory, DATA_SPACE, 1040, 0),
        (Opcode::ReadMemory, DATA_SPACE, 16, 16),
        (Opcode::ReadRegisters, 4096, 4, 0),
        (Opcode::ReadRegisters, u32::MAX - 3, 4, 0),
        (Opcode::ReadRegisters, 2, 4, 0),
        (Opcode::WriteRegisters, 0, 4, 8),
        (Opcode::Open, 0, 4, 4),
        (Opcode::ResetKernel, 0, 4, 0),
    ];
    for (opcode, address, count, payload) in refused {
        let reply = host.ask(opcode, address, count, &vec![1; payload]);
        let case = format!("{opcode:?} {address:#x} {count} {payload}");
        assert_eq!(
            (reply.status, reply.payload),
            (Status::Range, vec![]),
            "{case}"
        );
    }
    assert_eq!(host.read(DATA_SPACE, 32), [7; 32]);
    let mut body = host.request(Opcode::Open, 0, 0, &[]).to_bytes();
    body[0] = 7;
    let mut line = Vec::new();
    encode(&body, &mut line);
    assert_eq!(host.exchange(&line)[0].status, Status::Opcode);
}

#[test]
fn an_equal_frame_is_answered_again_and_not_carried_out_again() {
    let mut host = Host::open();
    host.write(DATA_SPACE, &[1; 16]);
    let request = host.request(Opcode::ReadMemory, DATA_SPACE, 16, &[]);
    let mut line = Vec::new();
    encode(&request.to_bytes(), &mut line);
    let first = host.exchange(&line);
    assert_eq!(first, host.exchange(&line));
    // Reading CTRL clears a bit: the repeated frame has it still.
    let start = map::CTRL_START.to_le_bytes();
    host.ask(Opcode::WriteRegisters, map::CTRL, 4, &start);
    let request = host.request(Opcode::ReadRegisters, map::CTRL, 4, &[]);
    line.clear();
    encode(&request.to_bytes(), &mut line);
    let first = host.exchange(&line);
    assert_ne!(u32::from(first[0].payload[0]) & map::CTRL_DONE, 0);
    assert_eq!(first, host.exchange(&line));
    assert_eq!(host.register(map::CTRL) & map::CTRL_DONE, 0);
}

#[test]
fn what_comes_while_the_board_is_busy_is_dropped() {
    let mut host = Host::open();
    let first = host.request(Opcode::ReadMemory, DATA_SPACE, 1024, &[]);
    let second = host.request(Opcode::ReadRegisters, map::MAGIC, 4, &[]);
    let mut line = Vec::new();
    encode(&first.to_bytes(), &mut line);
    encode(&second.to_bytes(), &mut line);
    let replies = host.exchange(&line);
    assert!(
        replies.len() == 1 && replies[0].answers(&first),
        "{replies:?}"
    );
    assert_eq!(host.register(map::MAGIC), map::MAGIC_VALUE);
}

#[test]
fn noise_is_passed_over() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut host = Host::open();
    for _ in 0..40 {
        let noise: Vec<u8> = (0..rng.random_range(0..100))
            .map(|_| rng.random())
            .collect();
        assert_eq!(host.exchange(&noise), []);
        assert_eq!(host.register(map::MAGIC), map::MAGIC_VALUE);
    }
    // A frame longer than the buffer, and one that is cut short.
    assert_eq!(host.exchange(&[0x7e]), []);
    assert_eq!(host.exchange(&[0; 5000]), []);
    assert_eq!(host.register(map::MAGIC), map::MAGIC_VALUE);
    assert_eq!(host.exchange(&[0x7e, 5, 0, 0, 0x7d]), []);
    assert_eq!(host.register(map::MAGIC), map::MAGIC_VALUE);
}

#[test]
fn a_product_is_exact() {
    let geometry: Geometry = "128-b2".parse().unwrap();
    let mut rng = StdRng::seed_from_u64(3);
    let mut host = Host::open();
    for (n, k) in [(1, 1), (37, 300), (64, 256)] {
        let trits: Vec<i8> = (0..n * k).map(|_| rng.random_range(-1..=1)).collect();
        let codes: Vec<i8> = (0..k).map(|_| rng.random()).collect();
        host.write(0, &layout::pack_matrix(&geometry, n, k, &trits));
        let mut x: Vec<u8> = codes.iter().map(|c| *c as u8).collect();
        x.resize(k.next_multiple_of(64), 0);
        host.write(DATA_SPACE, &x);
        let results = layout::align(geometry.vector_stride(k)) as u64;
        let command = Command::gemv(&geometry, n, k, 0, 0, results).unwrap();
        host.ask(
            Opcode::WriteRegisters,
            map::COMMAND,
            56,
            &command.to_bytes()[..56],
        );
        let words = [map::COUNT, map::MODE].map(|at| (at, 1 + u32::from(at == map::MODE)));
        for (at, value) in words {
            host.ask(Opcode::WriteRegisters, at, 4, &value.to_le_bytes());
        }
        for at in [map::WEIGHTS, map::DATA, map::LIST] {
            host.ask(Opcode::WriteRegisters, at, 8, &[0; 8]);
        }
        host.ask(Opcode::WriteRegisters, map::CTRL, 4, &[1, 0, 0, 0]);
        let done = (0..1000).any(|_| host.register(map::CTRL) & map::CTRL_DONE != 0);
        assert!(done, "{n} x {k}");
        assert_eq!(host.register(map::ERROR), 0);
        assert_eq!(host.register(map::COMMANDS_DONE), 1);
        let bytes = host.read(DATA_SPACE + results as u32, (4 * n).next_multiple_of(16));
        for (row, sum) in trits.chunks(k).zip(bytes.chunks(4)) {
            let want: i32 = row
                .iter()
                .zip(&codes)
                .map(|(w, x)| i32::from(*w) * i32::from(*x))
                .sum();
            assert_eq!(i32::from_le_bytes(sum.try_into().unwrap()), want);
        }
    }
}
