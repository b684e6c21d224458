//! The cycle contract as a page.

use std::fmt::Write as _;

use tercet_contract::geometry::WEIGHT_FIFO_BEATS;
use tercet_contract::{Command, Geometry};

use super::stream::lane_cycles;
use super::{cycles, Planned, MAX_IN_FLIGHT};
use crate::kernel::{Counters, Timeline};
use crate::timing::MemoryTiming;

/// Rows and K of the products that the page gives cycles for: the linears of BitNet b1.58 2B-4T.
const SHAPES: [(usize, usize); 4] = [(2560, 2560), (640, 2560), (6912, 2560), (2560, 6912)];

/// `cycles.md` of a kernel: what takes how long, and a table of cycles behind memories of fixed latency.
pub fn contract_markdown(geometry: &Geometry) -> String {
    let mut page = String::new();
    let out = &mut page;
    let _ = writeln!(
        out,
        "# Cycles of `ternary_gemv` {geometry}\n\n\
         Figures are of the cycle model, which equals the RTL cycle for cycle (tier: cycle-accurate).\n\n\
         - One weight beat of {lanes} weights enters the lanes in every cycle in which one is there; \
         rows, and commands whose activations are loaded, follow each other without a gap.\n\
         - From a row's last weight beat to its results in the FIFO: {lane} cycles.\n\
         - At most {room} weight beats are asked for and not consumed; a longer latency leaves gaps.\n\
         - At most {MAX_IN_FLIGHT} commands are in flight. While one streams, the activations of the next are loaded, and its \
         weights and the record of the one after are fetched.\n\
         - A result beat holds one of {places} places from the weight beat that completes it until it is on the bus.\n\n\
         With L the latency of the memory, a single command in the registers takes: 6 cycles to its first requests, \
         L to the first beat of each, the beats of its activations, 3 cycles to the first weight beat in the lanes, \
         its weight beats, {lane} cycles of lanes, the last burst of results, L to its answer, 3 to done. \
         A command in memory takes L and a few cycles more.\n",
        lanes = geometry.lanes(),
        lane = lane_cycles(geometry),
        room = WEIGHT_FIFO_BEATS,
        places = geometry.result_fifo_beats(),
    );
    let _ = writeln!(
        out,
        "| rows x K | L | weight beats | cycles, command in registers | beats a cycle | cycles, command in memory |\n\
         |---|---|---|---|---|---|"
    );
    for (rows, k) in SHAPES.into_iter().filter(|(_, k)| *k <= geometry.max_k()) {
        let Ok(command) = Command::gemv(geometry, rows, k, 0, 1 << 16, 1 << 20) else {
            continue;
        };
        for latency in [64, 128, 200] {
            let of = |record| {
                let planned = Planned {
                    command,
                    record,
                    runs: Vec::new(),
                };
                cycles(geometry, &MemoryTiming::fixed(latency), None, &[planned]).0
            };
            let (registers, memory) = (of(None), of(Some(0)));
            let _ = writeln!(
                out,
                "| {rows} x {k} | {latency} | {} | {} | {:.4} | {} |",
                registers.weight_beats,
                registers.cycles,
                registers.efficiency(),
                memory.cycles
            );
        }
    }
    ring(out, geometry);
    page
}

/// Linears of a 2B-4T layer in the order of their commands: rows, K, whether the activations are those of the
/// command before.
const LAYER: [(usize, usize, bool); 7] = [
    (2560, 2560, false),
    (640, 2560, true),
    (640, 2560, true),
    (2560, 2560, false),
    (6912, 2560, false),
    (6912, 2560, true),
    (2560, 6912, false),
];

