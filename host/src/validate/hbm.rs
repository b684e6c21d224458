//! What HBM delivers: AWS F2 in a benchmark, TerEffic while it streams a model.

use super::Row;
use crate::board::Board;
use crate::tier::Tier;
use crate::time_model::{device_time, Usage};
use crate::units::Bytes;

/// Pseudo-channels of two stacks of HBM2.
const CHANNELS: u64 = 32;
/// Bytes of a 512-bit beat.
const BEAT: u64 = 64;

pub(super) fn rows() -> Vec<Row> {
    let board = Board::find("u280").expect("a built-in board");
    let tier = board.port_gb_s.basis.tier().max(Tier::Modelled);
    let f2 = 16e9;
    let tereffic = 2.7e9 * 1.6 / 8.0;
    vec![
        Row {
            what: "AWS F2: HBM read bandwidth".to_string(),
            unit: "GB/s",
            published: 426.3,
            ours: f2 / stream(&board, f2) / 1e9,
            tier,
            source: "aws-fpga cl_mem_perf",
            remark: "32 ports, each as one port of a U280 was measured; nothing of F2 goes in".to_string(),
        },
        Row {
            what: "TerEffic: decode, 2.7B weights from the HBM of a U280".to_string(),
            unit: "tok/s",
            published: 727.0,
            ours: 1.0 / stream(&board, tereffic),
            tier,
            source: "arXiv 2502.16473v2",
            remark: "2.7e9 weights of 1.6 bits through 32 ports of a U280, nothing else: an upper bound, which what is \
                     not streaming lowers"
                .to_string(),
        },
    ]
}

/// Seconds that `bytes` take through all channels at once, a 512-bit port each.
fn stream(board: &Board, bytes: f64) -> f64 {
    let beats = (bytes / (CHANNELS * BEAT) as f64).ceil() as u64;
    let usage = Usage {
        cycles: crate::units::Cycles(beats),
        weight_beats: CHANNELS * beats,
        slowest_beats: beats,
        weight_bytes: Bytes(CHANNELS * beats * BEAT),
        ..Usage::default()
    };
    device_time(board, &usage).compute.0
}
