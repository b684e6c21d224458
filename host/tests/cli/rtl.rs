//! The main claim on the RTL: every ternary layer on the device, the same tokens.

use std::process::Command;

use crate::support::json;

#[test]
fn tokens_are_the_same_on_the_rtl_with_both_encodings() {
    if Command::new("verilator").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must not skip this: install verilator"
        );
        eprintln!("SKIPPED: verilator is not installed");
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
