//! The cycle model of the contract counts what the RTL counts, cycle for cycle, behind memories that do
//! not stall.

mod common;

use common::{geometry, open_rtl};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::cycles::{exact_command_cycles, LAUNCH_CYCLES};
use tercet_contract::layout::align;
use tercet_contract::{Command, Geometry};
use tercet_sim::{Kernel, Memory, MemoryTiming};

/// Runs `commands` as one list and compares the cycles.
fn compare(kernel: &mut dyn Kernel, latency: u64, commands: &[Command]) {
    let g = kernel.geometry();
    for (i, command) in commands.iter().enumerate() {
        kernel
            .write(Memory::Data, 64 * i as u64, &command.to_bytes())
            .expect("the list fits");
    }
    let counters = kernel
        .launch(0, commands.len() as u32)
        .expect("the kernel ends");
    assert_eq!(counters.error, None);
    let of = |c: &Command| exact_command_cycles(&g, latency, c);
    let modelled = LAUNCH_CYCLES + commands.iter().map(of).sum::<u64>();
    assert_eq!(
        modelled, counters.cycles,
        "model and RTL, {g}, latency {latency}, {commands:?}"
    );
}

/// A list of a few commands with random shapes and buffers that start anywhere on 64 bytes.
fn list(g: &Geometry, rng: &mut StdRng, most_beats: usize) -> Vec<Command> {
    let k = rng.random_range(1..=6 * g.lanes());
    let mut commands = Vec::new();
    for i in 0..rng.random_range(1..=3) {
        let rows = rng.random_range(1..=most_beats / g.row_beats(k));
        let weights = 64 * rng.random_range(0..40);
        let results = 8192 + 64 * rng.random_range(0..40u64) + align(k) as u64;
        let command = Command::gemv(g, rows, k, weights, 4096, results).expect("within limits");
        commands.push(match i {
            0 => command,
            _ => command.keep_activations(),
        });
    }
    commands
}

fn check(name: &str, latency: u32, seed: u64, lists: usize, most_beats: usize) {
    let g = geometry(name);
    let timing = MemoryTiming {
        latency_cycles: latency,
        ..MemoryTiming::default()
    };
    let Some(mut kernel) = open_rtl(&g, timing) else {
        return;
    };
    kernel.resize(Memory::Weights, 1 << 20).expect("memory");
    kernel.resize(Memory::Data, 1 << 17).expect("memory");
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..lists {
        let commands = list(&g, &mut rng, most_beats);
        compare(&mut kernel, latency.into(), &commands);
    }
}

#[test]
fn on_every_geometry() {
    for g in Geometry::all() {
        for latency in [1, 40, 128, 170] {
            check(&g.to_string(), latency, 1, 12, 2000);
        }
    }
}

#[test]
fn with_latencies_beyond_the_fifo() {
    for name in ["512-b3", "256-b2", "128-b3"] {
        for latency in [230, 256, 300, 700] {
            check(name, latency, 2, 6, 4000);
        }
    }
}
