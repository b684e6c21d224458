//! What only the emitted kernel has: registers, interrupt, reset, cycles, waveforms, lint.

mod common;

use common::checks::results::mixed_products;
use common::job::{Job, Product};
use common::ring_feed::RingFeed;
use common::{geometry, open_rtl, rtl_geometries, unless_missing};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tercet_contract::command::{COMMAND_BYTES, OPCODE_STOP};
use tercet_contract::error_code::ErrorCode;
use tercet_contract::registers as map;
use tercet_contract::Geometry;
use tercet_sim::bank::{DATA_BASE, WEIGHTS_BASE};
use tercet_sim::rtl::CYCLE_NS;
use tercet_sim::{lint, simulate_gemv, Kernel, Memory, MemoryTiming, RtlKernel, SimError};

/// A list of two random products of about 100 beats each.
fn job(g: &Geometry) -> Job {
    let mut rng = StdRng::seed_from_u64(1);
    let products = vec![
        Product::random(&mut rng, 50, 2 * g.lanes()),
        Product::random(&mut rng, 33, 3 * g.lanes() - 1),
    ];
    Job::new(g, products, 64)
}

/// Writes the arguments of a launch.
fn write_arguments(kernel: &mut RtlKernel, weights: u64, data: u64, list: u64, count: u32) {
    let mut registers = kernel.registers();
    registers.write64(map::WEIGHTS, weights).unwrap();
    registers.write64(map::DATA, data).unwrap();
    registers.write64(map::LIST, list).unwrap();
    registers.write(map::COUNT, count).unwrap();
    registers.write(map::MODE, 0).unwrap();
}

/// Loads a job and starts it, without waiting for its end.
fn start(kernel: &mut RtlKernel, job: &Job) {
    job.load(kernel);
    write_arguments(
        kernel,
        WEIGHTS_BASE,
        DATA_BASE,
        job.list,
        job.commands.len() as u32,
    );
    kernel
        .registers()
        .write(map::CTRL, map::CTRL_START)
        .unwrap();
}

#[test]
fn verilator_finds_nothing_to_warn_of() {
    for g in rtl_geometries() {
        if let Some(messages) = unless_missing(lint(&g)) {
            assert!(messages.is_empty(), "{g}:\n{messages}");
        }
    }
}

#[test]
fn registers_read_what_the_contract_says() {
    for g in rtl_geometries() {
        for timing in [MemoryTiming::default(), MemoryTiming::stalling(5)] {
            let Some(mut kernel) = open_rtl(&g, timing) else {
                return;
            };
            let mut registers = kernel.registers();
            for register in map::REGISTERS {
                if register.access == map::Access::ReadOnly {
                    registers.write(register.offset, u32::MAX).unwrap();
                }
            }
            assert_eq!(registers.read(map::MAGIC).unwrap(), map::MAGIC_VALUE);
            assert_eq!(
                registers.read(map::GEOMETRY).unwrap(),
                map::geometry_word(&g)
            );
            assert_eq!(registers.read(map::CTRL).unwrap(), map::CTRL_IDLE);
            assert_eq!(registers.read(map::MAX_K).unwrap(), g.max_k() as u32);
            registers.write(map::COUNT, 0x8765_4321).unwrap();
            assert_eq!(registers.read(map::COUNT).unwrap(), 0x8765_4321);
            registers.write(map::TAIL, 0x1234_5678).unwrap();
            assert_eq!(registers.read(map::TAIL).unwrap(), 0x1234_5678);
            registers.write(map::MODE, 3).unwrap();
            assert_eq!(registers.read(map::MODE).unwrap(), 3);
            for word in 0..map::COMMAND_WORDS {
                let register = map::COMMAND + 4 * word;
                registers.write(register, u32::MAX).unwrap();
                assert_eq!(registers.read(register).unwrap(), 0, "write only");
            }
            for offset in [map::WEIGHTS, map::DATA, map::LIST, map::COMPLETION] {
                assert_eq!(
                    registers.read64(offset).unwrap(),
                    0,
                    "reset value of {offset:#x}"
                );
                registers.write64(offset, 0x0123_4567_89ab_cdc0).unwrap();
                assert_eq!(registers.read64(offset).unwrap(), 0x0123_4567_89ab_cdc0);
            }
            assert_eq!(
                registers.read(0xffc).unwrap(),
                0,
                "an address without a register"
            );
            let before = (
                kernel.cycle(),
                kernel.registers().read64(map::UPTIME).unwrap(),
            );
            kernel.wait(1000).unwrap();
            let after = (
                kernel.cycle(),
                kernel.registers().read64(map::UPTIME).unwrap(),
            );
            let (passed, counted) = (after.0 - before.0, after.1 - before.1);
            // The two readings fall on different cycles of their register accesses.
            assert!(
                passed.abs_diff(counted) < 200,
                "{passed} cycles, UPTIME {counted}"
            );
        }
    }
}

