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
    // A link so slow that nothing pays, however busy this machine is.
    let flow = [&FLOW[..], &["--board", "ecpix5"]].concat();
    let first = end(d, &flow);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(
        ran(&first.stderr),
        [
            "profile", "analyze", "select", "emit", "simulate", "run cpu", "run all", "compare",
            "report"
        ]
    );
    let files = [
        "analysis.json",
        "comparison.json",
        "comparison.md",
        "flow.json",
        "kernel",
        "pictures",
        "plan.toml",
        "profile.json",
        "report.html",
        "report.md",
        "run-all.json",
        "run-cpu.json",
        "simulation.json",
        "trace.json",
    ];
    assert_eq!(names(&out), files);
    let comparison: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(comparison["tokens_identical"], true);
    assert!(comparison["conclusion"]
        .as_str()
        .unwrap()
        .starts_with("Do not offload"));

    // One time of a token, wherever it is shown, and parts that sum up to it.
    let run = fs::read_to_string(out.join("run-all.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let hybrid = &comparison["hybrids"][0];
    let total = &hybrid["totals"]["decode_s"];
    assert_eq!(total, &run["timing"]["decode"]["total_s"]);
    assert_eq!(
        hybrid["totals"]["prefill_s"],
        run["timing"]["prefill"]["total_s"]
    );
    for (part, whole) in [
        ("hybrid_s", total),
        ("cpu_s", &comparison["cpu"]["decode_s"]),
    ] {
        let stages = hybrid["decode_stages"].as_array().unwrap();
        let sum: f64 = stages.iter().map(|s| s[part].as_f64().unwrap()).sum();
        assert!(
            (sum - whole.as_f64().unwrap()).abs() < 1e-9,
            "{part}: {sum} and {whole}"
        );
    }
    assert_eq!(hybrid["decode_tiers"]["cycles"], "modelled");
    assert_eq!(
        hybrid["decode_tiers"]["kernel"], "projected",
        "the clock is assumed"
    );
    assert_eq!(comparison["threads"], run["timing"]["threads"]);
    assert!(comparison["cpu"]["prefill_cold_s"].is_f64());

    let second = end(d, &flow);
    assert!(ran(&second.stderr).is_empty(), "{}", second.stderr);
    assert_eq!(second.stdout, first.stdout);

    // An edited plan is kept, and what depends on it runs.
    let plan = fs::read_to_string(out.join("plan.toml")).unwrap();
    let edited = plan.replacen("offload = false,", "offload = true, ", 1);
    fs::write(out.join("plan.toml"), &edited).unwrap();
    let third = end(d, &flow);
    assert_eq!(
        ran(&third.stderr),
        ["run plan", "compare", "report"],
        "{}",
        third.stderr
    );
    assert_eq!(fs::read_to_string(out.join("plan.toml")).unwrap(), edited);
    assert!(names(&out).contains(&"run-plan.json".to_string()));

    // What an interrupted run leaves is cleared away; a lost artefact is made again.
    fs::write(out.join(".tercet-x"), "half").unwrap();
    fs::remove_file(out.join("simulation.json")).unwrap();
    let fourth = end(d, &flow);
    assert_eq!(ran(&fourth.stderr), ["simulate"], "{}", fourth.stderr);
    assert!(!names(&out).contains(&".tercet-x".to_string()));

    let mut forced = flow.clone();
    forced.push("--force");
    let fifth = end(d, &forced);
    assert_eq!(ran(&fifth.stderr), ran(&first.stderr), "{}", fifth.stderr);
    assert!(!names(&out).contains(&"run-plan.json".to_string()));
}

#[test]
fn an_edited_plan_is_not_run_for_another_board_or_model() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    checkpoint(d);
    assert_eq!(end(d, &FLOW).code, 0);
    let path = d.join("out/plan.toml");
    let plan = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        plan.replacen("offload = false", "offload = true ", 1),
    )
    .unwrap();
    let with = |more: &[&'static str]| [&FLOW[..], more].concat();

    let e = refused(d, &with(&["--board", "u50"]));
    for part in ["--board u50", "out/plan.toml", "board u55c", "--force"] {
        assert!(e.contains(part), "{part} in {e}");
    }
    assert_eq!(end(d, &with(&["--board", "u55c"])).code, 0);
    let e = refused(d, &with(&["--model", "checkpoint"]));
    for part in [
        "out/plan.toml line",
        "model (embedded)",
        "hand is checkpoint",
    ] {
        assert!(e.contains(part), "{part} in {e}");
    }
    assert_eq!(end(d, &with(&["--board", "u50", "--force"])).code, 0);
    assert!(fs::read_to_string(&path).unwrap().contains("\"u50\""));
    // The plan's board, edited by hand, counts where none is asked for.
    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("\"u50\"", "\"u280\""),
    )
    .unwrap();
    assert!(ok(d, &FLOW).contains("U280"));
}

#[test]
fn a_board_of_measured_figures_is_not_projected() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let board = include_str!("../../boards/u55c.toml")
        .replace("\"assumed\"", "\"measured\"")
        .replace("\"published\"", "\"measured\"");
    fs::write(d.join("mine.toml"), board).unwrap();
    let text = ok(d, &[&FLOW[..9], &["--board", "./mine.toml"]].concat());
    for part in [
        "all on model 512-b",
        "cycles (modelled)",
        "kernel (modelled)",
        " + link (measured)",
        "hybrid (modelled)",
        "(modelled) instead of",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("(projected)"), "{text}");
}

#[test]
fn a_flow_refuses_what_it_cannot_compare_or_read() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for tokens in ["0", "1"] {
        let args = [
            "flow",
            "--device",
            "model",
            "--out",
            "out",
            "--max-tokens",
            tokens,
        ];
        let e = refused(d, &args);
        assert!(
            e.contains(&format!("--max-tokens {tokens}")) && e.contains("2"),
            "{e}"
        );
        assert!(names(d).is_empty());
    }
    fs::create_dir(d.join("out")).unwrap();
    fs::write(d.join("out/flow.json"), "{").unwrap();
    let e = refused(d, &FLOW);
    assert!(e.contains("flow.json") && e.contains("--force"), "{e}");
    assert_eq!(end(d, &[&FLOW[..], &["--force"]].concat()).code, 0);
    assert!(ran(&end(d, &FLOW).stderr).is_empty());
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
