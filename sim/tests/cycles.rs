//! The cycle model counts what the RTL counts, cycle for cycle: any commands, any memory, any back-pressure.

mod timing;

use timing::{check, geometry, memories, Sweep};

#[test]
fn every_bus_encoding_and_batch() {
    for name in [
        "128-b2",
        "128-b3",
        "256-b2",
        "256-b3",
        "512-b2",
        "512-b3",
        "128-b2-x4",
        "256-b3-x2",
        "512-b3-x4",
    ] {
        for timing in memories() {
            check(&geometry(name), timing, Sweep::new(1, 2, 1000));
        }
    }
}

#[test]
fn with_latencies_beyond_the_fifo() {
    for name in ["512-b3", "256-b2", "128-b3"] {
        for latency in [230, 256, 300, 700] {
            let timing = tercet_sim::MemoryTiming::fixed(latency);
            check(&geometry(name), timing, Sweep::new(2, 3, 4000));
        }
    }
}
