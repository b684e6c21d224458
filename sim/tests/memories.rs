//! The RTL kernel behind memories that are slow in their own ways, and behind faults that begin at a cycle.

mod common;

use common::{geometry, open_rtl};
use tercet_contract::error_code::ErrorCode;
use tercet_sim::axi::{Channel, Port};
use tercet_sim::{
    simulate_gemv, DdrParameters, HbmParameters, Kernel, MemoryModel, MemoryTiming, RtlKernel,
    SimError, StallPercent,
};

fn of(model: MemoryModel) -> MemoryTiming {
    MemoryTiming {
        model,
        ..MemoryTiming::default()
    }
}

/// Cycles of a product of 64 rows and 2560 columns that must be right.
fn cycles(kernel: &mut RtlKernel) -> u64 {
    let run = simulate_gemv(kernel, 64, 2560, 1).expect("a product");
    assert!(run.matches_reference);
    run.counters.cycles
}

#[test]
fn results_are_right_behind_every_memory() {
    let hbm = of(MemoryModel::Hbm(HbmParameters::at(300)));
    let timings = [
        hbm,
        of(MemoryModel::Ddr(DdrParameters::at(300))),
        MemoryTiming {
            stall_seed: Some(3),
            ..hbm
        },
        MemoryTiming {
            ready_after_valid: true,
            ..MemoryTiming::stalling(4)
        },
        MemoryTiming {
            stall_percent: StallPercent::only(&[(Port::Data, Channel::W, 90)]),
            ..MemoryTiming::stalling(5)
        },
        MemoryTiming {
            stall_percent: StallPercent::only(&[(Port::Weights, Channel::R, 90)]),
            ..MemoryTiming::stalling(6)
        },
    ];
    for name in ["512-b3", "128-b2"] {
        for timing in timings {
            let Some(mut kernel) = open_rtl(&geometry(name), timing) else {
                return;
            };
            let first = cycles(&mut kernel);
            assert_eq!(cycles(&mut kernel), first, "a launch like the one before");
        }
    }
}

#[test]
fn a_slow_channel_slows_a_wide_bus() {
    let g = geometry("512-b3");
    let Some(mut fixed) = open_rtl(&g, MemoryTiming::fixed(84)) else {
        return;
    };
    let Some(mut hbm) = open_rtl(&g, of(MemoryModel::Hbm(HbmParameters::at(300)))) else {
        return;
    };
    // 47.9 bytes a cycle instead of 64.
    assert!(cycles(&mut hbm) > cycles(&mut fixed));
}

#[test]
fn faults_begin_at_their_cycle() {
    let g = geometry("512-b3");
    let Some(mut kernel) = open_rtl(&g, MemoryTiming::fixed(20)) else {
        return;
    };
    let clean = simulate_gemv(&mut kernel, 256, 2560, 1).expect("a product");
    let late = 10 * clean.counters.cycles;
    for (fault, code) in [
        ("weights-slverr@150", ErrorCode::WeightRead),
        ("weights-decerr@150", ErrorCode::WeightRead),
        ("data-slverr@0", ErrorCode::ActivationRead),
        ("data-decerr@60", ErrorCode::ActivationRead),
        ("write-slverr@0", ErrorCode::ResultWrite),
        ("write-decerr@0", ErrorCode::ResultWrite),
    ] {
        kernel.inject_at(fault.parse().expect("a fault"));
        let run = simulate_gemv(&mut kernel, 256, 2560, 1).expect("an end");
        assert_eq!(run.counters.error, Some((code, 0)), "{fault}");
        // Once: the next launch is clean.
        let run = simulate_gemv(&mut kernel, 256, 2560, 1).expect("a product");
        assert_eq!(run.counters, clean.counters, "{fault}");
        assert!(run.matches_reference, "{fault}");
    }
    for kind in ["weights-hang", "data-hang", "write-hang", "reset"] {
        kernel.inject_at(format!("{kind}@50").parse().expect("a fault"));
        let error = simulate_gemv(&mut kernel, 256, 2560, 1).expect_err("no end");
        assert!(matches!(error, SimError::Hang { .. }), "{kind}: {error}");
        kernel.clear_faults();
        let run = simulate_gemv(&mut kernel, 256, 2560, 1).expect("a product");
        assert!(run.matches_reference, "{kind}");
    }
    kernel.inject_at(format!("weights-hang@{late}").parse().expect("a fault"));
    let run = simulate_gemv(&mut kernel, 256, 2560, 1).expect("a product");
    assert!(run.matches_reference);
}
