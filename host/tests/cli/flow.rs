//! The whole line, resumed and edited.

use std::fs;

use crate::support::{checkpoint, end, names, ok, refused};

const FLOW: [&str; 10] = [
    "flow",
    "--device",
    "model",
    "--rounds",
    "2",
    "--max-tokens",
    "6",
    "--out",
    "out",
    "--json",
];

/// Stages of a flow's stderr that really ran.
fn ran(stderr: &str) -> Vec<&str> {
    let idle = ["unchanged", "not needed", "kept"];
    stderr
        .lines()
        .filter(|l| !idle.iter().any(|i| l[12..].trim_start().starts_with(i)))
        .map(|l| l[..12].trim_end())
        .collect()
}

#[test]
fn a_flow_is_resumed_where_something_changed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let out = d.join("out");
    let first = end(d, &FLOW);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(
        ran(&first.stderr),
        ["profile", "select", "emit", "simulate", "run cpu", "run all", "compare"]
    );
    let files = [
        "comparison.json",
        "comparison.md",
        "flow.json",
        "kernel",
        "plan.toml",
        "profile.json",
        "run-all.json",
        "run-cpu.json",
        "simulation.json",
    ];
    assert_eq!(names(&out), files);
    let comparison: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(comparison["tokens_identical"], true);
    assert!(comparison["conclusion"]
        .as_str()
        .unwrap()
        .starts_with("Do not offload"));

    let second = end(d, &FLOW);
    assert!(ran(&second.stderr).is_empty(), "{}", second.stderr);
    assert_eq!(second.stdout, first.stdout);

    // An edited plan is kept, and what depends on it runs.
    let plan = fs::read_to_string(out.join("plan.toml")).unwrap();
    let edited = plan.replacen("offload = false,", "offload = true, ", 1);
    fs::write(out.join("plan.toml"), &edited).unwrap();
    let third = end(d, &FLOW);
    assert_eq!(
        ran(&third.stderr),
        ["run plan", "compare"],
        "{}",
        third.stderr
    );
    assert_eq!(fs::read_to_string(out.join("plan.toml")).unwrap(), edited);
    assert!(names(&out).contains(&"run-plan.json".to_string()));

    // What an interrupted run leaves is cleared away; a lost artefact is made again.
    fs::write(out.join(".tercet-x"), "half").unwrap();
    fs::remove_file(out.join("simulation.json")).unwrap();
    let fourth = end(d, &FLOW);
    assert_eq!(ran(&fourth.stderr), ["simulate"], "{}", fourth.stderr);
    assert!(!names(&out).contains(&".tercet-x".to_string()));

    let mut forced = FLOW.to_vec();
    forced.push("--force");
    let fifth = end(d, &forced);
    assert_eq!(ran(&fifth.stderr), ran(&first.stderr), "{}", fifth.stderr);
    assert!(!names(&out).contains(&"run-plan.json".to_string()));
}

#[test]
fn a_flow_of_a_folder_is_told_by_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let copy = checkpoint(dir.path());
    let mut args = FLOW.to_vec();
    args.extend(["--model", "checkpoint"]);
    assert_eq!(end(dir.path(), &args).code, 0);
    assert!(ran(&end(dir.path(), &args).stderr).is_empty());
    let config = fs::read_to_string(copy.join("config.json")).unwrap();
    fs::write(copy.join("config.json"), config + "\n").unwrap();
    assert!(ran(&end(dir.path(), &args).stderr).contains(&"profile"));
}

#[test]
fn runs_of_a_folder_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let run = |more: &[&str]| {
        let mut args = vec!["run", "--prompt", "The", "--max-tokens", "4", "--out", "r"];
        args.extend(more);
        end(d, &args)
    };
    assert!(refused(d, &["compare", "r"]).contains("run-cpu.json"));
    assert_eq!(run(&["--device", "cpu"]).code, 0);
    assert!(refused(d, &["compare", "r"]).contains("--offload all"));
    assert_eq!(run(&["--offload", "all"]).code, 0);
    assert!(
        run(&["--offload", "all"]).stderr.contains("--force"),
        "not replaced unasked"
    );
    let text = ok(d, &["compare", "r"]);
    for part in [
        "CPU only (measured)",
        "projected",
        "tokens identical",
        "Do not offload",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(fs::read_to_string(d.join("r/comparison.md"))
        .unwrap()
        .contains("| decode, tokens/s"));

    // Another token on the device is a failed check, not bad use.
    let path = d.join("r/run-all.json");
    let mut report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    report["tokens"][2] = 7.into();
    fs::write(&path, report.to_string()).unwrap();
    let e = end(d, &["compare", "r"]);
    assert_eq!(e.code, 1, "{}", e.stderr);
    assert!(e.stderr.contains("first at 2"), "{}", e.stderr);
    assert!(e.stdout.contains("NO, from token 2"), "{}", e.stdout);

    report["prompt"] = "That".into();
    fs::write(&path, report.to_string()).unwrap();
    assert!(refused(d, &["compare", "r"]).contains("prompt differs"));
}