/// A layer's commands on one of `units` compute units, in a ring whose activations are there, and what the
/// cycle model counts. Rows are split evenly; the first unit has the most.
pub fn layer_dispatch(geometry: &Geometry, latency: u32, units: usize) -> (Counters, Timeline) {
    let commands: Vec<Planned> = LAYER
        .into_iter()
        .enumerate()
        .map(|(i, (rows, k, keeps))| {
            let at = |n: u64| n << 20;
            let command = Command::gemv(
                geometry,
                rows.div_ceil(units),
                k,
                at(i as u64),
                at(1),
                at(2),
            )
            .expect("a layer within the limits");
            Planned {
                command: match keeps {
                    true => command.keep_activations(),
                    false => command,
                },
                record: Some(64 * i as u64),
                runs: Vec::new(),
            }
        })
        .collect();
    cycles(
        geometry,
        &MemoryTiming::fixed(latency),
        Some(4096),
        &commands,
    )
}

/// The part about ring mode.
fn ring(out: &mut String, geometry: &Geometry) {
    let longest = LAYER
        .iter()
        .map(|l| l.1)
        .max()
        .expect("a layer has linears");
    if longest > geometry.max_k() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Ring mode\n\n\
         The doorbell is the write of `TAIL`; cycles count from the one after it. A dispatch is a queue of the seven linears of a \
         2B-4T layer whose activations are in memory (the rate that the kernel holds), or one command alone, as when its \
         activations depend on the results before: then nothing hides the latencies of record, activations and answers.\n\n\
         | dispatch | compute units | L | doorbell to first weight beat | last weight beat to completion answered | cycles | weight beats a cycle |\n\
         |---|---|---|---|---|---|---|"
    );
    for latency in [64, 128, 200] {
        for units in [1, 16] {
            let (counters, timeline) = layer_dispatch(geometry, latency, units);
            ring_row(out, "layer", units, latency, &counters, &timeline);
        }
        for (rows, k) in SHAPES {
            let command = Command::gemv(geometry, rows, k, 0, 1 << 16, 1 << 20)
                .expect("a linear within the limits");
            let planned = Planned {
                command,
                record: Some(0),
                runs: Vec::new(),
            };
            let timing = MemoryTiming::fixed(latency);
            let (counters, timeline) = cycles(geometry, &timing, Some(4096), &[planned]);
            ring_row(
                out,
                &format!("{rows} x {k}"),
                1,
                latency,
                &counters,
                &timeline,
            );
        }
    }
}

fn ring_row(
    out: &mut String,
    dispatch: &str,
    units: usize,
    latency: u32,
    counters: &Counters,
    timeline: &Timeline,
) {
    let first = timeline.first_weight_beat.unwrap_or_default();
    let last = timeline.last_weight_beat.unwrap_or_default();
    let answered = timeline.last_answer.unwrap_or_default();
    let _ = writeln!(
        out,
        "| {dispatch} | {units} | {latency} | {first} | {} | {} | {:.4} |",
        answered - last,
        counters.cycles,
        counters.efficiency()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_every_shape_and_latency() {
        let page = contract_markdown(&Geometry::DEFAULT);
        assert_eq!(page.matches("| 2560 x 2560 |").count(), 6, "{page}");
        assert_eq!(
            page.lines().filter(|l| l.starts_with("| ")).count(),
            13 + 19
        );
    }

    #[test]
    fn a_single_command_and_a_queue_keep_the_rate() {
        let g = Geometry::DEFAULT;
        for ((rows, k), least) in SHAPES.into_iter().zip([0.97, 0.93, 0.97, 0.97]) {
            let planned = Planned {
                command: Command::gemv(&g, rows, k, 0, 1 << 16, 1 << 20).expect("a linear"),
                record: None,
                runs: Vec::new(),
            };
            let counted = cycles(&g, &MemoryTiming::fixed(128), None, &[planned]).0;
            assert!(counted.efficiency() >= least, "{rows} x {k}: {counted:?}");
        }
        let (counted, _) = layer_dispatch(&g, 128, 16);
        assert!(counted.efficiency() >= 0.9, "{counted:?}");
    }
}