#[test]
fn ctrl_and_interrupt_follow_ap_ctrl_hs() {
    let g = geometry("256-b3");
    let Some(mut kernel) = open_rtl(&g, MemoryTiming::default()) else {
        return;
    };
    let job = job(&g);
    // Without enables the pin stays low.
    job.must_succeed(&mut kernel);
    assert!(!kernel.interrupt());

    let mut registers = kernel.registers();
    registers.write(map::GIE, 1).unwrap();
    registers.write(map::IER, 1).unwrap();
    start(&mut kernel, &job);
    let ctrl = kernel.registers().read(map::CTRL).unwrap();
    assert_eq!(
        ctrl & (map::CTRL_IDLE | map::CTRL_DONE),
        0,
        "running: {ctrl:#x}"
    );
    assert!(!kernel.interrupt());
    kernel.wait(5000).unwrap();
    assert!(kernel.interrupt());
    assert_eq!(kernel.registers().read(map::ISR).unwrap(), 1);

    // Done is cleared by reading, the interrupt by toggling its status.
    let ctrl = kernel.registers().read(map::CTRL).unwrap();
    assert_eq!(ctrl, map::CTRL_DONE | map::CTRL_IDLE | map::CTRL_READY);
    assert_eq!(kernel.registers().read(map::CTRL).unwrap(), map::CTRL_IDLE);
    assert!(kernel.interrupt());
    kernel.registers().write(map::ISR, 1).unwrap();
    kernel.wait(2).unwrap();
    assert!(!kernel.interrupt());
    job.check_memory(&mut kernel, 2);
}

#[test]
fn base_registers_are_used_with_both_words() {
    let g = geometry("512-b2");
    let Some(mut kernel) = open_rtl(&g, MemoryTiming::default()) else {
        return;
    };
    let job = job(&g);
    job.load(&mut kernel);
    let low = |address: u64| address & 0xffff_ffff;
    for (weights, data, expected) in [
        (low(WEIGHTS_BASE), DATA_BASE, ErrorCode::WeightRead),
        (DATA_BASE, DATA_BASE, ErrorCode::WeightRead),
        (WEIGHTS_BASE, low(DATA_BASE), ErrorCode::CommandRead),
        (WEIGHTS_BASE, WEIGHTS_BASE, ErrorCode::CommandRead),
        (WEIGHTS_BASE + 32, DATA_BASE, ErrorCode::BadAddress),
        (WEIGHTS_BASE, DATA_BASE + 4, ErrorCode::BadAddress),
        (WEIGHTS_BASE | 1 << 48, DATA_BASE, ErrorCode::BadAddress),
        (WEIGHTS_BASE, DATA_BASE | 1 << 63, ErrorCode::BadAddress),
    ] {
        write_arguments(&mut kernel, weights, data, job.list, 1);
        kernel
            .registers()
            .write(map::CTRL, map::CTRL_START)
            .unwrap();
        kernel.wait(5000).unwrap();
        let mut registers = kernel.registers();
        assert_eq!(registers.read(map::ERROR).unwrap(), expected as u32);
        assert_ne!(registers.read(map::CTRL).unwrap() & map::CTRL_DONE, 0);
    }
    job.must_succeed(&mut kernel);
}

