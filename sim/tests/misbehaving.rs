//! A kernel that breaks a rule, hangs or is another one gives an error that says so.

mod common;

use common::{geometry, unless_missing};
use tercet_contract::registers as map;
use tercet_contract::{Geometry, CONTRACT_VERSION};
use tercet_sim::{Kernel, Memory, MemoryTiming, Ring, RtlKernel, SimError, StallPercent};

/// `verilog/misbehaving.v` with the registers of a geometry.
fn verilog(claimed: &Geometry) -> String {
    let places = [
        ("CTRL", map::CTRL),
        ("COUNT", map::COUNT),
        ("MAGIC", map::MAGIC),
        ("VERSION", map::VERSION),
        ("GEOMETRY", map::GEOMETRY),
        ("MAX_K", map::MAX_K),
        ("ERROR", map::ERROR),
    ]
    .map(|(name, offset)| format!("`define {name}_AT 12'h{offset:x}\n"));
    let words = [
        ("MAGIC", map::MAGIC_VALUE),
        ("VERSION", CONTRACT_VERSION),
        ("GEOMETRY", map::geometry_word(claimed)),
        ("MAX_K", claimed.max_k() as u32),
    ]
    .map(|(name, value)| format!("`define {name}_WORD 32'h{value:x}\n"));
    [
        places.concat(),
        words.concat(),
        include_str!("verilog/misbehaving.v").to_string(),
    ]
    .concat()
}

fn open(timing: MemoryTiming) -> Option<RtlKernel> {
    let g = geometry("128-b2");
    let mut kernel = unless_missing(RtlKernel::open_verilog(&g, &verilog(&g), timing, None))?;
    kernel.resize(Memory::Weights, 4096).unwrap();
    kernel.resize(Memory::Data, 4096).unwrap();
    Some(kernel)
}

/// What a launch in a mode of the misbehaving kernel ends with.
fn failure(mode: u32, timing: MemoryTiming) -> Option<SimError> {
    Some(open(timing)?.launch(0, mode).expect_err("a breach"))
}

#[test]
fn breaches_of_axi_are_named() {
    let calm = MemoryTiming::default();
    // So that a request waits.
    let stalling = MemoryTiming {
        stall_percent: StallPercent::all(90),
        ..MemoryTiming::stalling(1)
    };
    for (mode, timing, expected) in [
        (1, calm, "m_axi_weights AR"),
        (
            1,
            calm,
            "burst of 32 bytes at 0x100000ff0 crosses a 4 KiB boundary",
        ),
        (2, stalling, "payload changed while it waited for READY"),
        (3, stalling, "VALID fell before READY"),
        (4, calm, "m_axi_data W"),
        (4, calm, "WLAST is false with 0 beats"),
        (5, calm, "`ap_done` with 1 bursts under way"),
        (6, calm, "size 2 (2^size bytes a beat), expected 4"),
        (7, calm, "burst type 0, expected 1 (INCR)"),
        (10, calm, "s_axi_control B"),
        (10, calm, "a response without a request"),
        (
            13,
            calm,
            "burst at 0x100000008 does not start on a beat of 16 bytes",
        ),
    ] {
        let Some(error) = failure(mode, timing) else {
            return;
        };
        assert!(
            matches!(error, SimError::Protocol(_)),
            "mode {mode}: {error}"
        );
        assert!(error.to_string().contains(expected), "mode {mode}: {error}");
    }
}

#[test]
fn a_kernel_that_does_not_end_is_a_hang_with_its_state() {
    for (mode, what) in [
        (0, "cycles without a transfer"),
        (11, "no answer to the read of register 0x000"),
    ] {
        let Some(error) = failure(mode, MemoryTiming::default()) else {
            return;
        };
        let text = error.to_string();
        assert!(matches!(error, SimError::Hang { .. }), "{text}");
        for part in [what, "m_axi_weights reads: 0 bursts", "data AW: 0 1"] {
            assert!(text.contains(part), "mode {mode}, `{part}`: {text}");
        }
    }
}

#[test]
fn a_ring_that_never_completes_is_a_hang_and_then_no_ring() {
    let Some(mut kernel) = open(MemoryTiming::default()) else {
        return;
    };
    let ring = Ring {
        records: 0,
        entries: 64,
        completion: 4096 - 64,
    };
    kernel.ring_start(ring).unwrap();
    let dispatched = kernel.ring_dispatch(2);
    assert!(
        matches!(dispatched, Err(SimError::Hang { .. })),
        "{dispatched:?}"
    );
    assert!(matches!(kernel.ring_dispatch(2), Err(SimError::NoRing)));
}

#[test]
fn requests_in_reset_are_a_breach() {
    let Some(mut kernel) = open(MemoryTiming::default()) else {
        return;
    };
    // The first launch hangs, so the second begins with a reset.
    assert!(matches!(kernel.launch(0, 12), Err(SimError::Hang { .. })));
    let text = kernel.launch(0, 12).unwrap_err().to_string();
    assert!(text.contains("VALID is high during reset"), "{text}");
}

#[test]
fn a_model_that_stops_itself_is_an_error_and_not_the_end_of_the_process() {
    let Some(error) = failure(8, MemoryTiming::default()) else {
        return;
    };
    assert!(matches!(error, SimError::Stopped { .. }), "{error}");
    assert!(error.to_string().contains("$stop"), "{error}");
}

#[test]
fn error_codes_outside_the_contract_are_not_guessed() {
    let Some(error) = failure(9, MemoryTiming::default()) else {
        return;
    };
    assert!(
        matches!(error, SimError::UnknownErrorCode { value: 0x77 }),
        "{error}"
    );
}

#[test]
fn another_kernel_is_refused() {
    let wrong = verilog(&geometry("128-b3"));
    let opened =
        RtlKernel::open_verilog(&geometry("128-b2"), &wrong, MemoryTiming::default(), None);
    match opened.map(|_| ()) {
        Err(SimError::MissingTool { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED, NOT TESTED: verilator is not installed");
        }
        Err(SimError::WrongKernel {
            register, found, ..
        }) => {
            assert_eq!((register, found), ("GEOMETRY", 0x0105_0080));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn verilog_that_does_not_build_leaves_a_log() {
    let broken = "module ternary_gemv(input wire ap_clk); nonsense endmodule";
    let opened =
        RtlKernel::open_verilog(&geometry("128-b2"), broken, MemoryTiming::default(), None);
    match opened.map(|_| ()) {
        Err(SimError::MissingTool { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED, NOT TESTED: verilator is not installed");
        }
        Err(SimError::Build { log, tail, .. }) => {
            assert!(tail.contains("syntax error"), "{tail}");
            assert!(std::fs::read_to_string(&log).unwrap().contains(&tail));
        }
        other => panic!("{other:?}"),
    }
}
