//! The main claim on the RTL: every ternary layer on the device, the same tokens.

use std::process::Command;

use serde_json::Value;

use crate::support::{end, json};

/// Whether the RTL can be simulated here; CI must not go without.
fn has_verilator() -> bool {
    if Command::new("verilator").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must not skip this: install verilator"
        );
        eprintln!("SKIPPED: verilator is not installed");
        return false;
    }
    true
}

#[test]
fn tokens_are_the_same_on_the_rtl_with_both_encodings() {
    if !has_verilator() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut args = vec![
            "run",
            "--prompt",
            "Once upon a time",
            "--max-tokens",
            "3",
            "--json",
        ];
        args.extend(more);
        json(dir.path(), &args)
    };
    let cpu = run(&[]);
    for encoding in ["b2", "b3"] {
        let rtl = run(&[
            "--offload",
            "all",
            "--device",
            "rtl",
            "--encoding",
            encoding,
        ]);
        assert_eq!(rtl["tokens"], cpu["tokens"], "{encoding}");
        assert_eq!(rtl["device"]["tier"], "cycle-accurate");
        let model = run(&[
            "--offload",
            "all",
            "--device",
            "model",
            "--encoding",
            encoding,
        ]);
        assert_eq!(
            rtl["device"]["weight_beats"],
            model["device"]["weight_beats"]
        );
    }
}

#[test]
fn tokens_are_the_same_on_units_of_the_rtl_through_rings() {
    if !has_verilator() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &str| {
        let args = [
            "run",
            "--prompt",
            "Once upon a time",
            "--max-tokens",
            "3",
            "--json",
        ];
        let more: Vec<&str> = more.split_whitespace().collect();
        json(dir.path(), &[&args[..], &more].concat())
    };
    let cpu = run("");
    // An odd share of rows, and a prompt that is no whole number of batches.
    let ring = run("--device rtl --geometry 128-b2-x2 --cus 3 --mode ring");
    let launches = run("--device rtl --geometry 128-b2-x2");
    assert_eq!(ring["tokens"], cpu["tokens"]);
    assert_eq!(launches["tokens"], cpu["tokens"]);
    let beats = |run: &Value| run["device"]["weight_beats"].clone();
    assert_eq!(beats(&ring), beats(&launches));
    assert_eq!(
        (&ring["device"]["launches"], &ring["device"]["tier"]),
        (&0.into(), &"cycle-accurate".into())
    );
    assert!(ring["device"]["cycles"].as_u64() < launches["device"]["cycles"].as_u64());
}

#[test]
fn faults_end_in_an_error_a_reset_or_a_hang_that_is_told() {
    if !has_verilator() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let simulate = |more: &str| {
        let args =
            "simulate --rows 64 --k 640 --geometry 128-b2-x2 --json".to_string() + " " + more;
        let args: Vec<&str> = args.split_whitespace().collect();
        let ended = end(dir.path(), &args);
        let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        (ended, json)
    };
    for mode in ["launch", "ring"] {
        for (fault, code, outcome) in [
            ("weights-slverr@150", 1, "error"),
            ("write-decerr@0", 1, "error"),
            ("weights-hang@150", 1, "hang"),
            ("reset@200", 0, "reset"),
            ("reset@900000", 0, "none"),
        ] {
            let (ended, s) = simulate(&format!("--mode {mode} --fault {fault}"));
            assert_eq!(ended.code, code, "{fault}: {}", ended.stderr);
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
            assert_eq!(s["fault"]["outcome"], outcome, "{fault}");
            assert_eq!(s["fault"]["injected"], fault);
            assert_eq!(s["error"].is_object(), outcome == "error", "{fault}");
            let clean = match outcome {
                "none" => Value::Null,
                _ => true.into(),
            };
            assert_eq!(s["fault"]["clean_run_matches"], clean, "{fault}");
            assert_eq!(s["matches_reference"], code == 0, "{fault}");
        }
    }
    let (ended, s) = simulate("--cus 2 --fault data-slverr@0");
    assert_eq!((ended.code, &s["error"]["code"]), (1, &0x11.into()));
    assert_eq!(s["error"]["meaning"], "bus error while reading activations");
}

#[test]
fn the_model_counts_what_the_rtl_counts() {
    if !has_verilator() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for more in [
        "--cus 3",
        "--mode ring --commands 3",
        "--digits 3 --rows-share 0.4",
    ] {
        let args = "simulate --rows 64 --k 640 --geometry 128-b2-x2 --json ".to_string() + more;
        let args: Vec<&str> = args.split_whitespace().collect();
        let rtl = json(dir.path(), &args);
        assert_eq!(rtl["cycles"], rtl["modelled_cycles"], "{more}");
        assert_eq!(rtl["matches_reference"], true, "{more}");
    }
}

#[test]
fn a_waveform_may_show_some_cycles_only() {
    if !has_verilator() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let simulate = |more: &str| {
        let args = "simulate --rows 64 --k 640 --geometry 128-b2 --trace w.fst ".to_string() + more;
        end(dir.path(), &args.split_whitespace().collect::<Vec<_>>())
    };
    // First and last time in the header of an FST file, in ns.
    let times = || {
        let fst = std::fs::read(dir.path().join("w.fst")).expect("a waveform");
        let time = |at: usize| u64::from_be_bytes(fst[at..at + 8].try_into().unwrap());
        (time(9), time(17))
    };
    for mode in ["launch", "ring"] {
        let ended = simulate(&format!("--mode {mode} --trace-from 50 --trace-cycles 20"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let (first, last) = times();
        // Half a cycle, 2 ns, is what each of 20 cycles has after its last change.
        assert_eq!(last - first, 20 * 4 - 2, "{mode}: from {first} to {last}");
    }
    let ended = simulate("--trace-from 1000000");
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("w.fst") && ended.stderr.contains("window"));
    let without = ["simulate", "--rows", "4", "--k", "4", "--trace-from", "5"];
    let ended = end(dir.path(), &without);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--trace"), "{}", ended.stderr);
}