#[test]
fn offsets_in_registers_are_checked() {
    let g = geometry("256-b3-x2");
    let Some(mut kernel) = open_rtl(&g, MemoryTiming::default()) else {
        return;
    };
    let job = job(&g);
    job.load(&mut kernel);
    for (list, completion, mode) in [
        (job.list + 4, 0, 0),
        (1 << 48, 0, 0),
        (1 << 50, 0, map::MODE_IMMEDIATE),
        (job.list, 32, map::MODE_RING),
        (job.list, 1 << 48, map::MODE_RING),
    ] {
        write_arguments(&mut kernel, WEIGHTS_BASE, DATA_BASE, list, 1);
        let mut registers = kernel.registers();
        registers.write64(map::COMPLETION, completion).unwrap();
        registers.write(map::TAIL, 1).unwrap();
        registers.write(map::MODE, mode).unwrap();
        registers.write(map::CTRL, map::CTRL_START).unwrap();
        kernel.wait(5000).unwrap();
        let mut registers = kernel.registers();
        let code = registers.read(map::ERROR).unwrap();
        assert_eq!(
            code,
            ErrorCode::BadAddress as u32,
            "{list:#x} {completion:#x}"
        );
        assert_ne!(registers.read(map::CTRL).unwrap() & map::CTRL_DONE, 0);
    }
    // Of a list, the completion offset is not looked at.
    kernel.registers().write64(map::COMPLETION, 1).unwrap();
    start(&mut kernel, &job);
    kernel.wait(5000).unwrap();
    assert_eq!(kernel.registers().read(map::ERROR).unwrap(), 0);
    job.check_memory(&mut kernel, 2);
}

#[test]
fn arguments_keep_their_values_while_the_kernel_runs() {
    let g = geometry("128-b3");
    let Some(mut kernel) = open_rtl(&g, MemoryTiming::default()) else {
        return;
    };
    let job = job(&g);
    start(&mut kernel, &job);
    let mut registers = kernel.registers();
    for offset in [map::WEIGHTS, map::DATA, map::LIST, map::COMPLETION] {
        registers.write64(offset, u64::MAX).unwrap();
    }
    for offset in [map::COUNT, map::MODE] {
        registers.write(offset, 3).unwrap();
    }
    assert_eq!(registers.read64(map::DATA).unwrap(), DATA_BASE);
    assert_eq!(registers.read(map::MODE).unwrap(), 0);
    kernel.wait(5000).unwrap();
    assert_eq!(kernel.registers().read(map::COMMANDS_DONE).unwrap(), 2);
    job.check_memory(&mut kernel, 2);
}

/// Commands completed, as the ring tells it in memory.
fn completed(kernel: &mut RtlKernel, job: &Job) -> u32 {
    let mut word = [0; 4];
    kernel
        .read(Memory::Data, job.completion, &mut word)
        .unwrap();
    u32::from_le_bytes(word)
}

