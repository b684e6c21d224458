//! bitnet-kv260: BitNet 2B4T on a KV260, four engines of 128 bits and base 3 at 250 MHz.

use tercet_contract::Geometry;

use super::Row;
use crate::board::Board;
use crate::device::{Dispatching, Mode};
use crate::model::GroupKind;
use crate::select::Target;
use crate::tier::Tier;
use crate::time_model::{device_time, DeviceTime, Usage};
use crate::units::Bytes;

const SOURCE: &str = "MerlijnW70/bitnet-kv260 docs/measurements.md";
const BLOCKS: usize = 30;
const HIDDEN: usize = 2560;
const VOCABULARY: usize = 128_256;
const ENGINES: usize = 4;

/// Parts of the token that run on the Cortex-A53 or in fabric that is not the engines', published, in ms: glue, head,
/// attention, norms and the like, shift scan.
const OTHER_PARTS_MS: [f64; 5] = [6.85, 5.43, 4.78, 3.50, 2.50];

pub(super) fn rows() -> Vec<Row> {
    let board = Board::find("kv260").expect("a built-in board");
    let mut full = board.clone();
    full.port_gb_s.value = 16.0 * board.clock_hz() / 1e9;
    let (ideal, measured) = (blocks(&full), blocks(&board));
    let head = head(&full);
    let token = measured.total().ms() + OTHER_PARTS_MS.iter().sum::<f64>();
    let tier = board.kernel_tier(Tier::Modelled);
    let all = board.device_tier(Tier::Modelled, Dispatching::SINGLE);
    let row = |what: &str, unit, published, ours, tier, remark: &str| Row {
        what: format!("bitnet-kv260: {what}"),
        unit,
        published,
        ours,
        tier,
        source: SOURCE,
        remark: remark.to_string(),
    };
    let fabric = (ideal.compute + head.compute).ms();
    vec![
        row("weight bytes of a token without padding of the file", "MB", 417.546_240, weight_bytes(&board).0 as f64 / 1e6, Tier::Modelled,
            "our layout of 210 layers, 80 weights in 16 bytes, rows padded to a beat"),
        row("model stream, memory never late", "ms", 32.80, ideal.compute.ms(), tier,
            "cycle model, a beat a cycle; misses because two of the published engines wait for their ports (HP1, HP2) inside bursts, \
             which a beat a cycle does not show"),
        row("model stream, ports as measured", "ms", 32.80, measured.compute.ms(), tier,
            "cycle model and 3.18 GB/s a port; the port's figure is of this measurement, so the row checks bytes and shares only"),
        row("head stream, memory never late", "ms", 4.113, head.compute.ms(), tier,
            "cycle model, a ternary copy of the head, 128,256 x 2560; nothing of it is fitted"),
        row("what the fabric needs a token at the beat rate", "ms", 30.2, fabric, tier,
            "both streams with memory never late; the published figure is itself a projection"),
        row("decode token", "ms", 59.6, token, all,
            "model stream with ports as measured, 120 dispatches, loads and sums from the board file, all other parts as \
             published (23.06 ms); the published parts add up to 57.0, 2.6 ms have no part"),
        row("decode", "tok/s", 16.78, 1e3 / token, all, "from the token above"),
    ]
}

/// The four groups of a block.
fn groups() -> [(GroupKind, Vec<(usize, usize)>); 4] {
    let (kv, ffn) = (640, 6912);
    [
        (
            GroupKind::Qkv,
            vec![(HIDDEN, HIDDEN), (kv, HIDDEN), (kv, HIDDEN)],
        ),
        (GroupKind::O, vec![(HIDDEN, HIDDEN)]),
        (GroupKind::GateUp, vec![(ffn, HIDDEN), (ffn, HIDDEN)]),
        (GroupKind::Down, vec![(HIDDEN, ffn)]),
    ]
}

/// Device time of the linears of a token.
fn blocks(board: &Board) -> DeviceTime {
    let mut time = DeviceTime::default();
    for (kind, shapes) in groups() {
        let usage = usage(board, kind, &shapes);
        for _ in 0..BLOCKS {
            time += device_time(board, &usage);
        }
    }
    time
}

fn weight_bytes(board: &Board) -> Bytes {
    let mut bytes = 0;
    for (kind, shapes) in groups() {
        bytes += BLOCKS as u64 * usage(board, kind, &shapes).weight_bytes.0;
    }
    Bytes(bytes)
}

fn head(board: &Board) -> DeviceTime {
    device_time(board, &usage(board, GroupKind::O, &[(VOCABULARY, HIDDEN)]))
}

/// Work of one group on four engines that share one memory: one launch, one vector in, the sums out.
fn usage(board: &Board, kind: GroupKind, shapes: &[(usize, usize)]) -> Usage {
    let geometry: Geometry = "128-b3-x4".parse().expect("a geometry");
    let dispatch = Dispatching {
        mode: Mode::Launch,
        cus: ENGINES,
    };
    let usage = Target::new(board, geometry, dispatch).usage(shapes);
    Usage {
        launches: 1,
        transfers_to: 1,
        transfers_from: 1,
        bytes_to: Bytes(shapes[0].1 as u64),
        // Sums of gate and up stay in the fabric, where the published glue multiplies them.
        bytes_from: match kind {
            GroupKind::GateUp => Bytes(0),
            _ => Bytes(shapes.iter().map(|(n, _)| 4 * *n as u64).sum()),
        },
        ..usage
    }
}