#[test]
fn the_doorbell_may_be_rung_at_any_time() {
    const ENTRIES: u32 = 4;
    for (name, seed) in [("128-b2-x4", 1), ("512-b3", 2)] {
        let g = geometry(name);
        for timing in [MemoryTiming::default(), MemoryTiming::stalling(seed)] {
            let Some(mut kernel) = open_rtl(&g, timing) else {
                return;
            };
            let mut rng = StdRng::seed_from_u64(seed);
            let products = mixed_products(&mut rng, &kernel, 25);
            let mut job = Job::new(&g, products, 64);
            job.commands[24].opcode = OPCODE_STOP;
            let mut image = job.empty_image();
            image[job.completion as usize..][..4].fill(0);
            job.load_image(&mut kernel, &image);
            write_arguments(&mut kernel, WEIGHTS_BASE, DATA_BASE, job.list, ENTRIES);
            let mut registers = kernel.registers();
            registers
                .write64(map::COMPLETION, DATA_BASE + job.completion)
                .unwrap();
            registers.write(map::TAIL, 0).unwrap();
            registers.write(map::MODE, map::MODE_RING).unwrap();
            registers.write(map::CTRL, map::CTRL_START).unwrap();
            for i in 0..25 {
                let mut polls = 0;
                while i - completed(&mut kernel, &job) >= ENTRIES {
                    kernel.wait(7).unwrap();
                    polls += 1;
                    assert!(polls < 10_000, "{name}: command {i} waits for room");
                }
                let record = job.commands[i as usize].to_bytes();
                let at = job.list as usize + (i % ENTRIES) as usize * COMMAND_BYTES;
                image[at..at + COMMAND_BYTES].copy_from_slice(&record);
                kernel.write(Memory::Data, at as u64, &record).unwrap();
                kernel.registers().write(map::TAIL, i + 1).unwrap();
                kernel.wait(rng.random_range(0..600)).unwrap();
            }
            kernel.wait(40_000).unwrap();
            let mut registers = kernel.registers();
            assert_eq!(registers.read(map::ERROR).unwrap(), 0);
            let ctrl = registers.read(map::CTRL).unwrap();
            assert_eq!(ctrl, map::CTRL_DONE | map::CTRL_IDLE | map::CTRL_READY);
            assert_eq!(completed(&mut kernel, &job), 25, "{name}");
            image[job.completion as usize..][..4].copy_from_slice(&25u32.to_le_bytes());
            job.check_image(&mut kernel, image, 25, None);
        }
    }
}

#[test]
fn cycles_of_an_empty_ring_are_not_counted() {
    let g = geometry("512-b3");
    let Some(mut kernel) = open_rtl(&g, MemoryTiming::default()) else {
        return;
    };
    let job = job(&g);
    let mut cycles = Vec::new();
    for pause in [0, 3000] {
        let mut feed = RingFeed::start(&job, &mut kernel, 2);
        let mut sum = 0;
        for _ in 0..2 {
            kernel.wait(pause).unwrap();
            sum += feed.submit(&mut kernel, 1).cycles;
        }
        cycles.push(sum);
    }
    assert!(cycles[0].abs_diff(cycles[1]) < 100, "{cycles:?}");
}

#[test]
fn a_reset_at_any_moment_leaves_a_clean_kernel() {
    for (name, timing) in [
        ("128-b2", MemoryTiming::default()),
        ("512-b3", MemoryTiming::default()),
        ("256-b3-x2", MemoryTiming::stalling(9)),
    ] {
        let g = geometry(name);
        let Some(mut kernel) = open_rtl(&g, timing) else {
            return;
        };
        let products = mixed_products(&mut StdRng::seed_from_u64(3), &kernel, 5);
        let job = Job::new(&g, products, 64);
        // Prime step: every part of the run is hit, at every phase of a burst.
        for moment in (0..1400).step_by(37) {
            start(&mut kernel, &job);
            kernel.wait(moment).unwrap();
            kernel.reset().unwrap();
            let ctrl = kernel.registers().read(map::CTRL).unwrap();
            assert_eq!(ctrl, map::CTRL_IDLE, "{name}: reset after {moment} cycles");
            let counters = job.must_succeed(&mut kernel);
            assert_eq!(
                counters.commands_done, 5,
                "{name}: reset after {moment} cycles"
            );
        }
    }
}

#[test]
fn rows_cost_a_cycle_a_beat() {
    for g in rtl_geometries() {
        let Some(mut kernel) = open_rtl(&g, MemoryTiming::default()) else {
            return;
        };
        let k = 7 * g.lanes();
        let mut cycles = |n| simulate_gemv(&mut kernel, n, k, 1).unwrap().counters.cycles;
        // Both leave the same number of results for the last burst.
        let (few, many) = (cycles(256), cycles(1024));
        assert_eq!(many - few, (1024 - 256) * 7, "{g}: a bubble in the stream");
    }
}

#[test]
fn a_seed_gives_the_same_cycles_again_and_another_seed_others() {
    let g = geometry("128-b3");
    let mut cycles = Vec::new();
    for seed in [1, 1, 2] {
        let Some(mut kernel) = open_rtl(&g, MemoryTiming::stalling(seed)) else {
            return;
        };
        cycles.push(simulate_gemv(&mut kernel, 40, 500, 1).unwrap().counters);
    }
    assert_eq!(cycles[0], cycles[1]);
    // Two seeds may end in the same cycle by chance, but hardly with the same waits as well.
    assert_ne!(cycles[0], cycles[2]);
    assert!(cycles[0].starved_cycles > 0);
}

#[test]
fn kernels_of_several_geometries_live_side_by_side() {
    let mut kernels = Vec::new();
    for name in ["128-b2", "512-b3", "128-b2", "256-b2"] {
        match open_rtl(&geometry(name), MemoryTiming::default()) {
            Some(kernel) => kernels.push(kernel),
            None => return,
        }
    }
    for round in 0..3 {
        std::thread::scope(|scope| {
            for kernel in &mut kernels {
                scope.spawn(move || {
                    let run = simulate_gemv(kernel, 20 + round, 700, round as u64).unwrap();
                    assert!(run.matches_reference, "{}", run.geometry);
                });
            }
        });
    }
}

#[test]
fn a_waveform_is_written_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.fst");
    let g = geometry("128-b2");
    let opened = RtlKernel::open(&g, MemoryTiming::default(), Some(&path));
    let Some(mut kernel) = unless_missing(opened) else {
        return;
    };
    assert!(
        simulate_gemv(&mut kernel, 4, 64, 1)
            .unwrap()
            .matches_reference
    );
    assert!(!path.exists(), "not before it is whole");
    let cycles = kernel.cycle();
    kernel.finish().unwrap();
    let fst = std::fs::read(&path).unwrap();
    // Block type 0 (header), and some content.
    assert!(fst.len() > 1000 && fst[0] == 0, "{} bytes", fst.len());
    // The last rising edge, in units of 10^-9 s.
    let end = u64::from_be_bytes(fst[17..25].try_into().unwrap());
    assert_eq!(end, CYCLE_NS * cycles - CYCLE_NS / 2);
    assert_eq!(fst[73] as i8, -9);
    // The kernel goes on; nothing else is beside the file.
    assert!(simulate_gemv(&mut kernel, 4, 64, 1).is_ok());
    kernel.finish().unwrap();
    drop(kernel);
    assert_eq!(std::fs::read(&path).unwrap(), fst);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // A kernel that is dropped leaves its waveform in place of the older.
    let opened = RtlKernel::open(&g, MemoryTiming::default(), Some(&path));
    drop(opened.unwrap());
    assert!(std::fs::read(&path).unwrap().len() < fst.len());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let nowhere = folder.path().join("no/such/folder/trace.fst");
    match RtlKernel::open(&g, MemoryTiming::default(), Some(&nowhere)).map(|_| ()) {
        Err(SimError::Trace { path, .. }) => assert_eq!(path, nowhere),
        other => panic!("{other:?}"),
    }
}

#[test]
fn memories_without_end_are_refused_before_anything_is_built() {
    let timing = MemoryTiming {
        latency_cycles: u32::MAX,
        ..MemoryTiming::default()
    };
    let opened = RtlKernel::open(&geometry("128-b2"), timing, None).map(|_| ());
    assert!(
        matches!(opened, Err(SimError::Latency { .. })),
        "{opened:?}"
    );
}
